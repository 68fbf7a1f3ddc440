//! What a section of the page is made of, and what it is.

use askama::Template;

use super::columns::Columns;
use crate::load::Run;
use crate::story::Story;

/// What every section may look at.
pub(super) struct View<'a> {
    pub(super) run: &'a Run,
    pub(super) story: &'a Story<'a>,
    pub(super) extra: &'a Extra,
    /// The operations as the script gets them.
    pub(super) columns: &'a Columns,
}

/// A part of the page between the banner and the footer.
pub(super) struct Section {
    /// Anchors in it and their names in the page's menu.
    pub(super) menu: Vec<(&'static str, &'static str)>,
    pub(super) html: String,
}

/// A section that may have nothing to show.
pub(super) type Drawn = askama::Result<Option<Section>>;

/// Fills in a section's template.
pub(super) fn drawn(template: &impl Template, menu: &[(&'static str, &'static str)]) -> Drawn {
    Ok(Some(Section { menu: menu.to_vec(), html: template.render()? }))
}

/// What a page holds beside the run.
#[derive(Default)]
pub(crate) struct Extra {
    /// The keys of a history alone.
    pub(crate) keys: Vec<KeyRow>,
    pub(crate) keys_left_out: usize,
    /// The operations of one key as a picture.
    pub(crate) lanes: Option<Lanes>,
    /// The page lies in the run's folder, so that it can link to its files.
    pub(crate) has_folder: bool,
}

/// The operations of one key, a lane for each client.
pub(crate) struct Lanes {
    /// What is drawn, in words.
    pub(crate) note: String,
    pub(crate) picture: String,
}

/// A key of the history.
pub(crate) struct KeyRow {
    pub(crate) key: String,
    pub(crate) operations: usize,
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
}

/// A name and a value in a list of facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Shown as code.
    pub(super) code: bool,
    /// The fault class whose colour stands before it; empty for none.
    pub(super) swatch: &'static str,
}

impl Fact {
    pub(super) fn new(name: &'static str, value: impl Into<String>) -> Fact {
        Fact { name, value: value.into(), ..Fact::default() }
    }

    pub(super) fn code(name: &'static str, value: impl Into<String>) -> Fact {
        Fact { code: true, ..Fact::new(name, value) }
    }
}
