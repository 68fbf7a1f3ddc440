//! `whitewater ls`: lists the stored runs, newest last.

use serde_json::json;
use whitewater_checker::Verdict;
use whitewater_reports::run::RunRecord;
use whitewater_reports::verdict_without_record;

use crate::cli::LsArguments;
use crate::exit::Exit;
use crate::progress::{print, print_error, print_json};
use crate::store::{RunFolder, Store, read_record};

/// Carries out `ls`.
pub(crate) fn run(arguments: &LsArguments) -> anyhow::Result<Exit> {
    let store = Store::new(arguments.store.runs_dir.clone());
    let folders = store.list()?;
    if folders.is_empty() {
        print_error(&format!("no run in {} yet", store.root().display()));
    }
    for folder in folders {
        // One unreadable record must not hide the others.
        let record = read_record(&folder);
        let passed = matches!(&record, Ok(Some(record)) if record.verdict == Verdict::Pass);
        if arguments.failed && passed {
            continue;
        }
        match (arguments.json, record) {
            (false, record) => print(&line(&folder, record)),
            (true, Ok(Some(record))) => print_json(&json!({
                "run": folder.path, "id": record.id, "verdict": record.verdict,
                "seed": record.seed, "mutant": record.settings.mutant,
                "started_at": record.started_at, "duration_ms": record.duration_ms,
            })),
            (true, Ok(None)) => {
                let verdict = verdict_without_record(&folder.path);
                print_json(&json!({
                    "run": folder.path, "id": folder.id, "verdict": verdict, "incomplete": true,
                }));
            }
            (true, Err(error)) => print_json(&json!({
                "run": folder.path, "id": folder.id, "verdict": null, "error": format!("{error:#}"),
            })),
        }
    }
    Ok(Exit::Pass)
}

fn line(folder: &RunFolder, record: anyhow::Result<Option<RunRecord>>) -> String {
    let told = match record {
        Ok(Some(record)) => format!(
            "{:9}  {:>4} s  seed {:<8} {} {}{}",
            record.verdict.word(),
            record.duration_ms / 1000,
            record.seed,
            record.settings.workload,
            record.settings.faults.join(","),
            record.settings.mutant.map(|mutant| format!("  mutant {mutant}")).unwrap_or_default()
        ),
        Ok(None) => {
            let verdict = verdict_without_record(&folder.path);
            format!("{:9}  incomplete: no run.json", verdict.word())
        }
        Err(error) => format!("unreadable: {error:#}"),
    };
    format!("{}  {told}\n", folder.id)
}
