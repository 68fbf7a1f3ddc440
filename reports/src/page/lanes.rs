//! The busiest key of a history alone, as a drawing.

use askama::Template;

use super::section::{self, Drawn, View, drawn};

#[derive(Template)]
#[template(path = "parts/lanes.html")]
struct Lanes<'a> {
    lanes: &'a section::Lanes,
}

pub(super) fn section(view: &View<'_>) -> Drawn {
    match &view.extra.lanes {
        Some(lanes) => drawn(&Lanes { lanes }, &[]),
        None => Ok(None),
    }
}
