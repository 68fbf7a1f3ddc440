//! A run folder read leniently, in the compact form that figures and drawings need.
//!
//! The checker's own reader is strict, because a verdict must not rest on a line it could not read.
//! This one is for figures and pictures, which are wanted most when something went wrong: it skips
//! what it cannot read, counts it, and says so in [`Recording::remarks`]. Values are not kept.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use memchr::memmem;
use serde::Deserialize;
use whitewater_raft::event::{Event as Traced, Record};

use crate::event::{Event, EventType, Process};
use crate::fault::{FaultRecord, FaultStatus};
use crate::observation::{ProcessEvent, StatusPoll};
use crate::run_folder::{FAULTS, HISTORY, PROCESSES, STATUS, traces};

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It took effect.
    Ok,
    /// It took no effect.
    Fail,
    /// Nobody knows.
    Info,
}

/// One client operation. Names are indices into the recording's tables.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The client process.
    pub process: u64,
    /// When it began, CLOCK_MONOTONIC nanoseconds.
    pub invoked_at_ns: u64,
    /// When its outcome was recorded; `None`: never.
    pub completed_at_ns: Option<u64>,
    /// Into [`Recording::keys`].
    pub key: Option<u32>,
    /// Into [`Recording::functions`].
    pub function: u16,
    /// Into [`Recording::nodes`].
    pub node: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Operation {
    /// How long it took, where it ended.
    pub fn latency_ns(&self) -> Option<u64> {
        self.completed_at_ns.map(|end| end.saturating_sub(self.invoked_at_ns))
    }
}

/// Everything a run folder tells, as far as it could be read.
///
/// - `operations` is sorted by invocation.
/// - `turns`, `polls` and `processes` are sorted by time.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The clients' operations.
    pub operations: Vec<Operation>,
    /// Operation names in order of first use.
    pub functions: Vec<String>,
    /// Keys in order of first use.
    pub keys: Vec<String>,
    /// Names of nodes: those that answered clients, then those known from elsewhere, sorted.
    pub nodes: Vec<String>,
    /// Phases with their beginnings, CLOCK_MONOTONIC nanoseconds.
    pub phases: Vec<(String, u64)>,
    /// Faults by number, including those a cut-off run left unrecorded.
    pub faults: Vec<FaultRecord>,
    /// Trace records at which a node's role or term changed.
    pub turns: Vec<Record>,
    /// Status polls.
    pub polls: Vec<StatusPoll>,
    /// Process starts and exits.
    pub processes: Vec<ProcessEvent>,
    /// The earliest time seen in the history.
    pub first_ns: u64,
    /// The latest time seen anywhere.
    pub last_ns: u64,
    /// What was missing or could not be read, one remark each.
    pub remarks: Vec<String>,
}

impl Recording {
    /// Reads what there is. Fails only when the folder itself cannot be listed.
    pub fn read(folder: &Path) -> io::Result<Recording> {
        folder.read_dir()?;
        let mut recording = Recording::default();
        let mut history = HistoryReader::default();
        let remarks = &mut recording.remarks;
        HISTORY.each_line(folder, remarks, |line| history.line(line));
        recording.faults = FAULTS.read_leniently(folder, remarks);
        recording.polls = STATUS.read_leniently(folder, remarks);
        recording.processes = PROCESSES.read_leniently(folder, remarks);
        history.finish(&mut recording);
        recording.add_unrecorded_faults(&history.nemesis);
        recording.read_traces(folder);
        recording.settle();
        Ok(recording)
    }

    /// The name of an operation's node, where one is known.
    pub fn node_of(&self, operation: &Operation) -> Option<&str> {
        operation.node.map(|index| self.nodes[usize::from(index)].as_str())
    }

    /// Sorts what later code expects sorted and closes the time span.
    fn settle(&mut self) {
        self.operations.sort_by_key(|operation| operation.invoked_at_ns);
        // As they began: those that were not planned have the highest numbers and come in between.
        self.faults
            .sort_by_key(|fault| (fault.started_at_ns.unwrap_or(fault.planned_at_ns), fault.id));
        self.turns.sort_by_key(|record| record.time_ns);
        self.polls.sort_by_key(|poll| poll.time_ns);
        self.processes.sort_by_key(|event| event.time_ns);
        let mut late = vec![self.last_ns];
        late.extend(self.turns.last().map(|record| record.time_ns));
        late.extend(self.polls.last().map(|poll| poll.time_ns));
        late.extend(self.processes.last().map(|event| event.time_ns));
        self.last_ns = late.into_iter().max().unwrap_or_default();
        if self.first_ns == 0 {
            let early = [
                self.turns.first().map(|record| record.time_ns),
                self.polls.first().map(|poll| poll.time_ns),
                self.processes.first().map(|event| event.time_ns),
            ];
            self.first_ns = early.into_iter().flatten().min().unwrap_or_default();
        }
        // Appended behind the nodes that answered clients: operations hold indices into this table.
        let mut others: Vec<String> = Vec::new();
        others.extend(self.turns.iter().map(|record| format!("n{}", record.node)));
        others.extend(self.polls.iter().map(|poll| poll.node.clone()));
        others.extend(self.processes.iter().map(|event| event.node.clone()));
        others.extend(self.faults.iter().flat_map(|fault| fault.nodes.iter().cloned()));
        others.sort();
        others.dedup();
        others.retain(|name| !self.nodes.contains(name));
        self.nodes.extend(others);
    }

    fn read_traces(&mut self, folder: &Path) {
        let traces = traces(folder).unwrap_or_default();
        if traces.is_empty() {
            self.remarks.push("no traces: roles and terms are taken from status polls".to_owned());
        }
        for trace in traces {
            let mut turns = TurnReader::default();
            trace.each_line(folder, &mut self.remarks, |line| turns.line(line));
            self.turns.extend(turns.found);
        }
    }

    /// A killed runner leaves faults that have begun in the history and nowhere else.
    fn add_unrecorded_faults(&mut self, nemesis: &[Event]) {
        let mut begun: BTreeMap<u32, FaultRecord> = BTreeMap::new();
        for event in nemesis {
            let Some(id) = event.value["fault"].as_u64().and_then(|id| u32::try_from(id).ok())
            else {
                continue;
            };
            let text = |name: &str| event.value[name].as_str().unwrap_or_default().to_owned();
            match event.f.as_str() {
                "start" => {
                    let nodes = event.value["nodes"].as_array().into_iter().flatten();
                    let nodes = nodes.filter_map(|node| node.as_str().map(str::to_owned)).collect();
                    let reason = "the run ended before it was over".to_owned();
                    begun.insert(
                        id,
                        FaultRecord {
                            id,
                            kind: text("kind"),
                            scope: serde_json::from_value(event.value["scope"].clone()).ok(),
                            name: text("name"),
                            target: String::new(),
                            nodes,
                            detail: String::new(),
                            planned_at_ns: event.time_ns,
                            started_at_ns: Some(event.time_ns),
                            effective_at_ns: None,
                            healed_at_ns: None,
                            status: FaultStatus::Indeterminate { reason },
                            effects: Vec::new(),
                            effective: false,
                            leader_hit: None,
                        },
                    );
                }
                "heal" => {
                    if let Some(fault) = begun.get_mut(&id) {
                        fault.healed_at_ns = Some(event.time_ns);
                    }
                }
                _ => {}
            }
        }
        for fault in &self.faults {
            begun.remove(&fault.id);
        }
        self.faults.extend(begun.into_values());
    }
}

/// The fields of a history line that figures need; everything else is skipped unread.
#[derive(Deserialize)]
struct HistoryLine<'a> {
    process: Process,
    #[serde(rename = "type")]
    kind: EventType,
    #[serde(borrow)]
    f: std::borrow::Cow<'a, str>,
    #[serde(default, borrow)]
    key: Option<std::borrow::Cow<'a, str>>,
    time_ns: u64,
    #[serde(default, borrow)]
    node: Option<std::borrow::Cow<'a, str>>,
}

/// Pairs invocations with their outcomes.
#[derive(Default)]
struct HistoryReader {
    operations: Vec<Operation>,
    open: HashMap<u64, usize>,
    functions: Names,
    keys: Names,
    nodes: Names,
    nemesis: Vec<Event>,
    times: Option<(u64, u64)>,
}

impl HistoryReader {
    /// False when the line could not be read.
    fn line(&mut self, line: &[u8]) -> bool {
        let Ok(event) = serde_json::from_slice::<HistoryLine<'_>>(line) else { return false };
        let (first, last) = self.times.unwrap_or((event.time_ns, event.time_ns));
        self.times = Some((first.min(event.time_ns), last.max(event.time_ns)));
        let Process::Client(process) = event.process else {
            self.nemesis.extend(serde_json::from_slice::<Event>(line).ok());
            return true;
        };
        let node = event.node.as_deref().and_then(|name| u16::try_from(self.nodes.id(name)).ok());
        let outcome = match event.kind {
            EventType::Invoke => {
                self.open.insert(process, self.operations.len());
                self.operations.push(Operation {
                    process,
                    invoked_at_ns: event.time_ns,
                    completed_at_ns: None,
                    key: event.key.as_deref().map(|name| self.keys.id(name)),
                    function: u16::try_from(self.functions.id(&event.f)).unwrap_or(u16::MAX),
                    node,
                    outcome: Outcome::Info,
                });
                return true;
            }
            EventType::Ok => Outcome::Ok,
            EventType::Fail => Outcome::Fail,
            EventType::Info => Outcome::Info,
        };
        let Some(operation) =
            self.open.remove(&process).and_then(|index| self.operations.get_mut(index))
        else {
            return false;
        };
        operation.outcome = outcome;
        operation.completed_at_ns = Some(event.time_ns);
        operation.node = node.or(operation.node);
        true
    }

    fn finish(&mut self, recording: &mut Recording) {
        recording.operations = std::mem::take(&mut self.operations);
        recording.functions = std::mem::take(&mut self.functions.list);
        recording.keys = std::mem::take(&mut self.keys.list);
        recording.nodes = std::mem::take(&mut self.nodes.list);
        (recording.first_ns, recording.last_ns) = self.times.unwrap_or_default();
        recording.phases = self
            .nemesis
            .iter()
            .filter(|event| event.f == "phase")
            .filter_map(|event| Some((event.value["name"].as_str()?.to_owned(), event.time_ns)))
            .collect();
    }
}

/// Gives each distinct text a number.
#[derive(Default)]
struct Names {
    list: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Names {
    fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        id
    }
}

/// Picks the records at which a node's role or term changed out of a long trace.
#[derive(Default)]
struct TurnReader {
    found: Vec<Record>,
    /// The bytes of the last line that name term and role: most lines repeat them, and comparing
    /// them is much cheaper than reading the line.
    last: Vec<u8>,
}

impl TurnReader {
    fn line(&mut self, line: &[u8]) -> bool {
        let span = memmem::find(line, b"\"term\":")
            .zip(memmem::find(line, b"\"event\":\""))
            .filter(|(from, to)| from < to);
        if let Some((from, to)) = span {
            let event = &line[to + b"\"event\":\"".len()..];
            let turning = [&b"boot\""[..], b"vote\"", b"campaign\"", b"leader\"", b"stepdown\""];
            if line[from..to] == self.last[..]
                && !turning.iter().any(|name| event.starts_with(name))
            {
                return line.ends_with(b"}");
            }
            self.last.clear();
            self.last.extend_from_slice(&line[from..to]);
        }
        match serde_json::from_slice::<Record>(line) {
            Ok(record) => self.found.push(record),
            Err(_) => return false,
        }
        true
    }
}

/// Whether a record is a won election.
pub(crate) fn is_election_won(record: &Record) -> bool {
    matches!(record.event, Traced::Leader { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    const HISTORY: &str = r#"{"process":"nemesis","type":"info","f":"phase","value":{"name":"warm-up"},"time_ns":5}
{"process":0,"type":"invoke","f":"write","key":"x","value":1,"time_ns":10,"node":"n1"}
{"process":1,"type":"invoke","f":"read","key":"x","value":null,"time_ns":12}
{"process":0,"type":"ok","f":"write","key":"x","value":1,"time_ns":20,"node":"n2"}
{"process":"nemesis","type":"info","f":"start","value":{"fault":1,"kind":"kill","name":"kill -9","nodes":["n3"]},"time_ns":30}
{"process":1,"type":"ok","f":"rea"#;

    #[test]
    fn a_cut_off_folder_is_read_as_far_as_it_goes() {
        let folder = folder(&[("history.jsonl", HISTORY)]);
        let recording = Recording::read(folder.path()).unwrap();
        assert_eq!(recording.operations.len(), 2);
        assert_eq!(recording.node_of(&recording.operations[0]), Some("n2"));
        assert_eq!(recording.operations[0].latency_ns(), Some(10));
        assert_eq!(recording.operations[1].completed_at_ns, None);
        assert_eq!(recording.phases, [("warm-up".to_owned(), 5)]);
        assert_eq!(recording.faults.len(), 1);
        assert!(matches!(recording.faults[0].status, FaultStatus::Indeterminate { .. }));
        assert!(recording.remarks.iter().any(|remark| remark.contains("history.jsonl:6")));
        assert!(recording.remarks.iter().any(|remark| remark.contains("faults.jsonl")));
    }

    #[test]
    fn only_turns_are_kept_of_a_trace() {
        let line = |seq: u64, role: &str, event: &str| {
            format!(
                "{{\"node\":1,\"boot\":1,\"seq\":{seq},\"time_ns\":{seq},\"term\":2,\"role\":\"{role}\",{event}}}\n"
            )
        };
        let ack = r#""event":"ack","to":2,"matched":7"#;
        let text = [
            line(1, "candidate", r#""event":"campaign","pre_vote":false,"transfer":false"#),
            line(2, "leader", ack),
            line(3, "leader", ack),
            line(4, "follower", r#""event":"stepdown","cause":"higher term""#),
            "garbage\n".to_owned(),
        ]
        .concat();
        let folder = folder(&[("trace/n1.jsonl", &text)]);
        let recording = Recording::read(folder.path()).unwrap();
        let kept: Vec<u64> = recording.turns.iter().map(|record| record.seq).collect();
        assert_eq!(kept, [1, 2, 4]);
        assert!(recording.remarks.iter().any(|remark| remark.contains("trace/n1.jsonl:5")));
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        assert!(Recording::read(Path::new("/nonexistent/run")).is_err());
    }
}
