//! The keys of a history alone, each with its verdict.

use askama::Template;

use super::section::{Drawn, KeyRow, View, drawn};

#[derive(Template)]
#[template(path = "parts/keys.html")]
struct Keys<'a> {
    keys: &'a [KeyRow],
    left_out: usize,
}

pub(super) fn section(view: &View<'_>) -> Drawn {
    match view.extra.keys.as_slice() {
        [] => Ok(None),
        keys => drawn(&Keys { keys, left_out: view.extra.keys_left_out }, &[]),
    }
}
