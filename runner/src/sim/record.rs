//! What a simulated run leaves behind, in memory: the same history, trace, faults and observations as
//! a real one writes to its folder.

use std::hash::{Hash, Hasher};

use whitewater_checker::event::Event;
use whitewater_checker::fact::Fact;
use whitewater_checker::fault::FaultRecord;
use whitewater_checker::observation::{ProcessChange, ProcessEvent, StatusPoll};
use whitewater_raft::event::Record;

use crate::cluster::node_name;
use crate::record::HistoryWriter;

/// Everything recorded.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// What clients and the nemesis did.
    pub(super) history: Vec<Event>,
    /// What nodes told of themselves, in order of time over all nodes.
    pub(super) trace: Vec<Record>,
    /// What was done to the cluster.
    pub(super) faults: Vec<FaultRecord>,
    /// What was seen of processes.
    pub(super) processes: Vec<ProcessEvent>,
    /// What nodes answered when asked.
    pub(super) status: Vec<StatusPoll>,
    hash: Fnv,
}

impl Recording {
    /// The history at a time.
    pub(super) fn at(&mut self, now_ns: u64) -> Now<'_> {
        Now { now_ns, recording: self }
    }

    /// What a runner notes of its own run.
    pub(super) fn fact(&mut self, now_ns: u64, fact: &Fact) {
        self.at(now_ns).fact(fact);
    }

    /// A process begins or ends.
    pub(super) fn process(&mut self, now_ns: u64, node: u64, boot: u64, change: ProcessChange) {
        let node = node_name(u32::try_from(node).expect("a node of this cluster"));
        // A simulated process has no number; its boot tells it apart as well.
        let pid = u32::try_from(boot).unwrap_or(u32::MAX);
        self.processes.push(ProcessEvent { node, time_ns: now_ns, pid, change });
    }

    /// Stands for the whole history: two runs with the same hash were the same.
    pub(super) fn hash(&self) -> u64 {
        self.hash.finish()
    }
}

/// The history at one moment of virtual time.
#[derive(Debug)]
pub(super) struct Now<'a> {
    now_ns: u64,
    recording: &'a mut Recording,
}

impl HistoryWriter for Now<'_> {
    fn event(&mut self, event: Event) -> u64 {
        let event = Event { time_ns: self.now_ns, ..event };
        let hash = &mut self.recording.hash;
        (event.time_ns, event.kind as u8, &event.key, event.term, event.command).hash(hash);
        event.value.hash(hash);
        self.recording.history.push(event);
        self.now_ns
    }
}

/// FNV-1a over everything written to it: the same in every build, unlike the standard library's.
#[derive(Clone, Copy, Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
