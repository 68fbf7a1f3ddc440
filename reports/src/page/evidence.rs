//! The recorded lines that contradict a promise.

use askama::Template;

use super::section::{Drawn, View, drawn};

#[derive(Template)]
#[template(path = "parts/evidence.html")]
struct Evidence<'a> {
    lines: &'a [String],
}

pub(super) fn section(view: &View<'_>) -> Drawn {
    match view.story.finding.map(|finding| finding.evidence.as_slice()) {
        None | Some([]) => Ok(None),
        Some(lines) => drawn(&Evidence { lines }, &[]),
    }
}
