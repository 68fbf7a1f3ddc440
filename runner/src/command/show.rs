//! `whitewater show`: prints a stored run as text.

use whitewater_checker::statistics::Statistics;
use whitewater_reports::TerminalStyle;

use crate::cli::ShowArguments;
use crate::exit::{Exit, Refusal};
use crate::progress::{print, print_json};
use crate::store::{Store, read_record};

/// Columns of the text.
const WIDTH: usize = 100;

/// Carries out `show`.
pub(crate) fn run(arguments: &ShowArguments) -> anyhow::Result<Exit> {
    let folder = Store::new(arguments.store.runs_dir.clone()).find(&arguments.run)?;
    let Some(record) = read_record(&folder)? else {
        let incomplete = format!(
            "run {} has no run.json: it was cut short, or still goes on; `whitewater check {}` judges \
             what was recorded",
            folder.id, folder.id
        );
        return Err(Refusal::Usage(incomplete).into());
    };
    if arguments.json {
        print_json(&serde_json::to_value(&record)?);
        return Ok(Exit::Pass);
    }
    let statistics = Statistics::of_run(&folder.path).unwrap_or_default();
    let style = TerminalStyle { color: false, unicode: false, width: WIDTH };
    print(&whitewater_reports::terminal(&record, &statistics, style));
    Ok(Exit::Pass)
}
