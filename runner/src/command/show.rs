//! `whitewater show`: prints a stored run as text.

use clap::Args;
use whitewater_checker::run_folder::{LATEST, REPORT};
use whitewater_checker::statistics::Statistics;

use crate::exit::Exit;
use crate::flags::StoreArguments;
use crate::progress::{print, print_json};
use crate::run::footer;
use crate::store::{Store, any_record};
use crate::terminal;

/// `whitewater show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// A run: a folder, the beginning of its id, latest, last-failed
    #[arg(default_value = LATEST)]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Print the run's record as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

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
