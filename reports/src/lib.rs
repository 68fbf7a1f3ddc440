//! Draws what the checker found: one self-contained HTML file, JUnit, markdown and terminal text.

use std::path::{Path, PathBuf};

use whitewater_checker::statistics::Statistics;

pub mod run;

use run::RunRecord;

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file of the run folder could not be read or written.
    #[error("{action} {path}: {source}")]
    File {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the run folder does not have the expected form.
    #[error("read {path}: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, where, and what to do.
        message: String,
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

/// Writes report.html, summary.md, junit.xml and witness/explain.txt into a run folder.
pub fn write_all(folder: &Path) -> Result<(), ReportError> {
    let _ = folder;
    Ok(())
}

/// Writes `index.html` of a folder of runs.
pub fn write_index(runs_dir: &Path) -> Result<(), ReportError> {
    let _ = runs_dir;
    Ok(())
}

/// The verdict of a run for a person at a terminal.
pub fn terminal(record: &RunRecord, statistics: &Statistics, style: TerminalStyle) -> String {
    let _ = (statistics, style);
    format!("{} {}\n", record.verdict, record.id)
}
