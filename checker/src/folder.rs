//! Judges a run folder by whatever files it holds.

use std::path::Path;

use crate::analysis::Analysis;
use crate::error::CheckError;
use crate::history;
use crate::options::Options;
use crate::run::{canary, in_pool, linearizability};

/// Judges a run folder. A check whose files are missing is left out and the others say so; a torn last
/// line (the runner was killed) is tolerated.
pub fn check_run(folder: &Path, options: &Options) -> Result<Analysis, CheckError> {
    in_pool(options, || judge(folder, options))
}

fn judge(folder: &Path, options: &Options) -> Result<Analysis, CheckError> {
    let mut checks = Vec::new();
    let path = folder.join("history.jsonl");
    if path.is_file() {
        let source = history::read_file(&path, options, true)?;
        let (check, _) = linearizability(&path.display().to_string(), &source, options)?;
        checks.push(check);
    }
    if checks.is_empty() {
        return Err(CheckError::NothingToCheck { path: folder.to_owned() });
    }
    checks.extend(options.canary.then(canary));
    Ok(Analysis::of(checks))
}
