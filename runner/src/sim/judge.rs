//! Judges a simulated run with the checker of real runs.

use std::collections::BTreeMap;

use whitewater_checker::analysis::{Analysis, CheckResult, Finding};
use whitewater_checker::observation::ProcessChange;
use whitewater_checker::{Options, Verdict, check_reader};
use whitewater_raft::event::Event;

use super::Simulated;
use crate::plan::Plan;

/// What a run comes to.
pub(crate) fn judge(_plan: &Plan, run: &Simulated) -> Analysis {
    let mut bytes = Vec::new();
    for event in &run.recording.history {
        serde_json::to_writer(&mut bytes, event).expect("an event can be written");
        bytes.push(b'\n');
    }
    let options = Options { threads: 1, ..Options::default() };
    let (mut analysis, _) =
        check_reader("history", Box::new(std::io::Cursor::new(bytes)), &options)
            .expect("a simulated history is well-formed");
    sentinel(run, &mut analysis);
    analysis
}

fn sentinel(run: &Simulated, analysis: &mut Analysis) {
    let mut report = |name: &str, at_ns: u64, text: String| {
        analysis.verdict = Verdict::Violation;
        if analysis.checks.iter().any(|c| c.name == name) {
            return;
        }
        analysis.checks.push(CheckResult {
            name: name.into(),
            verdict: Verdict::Violation,
            findings: vec![Finding {
                anomaly: name.into(),
                headline: text,
                at_ns: Some(at_ns),
                ..Finding::default()
            }],
            ..CheckResult::default()
        });
    };
    let mut leaders = BTreeMap::new();
    let mut votes = BTreeMap::new();
    let mut chains = BTreeMap::new();
    let mut applied: BTreeMap<u64, (u64, _, _)> = BTreeMap::new();
    let mut terms: BTreeMap<u64, u64> = BTreeMap::new();
    let mut commits: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for r in &run.recording.trace {
        let t = terms.entry(r.node).or_default();
        if r.term < *t {
            report("monotonic-term", r.time_ns, format!("n{} term {} after {t}", r.node, r.term));
        }
        *t = (*t).max(r.term);
        match &r.event {
            Event::Leader { .. } => {
                let l = *leaders.entry(r.term).or_insert(r.node);
                if l != r.node {
                    report(
                        "leader-per-term",
                        r.time_ns,
                        format!("term {}: n{l} and n{}", r.term, r.node),
                    );
                }
            }
            Event::Vote { candidate, .. } => {
                let l = *votes.entry((r.node, r.term)).or_insert(*candidate);
                if l != *candidate {
                    report("vote-once", r.time_ns, format!("n{} term {}", r.node, r.term));
                }
            }
            Event::Append { last, chain, .. } | Event::Durable { last, chain } => {
                let c = *chains.entry(*last).or_insert(*chain);
                if c != *chain {
                    report("log-matching", r.time_ns, format!("{last:?} n{}", r.node));
                }
            }
            Event::Commit { to, chain, .. } => {
                let c = *chains.entry(*to).or_insert(*chain);
                if c != *chain {
                    report("log-matching", r.time_ns, format!("{to:?} n{}", r.node));
                }
                let c = commits.entry((r.node, r.boot)).or_default();
                if to.index < *c {
                    report("monotonic-commit", r.time_ns, format!("n{} {to:?} after {c}", r.node));
                }
                *c = (*c).max(to.index);
            }
            Event::Apply { to, chain, state_hash, .. } => {
                let a = *applied.entry(to.index).or_insert((to.term, *chain, *state_hash));
                if a != (to.term, *chain, *state_hash) {
                    report(
                        "state-machine-safety",
                        r.time_ns,
                        format!(
                            "index {} n{}: {a:?} {:?}",
                            to.index,
                            r.node,
                            (to.term, chain, state_hash)
                        ),
                    );
                }
            }
            _ => {}
        }
    }
    for p in &run.recording.processes {
        if let ProcessChange::Exited { how, expected: false, last_words } = &p.change {
            report(
                "unexpected-exit",
                p.time_ns,
                format!("{} {how} {}", p.node, last_words.concat().replace('\n', " ")),
            );
        }
    }
    let finals: Vec<_> = run.recording.status.iter().filter(|s| s.is_final).collect();
    if finals.windows(2).any(|w| w[0].applied == w[1].applied && w[0].state_hash != w[1].state_hash)
    {
        report("final-state", run.simulated_ns, "state hashes differ".into());
    }
    if finals.len() != 5 || finals.windows(2).any(|w| w[0].applied != w[1].applied) {
        report(
            "no-recovery",
            run.simulated_ns,
            format!("finals {:?}", finals.iter().map(|s| (&s.node, s.applied)).collect::<Vec<_>>()),
        );
    }
}
