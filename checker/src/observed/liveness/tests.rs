//! Small records in which a majority could work and did not, and ones in which it could not.

use whitewater_raft::event::{Event as Told, Record, Role};
use whitewater_raft::{Chain, Membership, Position};

use super::*;
use crate::fault::FaultStatus;
use crate::history;
use crate::observation::ProcessChange;
use crate::options::Options;

const S: u64 = 1_000_000_000;
const PROMISES: Promises = Promises {
    leader_within_ms: Some(4_000),
    service_within_ms: Some(6_000),
    in_office_within_ms: None,
    stands_within_ms: None,
    service_expected_ms: None,
    recovery_allowance_ms: None,
    undisturbed_ms: None,
};

/// Clients that ask five times a second from 0 s to 30 s and succeed outside `silent`.
fn history(silent: (u64, u64)) -> History {
    let mut text = String::new();
    let mut line = |process: &str, kind: &str, f: &str, value: &str, at_ns: u64| {
        text.push_str(&format!(
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value},\"time_ns\":{at_ns}}}\n"
        ));
    };
    line("\"nemesis\"", "info", "phase", "{\"name\":\"warm-up\"}", 0);
    for number in 0..150 {
        let at_ns = number * S / 5;
        let is_silent = (silent.0 * S..silent.1 * S).contains(&at_ns);
        line("1", "invoke", "read", "null", at_ns);
        line("1", if is_silent { "fail" } else { "ok" }, "read", "null", at_ns + S / 10);
    }
    line("\"nemesis\"", "info", "phase", "{\"name\":\"final\"}", 30 * S);
    let input = std::io::Cursor::new(text.into_bytes());
    history::read_from("test", Box::new(input), &Options::default()).unwrap().history
}

fn fault(kind: &str, nodes: &[u64], from_s: u64, to_s: Option<u64>) -> FaultRecord {
    FaultRecord {
        id: 1,
        kind: kind.into(),
        scope: None,
        name: kind.into(),
        target: String::new(),
        nodes: nodes.iter().map(|node| format!("n{node}")).collect(),
        detail: String::new(),
        planned_at_ns: from_s * S,
        started_at_ns: Some(from_s * S),
        effective_at_ns: Some(from_s * S),
        healed_at_ns: to_s.map(|to_s| to_s * S),
        status: FaultStatus::Installed,
        effects: Vec::new(),
        effective: true,
        leader_hit: None,
    }
}

fn process(node: u64, at_s: u64, change: ProcessChange) -> (u32, ProcessEvent) {
    (1, ProcessEvent { node: format!("n{node}"), time_ns: at_s * S, pid: 1, change })
}

fn exited() -> ProcessChange {
    ProcessChange::Exited { how: "signal 9".into(), expected: true, last_words: Vec::new() }
}

/// Five nodes that run from the beginning.
fn five() -> Vec<(u32, ProcessEvent)> {
    (1..=5).map(|node| process(node, 0, ProcessChange::Ready)).collect()
}

/// A node is elected at the first time and steps down at the second.
fn turns(reigns: &[(u64, u64, u64)]) -> Turns {
    let mut turns = Turns::default();
    for (node, from_s, to_s) in reigns {
        let record = |at_s: u64, role, event| Record {
            node: *node,
            boot: 1,
            seq: 1,
            time_ns: at_s * S,
            term: 1,
            role,
            event,
        };
        let (last, chain) = (Position::default(), Chain::default());
        let elected = Told::Leader { votes: vec![*node], last, chain };
        turns.take(&record(*from_s, Role::Leader, elected));
        turns.take(&record(*to_s, Role::Leader, Told::Stepdown { cause: "told to".into() }));
    }
    turns
}

fn check(
    silent: (u64, u64),
    processes: &[(u32, ProcessEvent)],
    faults: &[FaultRecord],
    turns: &Turns,
) -> CheckResult {
    let history = history(silent);
    liveness(&Observed {
        history: Some(&history),
        processes: Some(processes),
        faults,
        turns,
        promises: Some(&PROMISES),
    })
}

#[test]
fn a_healthy_majority_that_serves_nobody_breaks_its_promise() {
    let faults = [fault("partition", &[1], 10, Some(12))];
    let found = check((10, 18), &five(), &faults, &turns(&[(1, 0, 11), (2, 11, 30)]));
    assert_eq!(found.state, CheckState::Broken, "{found:?}");
    assert_eq!(found.findings[0].anomaly, "no-service");
    let words = "n2, n3, n4, n5 ran, were struck by no fault and reached each other for 8.2 s";
    assert!(found.findings[0].explanation.contains(words), "{found:?}");
    // The story is told from the last success on, which ended at 9.9 s, to the next.
    let told = "The last operation to succeed ended here; the next one to succeed ended 8.2 s later. No fault was in \
                force then.";
    assert!(found.findings[0].explanation.starts_with(told), "{found:?}");
    let leaders = "Meanwhile n1 led term 1 for the first 1.1 s, n2 led term 1 from 1.1 s on.";
    assert!(found.findings[0].explanation.ends_with(leaders), "{found:?}");
    assert_eq!(found.findings[0].at_ns, Some(99 * S / 10));
    assert_eq!(found.findings[0].until_ns, Some(181 * S / 10));
    // What is allowed is no violation.
    let short = check((10, 15), &five(), &faults, &turns(&[(1, 0, 11), (2, 11, 30)]));
    assert_eq!(short.state, CheckState::Holds, "{short:?}");
}

#[test]
fn a_healthy_majority_without_a_leader_has_less_time() {
    let faults = [fault("kill", &[1], 10, Some(20))];
    let found = check((10, 15), &five(), &faults, &turns(&[(1, 0, 10), (2, 16, 30)]));
    assert_eq!(found.findings[0].anomaly, "no-leader", "{found:?}");
    assert!(found.findings[0].explanation.contains("4.0 s is allowed"), "{found:?}");
}

#[test]
fn what_cannot_work_is_not_judged() {
    let led = turns(&[(1, 0, 10), (2, 20, 30)]);
    let cases = [
        ("a majority is down", vec![fault("kill", &[1, 2, 3], 9, Some(20))]),
        ("never healed", vec![fault("pause", &[1, 2, 3], 9, None)]),
        ("an unknown kind", vec![fault("clock", &[1], 9, Some(20))]),
        (
            "others and others again",
            vec![
                fault("pause", &[1, 2], 9, Some(13)),
                fault("pause", &[3, 4], 13, Some(17)),
                fault("pause", &[5, 1], 16, Some(20)),
            ],
        ),
    ];
    for (what, faults) in cases {
        let found = check((10, 20), &five(), &faults, &led);
        assert_eq!(found.state, CheckState::Holds, "{what}: {found:?}");
    }
    let mut processes = five();
    for node in 1..=3 {
        processes.push(process(node, 10, exited()));
    }
    assert_eq!(check((10, 20), &processes, &[], &led).state, CheckState::Holds);
    for node in 1..=3 {
        processes.push(process(node, 11, ProcessChange::Ready));
    }
    assert_eq!(check((10, 20), &processes, &[], &led).state, CheckState::Broken);
}

#[test]
fn a_majority_is_one_of_every_membership_in_force() {
    let membership = |voters: &[u64]| Membership {
        voters: voters.iter().copied().collect(),
        ..Membership::default()
    };
    let mut led = turns(&[(1, 0, 10), (2, 20, 30)]);
    let told = |node, at_s: u64, voters: &[u64]| MembershipTold {
        at_ns: at_s * S,
        node,
        membership: membership(voters),
    };
    led.memberships = vec![told(1, 0, &[1, 2, 3]), told(2, 0, &[1, 2, 3])];
    let faults = [fault("pause", &[2, 3], 9, Some(20))];
    assert_eq!(check((10, 20), &five(), &faults, &led).state, CheckState::Holds);
    led.memberships = vec![told(1, 0, &[1, 4, 5]), told(4, 0, &[1, 4, 5])];
    assert_eq!(check((10, 20), &five(), &faults, &led).state, CheckState::Broken);
}

#[test]
fn without_a_promise_it_says_that_it_did_not_look() {
    let history = history((0, 30));
    let (processes, turns) = (five(), Turns::default());
    let observed = Observed {
        history: Some(&history),
        processes: Some(&processes),
        faults: &[],
        turns: &turns,
        promises: None,
    };
    assert_eq!(liveness(&observed).summary, "no plan that says what is promised");
    let promises = Promises::default();
    let observed = Observed { promises: Some(&promises), ..observed };
    assert_eq!(liveness(&observed).summary, "the target promises no bound");
}

#[test]
fn longer_than_expected_and_within_the_promise_costs_the_pass_alone() {
    let history = history((10, 15));
    let (processes, turns) = (five(), Turns::default());
    let state = |expected_ms| {
        let promises = Promises { service_expected_ms: Some(expected_ms), ..PROMISES };
        let check = liveness(&Observed {
            history: Some(&history),
            processes: Some(&processes),
            faults: &[],
            turns: &turns,
            promises: Some(&promises),
        });
        (check.state, check.findings.first().map(|finding| finding.anomaly.clone()))
    };
    assert_eq!(state(5_500), (CheckState::Holds, None));
    assert_eq!(state(4_500), (CheckState::Undecided, Some("too-little-service".to_owned())));
}

#[test]
fn a_majority_that_somebody_else_stopped_promises_nothing() {
    let mut processes = five();
    processes.extend((1..=3).map(|node| process(node, 10, ProcessChange::StoppedFromOutside)));
    processes.extend((1..=3).map(|node| process(node, 20, ProcessChange::ContinuedFromOutside)));
    let stopped = check((10, 20), &processes, &[], &Turns::default());
    assert_eq!(stopped.state, CheckState::Holds, "{stopped:?}");
    assert_eq!(check((10, 20), &five(), &[], &Turns::default()).state, CheckState::Broken);
}

#[test]
fn a_leader_in_office_that_serves_nobody_has_less_time_than_an_election() {
    let promises = Promises {
        leader_within_ms: Some(20_000),
        service_within_ms: Some(22_000),
        in_office_within_ms: Some(5_000),
        ..PROMISES
    };
    let state = |silent, turns: &Turns, promises: &Promises| {
        liveness(&Observed {
            history: Some(&history(silent)),
            processes: Some(&five()),
            faults: &[fault("partition", &[5], 2, Some(12))],
            turns,
            promises: Some(promises),
        })
    };
    let found = state((10, 16), &turns(&[(1, 0, 30)]), &promises);
    assert_eq!(found.state, CheckState::Broken, "{found:?}");
    let told = &found.findings[0].explanation;
    assert!(told.contains("In force then: fault 1 (partition: n5)."), "{told}");
    assert!(told.contains("n1 was in office as the leader of term 1 for 6.2 s of it"), "{told}");
    assert!(told.contains("5.0 s is allowed"), "{told}");
    // Shorter, without the bound, or with no leader in office for so long, it is what an election may take.
    assert_eq!(state((10, 14), &turns(&[(1, 0, 30)]), &promises).state, CheckState::Holds);
    let unbounded = Promises { in_office_within_ms: None, ..promises };
    assert_eq!(state((10, 16), &turns(&[(1, 0, 30)]), &unbounded).state, CheckState::Holds);
    let changing = turns(&[(1, 0, 13), (2, 13, 30)]);
    assert_eq!(state((10, 16), &changing, &promises).state, CheckState::Holds);
    // A leader that is cut off, or in reach of a minority alone, is in nobody's office.
    let outside = turns(&[(5, 0, 30)]);
    assert_eq!(state((10, 16), &outside, &promises).state, CheckState::Holds);
}

#[test]
fn a_majority_without_a_leader_of_which_nobody_stands_has_less_time_still() {
    let promises = Promises {
        leader_within_ms: Some(20_000),
        service_within_ms: Some(22_000),
        stands_within_ms: Some(2_000),
        ..PROMISES
    };
    let state = |stood_s: &[u64]| {
        let mut led = turns(&[(1, 0, 9), (2, 16, 30)]);
        led.stood_ns = stood_s.iter().map(|at_s| at_s * S).collect();
        liveness(&Observed {
            history: Some(&history((10, 15))),
            processes: Some(&five()),
            faults: &[],
            turns: &led,
            promises: Some(&promises),
        })
    };
    let found = state(&[10, 11]);
    assert_eq!(found.findings.first().map(|it| it.anomaly.as_str()), Some("no-election"));
    let told = &found.findings[0].explanation;
    assert!(told.contains("for 4.1 s of it nobody stood for election; 2.0 s is allowed"), "{told}");
    assert!(told.ends_with("Nobody led meanwhile."), "{told}");
    assert_eq!(state(&[10, 11, 12, 13, 14]).state, CheckState::Holds, "they try");
    assert_eq!(state(&[]).state, CheckState::Holds, "no trace tells who stood");
}

#[test]
fn a_time_in_which_the_clients_stood_still_too_is_the_machines() {
    let promises = Promises { in_office_within_ms: Some(5_000), ..PROMISES };
    let state = |still: (u64, u64)| {
        let mut served = history((10, 17));
        let at_work = |it: &crate::history::Operation| {
            !(still.0 * S..still.1 * S).contains(&it.invoked_at_ns)
        };
        served.operations.retain(at_work);
        liveness(&Observed {
            history: Some(&served),
            processes: Some(&five()),
            faults: &[],
            turns: &turns(&[(1, 0, 30)]),
            promises: Some(&promises),
        })
    };
    assert_eq!(state((0, 0)).state, CheckState::Broken, "7.2 s");
    assert_eq!(state((11, 12)).state, CheckState::Broken, "a second is no stall");
    assert_eq!(state((11, 14)).state, CheckState::Holds, "4.2 s beside the stall");
}
