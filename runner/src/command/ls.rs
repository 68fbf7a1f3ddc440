//! `whitewater ls`: lists the stored runs, newest last.

use clap::Args;
use serde_json::json;
use whitewater_checker::Verdict;
use whitewater_checker::run_folder::{RUN, RunRecord};
use whitewater_reports::verdict_without_record;

use crate::exit::Exit;
use crate::flags::StoreArguments;
use crate::progress::{print, print_error, print_json};
use crate::store::{RunFolder, Store, read_record};

/// `whitewater ls`.
#[derive(Debug, Args)]
pub(crate) struct LsArguments {
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Only runs that did not pass
    #[arg(long)]
    pub(crate) failed: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

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
            (true, Ok(Some(record))) => print_json(&object(&folder, &record)),
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

fn object(folder: &RunFolder, record: &RunRecord) -> serde_json::Value {
    let mut told = json!({
        "run": folder.path, "id": record.id, "verdict": record.verdict,
        "seed": record.seed, "mutant": record.settings.mutant,
        "started_at": record.started_at, "duration_ms": record.duration_ms,
    });
    if !record.objectives.is_empty() {
        told["objectives"] = json!(record.objectives);
    }
    told
}

fn line(folder: &RunFolder, record: anyhow::Result<Option<RunRecord>>) -> String {
    let told = match record {
        Ok(Some(record)) => format!(
            "{:9}  {:>4} s  seed {:<8} {} {}{}{}",
            record.verdict.word(),
            record.duration_ms / 1000,
            record.seed,
            record.settings.workload,
            record.settings.faults.join(","),
            record.settings.mutant.map(|mutant| format!("  mutant {mutant}")).unwrap_or_default(),
            record.objectives.lines().iter().map(|line| format!("  {line}")).collect::<String>()
        ),
        Ok(None) => {
            let verdict = verdict_without_record(&folder.path);
            format!("{:9}  incomplete: no {RUN}", verdict.word())
        }
        Err(error) => format!("unreadable: {error:#}"),
    };
    format!("{}  {told}\n", folder.id)
}

#[cfg(test)]
mod tests {
    use whitewater_checker::objectives::Seen;

    use super::*;

    #[test]
    fn a_line_tells_what_was_missed_beside_the_verdict() {
        let folder = RunFolder { id: "2026-11-24T06-40-00Z-7f3a".to_owned(), path: "x".into() };
        let mut record = RunRecord { verdict: Verdict::Pass, seed: 7, ..RunRecord::default() };
        let plain = line(&folder, Ok(Some(record.clone())));
        assert!(!plain.contains("objective"), "{plain}");
        assert_eq!(object(&folder, &record).get("objectives"), None);
        let missed = Seen { objective: "served>=99%".to_owned(), seen: "97.1%".to_owned() };
        record.objectives.objectives_missed.push(missed);
        let missed = &object(&folder, &record)["objectives"]["objectives_missed"];
        assert_eq!(missed[0]["seen"], "97.1%");
        let told = line(&folder, Ok(Some(record)));
        assert!(told.contains("  pass "), "{told}");
        assert!(told.ends_with("  objective missed: served>=99%, seen 97.1%\n"), "{told}");
    }
}
