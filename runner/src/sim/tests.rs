//! The simulator as a whole: the same seed is the same run, a clean server passes, bugs are found, and a
//! failing seed leaves a folder that can be judged and read.

use std::collections::BTreeSet;

use whitewater_checker::analysis::{Analysis, CheckState, Finding};
use whitewater_checker::fault::{FaultRecord, FaultStatus};
use whitewater_checker::statistics::Recording;
use whitewater_checker::{Options, Verdict, check_history, check_run, ranking};
use whitewater_raft::event::{Event, Record};
use whitewater_server::Mutant;
use whitewater_server::journal::{Divergence, UnderRules, replay_bytes};
use whitewater_server::mutants::{CATALOGUE, Card};

use super::*;
use crate::plan::WorkloadPlan;
use crate::store::Store;

fn batch(mutant: Option<Mutant>, workload: &str, time_ms: u64) -> Batch {
    Batch {
        seeds: 1..=3,
        nodes: Some(5),
        time_ms,
        workload: WorkloadPlan {
            name: workload.into(),
            clients: 10,
            keys: 20,
            rate: 200,
            operation_deadline_ms: 1_000,
            operations_per_key: 300,
            unknown_per_key: 20,
            without: Vec::new(),
            reads_at_every_node: false,
        },
        families: ["kill", "partition", "pause"].map(String::from).to_vec(),
        given: None,
        mutant,
        threads: 2,
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let plan = batch(None, "register", 8_000).plan(7).unwrap();
    let (one, other) = (simulate(&plan, None), simulate(&plan, None));
    assert_eq!(one.hash(), other.hash(), "whitewater sim --nodes 5 --seeds 7..7 --time 8s");
    assert_eq!(one.recording.trace, other.recording.trace);
    assert_eq!(one.recording.history, other.recording.history);
    assert_eq!((one.happened, one.simulated_ns), (other.happened, other.simulated_ns));
    let different = batch(None, "register", 8_000).plan(8).unwrap();
    assert_ne!(simulate(&different, None).hash(), one.hash());
}

#[test]
fn a_batch_gives_each_seed_the_outcome_it_has_alone() {
    let batch = batch(None, "append", 8_000);
    let summary = batch.run(|_| {}).unwrap();
    for outcome in &summary.seeds {
        let alone = simulate(&batch.plan(outcome.seed).unwrap(), None);
        assert_eq!(outcome.hash, alone.hash(), "seed {}", outcome.seed);
        let line = format!(
            "whitewater sim --nodes 5 --seeds {0}..{0} --time 8s --workload append",
            outcome.seed
        );
        assert_ne!(outcome.verdict, Verdict::Violation, "{:?}: {line}", outcome.finding);
    }
    assert!(summary.simulated().as_secs() >= 24, "{:?}", summary.simulated());
}

#[test]
fn seeded_bugs_are_found_within_seconds_of_simulated_time() {
    for mutant in
        [Mutant::AckOnAppend, Mutant::CommitNoMin, Mutant::QuorumOffByOne, Mutant::AppliedOffByOne]
    {
        let summary = batch(Some(mutant), "register", 20_000).run(|_| {}).unwrap();
        let found = summary.of(Verdict::Violation).count();
        assert!(found > 0, "whitewater sim --nodes 5 --seeds 1..3 --time 20s --mutant {mutant}");
        assert!(summary.median_detection().is_some());
    }
}

/// Every kind of both families, in turn: each is seen to have had its effect, and nothing is wrong.
#[test]
fn members_and_leaders_change_on_request_and_all_are_back_at_the_end() {
    let mut batch = batch(None, "register", 20_000);
    batch.families = ["membership", "transfer"].map(String::from).to_vec();
    let mut seen = BTreeSet::new();
    for seed in 1..=4 {
        let plan = batch.plan(seed).unwrap();
        let run = simulate(&plan, None);
        let line = format!(
            "whitewater sim --nodes 5 --seeds {seed} --time 20s --faults membership,transfer"
        );
        assert_eq!(judge(&plan, &run).verdict, Verdict::Pass, "{line}");
        let effective = run.recording.faults.iter().filter(|fault| fault.effective);
        seen.extend(effective.map(|fault| fault.name.clone()));
    }
    let asked = crate::nemesis::FAMILIES
        .iter()
        .filter(|it| batch.families.iter().any(|name| name == it.name));
    let names = asked.flat_map(|family| family.faults).map(|fault| fault.name);
    let missing: Vec<&str> = names.filter(|name| !seen.contains(*name)).collect();
    assert_eq!(missing, [""; 0], "seen were {seen:?}");
}

/// Hand-overs that no plan asked for are recorded as those of a plan are.
#[test]
fn leaders_hand_over_by_chance_and_every_one_is_recorded() {
    let batch = batch(None, "register", 20_000);
    let seed = (1..).find(|seed| Weather::of(*seed).ambush.transfer_ns > 0).unwrap();
    let plan = batch.plan(seed).unwrap();
    let run = simulate(&plan, None);
    let line = format!("whitewater sim --nodes 5 --seeds {seed} --time 20s");
    let records: Vec<&FaultRecord> =
        run.recording.faults.iter().filter(|fault| fault.kind == "transfer").collect();
    assert!(!records.is_empty(), "{line}");
    assert!(records.iter().all(|fault| fault.leader_hit == Some(true)), "{line}: {records:?}");
    let seen = records.iter().filter(|fault| fault.effective && fault.effects[0].contains(" led "));
    assert!(seen.count() > 0, "{line}: {records:?}");
}

/// Ordinary seeds lose members too, and a server that decides with one of two majorities is caught.
#[test]
fn some_seeds_lose_members_and_joint_majorities_are_watched() {
    let batch = batch(Some(Mutant::JointOneMajority), "register", 20_000);
    let leaves = |seed: &u64| {
        let run = simulate(&batch.plan(*seed).unwrap(), None);
        run.recording.faults.iter().any(|fault| fault.kind == "membership" && fault.effective)
    };
    let seeds: Vec<u64> = (1..=12).filter(leaves).collect();
    assert!(!seeds.is_empty(), "whitewater sim --nodes 5 --seeds 1..12 --time 20s");
    let is_found = |seed: &u64| {
        let plan = batch.plan(*seed).unwrap();
        let run = simulate(&plan, batch.mutant);
        judge(&plan, &run).verdict == Verdict::Violation
    };
    assert!(seeds.iter().any(is_found), "--mutant joint-one-majority, seeds {seeds:?}");
}

/// Seeds draw how many nodes there are, and in some of them nodes leave for good: their clusters end smaller than they
/// began, which is no reason not to compare those that stayed.
#[test]
fn clusters_have_several_sizes_and_some_end_smaller_than_they_began() {
    let batch = Batch { nodes: None, ..batch(None, "register", 20_000) };
    let sizes: BTreeSet<u32> = (1..=60).map(|seed| batch.nodes(seed)).collect();
    assert_eq!(sizes, [3, 4, 5, 6].into());
    let mut smaller = Vec::new();
    for seed in (1..).filter(|seed| Weather::of(*seed).ambush.for_good > 0).take(8) {
        let plan = batch.plan(seed).unwrap();
        let run = simulate(&plan, None);
        let analysis = judge(&plan, &run);
        let line = format!("whitewater sim --seeds {seed} --time 20s");
        assert_ne!(analysis.verdict, Verdict::Violation, "{line}");
        let left = run.recording.history.iter().filter(|event| event.f == "left").count();
        let last = run.recording.status.iter().filter(|poll| poll.is_final).count();
        assert_eq!(last + left, plan.nodes as usize, "{line}");
        if left > 0 {
            let check = analysis.checks.iter().find(|check| check.name == "final-state").unwrap();
            assert_eq!(check.state, CheckState::Holds, "{line}: {}", check.summary);
            smaller.push((seed, last));
        }
    }
    assert!(smaller.iter().any(|(_, last)| *last % 2 == 0), "even and smaller: {smaller:?}");
}

/// Snapshots come in many chunks, while leaders and receivers are struck between two of them.
#[test]
fn snapshots_are_installed_from_chunks() {
    let batch = batch(None, "register", 20_000);
    let is_small = |seed: &u64| {
        let weather = Weather::of(*seed);
        weather.chunk_bytes <= 128 && weather.ambush.chunk > 0
    };
    let mut installed = 0;
    for seed in (1..).filter(is_small).take(4) {
        let plan = batch.plan(seed).unwrap();
        let run = simulate(&plan, None);
        let line = format!("whitewater sim --nodes 5 --seeds {seed} --time 20s");
        assert_ne!(judge(&plan, &run).verdict, Verdict::Violation, "{line}");
        let is_installed =
            |record: &&Record| matches!(record.event, Event::SnapshotInstalled { .. });
        installed += run.recording.trace.iter().filter(is_installed).count();
    }
    assert!(installed > 0, "no snapshot arrived whole");
}

/// Which checks fired in these seeds.
fn checks(mutant: Mutant, seeds: std::ops::RangeInclusive<u64>) -> Vec<String> {
    let batch = Batch { seeds, ..batch(Some(mutant), "register", 30_000) };
    let summary = batch.run(|_| {}).unwrap();
    summary.checks().into_iter().map(|(check, _)| check).collect()
}

#[test]
fn a_plot_brings_out_what_chance_seldom_does() {
    let fired = checks(Mutant::LengthBeforeTerm, 2..=6);
    let line = "whitewater sim --nodes 5 --seeds 2..6 --time 30s --mutant length-before-term";
    assert!(fired.contains(&"election-restriction".to_owned()), "{fired:?}: {line}");
}

#[test]
fn a_leader_that_is_disturbed_breaks_a_promise() {
    let fired = checks(Mutant::NoPreVoteCheckQuorum, 1..=3);
    let line = "whitewater sim --nodes 5 --seeds 1..3 --time 30s --mutant no-pre-vote-check-quorum";
    assert_eq!(fired, ["undisturbed-leader"], "{line}");
}

#[test]
fn a_server_that_panics_ends_and_the_run_goes_on() {
    let plan = batch(None, "register", 20_000).plan(3).unwrap();
    let run = simulate(&plan, Some(Mutant::SnapshotInPlace));
    let exits = run.recording.processes.iter().filter(|event| {
        use whitewater_checker::observation::ProcessChange::Exited;
        matches!(&event.change, Exited { expected: false, .. })
    });
    assert!(exits.count() > 0, "a half-written snapshot must keep a server from starting");
    assert_eq!(run.log.phases.last().map(|(name, _)| name.as_str()), Some("end"));
}

#[test]
fn a_kept_run_is_judged_alike_from_its_folder() {
    let runs = tempfile::tempdir().unwrap();
    let plan = batch(None, "register", 8_000).plan(2).unwrap();
    let mutant = Some(Mutant::AckOnAppend);
    let run = simulate(&plan, mutant);
    let analysis = judge(&plan, &run);
    let origin = Origin { command: "whitewater sim --seeds 2..2".into(), mutant: None };
    let store = Store::new(runs.path().to_owned());
    let folder = keep(&store, &plan, &run, &origin).unwrap();
    let again = check_run(&folder.path, &Options::default()).unwrap();
    let verdicts = |analysis: &Analysis| {
        let of = |check: &whitewater_checker::analysis::CheckResult| {
            (check.name.clone(), check.state, check.findings.len())
        };
        analysis.checks.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(analysis.verdict, Verdict::Violation);
    assert_eq!(verdicts(&again), verdicts(&analysis));
    for file in
        ["report.html", "run.json", "plan.json", "trace/n1.jsonl", "logs/n1.log", "summary.md"]
    {
        assert!(folder.join(file).is_file(), "{file}");
    }
}

/// What each of them found stands beside the mend: in the node's trace lines, in the log's recovery (10, 24 and
/// 87: it trusted what was not synced), and in the checker's rule for reads.
#[test]
fn seeds_that_found_a_bug_once_pass() {
    for seed in [6, 10, 24, 87, 289, 375, 1_360, 1_464, 1_851, 1_940, 3_841, 5_259] {
        let plan = batch(None, "register", 60_000).plan(seed).unwrap();
        let analysis = judge(&plan, &simulate(&plan, None));
        let failed = analysis.checks.iter().filter(|check| check.state.verdict() != Verdict::Pass);
        let failed: Vec<&str> = failed.map(|check| check.name.as_str()).collect();
        assert_eq!(failed, [""; 0], "whitewater sim --nodes 5 --seeds {seed}..{seed}");
    }
}

/// Replays every journal of a simulated run: the steps, and where each that differs does so first.
fn replayed(journals: &Journals, rules: UnderRules) -> (u64, Vec<(String, Divergence)>) {
    let (mut steps, mut found) = (0, Vec::new());
    for (name, bytes) in journals.files() {
        let replayed = replay_bytes(name.as_ref(), &bytes, rules).unwrap();
        assert_eq!(replayed.torn, None, "{name} was written to its end");
        steps += replayed.steps;
        found.extend(replayed.divergence.map(|divergence| (name, divergence)));
    }
    (steps, found)
}

#[test]
fn journals_of_the_clean_server_replay_alike_over_kills_restarts_and_snapshots() {
    for seed in 1..=3 {
        let plan = batch(None, "register", 8_000).plan(seed).unwrap();
        let run = simulate_with_journals(&plan, None);
        let journals = run.journals.as_ref().unwrap();
        assert_eq!(run.hash(), simulate(&plan, None).hash(), "a journal changes nothing");
        assert!(journals.files().len() > 5, "seed {seed}: nobody was started again");
        let (steps, found) = replayed(journals, UnderRules::Of(None));
        assert!(steps > 10_000, "seed {seed}: only {steps} steps");
        assert_eq!(found, [], "whitewater sim --nodes 5 --seeds {seed} --time 8s --keep --journal");
    }
}

#[test]
fn a_mutants_journals_part_from_the_papers_rules_where_it_broke_one() {
    for (mutant, words) in [
        (Mutant::QuorumOffByOne, "vote for me"),
        (Mutant::VoteErased, "no vote"),
        (Mutant::CommitOldTerm, "heartbeat behind"),
        (Mutant::NoLogCheck, "vote granted"),
        (Mutant::AckOnAppend, "acknowledges it; the replayed core does not acknowledge"),
        (Mutant::CommitNoMin, "hands out as committed"),
        (Mutant::LeaderLocalRead, "lets read"),
    ] {
        // A rule that is broken makes a difference only where it is asked the right question.
        let is_told = |seed: u64| {
            let plan = batch(Some(mutant), "register", 20_000).plan(seed).unwrap();
            let run = simulate_with_journals(&plan, Some(mutant));
            let journals = run.journals.as_ref().unwrap();
            let (_, found) = replayed(journals, UnderRules::Recorded);
            assert_eq!(found, [], "by its own rules {mutant} is repeatable, seed {seed}");
            let (_, found) = replayed(journals, UnderRules::Of(None));
            println!(
                "{mutant}, seed {seed}: {} of {} journals",
                found.len(),
                journals.files().len()
            );
            for (name, divergence) in &found {
                println!("  {name} step {}: {}", divergence.step, divergence.headline);
            }
            found.iter().any(|(_, it)| it.headline.contains(words))
        };
        let line = format!(
            "whitewater sim --nodes 5 --seeds 1 --time 20s --mutant {mutant} --keep --journal"
        );
        assert!((1..=10).any(is_told), "seeds 1 to 10, such as {line}");
    }
}

#[test]
fn a_bug_outside_the_core_leaves_journals_that_replay_alike() {
    let plan = batch(None, "append", 8_000).plan(1).unwrap();
    let run = simulate_with_journals(&plan, Some(Mutant::NoDedupe));
    let (steps, found) = replayed(run.journals.as_ref().unwrap(), UnderRules::Of(None));
    assert!(steps > 10_000, "only {steps} steps");
    assert_eq!(found, [], "the sessions are not the core's");
}

/// Some faults come when a node is down already, because something else killed it: those had no effect and say so.
#[test]
fn a_fault_on_a_node_that_is_down_already_has_no_effect() {
    let batch = batch(None, "register", 20_000);
    let mut in_vain = Vec::new();
    for seed in 1..=24 {
        let run = simulate(&batch.plan(seed).unwrap(), None);
        let on_processes = |fault: &&FaultRecord| ["kill", "pause"].contains(&fault.kind.as_str());
        for fault in run.recording.faults.iter().filter(on_processes) {
            match &fault.status {
                FaultStatus::Installed => assert!(fault.effective, "{seed}: {fault:?}"),
                FaultStatus::Skipped { .. } => assert!(!fault.effective, "{seed}: {fault:?}"),
                // Of several nodes some may have been struck.
                FaultStatus::Indeterminate { .. } if fault.nodes.len() > 1 => {}
                FaultStatus::Indeterminate { .. } => {
                    assert!(!fault.effective && fault.effective_at_ns.is_none(), "{fault:?}");
                    in_vain.push(seed);
                }
            }
        }
    }
    assert!(!in_vain.is_empty(), "in 24 seeds no fault came too late");
}

/// The report of every mutant begins with what the bug breaks, not with what comes of that. The rare ones may
/// need more seeds than these.
#[test]
fn what_a_card_names_leads_the_report() {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let outcomes = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(card) = CATALOGUE.get(at) else { return };
                    let told = told(card);
                    outcomes.lock().unwrap().push((card, told));
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    let wrong: Vec<&String> =
        outcomes.iter().filter_map(|(_, told)| told.as_ref()?.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let seldom = [
        Mutant::StaleVoteCounted,
        Mutant::LeaseAcrossPause,
        Mutant::LeaseNoVoteRefusal,
        Mutant::TornTailFatal,
        Mutant::FsyncRetried,
        Mutant::FixedTimeout,
        Mutant::NoBacktrack,
        Mutant::JointOneMajority,
    ];
    let missed: Vec<&str> = outcomes
        .iter()
        .filter(|(card, told)| told.is_none() && !seldom.contains(&card.mutant))
        .map(|(card, _)| card.name)
        .collect();
    assert_eq!(missed, [""; 0], "found by none of seeds 1..4");
}

/// A rule leads the report, and the operations that clients saw go wrong are a history of their own, which is
/// judged as the report has it.
#[test]
fn the_kept_witness_is_judged_as_the_report_tells_it_whoever_leads() {
    let runs = tempfile::tempdir().unwrap();
    let store = Store::new(runs.path().to_owned());
    for mutant in [Mutant::NoLogCheck, Mutant::QuorumOffByOne, Mutant::LeaderLocalRead] {
        let is_told = |seed: u64| {
            let plan = batch(Some(mutant), "register", 30_000).plan(seed).unwrap();
            let run = simulate(&plan, Some(mutant));
            let origin = Origin { command: "whitewater sim".into(), mutant: None };
            let folder = keep(&store, &plan, &run, &origin).unwrap();
            let analysis = check_run(&folder.path, &Options::default()).unwrap();
            let witness = folder.join("witness/history.jsonl");
            let seen = ranking::seen_by_clients(&analysis);
            let Some((_, seen)) = seen.filter(|(_, finding)| finding.witness.is_some()) else {
                assert!(!witness.exists(), "{mutant}, seed {seed}");
                return false;
            };
            let (alone, _) = check_history(&witness, &Options::default()).unwrap();
            let (_, told) = ranking::leading(&alone).unwrap();
            let sentences = |finding: &Finding| {
                [&finding.anomaly, &finding.headline, &finding.explanation].map(Clone::clone)
            };
            assert_eq!(sentences(told), sentences(seen), "{mutant}, seed {seed}");
            let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
            assert!(page.contains(r#"<svg id="clients-picture""#), "{mutant}, seed {seed}");
            true
        };
        assert!((1..=4).any(is_told), "{mutant}: clients saw nothing in seeds 1 to 4");
    }
}

/// Words of Rust where words for people belong: `Some(3)`, `Kill { after_ns: 5 }`.
fn debug_text(text: &str) -> Option<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let found = ["Some(", " { "].into_iter().flat_map(|sign| text.match_indices(sign));
    found.map(|(at, sign)| (text[..at].trim_end_matches(is_name).len(), at + sign.len())).find_map(
        |(from, to)| {
            let name = &text[from..to];
            name.starts_with(|c: char| c.is_ascii_uppercase()).then_some(name)
        },
    )
}

/// A page without its style and its script.
fn said(page: &str) -> String {
    let mut text = page.to_owned();
    for element in ["style", "script"] {
        while let Some(from) = text.find(&format!("<{element}")) {
            let end = format!("</{element}>");
            let to = text[from..].find(&end).map_or(text.len(), |at| from + at + end.len());
            text.replace_range(from..to, "");
        }
    }
    text
}

#[test]
fn no_output_of_a_simulated_run_shows_how_the_tool_is_written_and_faults_stand_in_time_order() {
    assert_eq!(debug_text("n1, Kill { after_ns: 5 }"), Some("Kill { "));
    assert_eq!(debug_text("(its term: Some(3))"), Some("Some("));
    assert_eq!(debug_text("a set { 1 } of some (three)"), None);
    let runs = tempfile::tempdir().unwrap();
    let store = Store::new(runs.path().to_owned());
    let (mut ambushes, mut seed) = (0, 0);
    while ambushes == 0 {
        seed += 1;
        assert!(seed < 20, "no ambush in 20 seeds");
        let plan = batch(None, "register", 20_000).plan(seed).unwrap();
        let run = simulate(&plan, None);
        let is_ambush = |fault: &&FaultRecord| fault.name.contains("ambush");
        if !run.recording.faults.iter().any(|fault| is_ambush(&fault)) {
            continue;
        }
        ambushes += 1;
        let origin = Origin { command: "whitewater sim".into(), mutant: None };
        let folder = keep(&store, &plan, &run, &origin).unwrap();
        for name in ["report.html", "summary.md", "junit.xml", "faults.jsonl", "logs/n1.log"] {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            assert_eq!(debug_text(&said(&text)), None, "{name} of seed {seed}");
        }
        let recording = Recording::read(&folder.path).unwrap();
        let begins: Vec<u64> =
            recording.faults.iter().filter_map(|fault| fault.started_at_ns).collect();
        assert!(begins.is_sorted(), "{begins:?}");
    }
}

/// What leads in the first seed that finds a bug, and whether that is one of its card's checks.
fn told(card: &Card) -> Option<Result<(), String>> {
    let batch = batch(Some(card.mutant), "register", 30_000);
    for seed in 1..=4 {
        let plan = batch.plan(seed).unwrap();
        let analysis = judge(&plan, &simulate(&plan, batch.mutant));
        if analysis.verdict != Verdict::Violation {
            continue;
        }
        let (check, finding) = ranking::leading(&analysis).expect("a violation has a finding");
        let line =
            format!("whitewater sim --nodes 5 --seeds {seed} --time 30s --mutant {}", card.name);
        return Some(match card.leads.contains(&check.name.as_str()) {
            true => Ok(()),
            false => Err(format!("{line}: {} leads ({})", check.name, finding.headline)),
        });
    }
    None
}
