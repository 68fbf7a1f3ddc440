//! Invented runs for tests: whole run folders in every shape a report must draw.
//!
//! Written with the same types the runner writes with, from a fixed seed, so that every test sees
//! the same bytes. Values do not obey any model: these folders are for drawing, not for checking.

pub(crate) mod findings;
pub(crate) mod story;

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use whitewater_checker::event::{Event, EventType, Process};
use whitewater_checker::run_folder::{
    Environment, FinalStatus, RunRecord, SCHEMA_VERSION, Settings,
};

pub(crate) const BASE_NS: u64 = 5_000_000_000_000;

/// Seconds of the run as CLOCK_MONOTONIC nanoseconds.
pub(crate) fn at(seconds: f64) -> u64 {
    BASE_NS + (seconds * 1e9) as u64
}

/// The shapes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Pass,
    StaleRead,
    LostWrite,
    TwoLeaders,
    Panic,
    NoRecovery,
    Undecided,
    Environment,
    Interrupted,
}

pub(crate) const SHAPES: [(Shape, &str); 9] = [
    (Shape::Pass, "pass"),
    (Shape::StaleRead, "stale-read"),
    (Shape::LostWrite, "lost-write"),
    (Shape::TwoLeaders, "two-leaders"),
    (Shape::Panic, "panic"),
    (Shape::NoRecovery, "no-recovery"),
    (Shape::Undecided, "undecided"),
    (Shape::Environment, "error"),
    (Shape::Interrupted, "interrupted"),
];

/// A generator with a fixed sequence: xorshift, good enough to look like noise.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Noise {
        Noise(seed | 1)
    }

    /// Uniform in 0..1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() * bound as f64) as u64
    }
}

/// Writes a run folder of a shape with about `operations` client operations; returns its record.
pub(crate) fn write_run(folder: &Path, shape: Shape, operations: usize) -> RunRecord {
    let record = record(folder, shape);
    fs::create_dir_all(folder.join("trace")).unwrap();
    fs::create_dir_all(folder.join("logs")).unwrap();
    let events = history(shape, operations);
    lines(&folder.join("history.jsonl"), &events);
    lines(&folder.join("faults.jsonl"), &story::faults(shape));
    lines(&folder.join("processes.jsonl"), &story::processes(shape));
    lines(&folder.join("status.jsonl"), &story::polls());
    for node in 1..=5 {
        lines(&folder.join(format!("trace/n{node}.jsonl")), &story::trace(node, shape));
        fs::write(folder.join(format!("logs/n{node}.log")), story::log(node)).unwrap();
    }
    fs::write(folder.join("run.json"), serde_json::to_vec_pretty(&record).unwrap()).unwrap();
    record
}

pub(crate) fn lines<T: Serialize>(path: &Path, items: &[T]) {
    let mut text = String::new();
    for item in items {
        text.push_str(&serde_json::to_string(item).unwrap());
        text.push('\n');
    }
    fs::write(path, text).unwrap();
}

fn record(folder: &Path, shape: Shape) -> RunRecord {
    let analysis = findings::analysis(shape);
    let id = folder.file_name().unwrap().to_string_lossy().into_owned();
    RunRecord {
        signature: None,
        schema_version: SCHEMA_VERSION,
        id,
        verdict: analysis.verdict,
        seed: 0x5eed_7f3a,
        settings: Settings {
            target: "bundled".to_owned(),
            simulated: false,
            server: None,
            mutant: (shape == Shape::StaleRead).then(|| "leader-local-read".to_owned()),
            nodes: 5,
            time_ms: 45_000,
            workload: "register".to_owned(),
            faults: ["kill", "pause", "partition"].map(str::to_owned).to_vec(),
            families: Vec::new(),
            clients: 10,
            keys: 20,
            rate: 0,
            snapshot_entries: None,
            command: "whitewater run --seed 1592622906 --nodes 5 --time 45s --workload register \
                      --faults kill,pause,partition --clients 10 --keys 20"
                .to_owned(),
        },
        environment: Environment {
            tool_version: "0.1.0".to_owned(),
            tool_commit: "2e7710a".to_owned(),
            server_version: "whitewater 0.1.0".to_owned(),
            server_digest: "9b41d0c6a2c07e15".to_owned(),
            host: "bench-7".to_owned(),
            system: "Linux 6.18.44 x86_64".to_owned(),
            cores: 8,
            memory_mib: 16_384,
            file_system: "ext4".to_owned(),
            fault_tier: "proxy (user namespaces are not available)".to_owned(),
            ci: None,
            load_average: (0.42, 1.8),
        },
        started_at: "2026-11-24T06:40:00Z".to_owned(),
        objectives: Default::default(),
        origin_ns: BASE_NS,
        duration_ms: 57_000,
        phases: story::PHASES.iter().map(|(name, time)| ((*name).to_owned(), at(*time))).collect(),
        interrupted: (shape == Shape::Interrupted).then(|| "SIGINT".to_owned()),
        final_status: (1..=5u64)
            .map(|node| {
                let status = FinalStatus {
                    role: if node == 3 { "leader" } else { "follower" }.to_owned(),
                    term: 9,
                    applied: 58_377,
                    state_hash: "3f0d55e1c2a9b871".to_owned(),
                    chain: "a11c9e0f4471d2b6".to_owned(),
                };
                (format!("n{node}"), status)
            })
            .collect(),
        analysis,
        judged: None,
    }
}

fn event(process: Process, kind: EventType, f: &str, value: Value, time_ns: u64) -> Event {
    Event {
        process,
        kind,
        f: f.to_owned(),
        key: None,
        value,
        time_ns,
        error: None,
        saw: None,
        node: None,
        term: None,
        command: None,
    }
}

fn nemesis_events(shape: Shape) -> Vec<Event> {
    let mut events: Vec<Event> = story::PHASES
        .iter()
        .map(|(name, time)| {
            event(Process::Nemesis, EventType::Info, "phase", json!({ "name": name }), at(*time))
        })
        .collect();
    for fault in story::faults(shape) {
        let Some(started) = fault.started_at_ns else { continue };
        let value = json!({"fault": fault.id, "kind": fault.kind, "name": fault.name, "nodes": fault.nodes});
        events.push(event(Process::Nemesis, EventType::Info, "start", value, started));
        if let Some(healed) = fault.healed_at_ns {
            let value = json!({ "fault": fault.id });
            events.push(event(Process::Nemesis, EventType::Info, "heal", value, healed));
        }
    }
    events
}

/// Closed-loop clients over the whole run, stalled where nobody leads.
fn history(shape: Shape, operations: usize) -> Vec<Event> {
    let mut events = nemesis_events(shape);
    let clients = 10u64.max(operations as u64 / 8_000);
    let think = 54.0 * clients as f64 / operations.max(1) as f64;
    let mut noise = Noise::new(42);
    let mut next_process = clients + 100;
    let mut value = 100u64;
    for client in 0..clients {
        let (mut process, mut time) = (client, 1.25 + noise.next() * think);
        while time < 55.0 {
            let latency = story::latency(time, &mut noise);
            let key = format!("k{}", noise.below(20) + (time / 10.0) as u64 * 20);
            let node = format!("n{}", 1 + (client + time as u64) % 5);
            let draw = noise.next();
            value += 1;
            let (f, asked, got) = match draw {
                d if d < 0.5 => ("read", Value::Null, json!(value - 1 - noise.below(9))),
                d if d < 0.8 => ("write", json!(value), json!(value)),
                _ => ("cas", json!([value - 1, value]), json!([value - 1, value])),
            };
            let keyed = |mut event: Event| {
                event.key = Some(key.clone());
                event.node = Some(node.clone());
                event
            };
            let who = Process::Client(process);
            events.push(keyed(event(who, EventType::Invoke, f, asked.clone(), at(time))));
            let (kind, done) = match latency {
                l if l > 1.0 => (EventType::Info, time + 1.0),
                l if f == "cas" && noise.next() < 0.35 => (EventType::Fail, time + l),
                l => (EventType::Ok, time + l),
            };
            let shown = if kind == EventType::Ok { got } else { asked };
            let mut end = keyed(event(who, kind, f, shown, at(done)));
            if kind == EventType::Info {
                end.error = Some("timed out after 1 s".to_owned());
                process = next_process;
                next_process += 1;
            }
            events.push(end);
            time = done + think * (0.3 + 1.4 * noise.next());
        }
    }
    if shape == Shape::StaleRead {
        events.extend(findings::witness_events());
    }
    events.sort_by_key(|event| event.time_ns);
    events
}
