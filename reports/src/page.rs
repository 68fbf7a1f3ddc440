//! report.html: one self-contained file. The story is static HTML and SVG made here and readable
//! without JavaScript; the script only adds exploration of the whole run.
//!
//! The parts of the page are views: plain values made from the run, then filled into the templates
//! under `templates/`. askama escapes every value; the few pieces marked `safe` there are made by
//! this crate (drawings, style, script) or escaped by [`explorer`].

mod banner;
mod clients;
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
use whitewater_checker::run_folder::{
    FAULTS, HISTORY, INDEX, LATEST, PLAN, PROCESSES, RUN, RunRecord, STATUS, WITNESS, log, trace,
};

use crate::ReportError;
use crate::checks;
use crate::clock::{Clock, counted, thousands};
use crate::history_page::KeyRow;
use crate::load::Run;
use crate::palette;
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

/// What a page holds beside the run.
#[derive(Default)]
pub(crate) struct Extra {
    /// The keys of a history alone.
    pub(crate) keys: Vec<KeyRow>,
    pub(crate) keys_left_out: usize,
    /// The operations of one key as a picture.
    pub(crate) lanes: Option<String>,
    /// The page lies in the run's folder, so that it can link to its files.
    pub(crate) has_folder: bool,
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
    clients: Option<clients::Clients>,
    picture: Option<String>,
    picture_note: String,
    proof: Option<proof::Proof>,
    evidence: Vec<String>,
    others: Vec<proof::Other>,
    others_note: String,
    /// Findings beside what is told above, those that are not listed included.
    others_total: u64,
    tested: Vec<Fact>,
    untested: Vec<checks::Untested>,
    is_history: bool,
    /// The page over all runs; empty where there is none.
    index_link: String,
    files: Vec<String>,
    keys: Vec<KeyRow>,
    keys_left_out: usize,
    lanes: Option<String>,
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
pub(crate) fn render(run: &Run, story: &Story<'_>, extra: Extra) -> Result<String, ReportError> {
    let data = columns::encode(run, story.finding);
    let logs = excerpt::around(run, story.finding);
    let picture = story.finding.and_then(|finding| timeline::draw(run, finding));
    let proof = story.witnessed().and_then(proof::Proof::of);
    let clients = clients::Clients::of(run, story);
    let operations = run.recording.operations.len() as u64;
    let faults = (!run.is_history()).then_some(run.recording.faults.len());
    let others_total = story.others_total(&run.record.analysis);
    let page = Page {
        record: &run.record,
        story,
        style: [palette::style_sheet()].into_iter().chain(STYLE.map(str::to_owned)).collect(),
        script: SCRIPT.concat(),
        sections: sections(
            [clients.is_some(), picture.is_some(), proof.is_some(), !logs.rows.is_empty()],
            run,
        ),
        banner: banner::Banner::of(run, story),
        clients,
        picture_note: proof::picture_note(story.finding, operations, faults),
        picture,
        evidence: story.finding.map(|finding| finding.evidence.clone()).unwrap_or_default(),
        others: proof::others(story, Clock::new(run.record.origin_ns)),
        others_note: counted(others_total, "finding"),
        others_total,
        tested: facts::tested(run),
        untested: checks::untested(run, story),
        is_history: run.is_history(),
        index_link: if extra.has_folder { index_link(run) } else { String::new() },
        files: if extra.has_folder { files(run) } else { Vec::new() },
        keys: extra.keys,
        keys_left_out: extra.keys_left_out,
        lanes: extra.lanes,
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
fn sections(
    [clients, picture, proof, logs]: [bool; 4],
    run: &Run,
) -> Vec<(&'static str, &'static str)> {
    let is_violation = run.record.verdict == whitewater_checker::Verdict::Violation;
    let all = [
        (clients, "clients", "Clients"),
        (picture, "witness", if is_violation { "Violation" } else { "Moment" }),
        (proof, "why", "Why"),
        (true, "tested", "Tested"),
        (true, "untested", "Not tested"),
        (true, "run", "Whole run"),
        (!run.is_history(), "faults", "Faults"),
        (logs, "logs", "Logs"),
        (true, "reproduce", "Reproduce"),
        (true, "environment", "Environment"),
    ];
    all.into_iter().filter(|(shown, ..)| *shown).map(|(_, id, name)| (id, name)).collect()
}

/// A folder of runs has a link to the newest one from its first run on, and the page once the first report is drawn.
fn index_link(run: &Run) -> String {
    let runs = run.folder.parent().filter(|_| !run.is_history());
    let is_listed =
        runs.is_some_and(|runs| [INDEX, LATEST].iter().any(|name| runs.join(name).exists()));
    if is_listed { format!("../{INDEX}") } else { String::new() }
}

/// Files of the run folder that a reader may want to open, the logs first.
fn files(run: &Run) -> Vec<String> {
    if run.is_history() {
        return Vec::new();
    }
    let nodes = run.statistics.nodes.iter().map(|node| node.node.as_str());
    // A name read from a record must not lead out of the folder.
    let plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let nodes: Vec<&str> = nodes.filter(plain).collect();
    let logs = nodes.iter().map(|node| log(node));
    let traces = nodes.iter().map(|node| trace(node).to_string());
    let streams =
        [HISTORY.to_string(), FAULTS.to_string(), STATUS.to_string(), PROCESSES.to_string()];
    let named = streams.into_iter().chain([PLAN.to_owned(), RUN.to_owned(), WITNESS.to_string()]);
    logs.chain(traces).chain(named).filter(|name| run.folder.join(name).is_file()).collect()
}
