//! After a run: judge it, write what is known of it, and say so.
//!
//! A report is wanted most when things went wrong, so every step here is made whatever came before.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use whitewater_checker::analysis::{Analysis, CheckResult, CheckState, Finding};
use whitewater_checker::run_folder::{DATA, REPORT, RunRecord};
use whitewater_checker::statistics::Statistics;
use whitewater_checker::{Options, Verdict, check_run};

use super::setup::Stage;
use super::{KeepData, Order, seen_from_here};
use crate::account::Account;
use crate::ci::Github;
use crate::conformance;
use crate::exit::{Exit, expected};
use crate::long_work::LongWork;
use crate::phases::{Ending, Log};
use crate::progress;
use crate::terminal;
use whitewater_server::clock::monotonic_ns;

/// A run cut short is judged quickly: somebody wants the terminal back.
const INTERRUPTED_BUDGET: Duration = Duration::from_secs(5);

/// Judges the run from its folder, writes record and reports, and prints the verdict. `noted`: whether the
/// folder has it all.
pub(super) async fn conclude(
    order: &Order,
    stage: &Stage,
    ending: Ending,
    log: Log,
    noted: io::Result<()>,
) -> anyhow::Result<Exit> {
    let options = options(order, &ending);
    let analysis = match noted {
        Ok(()) => judge(order, stage, &ending, options.clone()).await?,
        // Nothing can be judged by what is not on disk; the reason is all that is known.
        Err(error) => {
            let reason = match &ending {
                Ending::Environment(reason) => reason.clone(),
                _ => error.to_string(),
            };
            single(error_check("run", "the run could be recorded", reason))
        }
    };
    let canary = order.canary.then(|| crate::flags::CANARY.to_owned());
    let account = Account {
        folder: &stage.folder,
        plan: &order.plan,
        target: stage.target.name().into(),
        is_simulated: false,
        server: order.build.program.clone(),
        mutant: order.build.mutant.clone().or(canary),
        command: &order.command,
        environment: stage.environment.clone(),
        started: stage.started,
        time_ns: (stage.origin_ns, monotonic_ns()),
        log,
        ending: &ending,
        options: &options,
    };
    let record = account.record(analysis);
    order.store.complete(&stage.folder, &record)?;
    drop_data(order, stage, record.verdict);
    let reports =
        whitewater_reports::write_all(&stage.folder.path).context("write the reports").and_then(
            |()| whitewater_reports::write_index(order.store.root()).context("write the index"),
        );
    tell(order, stage, &record);
    tell_ci(order, stage, &record);
    reports?;
    Ok(match ending {
        Ending::Interrupted(exit) => exit,
        Ending::Complete | Ending::Environment(_) => {
            let broken = record.analysis.broken();
            let (exit, line) =
                expected(order.expect.as_ref(), record.verdict, &broken, &record.objectives);
            line.into_iter().for_each(|line| progress::print_error(&line));
            exit
        }
    })
}

fn options(order: &Order, ending: &Ending) -> Options {
    let budget = match ending {
        Ending::Interrupted(_) => order.check_budget.min(INTERRUPTED_BUDGET),
        Ending::Complete | Ending::Environment(_) => order.check_budget,
    };
    Options { budget, ..Options::default() }
}

async fn judge(
    order: &Order,
    stage: &Stage,
    ending: &Ending,
    options: Options,
) -> anyhow::Result<Analysis> {
    let path = stage.folder.path.clone();
    let has_journals = order.journal;
    let loudness = order.loudness;
    let check = move || {
        let work = LongWork::begin("judging", loudness);
        if has_journals {
            conformance::write(&path, &conformance::replay_all(&path, &work))?;
        }
        anyhow::Ok(check_run(&path, &options)?)
    };
    Ok(match tokio::task::spawn_blocking(check).await.context("check the run")? {
        Ok(analysis) => analysis,
        Err(error) => {
            let unread = error_check("check", "the record can be judged", format!("{error:#}"));
            let environment = match ending {
                Ending::Environment(reason) => {
                    Some(error_check("run", "the run was carried out to its end", reason.clone()))
                }
                Ending::Complete | Ending::Interrupted(_) => None,
            };
            Analysis::of(environment.into_iter().chain([unread]).collect())
        }
    })
}

fn single(check: CheckResult) -> Analysis {
    Analysis::of(vec![check])
}

fn error_check(name: &str, title: &str, explanation: String) -> CheckResult {
    CheckResult {
        name: name.into(),
        title: title.into(),
        state: CheckState::Error,
        findings: vec![Finding {
            anomaly: "environment".into(),
            headline: "The run could not be carried out.".into(),
            explanation,
            ..Finding::default()
        }],
        ..CheckResult::default()
    }
}

/// Removes the nodes' data where it is not wanted. What cannot be removed is left.
fn drop_data(order: &Order, stage: &Stage, verdict: Verdict) {
    let keeps = match order.keep_data {
        KeepData::Always => true,
        KeepData::Never => false,
        KeepData::Failed => verdict != Verdict::Pass,
    };
    if !keeps {
        let _ = fs::remove_dir_all(stage.folder.join(DATA));
    }
}

fn tell(order: &Order, stage: &Stage, record: &RunRecord) {
    let statistics = Statistics::of_run(&stage.folder.path).unwrap_or_default();
    // People are told on stderr where stdout is for machines.
    let style = terminal::style(order.loudness.json);
    let mut text = whitewater_reports::terminal(record, &statistics, style);
    text += &footer(record, &stage.folder.join(REPORT));
    if order.loudness.json {
        if !order.loudness.quiet {
            progress::print_error(text.trim_end());
        }
        progress::print_json(&verdict_event(stage, record, &statistics));
    } else {
        progress::print(&text);
    }
}

/// What CI is told beside the verdict. Trouble with it must not change what the run came to.
fn tell_ci(order: &Order, stage: &Stage, record: &RunRecord) {
    let github = Github::of_environment();
    if let Err(error) = github.summarise(&stage.folder.path) {
        progress::print_error(&format!("warning: the step summary could not be written: {error}"));
    }
    let report = seen_from_here(&stage.folder.join(REPORT));
    match github.annotation(record, &report) {
        Some(line) if order.loudness.json => anstream::eprint!("{line}"),
        Some(line) => progress::print(&line),
        None => {}
    }
}

/// What a person needs to go on from here, below the verdict of a run.
pub(crate) fn footer(record: &RunRecord, report: &Path) -> String {
    let seed = record.known_seed().map(|seed| format!("  seed    {seed}\n")).unwrap_or_default();
    format!("{seed}  report  {}\n", seen_from_here(report).display())
}

/// The last line of `--json`.
fn verdict_event(stage: &Stage, record: &RunRecord, statistics: &Statistics) -> serde_json::Value {
    let mut effective: BTreeMap<String, u64> =
        record.settings.faults.iter().map(|family| (family.clone(), 0)).collect();
    for fault in &statistics.faults {
        *effective.entry(fault.kind.clone()).or_default() += u64::from(fault.effective);
    }
    json!({
        "event": "verdict",
        "verdict": record.verdict,
        "run": stage.folder.path,
        "seed": record.seed,
        "operations_ok": statistics.operations.ok,
        "faults_effective": effective,
        "objectives": record.objectives,
    })
}
