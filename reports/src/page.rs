//! report.html: one self-contained file. The story is static HTML and SVG made here and readable
//! without JavaScript; the script only adds exploration of the whole run.
//!
//! The parts of the page are views: plain values made from the run, then filled into the templates
//! under `templates/`. askama escapes every value; the few pieces marked `safe` there are made by
//! this crate (drawings, style, script) or escaped by [`explorer`].

mod banner;
mod columns;
mod details;
mod excerpt;
mod explorer;
mod facts;
mod fault_table;
mod node_logs;
mod overview;
mod proof;

use askama::Template;

use crate::ReportError;
use crate::clock::{counted, thousands};
use crate::load::Run;
use crate::palette;
use crate::run::RunRecord;
use crate::story::Story;
use crate::timeline;

pub(crate) use facts::median_failover;

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

/// A name and a value in a list of facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fact {
    name: &'static str,
    value: String,
    /// Shown as code.
    code: bool,
    /// The fault class whose colour stands before it; empty for none.
    swatch: &'static str,
}

impl Fact {
    fn new(name: &'static str, value: impl Into<String>) -> Fact {
        Fact { name, value: value.into(), ..Fact::default() }
    }

    fn code(name: &'static str, value: impl Into<String>) -> Fact {
        Fact { code: true, ..Fact::new(name, value) }
    }
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    record: &'a RunRecord,
    story: &'a Story<'a>,
    style: String,
    script: String,
    sections: Vec<(&'static str, &'static str)>,
    banner: banner::Banner,
    picture: Option<String>,
    picture_note: String,
    proof: Option<proof::Proof>,
    evidence: Vec<String>,
    others: Vec<proof::Other>,
    others_note: String,
    tested: Vec<Fact>,
    checks: Vec<facts::CheckRow>,
    figures: Vec<facts::Figure>,
    availability_note: String,
    run_note: String,
    overview: String,
    has_moment: bool,
    faults: Vec<fault_table::Row>,
    logs: excerpt::Logs,
    environment: Vec<Fact>,
    remarks: Vec<String>,
    meta: String,
    columns: String,
    embedded: String,
}

/// Draws the page.
pub(crate) fn render(run: &Run, story: &Story<'_>) -> Result<String, ReportError> {
    let data = columns::encode(run, story.finding);
    let logs = excerpt::around(run, story.finding);
    let picture = story.finding.and_then(|finding| timeline::draw(run, finding));
    let proof = story.finding.and_then(proof::Proof::of);
    let operations = run.recording.operations.len() as u64;
    let page = Page {
        record: &run.record,
        story,
        style: [palette::style_sheet()].into_iter().chain(STYLE.map(str::to_owned)).collect(),
        script: SCRIPT.concat(),
        sections: sections(picture.is_some(), proof.is_some(), !logs.rows.is_empty()),
        banner: banner::Banner::of(run, story),
        picture_note: proof::picture_note(story.finding, operations, run.recording.faults.len()),
        picture,
        evidence: story.finding.map(|finding| finding.evidence.clone()).unwrap_or_default(),
        others: proof::others(story),
        others_note: counted(story.others.len() as u64, "finding"),
        tested: facts::tested(run),
        checks: facts::checks(&run.record.analysis),
        figures: facts::figures(run),
        availability_note: facts::availability_note(run),
        run_note: data.note.clone(),
        overview: overview::draw(run, story.finding),
        has_moment: story.finding.is_some_and(|finding| finding.at_ns.is_some()),
        faults: fault_table::rows(run, story),
        logs,
        environment: facts::environment(run),
        remarks: run.recording.remarks.clone(),
        meta: explorer::meta(run, story, &data),
        embedded: format!(
            "{} operations in {} KiB",
            thousands(operations),
            thousands(data.text.len() as u64 / 1024)
        ),
        columns: data.text,
        proof,
    };
    page.render().map_err(|source| ReportError::Template { source })
}

/// The sections that the page has, for its menu.
fn sections(picture: bool, proof: bool, logs: bool) -> Vec<(&'static str, &'static str)> {
    let all = [
        (picture, "witness", "Violation"),
        (proof, "why", "Why"),
        (true, "tested", "Tested"),
        (true, "run", "Whole run"),
        (true, "faults", "Faults"),
        (logs, "logs", "Logs"),
        (true, "reproduce", "Reproduce"),
        (true, "environment", "Environment"),
    ];
    all.into_iter().filter(|(shown, ..)| *shown).map(|(_, id, name)| (id, name)).collect()
}
