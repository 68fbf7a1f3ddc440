//! `whitewater show`: prints a stored run as text.

use whitewater_checker::run_folder::REPORT;
use whitewater_checker::statistics::Statistics;

use crate::cli::ShowArguments;
use crate::exit::Exit;
use crate::progress::{print, print_json};
use crate::run::footer;
use crate::store::{Store, any_record};
use crate::terminal;

/// Carries out `show`.
pub(crate) fn run(arguments: &ShowArguments) -> anyhow::Result<Exit> {
    let folder = Store::new(arguments.store.runs_dir.clone()).find(&arguments.run)?;
    let record = any_record(&folder)?;
    if arguments.json {
        print_json(&serde_json::to_value(&record)?);
        return Ok(Exit::Pass);
    }
    let statistics = Statistics::of_run(&folder.path).unwrap_or_default();
    let mut text = whitewater_reports::terminal(&record, &statistics, terminal::style(false));
    text += &footer(&record, &folder.join(REPORT));
    print(&text);
    Ok(Exit::Pass)
}
