//! After a run: judge it, write what is known of it, and say so.
//!
//! A report is wanted most when things went wrong, so every step here is made whatever came before.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use whitewater_checker::analysis::{Analysis, CheckResult, CheckState, Finding};
use whitewater_checker::statistics::Statistics;
use whitewater_checker::{CheckError, Options, Verdict, check_run};
use whitewater_reports::TerminalStyle;
use whitewater_reports::run::{FinalStatus, RunRecord, SCHEMA_VERSION, Settings};

use super::phases::{Ending, Log};
use super::setup::Stage;
use super::{KeepData, Order, seen_from_here};
use crate::ci::Github;
use crate::clock::monotonic_ns;
use crate::cluster::node_name;
use crate::conformance;
use crate::environment::load_average;
use crate::exit::{Exit, expected};
use crate::progress;
use crate::target::NodeStatus;

/// A run cut short is judged quickly: somebody wants the terminal back.
const INTERRUPTED_BUDGET: Duration = Duration::from_secs(5);

/// Judges the run, writes record and reports, and prints the verdict.
pub(super) async fn conclude(
    order: &Order,
    stage: &Stage,
    ending: Ending,
    log: Log,
) -> anyhow::Result<Exit> {
    let mut analysis = match served(&log) {
        true => judge(order, stage, &ending).await?,
        false => Analysis::default(),
    };
    add_ending(&mut analysis, &ending, &log);
    let record = record(order, stage, &ending, &log, analysis);
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
            let (exit, line) = expected(order.expect.as_ref(), record.verdict, &broken);
            line.into_iter().for_each(|line| anstream::eprintln!("{line}"));
            exit
        }
    })
}

/// Whether the cluster ever came up. A server that cannot even be started is a matter of the
/// environment, not a broken promise.
fn served(log: &Log) -> bool {
    log.phases.iter().any(|(phase, _)| phase == "warm-up")
}

async fn judge(order: &Order, stage: &Stage, ending: &Ending) -> anyhow::Result<Analysis> {
    let budget = match ending {
        Ending::Interrupted(_) => order.check_budget.min(INTERRUPTED_BUDGET),
        Ending::Complete | Ending::Environment(_) => order.check_budget,
    };
    let options = Options { budget, canary: order.canary, ..Options::default() };
    let path = stage.folder.path.clone();
    let has_journals = order.journal;
    let check = move || {
        let mut analysis = check_run(&path, &options)?;
        if has_journals {
            conformance::add(&mut analysis, &path);
        }
        Ok::<_, CheckError>(analysis)
    };
    match tokio::task::spawn_blocking(check).await.context("check the run")? {
        Ok(analysis) => Ok(analysis),
        // The run failed before there was anything to check; why is told by its ending.
        Err(_) if *ending != Ending::Complete => Ok(Analysis::default()),
        Err(error) => {
            Ok(single(error_check("check", "the record can be judged", error.to_string())))
        }
    }
}

fn single(check: CheckResult) -> Analysis {
    Analysis::of(vec![check])
}

fn error_check(name: &str, title: &str, explanation: String) -> CheckResult {
    CheckResult {
        name: name.into(),
        title: title.into(),
        state: CheckState::Error,
        exercise: None,
        summary: String::new(),
        findings: vec![Finding {
            anomaly: "environment".into(),
            headline: "The run could not be carried out.".into(),
            explanation,
            ..Finding::default()
        }],
    }
}

/// A run that did not go to its end says so among its checks.
fn add_ending(analysis: &mut Analysis, ending: &Ending, log: &Log) {
    if !log.unhealed.is_empty() && *ending == Ending::Complete {
        let check = unhealed(&log.unhealed);
        analysis.verdict = analysis.verdict.merge(check.state.verdict());
        analysis.checks.push(check);
    }
    let check = match ending {
        Ending::Complete if !log.incomplete.is_empty() => incomplete(log),
        Ending::Complete if log.notes.is_empty() => return,
        Ending::Complete => CheckResult {
            name: "run".into(),
            title: "the run went to its end".into(),
            state: CheckState::Holds,
            exercise: None,
            summary: log.notes.join("; "),
            findings: Vec::new(),
        },
        Ending::Environment(reason) => {
            error_check("run", "the run could be carried out", reason.clone())
        }
        Ending::Interrupted(exit) => CheckResult {
            name: "run".into(),
            title: "the run went to its end".into(),
            state: CheckState::Undecided,
            exercise: None,
            summary: format!("cut short by {}", signal_name(*exit)),
            findings: vec![Finding {
                anomaly: "interrupted".into(),
                headline: "The run was cut short.".into(),
                explanation: "What was recorded until then was judged.".into(),
                ..Finding::default()
            }],
        },
    };
    analysis.verdict = analysis.verdict.merge(check.state.verdict());
    analysis.checks.push(check);
}

/// A plan that was carried out in part proves less than was asked for.
fn incomplete(log: &Log) -> CheckResult {
    let all: Vec<&str> = log.incomplete.iter().chain(&log.notes).map(String::as_str).collect();
    CheckResult {
        name: "run".into(),
        title: "the run went as planned".into(),
        state: CheckState::Undecided,
        exercise: None,
        summary: all.join("; "),
        findings: vec![Finding {
            anomaly: "incomplete".into(),
            headline: "The plan was not carried out as a whole.".into(),
            explanation: format!(
                "What was recorded was judged. But {}.",
                log.incomplete.join("; ")
            ),
            ..Finding::default()
        }],
    }
}

/// Faults that could not be undone leave another cluster than the one that was to be judged.
fn unhealed(trouble: &[String]) -> CheckResult {
    CheckResult {
        name: "healing".into(),
        title: "every fault was undone".into(),
        state: CheckState::Undecided,
        exercise: None,
        summary: trouble.join("; "),
        findings: vec![Finding {
            anomaly: "unhealed".into(),
            headline: "The cluster was not brought back to what it was before the faults.".into(),
            explanation: trouble.join(". "),
            ..Finding::default()
        }],
    }
}

fn signal_name(exit: Exit) -> &'static str {
    if exit == Exit::Terminated { "SIGTERM" } else { "SIGINT" }
}

fn record(
    order: &Order,
    stage: &Stage,
    ending: &Ending,
    log: &Log,
    analysis: Analysis,
) -> RunRecord {
    let mut environment = stage.environment.clone();
    environment.load_average.1 = load_average();
    environment.server_version.clone_from(&log.server_version);
    let final_status: BTreeMap<String, FinalStatus> = log
        .final_status
        .iter()
        .map(|(node, status)| (node_name(*node), final_of(status)))
        .collect();
    RunRecord {
        schema_version: SCHEMA_VERSION,
        id: stage.folder.id.clone(),
        verdict: analysis.verdict,
        seed: order.plan.seed,
        settings: settings(order, stage.target.name()),
        environment,
        started_at: stage.started.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        origin_ns: stage.origin_ns,
        duration_ms: (monotonic_ns() - stage.origin_ns) / 1_000_000,
        phases: log.phases.clone(),
        interrupted: match ending {
            Ending::Interrupted(exit) => Some(signal_name(*exit).into()),
            Ending::Complete | Ending::Environment(_) => None,
        },
        final_status,
        analysis,
    }
}

fn final_of(status: &NodeStatus) -> FinalStatus {
    FinalStatus {
        role: status.role.clone(),
        term: status.term,
        applied: status.applied,
        state_hash: status.state_hash.clone().unwrap_or_default(),
        chain: status.chain.clone().unwrap_or_default(),
    }
}

fn settings(order: &Order, target: &str) -> Settings {
    let workload = &order.plan.workload;
    let mutant =
        order.build.mutant.clone().or_else(|| order.canary.then(|| crate::cli::CANARY.into()));
    Settings {
        target: target.into(),
        server: order.build.program.as_ref().map(|server| server.display().to_string()),
        mutant,
        nodes: order.plan.nodes,
        time_ms: order.plan.time_ms,
        workload: workload.name.clone(),
        faults: order.plan.families.clone(),
        clients: workload.clients,
        keys: workload.keys,
        rate: workload.rate,
        snapshot_entries: order.plan.snapshot_entries,
        command: order.command.clone(),
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
        let _ = fs::remove_dir_all(stage.folder.join("data"));
    }
}

fn tell(order: &Order, stage: &Stage, record: &RunRecord) {
    let statistics = Statistics::of_run(&stage.folder.path).unwrap_or_default();
    // People are told on stderr where stdout is for machines.
    let choice = match order.loudness.json {
        true => anstream::AutoStream::choice(&std::io::stderr()),
        false => anstream::AutoStream::choice(&std::io::stdout()),
    };
    let color = choice != anstream::ColorChoice::Never;
    let style = TerminalStyle { color, unicode: is_unicode(), width: crate::progress::width() };
    let mut text = whitewater_reports::terminal(record, &statistics, style);
    let report = seen_from_here(&stage.folder.join("report.html"));
    text += &format!("  seed    {}\n  report  {}\n", record.seed, report.display());
    if order.loudness.json {
        if !order.loudness.quiet {
            anstream::eprint!("{text}");
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
        anstream::eprintln!("warning: the step summary could not be written: {error}");
    }
    let report = seen_from_here(&stage.folder.join("report.html"));
    match github.annotation(record, &report) {
        Some(line) if order.loudness.json => anstream::eprint!("{line}"),
        Some(line) => progress::print(&line),
        None => {}
    }
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
    })
}

fn is_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    locale.is_some_and(|locale| locale.to_lowercase().contains("utf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(ending: &Ending, log: &Log) -> Analysis {
        let mut analysis = Analysis::default();
        add_ending(&mut analysis, ending, log);
        analysis
    }

    #[test]
    fn a_fault_that_could_not_be_undone_keeps_a_run_from_passing() {
        let trouble = "n3 is no voter again after 30 s";
        let log = Log { unhealed: vec![trouble.into()], ..Log::default() };
        let analysis = ended(&Ending::Complete, &log);
        assert_eq!(analysis.verdict, Verdict::Undecided);
        let check = &analysis.checks[0];
        assert_eq!((check.name.as_str(), check.state), ("healing", CheckState::Undecided));
        assert!(check.findings[0].explanation.contains(trouble), "{check:?}");
        // A run that was cut short has faults in force by its nature; its own check says so.
        let cut = ended(&Ending::Interrupted(Exit::Terminated), &log);
        assert!(cut.checks.iter().all(|check| check.name == "run"), "{cut:?}");
        assert_eq!(cut.verdict, Verdict::Undecided);
    }

    #[test]
    fn a_plan_that_was_carried_out_in_part_keeps_a_run_from_passing() {
        let unread = "at the end 0 keys could not be changed and 12 could not be read";
        let slow = "n2 had to be killed: it did not stop when asked";
        let log =
            Log { incomplete: vec![unread.into()], notes: vec![slow.into()], ..Log::default() };
        let analysis = ended(&Ending::Complete, &log);
        assert_eq!(analysis.verdict, Verdict::Undecided);
        assert!(analysis.checks[0].summary.contains(slow), "{analysis:?}");
        assert!(analysis.checks[0].findings[0].explanation.contains(unread), "{analysis:?}");
        let noted = ended(&Ending::Complete, &Log { notes: vec![slow.into()], ..Log::default() });
        assert_eq!(noted.verdict, Verdict::Pass);
        assert!(noted.checks[0].summary.contains(slow));
    }

    #[test]
    fn an_undisturbed_end_adds_nothing_and_a_broken_environment_is_an_error() {
        assert!(ended(&Ending::Complete, &Log::default()).checks.is_empty());
        let broken = ended(&Ending::Environment("no port is free".into()), &Log::default());
        assert_eq!(broken.verdict, Verdict::Error);
        assert!(broken.checks[0].findings[0].explanation.contains("no port is free"));
    }
}
