//! A machine: its disk, and the server process on it while there is one.
//!
//! The process is the shipped node on the shipped log; here are only the thread that does its disk
//! work, one batch at a time, and what stops with it.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use whitewater_raft::{Config, Membership, Message, NodeId, ReadMode};
use whitewater_server::Mutant;
use whitewater_server::machine::Machine;
use whitewater_server::node::{Node, Setup, SnapshotPolicy};
use whitewater_server::storage::{
    Disk, FileDisk, Job, Recovered, Report, StorageError, WalOptions, carry_out,
};

use super::deck::Deck;
use super::journals::Journals;
use super::snapshots::Mail;
use super::volume::{Crash, MemoryVolume};
use super::weather::Weather;

/// What every process of a run is started with.
#[derive(Clone, Debug)]
pub(super) struct Build {
    /// Number of nodes.
    pub(super) nodes: u64,
    /// The mutant.
    pub(super) mutant: Option<Mutant>,
    /// The seed of the run.
    pub(super) seed: u64,
    /// The weather.
    pub(super) weather: Weather,
    /// Where journals go, if they are wanted.
    pub(super) journals: Option<Journals>,
}

/// The place of a node's machine.
pub(super) fn host_of(node: u32) -> usize {
    usize::try_from(node - 1).expect("a small cluster")
}

/// The number of the node on a machine.
pub(super) fn node_of(host: usize) -> u32 {
    u32::try_from(host + 1).expect("a small cluster")
}

/// A machine.
#[derive(Debug)]
pub(super) struct Host {
    /// The node's number.
    pub(super) id: NodeId,
    /// Counts the starts.
    pub(super) boot: u64,
    /// Its disk.
    pub(super) volume: MemoryVolume,
    /// Length of a tick on this machine's clock.
    pub(super) tick_ns: u64,
    /// The process, while it runs.
    pub(super) process: Option<Process>,
    /// What a process that is being started found, before it runs.
    found: Option<Found>,
    /// Its disk was emptied: it starts with no members, to be added.
    pub(super) joins: bool,
    /// How its last process ended.
    pub(super) ended: String,
}

/// A server process.
pub(super) struct Process {
    /// The node.
    pub(super) node: Node<Deck>,
    disk: Box<dyn Disk>,
    queued: VecDeque<Job>,
    is_writing: bool,
    /// Stopped by SIGSTOP: inputs wait.
    pub(super) is_paused: bool,
    /// The requests that this process sent are numbered from and to.
    requests: Option<(u64, u64)>,
    /// Snapshots on their way.
    pub(super) mail: Mail,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("status", &self.node.status()).finish_non_exhaustive()
    }
}

/// What a process found on its disk, and the disk.
struct Found(Result<(Recovered, Box<dyn Disk>), StorageError>);

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Found").field(&self.0.as_ref().map(|(recovered, _)| recovered)).finish()
    }
}

/// A batch of disk work that is under way.
#[derive(Debug)]
pub(super) struct Batch {
    /// When it is done.
    pub(super) done_ns: u64,
    /// What it reports then.
    pub(super) reports: Vec<Report>,
    /// Set where the disk failed, which ends the process.
    pub(super) failure: Option<StorageError>,
    /// A snapshot of the own state is among it.
    pub(super) saves_snapshot: bool,
}

/// Why a server did not start.
#[derive(Debug)]
pub(super) enum NotStarted {
    /// The weather's doing: the disk failed it.
    DiskFailed(String),
    /// It refused what it found.
    Refused(String),
}

impl Host {
    /// A machine that was never started.
    pub(super) fn new(id: NodeId, volume: MemoryVolume, tick_ns: u64) -> Self {
        let (boot, process, found) = (0, None, None);
        let ended = "no start at all".into();
        Self { id, boot, volume, tick_ns, process, found, joins: false, ended }
    }

    /// Whether a server runs, or is being started.
    pub(super) fn is_up(&self) -> bool {
        self.process.is_some() || self.found.is_some()
    }

    /// Begins to start the server: it reads its disk. When that is done.
    pub(super) fn start(&mut self, now_ns: u64, build: &Build) -> u64 {
        self.boot += 1;
        self.volume.begin(now_ns);
        let options =
            WalOptions { node: self.id, segment_bytes: build.weather.segment_bytes, fsync: true };
        let disk = FileDisk::on(Arc::new(self.volume.clone()), options);
        let mut disk = Mutant::disk(build.mutant, disk);
        let recovered = disk.recover();
        self.found = Some(Found(recovered.map(|recovered| (recovered, disk))));
        self.volume.now_ns()
    }

    /// The disk is read: the server runs, or refuses to. `None`: it was killed meanwhile.
    pub(super) fn run(&mut self, now_ns: u64, build: &Build) -> Option<Result<(), NotStarted>> {
        let Found(found) = self.found.take()?;
        Some(self.process_of(now_ns, build, found).map(|process| self.process = Some(process)))
    }

    fn process_of(
        &self,
        now_ns: u64,
        build: &Build,
        found: Result<(Recovered, Box<dyn Disk>), StorageError>,
    ) -> Result<Process, NotStarted> {
        let (recovered, disk) = found.map_err(|error| match error {
            StorageError::Io { .. } => NotStarted::DiskFailed(error.to_string()),
            other => NotStarted::Refused(other.to_string()),
        })?;
        let deck = Deck { now_ns, ..Deck::default() };
        let node = Node::new(self.setup(build), recovered, deck);
        let node = node.map_err(|error| NotStarted::Refused(error.to_string()))?;
        let queued = VecDeque::new();
        let (is_writing, is_paused, requests) = (false, false, None);
        let mail = Mail::new(self.boot);
        Ok(Process { node, disk, queued, is_writing, is_paused, requests, mail })
    }

    fn setup(&self, build: &Build) -> Setup {
        let (mutant, weather) = (build.mutant, &build.weather);
        let voters = if self.joins { [].into() } else { (1..=build.nodes).collect() };
        Setup {
            raft: Config {
                id: self.id,
                election_timeout_ticks_min: weather.election_ticks.0,
                election_timeout_ticks_max: weather.election_ticks.1,
                heartbeat_ticks: weather.heartbeat_ticks,
                pre_vote: weather.pre_vote,
                check_quorum: true,
                read_mode: Mutant::read_mode(mutant, ReadMode::Index),
                append_entries_max: 64,
                append_bytes_max: 1 << 16,
                appends_in_flight_max: 16,
                // Every other seed gathers, as real servers do; the others have more on the way.
                append_entries_min: if build.seed.is_multiple_of(2) { 1 } else { 8 },
                seed: build.seed ^ (self.id << 48) ^ (self.boot << 32),
                rules: Mutant::rules(mutant),
            },
            boot: self.boot,
            mutant: mutant.map(|mutant| mutant.to_string()),
            bootstrap: Membership { voters, ..Membership::default() },
            machine: Machine::new(Mutant::sessions(mutant)),
            intake: Mutant::intake(mutant),
            snapshots: SnapshotPolicy { entries: weather.snapshot_entries, bytes: 0 },
            waiting_max: 1_024,
            uncommitted_bytes_max: 64 << 20,
            journal: build.journals.as_ref().map(|it| it.recorder(self.id, self.boot)),
        }
    }

    /// Ends the process as it stands, and its machine's power with it if so told.
    pub(super) fn crash(&mut self, now_ns: u64, how: &str, crash: Crash) {
        how.clone_into(&mut self.ended);
        self.process = None;
        self.found = None;
        self.volume.crash(now_ns, crash);
    }
}

impl Process {
    /// Queues the disk work that the node wants done, and begins it where the disk is idle.
    pub(super) fn write(&mut self, volume: &MemoryVolume, now_ns: u64) -> Option<Batch> {
        self.queued.extend(mem::take(&mut self.node.effects().jobs));
        if self.is_writing || self.queued.is_empty() {
            return None;
        }
        self.is_writing = true;
        volume.begin(now_ns);
        let saves_snapshot = self.queued.iter().any(|job| matches!(job, Job::Snapshot(..)));
        let mut reports = Vec::new();
        let result = carry_out(&mut *self.disk, self.queued.drain(..), |it| reports.push(it));
        let (done_ns, failure) = (volume.now_ns(), result.err());
        Some(Batch { done_ns, reports, failure, saves_snapshot })
    }

    /// The batch under way is done.
    pub(super) fn written(&mut self, reports: Vec<Report>) {
        self.is_writing = false;
        for report in reports {
            match report {
                Report::Persisted(number) => self.node.persisted(number),
                Report::Snapshotted(meta) => self.node.snapshot_saved(meta),
                Report::Failed(error) => unreachable!("a batch tells its failure apart: {error}"),
            }
        }
    }

    /// A request of this process left.
    pub(super) fn asked(&mut self, request: u64) {
        let (first, last) = self.requests.get_or_insert((request, request));
        (*first, *last) = ((*first).min(request), (*last).max(request));
    }

    /// Whether a message is one that this process waits for: a request, or the reply to one of its
    /// own. A reply to an earlier process of this machine died with that one's connection.
    pub(super) fn expects(&self, message: &Message) -> bool {
        let is_own = |(first, last)| (first..=last).contains(&message.request);
        !is_reply(message) || self.requests.is_some_and(is_own)
    }
}

/// Whether a message answers another one.
pub(super) fn is_reply(message: &Message) -> bool {
    use whitewater_raft::Body;
    matches!(
        message.body,
        Body::VoteReply { .. }
            | Body::AppendReply { .. }
            | Body::SnapshotReply { .. }
            | Body::TimeoutNowReply
            | Body::ReadIndexReply { .. }
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use whitewater_raft::{Chain, Entry, HardState, Payload, Persist, Position, SnapshotMeta};

    use super::super::chance::Chance;
    use super::super::volume::DiskHabits;
    use super::*;

    const OPTIONS: WalOptions = WalOptions { node: 1, segment_bytes: 4_096, fsync: true };
    const CALM: DiskHabits = DiskHabits {
        sync_ns: (1_000_000, 1_000_000),
        slow_in_a_million: 0,
        slow_ns: (0, 0),
        failing_in_a_million: 0,
    };

    fn recover(volume: &MemoryVolume) -> (FileDisk, Recovered) {
        volume.begin(volume.now_ns());
        let mut disk = FileDisk::on(Arc::new(volume.clone()), OPTIONS);
        let recovered = disk.recover().unwrap();
        (disk, recovered)
    }

    fn write(disk: &mut FileDisk, index: u64) {
        let payload = Payload::Command(vec![7; 700].into());
        let entries = vec![Entry { index, term: 1, payload }];
        let hard_state = Some(HardState { term: index, vote: Some(1) });
        disk.append(&Persist { number: index, hard_state, entries, snapshot: None }).unwrap();
        disk.flush().unwrap();
    }

    /// A disk on which one entry is durable, and one was written by a process that was killed before its
    /// sync came to an end.
    fn killed_before_a_sync(seed: u64) -> MemoryVolume {
        let volume = MemoryVolume::new(1, CALM, Chance::new(seed, 0));
        let (mut disk, _) = recover(&volume);
        write(&mut disk, 1);
        write(&mut disk, 2);
        // The call that began the sync had returned; the millisecond that it takes had not passed.
        volume.crash(volume.now_ns() - 500_000, Crash::Process);
        volume
    }

    #[test]
    fn what_a_restarted_node_may_acknowledge_survives_a_power_loss() {
        for seed in 0..60 {
            let volume = killed_before_a_sync(seed);
            let (_, found) = recover(&volume);
            assert_eq!(
                found.entries.len(),
                2,
                "seed {seed}: a kill loses nothing that was written"
            );
            volume.crash(volume.now_ns(), Crash::Power);
            let (_, left) = recover(&volume);
            assert_eq!(left.hard_state, found.hard_state, "seed {seed}");
            assert_eq!(left.entries, found.entries, "seed {seed}");
        }
    }

    #[test]
    fn a_crash_at_any_moment_of_a_recovery_loses_nothing_that_was_durable() {
        let mut found = BTreeSet::new();
        for seed in 0..200 {
            let volume = killed_before_a_sync(seed);
            let began_ns = volume.now_ns();
            recover(&volume);
            let mut chance = Chance::new(seed, 1);
            let at_ns = chance.between((began_ns, volume.now_ns()));
            let crash = if seed % 4 == 0 { Crash::Process } else { Crash::Power };
            volume.crash(at_ns, crash);
            let (_, left) = recover(&volume);
            assert!((1..=2).contains(&left.entries.len()), "seed {seed}: {left:?}");
            found.insert((left.entries.len(), left.torn.is_some()));
        }
        assert_eq!(
            found,
            [(1, false), (1, true), (2, false)].into(),
            "with and without a torn tail"
        );
    }

    /// What a node was told to be durable, or found at its start and has built on since.
    #[derive(Clone, Copy, Debug, Default)]
    struct Promised {
        last: u64,
        snapshot: u64,
        term: u64,
    }

    /// The next thing that a node does with its disk, as the writer's thread does it. Whoever is told of it may rely on
    /// it from then on.
    fn work(disk: &mut FileDisk, promised: &mut Promised, kind: u64) -> Result<(), StorageError> {
        let meta = |index| SnapshotMeta {
            last: Position { index, term: 1 },
            chain: Chain(7),
            membership: Membership::default(),
        };
        let persist = Persist { number: 1, hard_state: None, entries: Vec::new(), snapshot: None };
        let Promised { last, snapshot, term } = *promised;
        match kind {
            0 if last > snapshot => {
                disk.save_snapshot(&meta(last), b"own")?;
                promised.snapshot = last;
                disk.compact(last)
            }
            1 => {
                let index = last + 5;
                disk.save_snapshot(&meta(index), b"a leader's")?;
                disk.append(&Persist { snapshot: Some(meta(index)), ..persist })?;
                disk.flush()?;
                (promised.last, promised.snapshot) = (index, index);
                Ok(())
            }
            2 => {
                let hard_state = Some(HardState { term: term + 1, vote: None });
                disk.append(&Persist { hard_state, ..persist })?;
                disk.flush()?;
                promised.term = term + 1;
                Ok(())
            }
            _ => {
                let payload = Payload::Command(vec![7; 700].into());
                let entries = vec![Entry { index: last + 1, term: 1, payload }];
                disk.append(&Persist { entries, ..persist })?;
                disk.flush()?;
                promised.last = last + 1;
                Ok(())
            }
        }
    }

    /// Syncs fail of files and of the directory, in the middle of the work and in the middle of a recovery; servers end
    /// with them and are started again, on the same page cache or after a power loss.
    #[test]
    fn whatever_fails_to_be_synced_nothing_that_was_promised_is_lost() {
        let mut failures = 0;
        for seed in 0..400 {
            let mut chance = Chance::new(seed, 2);
            let volume = MemoryVolume::new(1, CALM, Chance::new(seed, 0));
            let mut promised = Promised::default();
            for life in 0..12 {
                volume.fail_syncs(if life % 3 == 2 { 0 } else { 150_000 });
                volume.begin(volume.now_ns());
                let mut disk = FileDisk::on(Arc::new(volume.clone()), OPTIONS);
                match disk.recover() {
                    Err(StorageError::Io { .. }) => failures += 1,
                    Err(error) => panic!("seed {seed}, life {life}: {error}"),
                    Ok(found) => {
                        let snapshot = found.snapshot.map_or(0, |(meta, _)| meta.last.index);
                        let last = found.entries.last().map_or(snapshot, |entry| entry.index);
                        let term = found.hard_state.term;
                        assert!(
                            last >= promised.last
                                && snapshot >= promised.snapshot
                                && term >= promised.term,
                            "seed {seed}, life {life}: {promised:?} was promised, and there is \
                             last {last}, snapshot {snapshot}, term {term}"
                        );
                        promised = Promised { last, snapshot, term };
                        let mut jobs = (0..chance.below(20)).map(|_| chance.below(8));
                        let is_broken =
                            jobs.any(|kind| work(&mut disk, &mut promised, kind).is_err());
                        failures += u32::from(is_broken);
                    }
                }
                let crash = if chance.below(2) == 0 { Crash::Process } else { Crash::Power };
                volume.crash(volume.now_ns(), crash);
            }
        }
        assert!(failures > 1_000, "only {failures} syncs failed");
    }
}
