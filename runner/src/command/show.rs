//! `whitewater show`: prints a stored run as text.

use whitewater_checker::statistics::Statistics;
use whitewater_reports::TerminalStyle;

use crate::cli::ShowArguments;
use crate::exit::Exit;
use crate::progress::{print, print_json};
use crate::store::{Store, any_record};

/// Columns of the text.
const WIDTH: usize = 100;

/// Carries out `show`.
pub(crate) fn run(arguments: &ShowArguments) -> anyhow::Result<Exit> {
    let folder = Store::new(arguments.store.runs_dir.clone()).find(&arguments.run)?;
    let record = any_record(&folder)?;
    if arguments.json {
        print_json(&serde_json::to_value(&record)?);
        return Ok(Exit::Pass);
    }
    let statistics = Statistics::of_run(&folder.path).unwrap_or_default();
    let style = TerminalStyle { color: false, unicode: false, width: WIDTH };
    print(&whitewater_reports::terminal(&record, &statistics, style));
    Ok(Exit::Pass)
}
