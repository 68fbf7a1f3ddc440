//! report.html: one self-contained file. The story is static HTML and SVG made here and readable
//! without JavaScript; the script only adds exploration of the whole run.
//!
//! A section of the page is a file: a function from a [`View`] to its HTML and its entries in the menu, with a
//! template of the same name under `templates/parts/`. [`SECTIONS`] is the order of the page and of the menu. askama escapes every value; the few pieces marked `safe` there are made by
//! this crate (drawings, style, script) or escaped by [`explorer`].

mod banner;
mod clients;
mod columns;
mod details;
mod evidence;
mod excerpt;
mod explorer;
mod fault_table;
mod figures;
mod keys;
mod lanes;
mod node_logs;
mod others;
mod overview;
mod picture;
mod proof;
mod reproduce;
mod section;
mod tested;

use askama::Template;
use whitewater_checker::run_folder::{INDEX, LATEST, RunRecord};

use crate::ReportError;
use crate::clock::thousands;
use crate::load::Run;
use crate::palette;
use crate::story::Story;
use section::{Drawn, Section, View};

pub(crate) use section::{Extra, KeyRow, Lanes};

/// The sections in the order of the page. One that has nothing to show of a run is left out.
const SECTIONS: [fn(&View<'_>) -> Drawn; 13] = [
    clients::section,
    picture::section,
    lanes::section,
    proof::section,
    evidence::section,
    others::section,
    keys::section,
    tested::section,
    figures::section,
    explorer::section,
    fault_table::section,
    excerpt::section,
    reproduce::section,
];

/// The style sheet after the colours.
const STYLE: [&str; 3] = [
    include_str!("../templates/style.css"),
    include_str!("../templates/drawing.css"),
    include_str!("../templates/media.css"),
];

/// The script, in the order it runs.
const SCRIPT: [&str; 4] = [
    include_str!("../templates/script/page.js"),
    include_str!("../templates/script/data.js"),
    include_str!("../templates/script/draw.js"),
    include_str!("../templates/script/explore.js"),
];

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    record: &'a RunRecord,
    story: &'a Story<'a>,
    style: String,
    script: String,
    sections: Vec<Section>,
    banner: banner::Banner,
    /// The page over all runs; empty where there is none.
    index_link: String,
    meta: String,
    columns: String,
    embedded: String,
}

/// Draws the page.
pub(crate) fn render(run: &Run, story: &Story<'_>, extra: &Extra) -> Result<String, ReportError> {
    draw(run, story, extra).map_err(|source| ReportError::Template { source })
}

fn draw(run: &Run, story: &Story<'_>, extra: &Extra) -> askama::Result<String> {
    let columns = columns::encode(run, story.finding);
    let view = View { run, story, extra, columns: &columns };
    let sections: Vec<Option<Section>> =
        SECTIONS.iter().map(|section| section(&view)).collect::<askama::Result<_>>()?;
    let page = Page {
        record: &run.record,
        story,
        style: [palette::style_sheet()].into_iter().chain(STYLE.map(str::to_owned)).collect(),
        script: SCRIPT.concat(),
        sections: sections.into_iter().flatten().collect(),
        banner: banner::Banner::of(run, story),
        index_link: if extra.has_folder { index_link(run) } else { String::new() },
        meta: explorer::meta(run, story, &columns),
        embedded: format!(
            "{} operations in {} KiB",
            thousands(run.statistics.operations.total()),
            thousands(columns.text.len() as u64 / 1024)
        ),
        columns: columns.text,
    };
    page.render()
}

/// A folder of runs has a link to the newest one from its first run on, and the page once the first report is drawn.
fn index_link(run: &Run) -> String {
    let runs = run.folder.parent().filter(|_| !run.is_history());
    let is_listed =
        runs.is_some_and(|runs| [INDEX, LATEST].iter().any(|name| runs.join(name).exists()));
    if is_listed { format!("../{INDEX}") } else { String::new() }
}
