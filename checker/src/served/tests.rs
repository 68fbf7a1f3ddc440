//! Small records of clusters that serve, or do not, beside what a plan did to them.

use super::*;
use crate::history;
use crate::options::Options;

const S: u64 = 1_000_000_000;

/// Clients that ask twenty times a second for 30 s and succeed where `is_served` says so, of milliseconds.
fn history(is_served: impl Fn(u64) -> bool) -> History {
    let mut text = String::new();
    let mut line = |process: &str, kind: &str, f: &str, value: &str, at_ns: u64| {
        text.push_str(&format!(
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value},\"time_ns\":{at_ns}}}\n"
        ));
    };
    line("\"nemesis\"", "info", "phase", "{\"name\":\"warm-up\"}", 0);
    for number in 0..600 {
        let at_ns = number * S / 20;
        let outcome = if is_served(at_ns / MILLISECOND) { "ok" } else { "fail" };
        line("1", "invoke", "read", "null", at_ns);
        line("1", outcome, "read", "null", at_ns + S / 40);
    }
    line("\"nemesis\"", "info", "phase", "{\"name\":\"final\"}", 30 * S);
    let input = std::io::Cursor::new(text.into_bytes());
    history::read_from("test", Box::new(input), &Options::default()).unwrap().history
}

fn fault(
    kind: &str,
    nodes: &[u64],
    from_s: u64,
    to_s: u64,
    leader_hit: Option<bool>,
) -> FaultRecord {
    FaultRecord {
        id: 1,
        kind: kind.into(),
        name: kind.into(),
        target: String::new(),
        nodes: nodes.iter().map(|node| format!("n{node}")).collect(),
        detail: String::new(),
        planned_at_ns: from_s * S,
        started_at_ns: Some(from_s * S),
        effective_at_ns: Some(from_s * S),
        healed_at_ns: Some(to_s * S),
        status: FaultStatus::Installed,
        effects: Vec::new(),
        effective: true,
        leader_hit,
        scope: None,
    }
}

fn event(node: u64, at_ms: u64, change: ProcessChange) -> (u32, ProcessEvent) {
    (1, ProcessEvent { node: format!("n{node}"), time_ns: at_ms * MILLISECOND, pid: 1, change })
}

/// Five nodes that run from the beginning.
fn five() -> Vec<(u32, ProcessEvent)> {
    (1..=5).map(|node| event(node, 0, ProcessChange::Ready)).collect()
}

fn served(
    is_served: impl Fn(u64) -> bool,
    processes: &[(u32, ProcessEvent)],
    faults: &[FaultRecord],
) -> Served {
    let promises = Promises { recovery_allowance_ms: Some(2_000), ..Promises::default() };
    let history = history(is_served);
    let observed =
        Observed { history: &history, processes, faults, memberships: &[], promises: &promises };
    Served::of(&observed).unwrap()
}

fn is_enough(is_served: impl Fn(u64) -> bool, faults: &[FaultRecord]) -> bool {
    served(is_served, &five(), faults).shortfall().is_none()
}

#[test]
fn a_majority_that_somebody_stopped_excuses_nothing_seen_or_unseen() {
    let faults: Vec<FaultRecord> = (0..8)
        .map(|number| {
            // From the sixth second on nobody leads: such faults struck no leader.
            let leader_hit = (number < 2).then_some(true);
            fault("kill", &[4], 3 * number + 1, 3 * number + 2, leader_hit)
        })
        .collect();
    let until_6_s = |at_ms: u64| !(6_000..15_400).contains(&at_ms);
    assert!(!is_enough(until_6_s, &faults));
    let seen: Vec<_> = (1..=3)
        .flat_map(|node| {
            [
                event(node, 6_000, ProcessChange::StoppedFromOutside),
                event(node, 15_000, ProcessChange::ContinuedFromOutside),
            ]
        })
        .collect();
    let processes = [five(), seen].concat();
    let told = served(until_6_s, &processes, &faults).shortfall().unwrap();
    assert!(told.contains("2.0 s after each loss of a leader not counted"), "{told}");
    // Somebody's kill excuses nothing either; the run's own does, until the servers are ready again.
    let killed = |expected: bool| {
        let how = "signal 9".to_owned();
        let exited = ProcessChange::Exited { how, expected, last_words: Vec::new() };
        let down = (1..=3).map(|node| event(node, 6_000, exited.clone()));
        let up = (1..=3).map(|node| event(node, 14_500, ProcessChange::Ready));
        [five(), down.chain(up).collect()].concat()
    };
    assert!(served(until_6_s, &killed(false), &faults).shortfall().is_some());
    assert!(served(until_6_s, &killed(true), &faults).shortfall().is_none());
}

#[test]
fn a_loss_of_the_leader_excuses_one_recovery_and_a_follower_none() {
    let strikes = |leader_hit| -> Vec<FaultRecord> {
        (0..10).map(|it| fault("kill", &[1 + it % 5], 3 * it + 1, 3 * it + 2, leader_hit)).collect()
    };
    // Away for 1.9 s of every three, from the moment that a fault strikes.
    let flapping = |at_ms: u64| !(1_000..2_900).contains(&(at_ms % 3_000));
    assert!(is_enough(flapping, &strikes(Some(true))));
    assert!(is_enough(flapping, &strikes(None)), "it was served, so somebody led");
    assert!(!is_enough(flapping, &strikes(Some(false))));
    assert!(!is_enough(flapping, &[]));
    // Longer than a recovery takes is lost from then on.
    let slow = |at_ms: u64| !(10_000..18_000).contains(&at_ms);
    let one = [fault("kill", &[1], 10, 11, Some(true))];
    let found = served(slow, &five(), &one);
    assert_eq!((found.lost_ns + 50 * MILLISECOND) / S, 6, "{found:?}");
    assert!(found.shortfall().is_some());
}

#[test]
fn a_leader_that_is_struck_again_and_again_does_not_excuse_an_outage_for_ever() {
    // A leader every time, and nobody is served from 4 s on: there is no time in peace.
    let strikes: Vec<FaultRecord> = (0..19)
        .map(|it| fault("pause", &[1], 3 * it / 2 + 1, 3 * it / 2 + 2, Some(true)))
        .collect();
    let found = served(|at_ms| at_ms < 4_000, &five(), &strikes);
    assert_eq!(found.expected_ns, 0, "{found:?}");
    let told = found.shortfall().unwrap();
    assert!(told.contains("2.0 s for each of 4 losses of a leader and one more"), "{told}");
    assert!(is_enough(|at_ms| at_ms % 1_500 < 700, &strikes));
}

#[test]
fn a_busy_machine_has_room_for_elections_that_nobody_caused() {
    // 28 s are expected: 2.8 s and one recovery of 2 s may be lost.
    let away = |ms: u64| move |at_ms: u64| !(10_000..10_000 + ms).contains(&at_ms);
    assert!(is_enough(|_| true, &[]));
    assert!(is_enough(away(4_600), &[]));
    assert!(!is_enough(away(5_000), &[]));
    // Short gaps are service.
    assert!(is_enough(|at_ms| at_ms % 600 < 200, &[]));
}

#[test]
fn a_machine_that_starts_servers_slowly_recovers_slowly() {
    let with_start = |took_ms: u64| {
        let start = [event(1, 20_000, ProcessChange::Started)];
        [five(), start.to_vec(), vec![event(1, 20_000 + took_ms, ProcessChange::Ready)]].concat()
    };
    let found = |took_ms| served(|_| true, &with_start(took_ms), &[]).allowance_ns / MILLISECOND;
    assert_eq!(found(0), 2_000);
    assert_eq!(found(700), 2_700);
    assert_eq!(found(9_000), 4_000, "no longer than the recovery itself");
}

#[test]
fn while_the_plan_leaves_no_majority_nothing_is_asked_for() {
    let away = |at_ms: u64| !(10_000..18_000).contains(&at_ms);
    assert!(!is_enough(away, &[]));
    assert!(is_enough(away, &[fault("pause", &[1, 2, 3], 10, 17, Some(true))]));
    // Of another kind nobody knows whom it strikes.
    assert!(is_enough(away, &[fault("link", &[1], 10, 17, Some(false))]));
    let skipped = FaultStatus::Skipped { reason: "nobody led".into() };
    let skipped = FaultRecord { status: skipped, ..fault("pause", &[1, 2, 3], 10, 17, Some(true)) };
    assert!(!is_enough(away, &[skipped]));
}

#[test]
fn nobody_asked_or_nothing_promised_is_not_judged() {
    let history = history(|_| true);
    let promises = Promises::default();
    let processes = five();
    let observed = Observed {
        history: &history,
        processes: &processes,
        faults: &[],
        memberships: &[],
        promises: &promises,
    };
    assert_eq!(Served::of(&observed), None);
    let empty = History::default();
    let promises = Promises { recovery_allowance_ms: Some(1), ..promises };
    assert_eq!(Served::of(&Observed { history: &empty, promises: &promises, ..observed }), None);
    // Clients that do not ask are not refused: one operation in 20 s.
    let summary = served(|_| true, &five(), &[]).summary().unwrap();
    assert_eq!(summary, "served 100 % of the 29.9 s with a majority, 100 % of the 27.9 s in peace");
}

#[test]
fn times_are_taken_out_of_times() {
    assert_eq!(union(vec![(5, 7), (1, 3), (2, 4)]), [(1, 4), (5, 7)]);
    assert_eq!(without([(0, 10)], &[(1, 4), (5, 7)]), [(0, 1), (4, 5), (7, 10)]);
    assert_eq!(without([(2, 6), (8, 9)], &[(0, 3), (6, 20)]), [(3, 6)]);
    assert_eq!(without([(0, 2)], &[]), [(0, 2)]);
    assert_eq!(overlap_ns((0, 5), (3, 9)), 2);
    assert_eq!(overlap_ns((0, 2), (3, 9)), 0);
}
