//! Which finding leads, and in which order the others follow: what is proven and nearest to the cause first.
//!
//! The rule, as docs/checker.md has it:
//!
//! 1. What decides the verdict comes before what does not: broken, error, undecided.
//! 2. What was seen of the servers comes before what their clients saw of it, then comes what was seen of the
//!    service as a whole, then what says something of the run alone ([`Standing`]).
//! 3. Of what was seen of the servers the earliest comes first: a cause precedes what it leads to. A node tells what
//!    it did when its disk has it, so what one message did is told some milliseconds apart: that is one moment.
//! 4. At the same moment the step of one node comes before what it breaks between nodes (`STEPS`). Where clients
//!    or the service speak, their moment says when somebody noticed, so there a table alone decides.
//!
//! Every output asks here, so that the terminal, the page, the summary, JUnit, `sim` and `mutants` name the same
//! finding. That one stands before another does not say that it caused it.

use crate::analysis::{Analysis, CheckResult, CheckState, Finding, OperationId, WitnessOperation};
use crate::verdict::Verdict;

/// Who saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Traces, status polls, exits: what servers did.
    Servers,
    /// Answers: what clients were told.
    Clients,
    /// Availability and what is left at the end.
    Service,
    /// What says how much the run is worth, and the positive control.
    Run,
}

/// Checks whose moment is when somebody noticed, by what they speak of; the order decides between those that
/// stand alike. Every check that is not here speaks of what servers did.
const LATE: [(&str, Standing); 12] = [
    ("linearizability", Standing::Clients),
    ("agreement", Standing::Clients),
    ("durability", Standing::Clients),
    ("liveness", Standing::Service),
    ("recovery", Standing::Service),
    ("final-state", Standing::Service),
    ("conformance", Standing::Run),
    ("strength", Standing::Run),
    ("healing", Standing::Run),
    ("nemesis", Standing::Run),
    ("run", Standing::Run),
    ("canary", Standing::Run),
];

/// What servers do, for findings of the same moment: what one node must not do, in the order in which an entry
/// goes through a cluster, and then what must hold between nodes. A check that is not here stands behind these; where a class
/// of its findings is another step, it is named with the check.
const STEPS: [&str; 25] = [
    "monotonic/term-went-back",
    "boot-equals-disk",
    "durable-first",
    "terms",
    "vote-once",
    "vote-for-candidate",
    "election-restriction",
    "election-quorum",
    "leader-append-only",
    "log-matching/unmatched-entry",
    "append-entries",
    "commit-rule",
    "answered-after-commit",
    "read-index",
    "snapshot",
    "monotonic",
    "undisturbed-leader",
    // Between nodes.
    "leader-per-term",
    "log-matching",
    "leader-completeness",
    "commit-immutable",
    "members-agree",
    "exactly-once",
    "state-machine-safety",
    "processes",
];

/// What is told within this time of the first is of one moment: a write to disk, and the way of a message.
const MOMENT_NS: u64 = 20_000_000;

/// A finding with the check that made it.
pub type Found<'a> = (&'a CheckResult, &'a Finding);

/// Every finding, the leading one first.
pub fn ranked(analysis: &Analysis) -> Vec<Found<'_>> {
    let mut all: Vec<Found<'_>> = Vec::new();
    for check in &analysis.checks {
        all.extend(check.findings.iter().map(|finding| (check, finding)));
    }
    // Stable: findings of one check that nothing tells apart keep the check's own order, worst first.
    all.sort_by_key(|found| key(*found));
    let mut rest = all.as_mut_slice();
    while let Some(first) = rest.first().copied() {
        let (state, standing, begin_ns, _) = key(first);
        let is_now = |found: &Found<'_>| {
            let (own_state, own_standing, moment_ns, _) = key(*found);
            (own_state, own_standing) == (state, standing) && moment_ns - begin_ns <= MOMENT_NS
        };
        let (moment, later) = rest.split_at_mut(rest.iter().take_while(|it| is_now(it)).count());
        moment.sort_by_key(|found| key(*found).3);
        rest = later;
    }
    all
}

/// The finding that every report is about: the first one of those that decide the verdict.
pub fn leading(analysis: &Analysis) -> Option<Found<'_>> {
    ranked(analysis).into_iter().next().filter(|(check, _)| decides(analysis, check))
}

/// What clients saw, where the servers' own account leads: the first of those findings that has its operations,
/// or the first one. `None` where it leads itself, and where clients saw nothing wrong.
pub fn seen_by_clients(analysis: &Analysis) -> Option<Found<'_>> {
    let (leading, _) = leading(analysis)?;
    if standing(&leading.name) != Standing::Servers {
        return None;
    }
    let mut seen = ranked(analysis);
    seen.retain(|(check, _)| {
        standing(&check.name) == Standing::Clients && decides(analysis, check)
    });
    let has_operations = seen.iter().position(|(_, finding)| finding.witness.is_some());
    seen.into_iter().nth(has_operations.unwrap_or(0))
}

/// Every finding in the order in which it is told: what leads, what clients saw of the same run, and the others as
/// they are [ranked].
pub fn told(analysis: &Analysis) -> Vec<Found<'_>> {
    let mut all = ranked(analysis);
    if let Some((_, seen)) = seen_by_clients(analysis)
        && let Some(place) = all.iter().position(|(_, finding)| std::ptr::eq(*finding, seen))
    {
        all[1..=place].rotate_right(1);
    }
    all
}

/// What shows in the record that what clients saw is of the same operation, or of the same log entry, as the
/// finding that leads: nothing less is a link between the two. In words, a whole sentence.
pub fn link(leading: &Finding, seen: &Finding) -> Option<String> {
    let witness = seen.witness.as_ref()?;
    let label = |id: &OperationId| {
        let own = |one: &&WitnessOperation| {
            one.process == id.process && one.invoked_at_ns == id.invoked_at_ns
        };
        witness.operations.iter().find(own).map(|operation| operation.label.as_str())
    };
    if let Some(label) = leading.operations.iter().find_map(label) {
        return Some(format!("{label} is the operation that the broken rule is told of."));
    }
    let (first, last) = leading.entries?;
    let effects = &witness.file.note.effects;
    effects.iter().find_map(|effect| {
        let index = effect.index.filter(|index| (first..=last).contains(index))?;
        let (label, node) = (label(&effect.operation)?, effect.node.as_deref()?);
        let which = match first == last {
            true => "the index".to_owned(),
            false => format!("one of the indexes, {first} to {last},"),
        };
        Some(format!(
            "{label} took effect on {node} at index {index}, which is {which} that the broken rule is told of."
        ))
    })
}

/// Groups failures with the same cause: the leading check and its class, without values, times, node numbers or
/// anything that merely happened beside it. `None` where no promise was broken.
pub fn signature(analysis: &Analysis) -> Option<String> {
    let (check, finding) = leading(analysis).filter(|_| analysis.verdict == Verdict::Violation)?;
    Some(format!("{}/{}", check.name, finding.anomaly))
}

/// Who saw what a check speaks of.
pub fn standing(check: &str) -> Standing {
    let late = LATE.iter().find(|(name, _)| *name == check);
    late.map_or(Standing::Servers, |(_, standing)| *standing)
}

fn decides(analysis: &Analysis, check: &CheckResult) -> bool {
    check.state.verdict() == analysis.verdict && analysis.verdict != Verdict::Pass
}

/// Smaller is nearer to the top.
fn key((check, finding): Found<'_>) -> (std::cmp::Reverse<CheckState>, Standing, u64, usize) {
    let standing = standing(&check.name);
    let name = check.name.as_str();
    let (moment_ns, place) = match standing {
        Standing::Servers => {
            (finding.at_ns.unwrap_or(u64::MAX), place(&STEPS, |step| is_step(step, name, finding)))
        }
        _ => (0, place(&LATE, |(late, _)| *late == name)),
    };
    (std::cmp::Reverse(check.state), standing, moment_ns, place)
}

/// Whether a step is this check, or this check with this class.
fn is_step(step: &str, check: &str, finding: &Finding) -> bool {
    match step.split_once('/') {
        Some((name, anomaly)) => name == check && anomaly == finding.anomaly,
        None => step == check,
    }
}

fn place<T>(table: &[T], is: impl Fn(&T) -> bool) -> usize {
    table.iter().position(is).unwrap_or(table.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Witness, WitnessEffect};

    const S: u64 = 1_000_000_000;

    fn broken(name: &str, anomaly: &str, at_s: u64) -> CheckResult {
        check(name, CheckState::Broken, anomaly, Some(at_s * S))
    }

    fn check(name: &str, state: CheckState, anomaly: &str, at_ns: Option<u64>) -> CheckResult {
        let finding = Finding { anomaly: anomaly.to_owned(), at_ns, ..Finding::default() };
        let findings = vec![finding];
        CheckResult { name: name.to_owned(), state, findings, ..CheckResult::default() }
    }

    fn order(checks: Vec<CheckResult>) -> Vec<String> {
        let analysis = Analysis::of(checks);
        ranked(&analysis).into_iter().map(|(_, finding)| finding.anomaly.clone()).collect()
    }

    #[test]
    fn the_servers_own_account_comes_before_what_clients_saw_and_the_earliest_breach_first() {
        let checks = vec![
            check("strength", CheckState::Undecided, "too-weak", None),
            broken("linearizability", "stale-read", 3),
            broken("final-state", "states-diverge", 1),
            broken("leader-completeness", "leader-lacks-commit", 9),
            broken("election-restriction", "vote-for-old-log", 8),
        ];
        let expected =
            ["vote-for-old-log", "leader-lacks-commit", "stale-read", "states-diverge", "too-weak"];
        assert_eq!(order(checks.clone()), expected);
        let analysis = Analysis::of(checks);
        assert_eq!(signature(&analysis).unwrap(), "election-restriction/vote-for-old-log");
    }

    #[test]
    fn at_one_moment_a_step_of_a_node_comes_before_what_it_breaks_between_nodes() {
        let checks = vec![
            broken("state-machine-safety", "states-diverge", 4),
            broken("a-check-of-tomorrow", "new", 4),
            broken("exactly-once", "nodes-disagree", 4),
            broken("monotonic", "commit-went-back", 4),
            broken("boot-equals-disk", "disk-forgot", 4),
        ];
        let expected =
            ["disk-forgot", "commit-went-back", "nodes-disagree", "states-diverge", "new"];
        assert_eq!(order(checks), expected);
    }

    #[test]
    fn what_one_message_did_is_of_one_moment_however_its_lines_are_apart() {
        let at = |name: &str, anomaly: &str, ms: u64| {
            check(name, CheckState::Broken, anomaly, Some(ms * 1_000_000))
        };
        // The commit index goes back in memory, and what removed the entries is told when the disk has it.
        let checks = vec![
            at("monotonic", "commit-went-back", 1_000),
            at("append-entries", "needless-truncate", 1_003),
            at("commit-immutable", "commit-removed", 1_003),
            at("append-entries", "another", 1_019),
            // Another moment, though within reach of the one before.
            at("boot-equals-disk", "disk-forgot", 1_021),
            at("vote-once", "double-vote", 1_042),
        ];
        let expected = [
            "needless-truncate",
            "another",
            "commit-went-back",
            "commit-removed",
            "disk-forgot",
            "double-vote",
        ];
        assert_eq!(order(checks), expected);
    }

    #[test]
    fn where_clients_and_the_service_speak_their_moment_decides_nothing() {
        let checks = vec![
            broken("recovery", "no-recovery", 1),
            broken("liveness", "no-leader", 70),
            broken("durability", "lost-write", 2),
            broken("linearizability", "stale-read", 60),
        ];
        assert_eq!(order(checks), ["stale-read", "lost-write", "no-leader", "no-recovery"]);
    }

    #[test]
    fn only_what_decides_the_verdict_leads_and_only_a_broken_promise_has_a_signature() {
        let open = check("linearizability", CheckState::Undecided, "undecided", None);
        let undecided = Analysis::of(vec![open.clone()]);
        assert_eq!(leading(&undecided).unwrap().1.anomaly, "undecided");
        assert_eq!(signature(&undecided), None);
        let both = Analysis::of(vec![open, broken("recovery", "no-recovery", 5)]);
        assert_eq!(leading(&both).unwrap().1.anomaly, "no-recovery");
        assert!(leading(&Analysis::default()).is_none());
    }

    #[test]
    fn what_clients_saw_is_told_second_with_its_operations_where_it_has_some() {
        let mut stale = broken("linearizability", "stale-read", 3);
        stale.findings[0].witness = Some(Witness::default());
        let lost = broken("durability", "lost-write", 2);
        let rules = [broken("vote-once", "double-vote", 1), broken("log-matching", "diverge", 2)];
        let of = |checks: Vec<CheckResult>| {
            let analysis = Analysis::of(checks);
            let seen = seen_by_clients(&analysis).map(|(_, finding)| finding.anomaly.clone());
            let told: Vec<_> = told(&analysis).iter().map(|it| it.1.anomaly.clone()).collect();
            (seen, told.join(" "))
        };
        let (seen, told) = of([&rules[..], &[lost.clone(), stale.clone()]].concat());
        assert_eq!(seen.as_deref(), Some("stale-read"));
        assert_eq!(told, "double-vote stale-read diverge lost-write");
        // Without operations it is told all the same.
        let (seen, told) = of([&rules[..], std::slice::from_ref(&lost)].concat());
        assert_eq!(
            (seen.as_deref(), told.as_str()),
            (Some("lost-write"), "double-vote lost-write diverge")
        );
        // What leads is not told twice, and what does not decide is no consequence.
        assert_eq!(of(vec![lost.clone(), stale]).0, None);
        let open = check("linearizability", CheckState::Undecided, "budget", None);
        assert_eq!(of([&rules[..], &[open]].concat()).0, None);
    }

    #[test]
    fn two_findings_are_linked_by_an_operation_or_an_entry_and_by_nothing_less() {
        let id = |process| OperationId { process, invoked_at_ns: process * 10, part: None };
        let operation = |label: &str, process| WitnessOperation {
            label: label.to_owned(),
            process,
            invoked_at_ns: process * 10,
            ..WitnessOperation::default()
        };
        let mut witness = Witness {
            operations: vec![operation("A", 1), operation("B", 2)],
            ..Witness::default()
        };
        witness.file.note.effects = vec![
            WitnessEffect { operation: id(2), node: Some("n1".into()), index: Some(41) },
            WitnessEffect { operation: id(1), node: None, index: None },
        ];
        let seen = Finding { witness: Some(witness), ..Finding::default() };
        let by = |operations: Vec<OperationId>, entries| {
            link(&Finding { operations, entries, ..Finding::default() }, &seen)
        };
        let told = |text: &str| Some(text.to_owned());
        assert_eq!(
            by(vec![id(7), id(1)], None),
            told("A is the operation that the broken rule is told of.")
        );
        assert_eq!(
            by(vec![], Some((41, 41))),
            told(
                "B took effect on n1 at index 41, which is the index that the broken rule is told of."
            )
        );
        assert_eq!(
            by(vec![], Some((40, 44))),
            told(
                "B took effect on n1 at index 41, which is one of the indexes, 40 to 44, that the broken rule is told of."
            )
        );
        assert_eq!(by(vec![id(7)], Some((42, 44))), None);
        assert_eq!(by(vec![], None), None);
        // The same client at another time is another operation.
        assert_eq!(by(vec![OperationId { process: 1, invoked_at_ns: 11, part: None }], None), None);
    }

    #[test]
    fn what_happened_beside_it_is_no_part_of_a_signature() {
        let of = |nodes: &[&str], at_s| {
            let mut check = broken("vote-once", "double-vote", at_s);
            check.findings[0].nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
            signature(&Analysis::of(vec![broken("linearizability", "stale-read", at_s), check]))
        };
        assert_eq!(of(&["n1"], 3), of(&["n2", "n3"], 40));
    }
}
