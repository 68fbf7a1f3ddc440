//! Draws what the checker found.
//!
//! A run folder goes in; what comes out is one self-contained `report.html`, `summary.md` for a CI
//! step summary, `junit.xml`, `witness/explain.txt`, the verdict for the terminal, and an index page
//! over many runs. This crate never decides anything: verdicts, findings and witnesses come from the
//! checker, figures from its statistics. It keeps proof and correlation apart, and it draws whatever
//! is left of a run that went wrong.
//!
//! How the parts fit:
//!
//! - `load` reads a run folder; `story` puts it into the words that all outputs share, `correlation`
//!   adds where to look.
//! - `page` and `templates/` make the HTML, a section a file; `timeline` and `role_lanes` draw the violation as SVG.
//! - `checks` orders the checks and lists what was not tested.
//! - `summary`, `junit`, `explain`, `witness_history` and `terminal` are one output each, `text_timeline` is the
//!   drawing in characters that three of them use.
//! - `history_page` is the page of a history that has no run around it.
//! - `index` is the page over all runs; `figures` is what it keeps of each.
//!
//! Everything recorded comes from a system under test and is escaped wherever it is printed.

use std::path::{Path, PathBuf};
use std::{fs, io};

use whitewater_checker::analysis::Analysis;
use whitewater_checker::history::History;
use whitewater_checker::run_folder::{
    EXPLANATION, FIGURES, Figures, JUNIT, REPORT, RunRecord, SUMMARY, WITNESS, write_json,
    write_whole,
};
use whitewater_checker::statistics::Statistics;
use whitewater_checker::{CheckError, Verdict, objectives_of_run};

mod checks;
mod clock;
mod correlation;
mod explain;
mod figures;
mod history_page;
mod history_window;
mod index;
mod junit;
mod load;
mod log_time;
mod page;
mod palette;
mod plain;
mod role_lanes;
mod story;
mod summary;
mod svg;
mod terminal;
mod text_timeline;
mod timeline;
mod witness_history;

use load::Run;
use page::Extra;
use story::Story;

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file of the run folder could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The run folder could not be read, or is not what it should be.
    #[error(transparent)]
    Unread(#[from] CheckError),
    /// The page could not be filled in.
    #[error("fill in the page: {source}")]
    Template {
        /// What askama said.
        source: askama::Error,
    },
}

/// How the terminal verdict is to look.
#[derive(Clone, Copy, Debug)]
pub struct TerminalStyle {
    /// Use ANSI colours.
    pub color: bool,
    /// Use box drawing and symbols beyond ASCII.
    pub unicode: bool,
    /// The width of the terminal in columns.
    pub width: usize,
}

/// The record of a run: the one it left, or where there is none (the runner was killed, or still works) what
/// can be put together from the files it left, judged anew.
pub fn record(folder: &Path) -> Result<RunRecord, CheckError> {
    load::record(folder)
}

/// What a run without a run.json comes to by the report that was drawn of it; undecided where none was.
pub fn verdict_without_record(folder: &Path) -> Verdict {
    let figures = Figures::read(folder);
    figures.and_then(|figures| figures.verdict).unwrap_or(Verdict::Undecided)
}

/// Writes report.html, summary.md, junit.xml, figures.json (for the index page) and, where something
/// was found, witness/explain.txt and witness/history.jsonl into a run folder.
///
/// Without run.json (the runner was killed) the recorded files are judged anew and the report says
/// that the run has no verdict of its own.
pub fn write_all(folder: &Path) -> Result<(), ReportError> {
    write_outputs(&Run::read(folder)?)
}

/// Like [`write_all`] for a record that is at hand, whether run.json exists or not.
pub fn write_with(folder: &Path, record: &RunRecord) -> Result<(), ReportError> {
    write_outputs(&Run::with_record(folder, record.clone())?)
}

/// The verdict of a run for a person at a terminal.
pub fn terminal(record: &RunRecord, statistics: &Statistics, style: TerminalStyle) -> String {
    terminal::render(record, statistics, style)
}

/// Where `check` writes what it found, beside the verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outputs<'a> {
    /// The page.
    pub page: Option<&'a Path>,
    /// The JUnit file.
    pub junit: Option<&'a Path>,
}

/// Writes the page of a history that has no run around it. `name` is what the page calls it, `command`
/// the line that judges it again.
pub fn write_history(
    history: &History,
    analysis: &Analysis,
    (name, command): (&str, &str),
    outputs: Outputs<'_>,
) -> Result<(), ReportError> {
    let run = history_page::run_of(history, analysis, name);
    let story = history_page::story_of(&run, command);
    write_some(&run, &story, || history_page::extra(&run, history), outputs)
}

/// Writes the page of a run folder with what a new check of it found, and leaves the folder as it is.
pub fn write_checked(
    folder: &Path,
    analysis: &Analysis,
    outputs: Outputs<'_>,
) -> Result<(), ReportError> {
    let mut run = Run::read(folder)?;
    run.record.verdict = analysis.verdict;
    run.record.analysis = analysis.clone();
    run.record.objectives = objectives_of_run(folder).unwrap_or_default();
    let story = Story::of(&run);
    write_some(&run, &story, Extra::default, outputs)
}

fn write_some(
    run: &Run,
    story: &Story<'_>,
    extra: impl FnOnce() -> Extra,
    outputs: Outputs<'_>,
) -> Result<(), ReportError> {
    if let Some(path) = outputs.junit {
        write(path, &junit::render(run, story))?;
    }
    if let Some(path) = outputs.page {
        write(path, &page::render(run, story, &extra())?)?;
    }
    Ok(())
}

/// The headline of a run and what explains it, each without what only figures tell.
pub fn sentences(record: &RunRecord) -> (String, String) {
    let none = Statistics::default();
    (story::headline(record, &none), story::explanation(record, &none))
}

/// The nearest ASCII text, for a terminal whose locale is not UTF-8; colour codes stay.
pub fn ascii(text: &str) -> String {
    plain::ascii(text)
}

/// Writes `index.html` of a folder of runs.
pub fn write_index(runs_dir: &Path) -> Result<(), ReportError> {
    index::write(runs_dir)
}

fn write_outputs(run: &Run) -> Result<(), ReportError> {
    let story = Story::of(run);
    let junit = junit::render(run, &story);
    // The smallest files first: whatever stops a later one, CI still learns the verdict.
    write(&run.folder.join(JUNIT), &junit)?;
    write(&run.folder.join(SUMMARY), &summary::render(run, &story))?;
    write_witness(run, &story)?;
    let path = run.folder.join(FIGURES);
    write_json(&path, &figures::of(run, &story)).map_err(not_written(&path))?;
    write(
        &run.folder.join(REPORT),
        &page::render(run, &story, &Extra { has_folder: true, ..Extra::default() })?,
    )
}

fn write_witness(run: &Run, story: &Story<'_>) -> Result<(), ReportError> {
    let files = [
        (run.folder.join(EXPLANATION), explain::render(run, story)),
        (WITNESS.path(&run.folder), witness_history::render(run, story.witnessed())),
    ];
    for (path, text) in files.into_iter().filter_map(|(path, text)| Some((path, text?))) {
        let folder = path.parent().unwrap_or(&run.folder);
        fs::create_dir_all(folder).map_err(|source| ReportError::File {
            action: "create",
            path: folder.to_owned(),
            source,
        })?;
        write(&path, &text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), ReportError> {
    write_whole(path, text.as_bytes()).map_err(not_written(path))
}

fn not_written(path: &Path) -> impl FnOnce(io::Error) -> ReportError {
    move |source| ReportError::File { action: "write", path: path.to_owned(), source }
}
