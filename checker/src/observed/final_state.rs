//! At the end, with nothing going on, all nodes have the same state.
//!
//! Nodes are asked once everything is quiet. States are compared where nodes applied the same index;
//! a node that did not answer, or is behind, was not compared, and that makes the check undecided.
//!
//! A follower that stays where it is while nothing stops it breaks a promise: it knew one and the same leader,
//! which led all the time and had committed more, both answered whenever they were asked, and it applied
//! nothing for as long as the cluster may take to elect a leader many times over. Bad luck in elections has
//! no part in that, and a machine that starves its processes leaves gaps in their answers, which are not judged.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::{CheckResult, CheckState, Finding, Heading};
use crate::observation::StatusPoll;
use crate::run_folder::STATUS;

const HEADING: Heading = Heading::new("final-state", "all nodes end in the same state");

/// Longest time between two answers of a node that is not starved.
const GAP_NS: u64 = 1_000_000_000;

/// What is promised of a follower once everything is quiet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchingUp {
    /// Nothing goes on since then.
    pub(crate) since_ns: u64,
    /// A follower gets somewhere within this.
    pub(crate) within_ms: u64,
}

/// Judges the last answers in `status.jsonl`; `None`: there is no such file. `nodes` are all nodes that
/// were ever heard of.
pub(crate) fn final_state(
    polls: Option<&[(u32, StatusPoll)]>,
    nodes: &BTreeSet<String>,
    promise: Option<&CatchingUp>,
) -> CheckResult {
    let Some(polls) = polls else {
        return HEADING
            .not_exercised(&format!("no {STATUS}"), "a run of this tool, which polls its nodes");
    };
    let mut last: BTreeMap<&str, &(u32, StatusPoll)> = BTreeMap::new();
    for poll in polls.iter().filter(|(_, poll)| poll.is_final) {
        last.insert(&poll.1.node, poll);
    }
    if last.is_empty() {
        return HEADING.not_exercised(
            "the run did not get to its last status poll",
            "a run that is not cut short before its phase quiesce",
        );
    }
    let mut by_applied: BTreeMap<u64, Vec<&(u32, StatusPoll)>> = BTreeMap::new();
    for poll in last.values() {
        by_applied.entry(poll.1.applied).or_default().push(poll);
    }
    let mut differences: Vec<Finding> =
        by_applied.values().flat_map(|polls| differs(polls)).collect();
    if let Some(promise) = promise {
        differences.extend(last.values().filter_map(|poll| stuck(polls, &poll.1, promise)));
    }
    let summary = summary(&last, &by_applied);
    if !differences.is_empty() {
        return HEADING.result(CheckState::Broken, summary, differences);
    }
    if last.values().all(|(_, poll)| poll.state_hash.is_none() && poll.chain.is_none()) {
        return HEADING.not_exercised(
            "the target tells no state hash",
            "a target whose status tells a hash of its state",
        );
    }
    HEADING.result(CheckState::Undecided, summary, not_compared(&last, &by_applied, nodes))
}

/// Nodes that applied the same and differ, each against the first.
fn differs(polls: &[&(u32, StatusPoll)]) -> Vec<Finding> {
    let Some((first, others)) = polls.split_first() else { return Vec::new() };
    let differs = |one: &Option<String>, other: &Option<String>| {
        one.is_some() && other.is_some() && one != other
    };
    let finding = |other: &&(u32, StatusPoll)| {
        let (own, other) = (&first.1, &other.1);
        let (what, left, right) = if differs(&own.chain, &other.chain) {
            ("logs with chains", &own.chain, &other.chain)
        } else if differs(&own.state_hash, &other.state_hash) {
            ("states with hashes", &own.state_hash, &other.state_hash)
        } else {
            return None;
        };
        let text = |hash: &Option<String>| hash.clone().unwrap_or_default();
        Some(Finding {
            anomaly: "states-diverge".to_owned(),
            headline: "Two nodes ended in different states.".to_owned(),
            explanation: format!(
                "At the end, having applied index {}, {} and {} had {what} {} and {}.",
                own.applied,
                own.node,
                other.node,
                text(left),
                text(right)
            ),
            at_ns: Some(other.time_ns),
            nodes: vec![own.node.clone(), other.node.clone()],
            evidence: Vec::new(),
            ..Finding::default()
        })
    };
    let lines = |other: &&(u32, StatusPoll)| vec![evidence(first), evidence(other)];
    others
        .iter()
        .filter_map(|other| Some(Finding { evidence: lines(other), ..finding(other)? }))
        .collect()
}

fn evidence((line, poll): &(u32, StatusPoll)) -> String {
    let text = serde_json::to_string(poll).unwrap_or_default();
    format!("{STATUS}:{line}: {text}")
}

/// A follower that got nowhere; `end` is its last answer.
fn stuck(polls: &[(u32, StatusPoll)], end: &StatusPoll, promise: &CatchingUp) -> Option<Finding> {
    let leader = end.leader.as_ref().filter(|leader| **leader != end.node)?;
    let stayed = tail(polls, &end.node, promise.since_ns, |poll| {
        let same = (poll.term, &poll.leader, poll.applied) == (end.term, &end.leader, end.applied);
        same && poll.role == "follower"
    });
    let led = tail(polls, leader, promise.since_ns, |poll| {
        poll.role == "leader" && poll.term == end.term && poll.commit > end.applied
    });
    let (first, first_led) = (stayed.first()?, led.first()?);
    let from_ns = first.1.time_ns.max(first_led.1.time_ns);
    let to_ns = end.time_ns.min(led.last()?.1.time_ns);
    let stayed_ms = to_ns.saturating_sub(from_ns) / 1_000_000;
    if stayed_ms < promise.within_ms {
        return None;
    }
    Some(Finding {
        anomaly: "never-caught-up".to_owned(),
        headline: "A follower never caught up, and nothing stopped it.".to_owned(),
        explanation: format!(
            "At the end {} followed {leader} in term {} and stayed at applied index {} for {:.1} s, while \
             {leader} had committed up to {}. No fault was in force, and both answered all the time. \
             Electing a leader takes {:.1} s at most here, and this needed no election.",
            end.node,
            end.term,
            end.applied,
            stayed_ms as f64 / 1e3,
            first_led.1.commit,
            promise.within_ms as f64 / 1e3,
        ),
        at_ns: Some(end.time_ns),
        nodes: vec![leader.clone(), end.node.clone()],
        evidence: [first_led, first, stayed.last()?].map(|poll| evidence(poll)).to_vec(),
        ..Finding::default()
    })
}

/// The last answers of a node, without a gap, as long as this holds.
fn tail<'a>(
    polls: &'a [(u32, StatusPoll)],
    node: &str,
    since_ns: u64,
    holds: impl Fn(&StatusPoll) -> bool,
) -> Vec<&'a (u32, StatusPoll)> {
    let mut own: Vec<&(u32, StatusPoll)> =
        polls.iter().filter(|(_, poll)| poll.node == node && poll.time_ns >= since_ns).collect();
    own.sort_by_key(|(_, poll)| poll.time_ns);
    let broken = own.iter().rposition(|(_, poll)| !holds(poll)).map_or(0, |at| at + 1);
    let is_gap = |two: &[&(u32, StatusPoll)]| two[1].1.time_ns - two[0].1.time_ns > GAP_NS;
    let gap = own.windows(2).rposition(is_gap).map_or(0, |at| at + 1);
    own.split_off(broken.max(gap))
}

/// Who could not be compared, as the reason for being undecided.
fn not_compared(
    last: &BTreeMap<&str, &(u32, StatusPoll)>,
    by_applied: &BTreeMap<u64, Vec<&(u32, StatusPoll)>>,
    nodes: &BTreeSet<String>,
) -> Vec<Finding> {
    let silent: Vec<String> =
        nodes.iter().filter(|node| !last.contains_key(node.as_str())).cloned().collect();
    let mut findings = Vec::new();
    if !silent.is_empty() {
        findings.push(Finding {
            anomaly: "not-compared".to_owned(),
            headline: "Not every node answered at the end.".to_owned(),
            explanation: format!("{} did not answer the last status poll.", silent.join(", ")),
            nodes: silent,
            ..Finding::default()
        });
    }
    if by_applied.len() > 1 {
        let applied: Vec<String> =
            last.values().map(|(_, poll)| format!("{} {}", poll.node, poll.applied)).collect();
        findings.push(Finding {
            anomaly: "not-compared".to_owned(),
            headline: "The nodes had not applied the same at the end.".to_owned(),
            explanation: format!("Applied up to: {}.", applied.join(", ")),
            nodes: last.keys().map(|node| (*node).to_owned()).collect(),
            evidence: last.values().map(|poll| evidence(poll)).collect(),
            ..Finding::default()
        });
    }
    findings
}

fn summary(
    last: &BTreeMap<&str, &(u32, StatusPoll)>,
    by_applied: &BTreeMap<u64, Vec<&(u32, StatusPoll)>>,
) -> String {
    let applied: Vec<String> = by_applied
        .iter()
        .map(|(index, polls)| format!("{} at applied index {index}", polls.len()))
        .collect();
    format!("{} nodes answered at the end: {}", last.len(), applied.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(node: &str, applied: u64, hash: Option<&str>) -> (u32, StatusPoll) {
        let poll = StatusPoll {
            node: node.to_owned(),
            applied,
            state_hash: hash.map(str::to_owned),
            is_final: true,
            ..StatusPoll::default()
        };
        (1, poll)
    }

    fn check(polls: &[(u32, StatusPoll)]) -> CheckResult {
        let nodes = ["n1", "n2", "n3"].map(str::to_owned).into();
        final_state(Some(polls), &nodes, None)
    }

    type Change = fn(u64, &mut StatusPoll);

    /// For twelve seconds n1 leads and n2 stays behind, n3 does not.
    fn quiet(change: impl Fn(u64, &mut StatusPoll)) -> CheckResult {
        let mut polls = Vec::new();
        for second in 0..=24_u64 {
            for (node, applied) in [("n1", 9), ("n2", 6), ("n3", 9)] {
                let role = if node == "n1" { "leader" } else { "follower" };
                let mut poll = StatusPoll {
                    time_ns: second * 500_000_000,
                    role: role.to_owned(),
                    term: 3,
                    leader: Some("n1".to_owned()),
                    commit: applied,
                    is_final: second == 24,
                    ..poll(node, applied, Some("a")).1
                };
                change(second, &mut poll);
                polls.push((polls.len() as u32 + 1, poll));
            }
        }
        let nodes = ["n1", "n2", "n3"].map(str::to_owned).into();
        let promise = CatchingUp { since_ns: 0, within_ms: 10_000 };
        final_state(Some(&polls), &nodes, Some(&promise))
    }

    #[test]
    fn a_follower_that_never_catches_up_breaks_a_promise() {
        let stuck = quiet(|_, _| {});
        assert_eq!(stuck.state, CheckState::Broken);
        let finding = &stuck.findings[0];
        assert_eq!((finding.anomaly.as_str(), stuck.findings.len()), ("never-caught-up", 1));
        assert_eq!(finding.nodes, ["n1", "n2"]);
        assert!(
            finding.explanation.contains(
                "n2 followed n1 in term 3 and stayed at applied index 6 for 12.0 s, while n1 had committed \
                 up to 9"
            ),
            "{}",
            finding.explanation
        );
        assert_eq!(finding.evidence.len(), 3);
    }

    /// Whatever else could be the reason is none of the follower's fault.
    #[test]
    fn a_follower_that_something_stopped_is_undecided() {
        let changes: [(&str, Change); 6] = [
            ("it gets on, however slowly", |second, poll| {
                poll.applied -= u64::from(poll.node == "n2" && second < 8);
            }),
            ("it was in another term", |second, poll| {
                poll.term -= u64::from(poll.node == "n2" && second == 12);
            }),
            ("it campaigned", |second, poll| {
                if poll.node == "n2" && second == 12 {
                    poll.role = "pre_candidate".to_owned();
                }
            }),
            ("another one led", |second, poll| {
                if poll.node == "n1" && second < 12 {
                    poll.role = "follower".to_owned();
                }
            }),
            ("the leader had no more until late", |second, poll| {
                if poll.node == "n1" && second < 12 {
                    poll.commit = 6;
                }
            }),
            ("it was starved", |second, poll| {
                if poll.node == "n2" && (10..14).contains(&second) {
                    poll.node = "n4".to_owned();
                }
            }),
        ];
        for (why, change) in changes {
            assert_eq!(quiet(change).state, CheckState::Undecided, "{why}");
        }
    }

    #[test]
    fn equal_states_pass_and_different_ones_do_not() {
        let equal = [poll("n1", 7, Some("a")), poll("n2", 7, Some("a")), poll("n3", 7, Some("a"))];
        assert_eq!(check(&equal).state, CheckState::Holds);
        assert_eq!(check(&equal).summary, "3 nodes answered at the end: 3 at applied index 7");
        let other = [equal[0].clone(), equal[1].clone(), poll("n3", 7, Some("b"))];
        let check = check(&other);
        assert_eq!(check.state, CheckState::Broken);
        assert_eq!(check.findings[0].nodes, ["n1", "n3"]);
        assert_eq!(check.findings[0].evidence.len(), 2);
    }

    #[test]
    fn a_node_that_is_silent_or_behind_makes_it_undecided() {
        let silent = check(&[poll("n1", 7, Some("a")), poll("n2", 7, Some("a"))]);
        assert_eq!(silent.state, CheckState::Undecided);
        assert_eq!(silent.findings[0].nodes, ["n3"]);
        let behind =
            check(&[poll("n1", 7, Some("a")), poll("n2", 6, Some("b")), poll("n3", 7, Some("a"))]);
        assert_eq!(behind.state, CheckState::Undecided);
        assert!(behind.findings[0].explanation.contains("n2 6"));
    }

    #[test]
    fn a_target_without_hashes_is_not_checked() {
        let blank = check(&[poll("n1", 7, None), poll("n2", 7, None)]);
        assert_eq!(blank.state, CheckState::NotExercised);
        let early = StatusPoll { is_final: false, ..poll("n1", 7, None).1 };
        assert_eq!(check(&[(1, early)]).state, CheckState::NotExercised);
    }
}
