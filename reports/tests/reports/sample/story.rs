//! What happened in the invented run: faults, leaders, processes, polls, traces, logs.

use std::fmt::Write as _;

use whitewater_checker::fault::{FaultRecord, FaultStatus};
use whitewater_checker::observation::{ProcessChange, ProcessEvent, StatusPoll};
use whitewater_raft::event::{Event, Record, Role};
use whitewater_raft::{Chain, Position};

use super::{Noise, Shape, at};

pub(crate) const PHASES: [(&str, f64); 7] = [
    ("start", 0.0),
    ("warm-up", 1.2),
    ("faults", 5.0),
    ("recovery", 50.0),
    ("final", 53.0),
    ("quiesce", 55.0),
    ("end", 57.0),
];

/// (node, term, campaigned, elected, ended)
const LEADERS: [(u64, u64, f64, f64, f64); 6] = [
    (1, 2, 0.7, 1.0, 12.1),
    (4, 3, 8.8, 9.1, 16.0),
    (2, 4, 16.9, 17.2, 25.2),
    (3, 7, 23.7, 24.0, 37.33),
    (1, 8, 35.7, 36.0, 45.0),
    (3, 9, 48.9, 49.2, 57.0),
];

/// When clients were served: from an election to the loss of that leader.
const SERVED: [(f64, f64); 6] =
    [(1.0, 8.0), (9.1, 16.0), (17.2, 22.0), (24.0, 34.6), (36.0, 45.0), (49.2, 60.0)];

/// How long an operation that begins at a time takes, seconds.
pub(crate) fn latency(time: f64, noise: &mut Noise) -> f64 {
    let spread = noise.next() + noise.next() + noise.next() - 1.5;
    let base = 0.0042 * (spread * 1.6).exp();
    let tail = if noise.next() < 0.004 { 0.03 + 0.2 * noise.next() } else { 0.0 };
    let served = SERVED.iter().any(|(from, to)| (*from..*to).contains(&time));
    if served {
        return base + tail;
    }
    let next = SERVED.iter().map(|span| span.0).find(|from| *from > time).unwrap_or(time);
    next - time + base
}

struct Planned(u32, &'static str, &'static str, &'static str, &'static [&'static str], f64, f64);

const FAULTS: [Planned; 7] = [
    Planned(1, "partition", "isolate leader", "leader", &["n1"], 8.0, 12.0),
    Planned(2, "kill", "kill -9 leader, restart", "leader", &["n4"], 16.0, 18.0),
    Planned(3, "partition", "leader in minority", "minority", &["n2", "n5"], 22.0, 25.0),
    Planned(4, "pause", "SIGSTOP a follower", "a follower", &["n5"], 28.0, 30.0),
    Planned(5, "pause", "SIGSTOP leader", "leader", &["n3"], 34.6, 37.1),
    Planned(6, "partition", "one-way in", "a follower", &["n4"], 41.0, 43.0),
    Planned(7, "kill", "kill -9 majority", "majority", &["n1", "n2", "n5"], 45.0, 48.5),
];

pub(crate) fn faults(shape: Shape) -> Vec<FaultRecord> {
    if shape == Shape::Environment {
        return Vec::new();
    }
    let count = if shape == Shape::Undecided { 3 } else { FAULTS.len() };
    FAULTS[..count]
        .iter()
        .map(|Planned(id, kind, name, target, nodes, from, to)| {
            let effects: &[&str] = match id {
                1 => &["1.2 MB blocked on 8 links", "leader changed n1 → n4 in 1.10 s"],
                2 => &["exit by signal 9 after 2 ms", "leader changed n4 → n2 in 1.20 s"],
                3 => &["604 kB blocked on 12 links", "leader changed n2 → n3 in 2.00 s"],
                4 => &["state T in /proc after 0.7 ms"],
                5 => &["state T in /proc after 0.6 ms", "leader changed n3 → n1 in 1.40 s"],
                7 => &["exit by signal 9 of n1, n2, n5", "quorum lost for 3.5 s"],
                _ => &[],
            };
            let skipped = *id == 6 && shape == Shape::Pass;
            let others = (1..=5).map(|n| format!("n{n}")).filter(|n| !nodes.contains(&n.as_str()));
            let detail = match *kind {
                "partition" => {
                    format!("{} | {}", nodes.join(" "), others.collect::<Vec<_>>().join(" "))
                }
                _ => nodes.join(" "),
            };
            FaultRecord {
                id: *id,
                kind: (*kind).to_owned(),
                scope: None,
                name: (*name).to_owned(),
                target: (*target).to_owned(),
                nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
                detail,
                planned_at_ns: at(*from),
                started_at_ns: (!skipped).then(|| at(*from)),
                effective_at_ns: (!effects.is_empty()).then(|| at(*from) + 700_000),
                healed_at_ns: (!skipped).then(|| at(*to)),
                status: if skipped {
                    FaultStatus::Skipped { reason: "no follower was reachable".to_owned() }
                } else {
                    FaultStatus::Installed
                },
                effects: effects.iter().map(|effect| (*effect).to_owned()).collect(),
                effective: !effects.is_empty(),
                leader_hit: Some(target.contains("leader") || *id == 7 || *id == 3),
            }
        })
        .collect()
}

pub(crate) fn processes(shape: Shape) -> Vec<ProcessEvent> {
    let change = |node: &str, seconds: f64, change| ProcessEvent {
        node: node.to_owned(),
        time_ns: at(seconds),
        pid: 41_870,
        change,
    };
    let killed =
        || ProcessChange::Exited { how: "signal 9".to_owned(), expected: true, last_words: vec![] };
    let mut events: Vec<ProcessEvent> =
        (1..=5).map(|n| change(&format!("n{n}"), 0.1, ProcessChange::Started)).collect();
    events.push(change("n4", 16.0, killed()));
    events.push(change("n4", 18.0, ProcessChange::Started));
    for node in ["n1", "n2", "n5"] {
        events.push(change(node, 45.0, killed()));
        events.push(change(node, 48.5, ProcessChange::Started));
    }
    if shape == Shape::Panic {
        let last_words = vec![
            "thread 'node' panicked at server/src/storage/wal.rs:214:9:".to_owned(),
            "truncate below the commit index: 57 < 61".to_owned(),
        ];
        let how = "signal 6".to_owned();
        events.push(change(
            "n2",
            39.412,
            ProcessChange::Exited { how, expected: false, last_words },
        ));
        events.push(change("n2", 39.9, ProcessChange::Started));
    }
    events.sort_by_key(|event| event.time_ns);
    events
}

pub(crate) fn polls() -> Vec<StatusPoll> {
    let mut polls = Vec::new();
    for step in 2..570u32 {
        let time = f64::from(step) / 10.0;
        let leader = LEADERS.iter().rev().find(|leader| leader.3 <= time);
        for node in 1..=5u64 {
            let role =
                if leader.is_some_and(|leader| leader.0 == node) { "leader" } else { "follower" };
            polls.push(StatusPoll {
                node: format!("n{node}"),
                time_ns: at(time),
                role: role.to_owned(),
                term: leader.map_or(1, |leader| leader.1),
                leader: leader.map(|leader| format!("n{}", leader.0)),
                commit: u64::from(step) * 100,
                applied: u64::from(step) * 100,
                ..StatusPoll::default()
            });
        }
    }
    polls
}

/// Whether a partition keeps a node from hearing of an election.
fn cut_off(node: u64, time: f64) -> bool {
    (node == 1 && (8.0..12.0).contains(&time))
        || ([2, 5].contains(&node) && (22.0..25.0).contains(&time))
}

fn boot() -> Event {
    let text = r#"{"event":"boot","hard_state":{"term":1,"vote":null},"snapshot":{"index":0,"term":0},
        "last":{"index":0,"term":0},"chain":"0","applied":0,"state_hash":"0",
        "membership":{"voters":[1,2,3,4,5],"voters_outgoing":[],"learners":[]}}"#;
    serde_json::from_str(text).unwrap()
}

pub(crate) fn trace(node: u64, shape: Shape) -> Vec<Record> {
    let mut events: Vec<(f64, u64, Role, Event)> = vec![(0.2, 1, Role::Follower, boot())];
    for (leader, term, campaigned, elected, ended) in LEADERS {
        if leader == node {
            let campaign = Event::Campaign { pre_vote: false, transfer: false };
            events.push((campaigned, term, Role::Candidate, campaign));
            let won = Event::Leader {
                votes: vec![node, node % 5 + 1, (node + 1) % 5 + 1],
                last: Position { index: term * 8_000, term: term - 1 },
                chain: Chain(term),
            };
            events.push((elected, term, Role::Leader, won));
            if ended < 45.0 && ended != 16.0 {
                let cause = "saw a higher term".to_owned();
                events.push((ended, term + 1, Role::Follower, Event::Stepdown { cause }));
            }
        } else if !cut_off(node, elected) {
            let seen = elected + 0.004 * node as f64;
            events.push((seen, term, Role::Follower, Event::Term { old: term - 1 }));
        }
    }
    if shape == Shape::TwoLeaders && node == 5 {
        let campaign = Event::Campaign { pre_vote: false, transfer: false };
        events.push((35.9, 8, Role::Candidate, campaign));
        let won = Event::Leader {
            votes: vec![5, 4, 2],
            last: Position { index: 58_211, term: 7 },
            chain: Chain(9),
        };
        events.push((36.08, 8, Role::Leader, won));
        let cause = "saw another leader of the own term".to_owned();
        events.push((36.9, 8, Role::Follower, Event::Stepdown { cause }));
    }
    let paused = |time: f64| match node {
        3 => (34.6..37.1).contains(&time),
        5 => (28.0..30.0).contains(&time),
        4 => (16.0..18.0).contains(&time),
        _ => false,
    } || ([1, 2, 5].contains(&node) && (45.0..48.5).contains(&time));
    events.retain(|event| !paused(event.0));
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let numbered = (1..).zip(events);
    numbered
        .map(|(seq, (time, term, role, event))| Record {
            node,
            boot: 1,
            seq,
            time_ns: at(time),
            term,
            role,
            event,
        })
        .collect()
}

/// A node's log: a line a second, and the lines around the violation.
pub(crate) fn log(node: u64) -> String {
    let mut lines: Vec<(f64, String)> = (1..57)
        .map(|second| (f64::from(second), "follower t8 heartbeat answered".to_owned()))
        .collect();
    let told: &[(f64, &str)] = match node {
        1 => &[
            (35.7, "candidate t8 election timeout after 1098 ms, asking for votes"),
            (36.0, "leader t8 won election with votes of n1 n2 n4"),
            (37.029, "leader t8 committed up to 58377"),
        ],
        2 => &[(35.704, "follower t8 vote for n1, its log ends at 58211 of term 7")],
        3 => &[
            (34.59, "leader t7 committed up to 58209"),
            (37.103, "leader t7 WARN tick late by 2498 ms; one tick made up for it"),
            (37.24, "leader t7 read of k17 answered locally at index 58209"),
            (37.33, "follower t8 saw term 8, stepping down"),
        ],
        _ => &[],
    };
    lines.extend(told.iter().map(|(time, text)| (*time, (*text).to_owned())));
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut text = String::new();
    for (time, line) in lines {
        // The form of the bundled server: time of day, node, role, term, message.
        let (head, message) = line.split_at(line.match_indices(' ').nth(1).map_or(0, |at| at.0));
        let (role, term) = head.split_once(' ').unwrap_or((head, ""));
        let (minute, second) = (40 + (time / 60.0) as u64, time % 60.0);
        let _ =
            writeln!(text, "06:{minute:02}:{second:06.3} n{node} {role:<13} {term:<5}{message}");
    }
    text
}
