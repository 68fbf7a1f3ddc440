//! `whitewater report`: writes the report of a stored run again.

use anyhow::Context;
use clap::Args;
use whitewater_checker::run_folder::REPORT;

use crate::exit::Exit;
use crate::flags::StoreArguments;
use crate::long_work::LongWork;
use crate::progress::{Loudness, print};
use crate::store::Store;

/// `whitewater report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// A run: a folder, the beginning of its id, latest, last-failed
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

/// Carries out `report`.
pub(crate) fn run(arguments: &ReportArguments) -> anyhow::Result<Exit> {
    let store = Store::new(arguments.store.runs_dir.clone());
    let folder = store.find(&arguments.run)?;
    let work = LongWork::begin("drawing the report", Loudness::default());
    whitewater_reports::write_all(&folder.path)
        .with_context(|| format!("write the reports of {}", folder.path.display()))?;
    drop(work);
    print(&format!("{}\n", folder.join(REPORT).display()));
    Ok(Exit::Pass)
}
