//! What the checks of the invented runs came to.

use serde_json::{Value, json};
use whitewater_checker::Verdict;
use whitewater_checker::analysis::{
    Analysis, CheckResult, CheckState, Finding, Gap, OrderStep, Slot, Witness, WitnessFile,
    WitnessOperation,
};
use whitewater_checker::event::{Event, EventType, Process};

use super::{Shape, at, event};

const CHECKS: [(&str, &str, &str); 8] = [
    ("linearizability", "linearizable", "120 keys, 103,610 operations, 0 undecided, 84 ms"),
    ("leader-per-term", "one leader per term", "6 terms with a leader, 5 traces, 2,840 polls"),
    ("vote-once", "one vote per term and node", "22 votes across 9 starts"),
    ("log-matching", "log matching", "58,377 entries on 5 nodes"),
    ("durability", "no acknowledged write lost", "every key read at the end"),
    ("processes", "no crash or panic", "9 exits, all expected"),
    ("recovery", "recovered in time", "first ok 8 ms after the last heal"),
    ("strength", "strong enough", "98,732 ok operations, kill, pause and partition effective"),
];

pub(crate) fn analysis(shape: Shape) -> Analysis {
    let mut checks: Vec<CheckResult> = CHECKS
        .iter()
        .map(|(name, title, summary)| CheckResult {
            name: (*name).to_owned(),
            title: (*title).to_owned(),
            summary: (*summary).to_owned(),
            state: CheckState::Holds,
            ..CheckResult::default()
        })
        .collect();
    let (check, verdict, finding) = match shape {
        Shape::Pass => return Analysis { verdict: Verdict::Pass, checks },
        Shape::StaleRead => ("linearizability", Verdict::Violation, stale_read()),
        Shape::LostWrite => ("linearizability", Verdict::Violation, lost_write()),
        Shape::TwoLeaders => ("leader-per-term", Verdict::Violation, two_leaders()),
        Shape::Panic => ("processes", Verdict::Violation, panic()),
        Shape::NoRecovery => ("recovery", Verdict::Violation, no_recovery()),
        Shape::Undecided => ("strength", Verdict::Undecided, too_weak()),
        Shape::Environment => ("strength", Verdict::Error, environment()),
        Shape::Interrupted => ("strength", Verdict::Undecided, interrupted()),
    };
    let failed = checks.iter_mut().find(|result| result.name == check).unwrap();
    failed.state = verdict.into();
    failed.findings.push(finding);
    Analysis { verdict, checks }
}

fn operation(
    label: &str,
    process: u64,
    f: &str,
    text: &str,
    node: &str,
    times: (f64, f64),
) -> WitnessOperation {
    WitnessOperation {
        label: label.to_owned(),
        process,
        f: f.to_owned(),
        text: text.to_owned(),
        invoked_at_ns: at(times.0),
        completed_at_ns: Some(at(times.1)),
        outcome: "ok".to_owned(),
        node: Some(node.to_owned()),
        term: Some(if node == "n3" { 7 } else { 8 }),
        essential: label != "C",
        is_needed: label != "C",
        ..WitnessOperation::default()
    }
}

const WITNESS_TIMES: [(f64, f64); 4] =
    [(36.812, 36.841), (36.898, 37.030), (37.055, 37.069), (37.238, 37.242)];

pub(crate) fn witness() -> Witness {
    let times = WITNESS_TIMES;
    let slot = |place: &str, state: &str, reason: &str| Slot {
        place: place.to_owned(),
        state: state.to_owned(),
        reason: reason.to_owned(),
    };
    let step =
        |label: &str, state: &str| OrderStep { label: label.to_owned(), state: state.to_owned() };
    Witness {
        initial: "37".to_owned(),
        operations: vec![
            // Clients of their own: the generated ones keep one operation open at a time.
            operation("A", 59, "read", "read → 37", "n1", times[0]),
            operation("B", 52, "write", "write 41", "n1", times[1]),
            operation("C", 59, "read", "read → 41", "n1", times[2]),
            operation("D", 56, "read", "read → 37", "n3", times[3]),
        ],
        order: vec![step("A", "37"), step("B", "41"), step("C", "41")],
        blocked: Some("D".to_owned()),
        slots: vec![
            slot("before A", "37", "B ended 208 ms before D began: D may not move ahead of B"),
            slot(
                "between A and B",
                "37",
                "B ended 208 ms before D began: D may not move ahead of B",
            ),
            slot("between B and C", "41", "the key holds 41 there and D read 37"),
            slot("after C", "41", "the key holds 41 there and D read 37"),
        ],
        gap: Some(Gap { before: "B".to_owned(), after: "D".to_owned(), gap_ns: 208_000_000 }),
        weaker: Some(
            "sequential consistency: an order that keeps each client's own order".to_owned(),
        ),
        file: WitnessFile::default(),
    }
}

/// The witness's operations as they stand in the history.
pub(crate) fn witness_events() -> Vec<Event> {
    let rows: [(u64, &str, Value, Value, &str); 4] = [
        (59, "read", Value::Null, json!(37), "n1"),
        (52, "write", json!(41), json!(41), "n1"),
        (59, "read", Value::Null, json!(41), "n1"),
        (56, "read", Value::Null, json!(37), "n3"),
    ];
    rows.into_iter()
        .zip(WITNESS_TIMES)
        .flat_map(|((process, f, asked, got, node), (from, to))| {
            let who = Process::Client(process);
            let mut begin = event(who, EventType::Invoke, f, asked, at(from));
            let mut end = event(who, EventType::Ok, f, got, at(to));
            for event in [&mut begin, &mut end] {
                event.key = Some("k17".to_owned());
                event.node = Some(node.to_owned());
            }
            [begin, end]
        })
        .collect()
}

fn stale_read() -> Finding {
    Finding {
        anomaly: "stale-read".to_owned(),
        headline: "A client read a value that had already been overwritten".to_owned(),
        explanation:
            "Client 52's write of 41 was acknowledged at 37.030 s. 208 ms later client 56 began \
                      a read of the same key and got 37, the value before that write. No order of \
                      these operations that respects real time explains the 37."
                .to_owned(),
        key: Some("k17".to_owned()),
        at_ns: Some(at(WITNESS_TIMES[3].1)),
        until_ns: None,
        nodes: vec!["n3".to_owned()],
        evidence: Vec::new(),
        witness: Some(witness()),
        ..Finding::default()
    }
}

/// A witness that is hard to draw: long in time, with labels that collide, operations of every
/// outcome, one that never ended, and values that fit nowhere.
fn lost_write() -> Finding {
    type Row = (&'static str, u64, &'static str, &'static str, f64, Option<f64>);
    const LONG: &str = "cas 14 → 15-and-much-more-than-fits-anywhere-on-a-line rejected, saw 12";
    let rows: [Row; 7] = [
        ("A", 4, "write 12", "n2", 20.1, Some(20.13)),
        ("B", 3, "cas 12 → 13", "n4", 21.0, None),
        ("C", 7, "read → 12", "n3", 24.2, Some(24.21)),
        ("D", 4, "write 14", "n3", 30.0, Some(30.4)),
        ("E", 1, LONG, "n1", 44.9, Some(45.95)),
        ("F", 4, "read → 12", "n3", 53.2, Some(53.21)),
        ("G", 4, "read → 12", "n3", 53.25, Some(53.26)),
    ];
    let operations = rows.map(|(label, process, text, node, from, to)| WitnessOperation {
        label: label.to_owned(),
        process,
        f: text.split(' ').next().unwrap_or_default().to_owned(),
        text: text.to_owned(),
        invoked_at_ns: at(from),
        completed_at_ns: to.map(at),
        outcome: match (to, text) {
            (None, _) => "info",
            (_, LONG) => "fail",
            _ => "ok",
        }
        .to_owned(),
        node: Some(node.to_owned()),
        term: None,
        essential: ["A", "D", "F"].contains(&label),
        is_needed: ["A", "D", "F"].contains(&label),
        ..WitnessOperation::default()
    });
    Finding {
        anomaly: "lost-write".to_owned(),
        headline: "An acknowledged write was lost".to_owned(),
        explanation:
            "Client 4's write of 14 was acknowledged at 30.400 s. 22.800 s later client 4 read \
                      12, the value before it, and nothing wrote 12 again."
                .to_owned(),
        key: Some("k44".to_owned()),
        at_ns: Some(at(53.21)),
        until_ns: None,
        nodes: vec!["n3".to_owned()],
        evidence: Vec::new(),
        witness: Some(Witness {
            initial: "absent".to_owned(),
            operations: operations.to_vec(),
            order: vec![
                OrderStep { label: "A".to_owned(), state: "12".to_owned() },
                OrderStep { label: "D".to_owned(), state: "14".to_owned() },
            ],
            blocked: Some("F".to_owned()),
            slots: Vec::new(),
            gap: Some(Gap {
                before: "D".to_owned(),
                after: "F".to_owned(),
                gap_ns: 22_800_000_000,
            }),
            weaker: None,
            file: WitnessFile::default(),
        }),
        ..Finding::default()
    }
}

fn two_leaders() -> Finding {
    Finding {
        anomaly: "two-leaders".to_owned(),
        headline: "Two nodes led the same term".to_owned(),
        explanation: "n1 won term 8 with the votes of n1, n2 and n3; 80 ms later n5 won term 8 with the \
                      votes of n5, n4 and n2. A term has at most one leader."
            .to_owned(),
        key: None,
        at_ns: Some(at(36.08)),
        until_ns: None,
        nodes: vec!["n1".to_owned(), "n5".to_owned()],
        evidence: vec![
            r#"trace/n1.jsonl:412 {"node":1,"boot":1,"seq":412,"time_ns":5036000000000,"term":8,"role":"leader","event":"leader","votes":[1,2,3]}"#.to_owned(),
            r#"trace/n5.jsonl:398 {"node":5,"boot":1,"seq":398,"time_ns":5036080000000,"term":8,"role":"leader","event":"leader","votes":[5,4,2]}"#.to_owned(),
        ],
        witness: None,
..Finding::default()
}
}

fn panic() -> Finding {
    Finding {
        anomaly: "panic".to_owned(),
        headline: "A node ended on its own".to_owned(),
        explanation:
            "n2 ended with signal 6 at 39.412 s while no fault was to end it. Its last words \
                      are a panic."
                .to_owned(),
        key: None,
        at_ns: Some(at(39.412)),
        until_ns: None,
        nodes: vec!["n2".to_owned()],
        evidence: vec![
            "thread 'node' panicked at server/src/storage/wal.rs:214:9:".to_owned(),
            "truncate below the commit index: 57 < 61".to_owned(),
        ],
        witness: None,
        ..Finding::default()
    }
}

fn no_recovery() -> Finding {
    Finding {
        anomaly: "no-recovery".to_owned(),
        headline: "The cluster did not serve clients again after the last fault".to_owned(),
        explanation:
            "Every fault was lifted at 50.000 s. Within the deadline of 10 s no operation \
                      completed ok."
                .to_owned(),
        at_ns: Some(at(50.0)),
        ..Finding::default()
    }
}

fn too_weak() -> Finding {
    Finding {
        anomaly: "too-weak".to_owned(),
        headline: "Too little happened to earn a pass".to_owned(),
        explanation:
            "No pause fault had an observed effect, and only 212 of 500 ok operations fell \
                      into the fault phase."
                .to_owned(),
        ..Finding::default()
    }
}

fn environment() -> Finding {
    Finding {
        anomaly: "cluster-never-healthy".to_owned(),
        headline: "The cluster was never healthy".to_owned(),
        explanation: "n2 could not bind 127.44.1.2:7101: address in use. Nothing was tested."
            .to_owned(),
        nodes: vec!["n2".to_owned()],
        ..Finding::default()
    }
}

fn interrupted() -> Finding {
    Finding {
        anomaly: "interrupted".to_owned(),
        headline: "The run was cut short".to_owned(),
        explanation: "SIGINT arrived at 31.2 s. What was recorded until then holds no violation."
            .to_owned(),
        ..Finding::default()
    }
}
