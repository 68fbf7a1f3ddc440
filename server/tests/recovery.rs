//! What a disk gives back after a crash or damage: a correct state, or a refusal that says where.
//!
//! "Correct" is judged against a list of the states that were made durable, one per flush. Damage to the
//! last flush may look like a crash in the middle of it, so the state before it is correct as well;
//! anything else must be refused.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod memory;

use std::sync::Arc;

use bytes::Bytes;
use memory::{Files, Memory, SyncFault};
use whitewater_raft::{
    Chain, Entry, HardState, Index, Membership, Payload, Persist, Position, SnapshotMeta,
};
use whitewater_server::storage::{Disk, FileDisk, Recovered, StorageError, Volume, WalOptions};

/// Small segments, so that a few flushes fill several; no syncs, because nothing here loses power.
const OPTIONS: WalOptions = WalOptions { node: 1, segment_bytes: 1_024, fsync: false };

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    hard_state: HardState,
    snapshot: Option<(SnapshotMeta, Bytes)>,
    entries: Vec<Entry>,
}

impl From<Recovered> for State {
    fn from(recovered: Recovered) -> State {
        let Recovered { hard_state, snapshot, entries, .. } = recovered;
        State { hard_state, snapshot, entries }
    }
}

fn open(volume: &Memory) -> Result<(FileDisk, State), StorageError> {
    let mut disk = FileDisk::on(Arc::new(volume.clone()), OPTIONS);
    let recovered = disk.recover()?;
    Ok((disk, recovered.into()))
}

/// What a start would find now, while the disk is still in use.
fn peek(volume: &Memory) -> State {
    open(&Memory::of(volume.files())).unwrap().1
}

fn entry(index: Index, term: u64, bytes: usize) -> Entry {
    let payload = Payload::Command(vec![u8::try_from(index % 251).unwrap(); bytes].into());
    Entry { index, term, payload }
}

fn persist(hard_state: Option<HardState>, entries: Vec<Entry>) -> Persist {
    Persist { number: 0, hard_state, entries, snapshot: None }
}

fn meta(index: Index, term: u64) -> SnapshotMeta {
    let membership = Membership { voters: [1, 2, 3].into(), ..Membership::default() };
    SnapshotMeta { last: Position { index, term }, chain: Chain(index * 7), membership }
}

/// A volume with a few flushes on it, and the state after each of them.
fn written() -> (Memory, Vec<State>) {
    let volume = Memory::default();
    let (mut disk, first) = open(&volume).unwrap();
    let mut states = vec![first];
    let term = |term| Some(HardState { term, vote: Some(term % 3 + 1) });
    let flushes = [
        persist(term(1), vec![entry(1, 1, 10)]),
        persist(None, (2..=6).map(|index| entry(index, 1, 70)).collect()),
        persist(term(2), Vec::new()),
        persist(None, (4..=9).map(|index| entry(index, 2, 60)).collect()),
        persist(None, vec![Entry { index: 10, term: 2, payload: Payload::Noop }]),
        persist(term(3), vec![entry(11, 3, 200)]),
    ];
    for persist in flushes {
        disk.append(&persist).unwrap();
        disk.flush().unwrap();
        let mut state = states.last().unwrap().clone();
        state.hard_state = persist.hard_state.unwrap_or(state.hard_state);
        if let Some(first) = persist.entries.first() {
            state.entries.retain(|entry| entry.index < first.index);
        }
        state.entries.extend(persist.entries);
        states.push(state);
    }
    assert_eq!(volume.with_extension("wal").len(), 2, "the tests want two segments");
    (volume, states)
}

/// The files with one of them changed.
fn damaged(files: &Files, name: &str, damage: impl FnOnce(&mut Vec<u8>)) -> Memory {
    let mut files = files.clone();
    damage(files.get_mut(name).unwrap());
    Memory::of(files)
}

/// Where the written part of a preallocated file ends.
fn written_bytes(content: &[u8]) -> usize {
    content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// The place among `allowed` of the state that the disk gives back, or `None` where it refuses and says
/// where the damage is.
fn judge(volume: &Memory, what: &str, allowed: &[State]) -> Option<usize> {
    match open(volume) {
        Ok((_, state)) => {
            let place = allowed.iter().position(|allowed| *allowed == state);
            let last = state.entries.last().map(Entry::position);
            assert!(
                place.is_some(),
                "{what}: a state that was never durable, with {:?} and last entry {last:?}",
                state.hard_state
            );
            place
        }
        Err(error) => {
            let text = error.to_string();
            let is_named = text.contains(".wal") || text.contains(".snap");
            assert!(is_named && text.contains("at byte"), "{what}: {text}");
            None
        }
    }
}

#[test]
fn what_was_flushed_comes_back() {
    let (volume, states) = written();
    assert_eq!(&open(&volume).unwrap().1, states.last().unwrap());
}

#[test]
fn what_was_not_flushed_does_not() {
    let volume = Memory::default();
    let (mut disk, _) = open(&volume).unwrap();
    disk.append(&persist(None, vec![entry(1, 1, 10)])).unwrap();
    drop(disk);
    assert_eq!(open(&volume).unwrap().1, State::default());
}

/// What can be read after a restart may be acknowledged, so it has to survive a power loss from then on.
#[test]
fn what_comes_back_after_a_kill_or_a_failed_sync_is_durable() {
    let options = WalOptions { fsync: true, ..OPTIONS };
    let recover = |volume: &Memory| {
        let mut disk = FileDisk::on(Arc::new(volume.clone()), options);
        let state = State::from(disk.recover().unwrap());
        (disk, state)
    };
    for fault in [SyncFault::Killed, SyncFault::Failed] {
        let volume = Memory::default();
        let (mut disk, _) = recover(&volume);
        disk.append(&persist(None, vec![entry(1, 1, 10)])).unwrap();
        disk.flush().unwrap();
        volume.fail_next_sync("0000000000000001.wal", fault);
        let vote = Some(HardState { term: 2, vote: Some(3) });
        disk.append(&persist(vote, vec![entry(2, 1, 10)])).unwrap();
        disk.flush().unwrap_err();
        drop(disk);
        let lost = recover(&volume.after_power_loss()).1;
        assert_eq!((lost.hard_state, lost.entries.len()), (HardState::default(), 1), "{fault:?}");
        let (_, state) = recover(&volume);
        assert_eq!((Some(state.hard_state), state.entries.len()), (vote, 2), "{fault:?}");
        assert_eq!(recover(&volume.after_power_loss()).1, state, "{fault:?}");
        assert_eq!(volume.with_extension("tmp"), [""; 0]);
    }
}

/// A crash may come before the segment that is written once more has its name.
#[test]
fn half_of_a_segment_written_once_more_is_passed_over() {
    let (volume, states) = written();
    let mut files = volume.files();
    let (name, content) = files.last_key_value().unwrap();
    let temporary = name.replace(".wal", ".tmp");
    let half = content[..content.len() / 2].to_vec();
    files.insert(temporary, half);
    let volume = Memory::of(files);
    assert_eq!(&open(&volume).unwrap().1, states.last().unwrap());
    assert_eq!(volume.with_extension("tmp"), [""; 0]);
}

#[test]
fn every_truncation_of_the_last_segment_gives_a_flushed_state_or_a_refusal() {
    let (volume, states) = written();
    let files = volume.files();
    let (name, content) = files.last_key_value().unwrap();
    let mut found = [0; 8];
    for length in 0..content.len() {
        let cut = damaged(&files, name, |content| content.truncate(length));
        let Some(place) = judge(&cut, &format!("cut at {length}"), &states) else { continue };
        found[place] += 1;
        // The log goes on behind the cut.
        let (mut disk, state) = open(&cut).unwrap();
        let next = state.entries.last().map_or(1, |last| last.index + 1);
        disk.append(&persist(None, vec![entry(next, 9, 20)])).unwrap();
        disk.flush().unwrap();
        assert_eq!(open(&cut).unwrap().1.entries.last(), Some(&entry(next, 9, 20)));
    }
    let reached = found.iter().filter(|count| **count > 0).count();
    assert!(reached >= 3, "the cuts reached these states: {found:?}");
}

#[test]
fn every_truncation_of_an_earlier_segment_is_refused() {
    let (volume, states) = written();
    let files = volume.files();
    let (name, content) = files.first_key_value().unwrap();
    for length in 0..written_bytes(content) {
        let cut = damaged(&files, name, |content| content.truncate(length));
        assert_eq!(judge(&cut, &format!("cut at {length}"), &states), None, "cut at {length}");
    }
}

#[test]
fn every_bit_flip_of_the_log_gives_a_flushed_state_or_a_refusal() {
    let (volume, states) = written();
    let files = volume.files();
    let allowed = &states[states.len() - 2..];
    let (mut refused, mut cut) = (0, 0);
    for (name, content) in &files {
        for offset in 0..content.len() {
            // The unwritten rest is all alike: one bit in each byte will do.
            let bits = if offset < written_bytes(content) { 0..8 } else { 0..1 };
            for bit in bits {
                let flipped = damaged(&files, name, |content| content[offset] ^= 1 << bit);
                let what = format!("bit {bit} of byte {offset} of {name}");
                match judge(&flipped, &what, allowed) {
                    None => refused += 1,
                    Some(0) => cut += 1,
                    Some(_) => {}
                }
            }
        }
    }
    assert!(refused > 5_000 && cut > 1_000, "refused {refused}, cut {cut}: the flips did not bite");
}

#[test]
fn every_damage_of_a_snapshot_is_refused() {
    let volume = Memory::default();
    let (mut disk, _) = open(&volume).unwrap();
    disk.append(&persist(None, vec![entry(1, 1, 10)])).unwrap();
    disk.flush().unwrap();
    disk.save_snapshot(&meta(1, 1), &[7; 200]).unwrap();
    let (_, state) = open(&volume).unwrap();
    assert_eq!(state.snapshot, Some((meta(1, 1), Bytes::from(vec![7; 200]))));
    let name = volume.with_extension("snap").pop().unwrap();
    let files = volume.files();
    let length = files[&name].len();
    for at in 0..length {
        let cut = damaged(&files, &name, |content| content.truncate(at));
        assert_eq!(
            judge(&cut, &format!("cut at {at}"), std::slice::from_ref(&state)),
            None,
            "cut at {at}"
        );
        for bit in 0..8 {
            let flipped = damaged(&files, &name, |content| content[at] ^= 1 << bit);
            let what = format!("bit {bit} of byte {at}");
            assert_eq!(judge(&flipped, &what, std::slice::from_ref(&state)), None, "{what}");
        }
    }
}

#[test]
fn a_crash_between_the_steps_of_an_own_snapshot_recovers() {
    let (volume, states) = written();
    let before = states.last().unwrap();
    let (mut disk, _) = open(&volume).unwrap();
    let expected = State {
        snapshot: Some((meta(9, 2), Bytes::from_static(b"state at 9"))),
        entries: before.entries.iter().filter(|entry| entry.index > 9).cloned().collect(),
        ..before.clone()
    };
    volume.create("snapshot-0000000000000009-2.tmp").unwrap().write_at(b"half", 0).unwrap();
    assert_eq!(&open(&volume).unwrap().1, before, "with a half-written file");
    assert!(volume.with_extension("tmp").is_empty(), "leftovers are removed");
    disk.save_snapshot(&meta(9, 2), b"state at 9").unwrap();
    assert_eq!(peek(&volume), expected, "before the log is compacted");
    disk.compact(9).unwrap();
    assert_eq!(volume.with_extension("wal").len(), 1, "compaction removes a segment");
    assert_eq!(peek(&volume), expected, "after the log is compacted");
    disk.save_snapshot(&meta(11, 3), b"state at 11").unwrap();
    assert_eq!(volume.with_extension("snap").len(), 1, "the older snapshot is removed");
    let name = volume.with_extension("snap").pop().unwrap();
    volume.remove(&name).unwrap();
    let error = open(&volume).unwrap_err().to_string();
    assert!(error.contains("the snapshot before it is missing"), "{error}");
}

#[test]
fn a_crash_between_the_steps_of_a_received_snapshot_recovers() {
    let (volume, states) = written();
    let before = states.last().unwrap();
    let (mut disk, _) = open(&volume).unwrap();
    disk.save_snapshot(&meta(20, 4), b"state at 20").unwrap();
    let snapshot = Some((meta(20, 4), Bytes::from_static(b"state at 20")));
    let expected = State { snapshot, entries: Vec::new(), ..before.clone() };
    assert_eq!(peek(&volume), expected, "the log does not know of it yet");
    let hard_state = HardState { term: 5, vote: None };
    let received = Persist {
        number: 0,
        hard_state: Some(hard_state),
        entries: vec![entry(21, 5, 10)],
        snapshot: Some(meta(20, 4)),
    };
    disk.append(&received).unwrap();
    disk.flush().unwrap();
    let expected = State { hard_state, entries: received.entries, ..expected };
    assert_eq!(peek(&volume), expected);
    disk.compact(20).unwrap();
    assert_eq!(peek(&volume), expected);
}

#[test]
fn a_log_of_another_node_is_refused() {
    let (volume, _) = written();
    let mut disk = FileDisk::on(Arc::new(volume), WalOptions { node: 2, ..OPTIONS });
    assert!(disk.recover().unwrap_err().to_string().contains("belongs to node 1"));
}

/// At every start: a refusal that leaves a new log behind is believed once.
#[test]
fn a_snapshot_without_a_log_is_refused_however_often() {
    let volume = Memory::default();
    let (mut disk, _) = open(&volume).unwrap();
    disk.save_snapshot(&meta(1, 1), b"state").unwrap();
    let name = volume.with_extension("wal").pop().unwrap();
    volume.remove(&name).unwrap();
    for start in 1..=2 {
        let error = open(&volume).unwrap_err().to_string();
        assert!(error.contains("term and vote are lost"), "start {start}: {error}");
        assert_eq!(volume.with_extension("wal"), [""; 0], "start {start}");
    }
}

#[test]
fn a_log_without_its_first_segment_is_refused() {
    let volume = Memory::default();
    let (mut disk, _) = open(&volume).unwrap();
    disk.append(&persist(None, vec![entry(1, 1, 800)])).unwrap();
    disk.flush().unwrap();
    // What is in the second segment alone looks like the log of a node that was never written to.
    disk.append(&persist(Some(HardState { term: 2, vote: None }), vec![entry(1, 2, 200)])).unwrap();
    disk.flush().unwrap();
    let names = volume.with_extension("wal");
    assert_eq!(names.len(), 2);
    volume.remove(&names[0]).unwrap();
    for start in 1..=2 {
        let error = open(&volume).unwrap_err().to_string();
        assert!(error.contains("begins with segment 2"), "start {start}: {error}");
    }
}

#[test]
fn the_real_file_system_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = FileDisk::new(folder.path(), WalOptions { fsync: true, ..OPTIONS });
    disk.recover().unwrap();
    let (_, states) = written();
    let entries = states.last().unwrap().entries.clone();
    for entry in &entries {
        disk.append(&persist(None, vec![entry.clone()])).unwrap();
        disk.flush().unwrap();
    }
    disk.save_snapshot(&meta(9, 2), b"state at 9").unwrap();
    disk.compact(9).unwrap();
    let recovered = FileDisk::new(folder.path(), OPTIONS).recover().unwrap();
    assert_eq!(recovered.snapshot, Some((meta(9, 2), Bytes::from_static(b"state at 9"))));
    assert_eq!(recovered.entries, entries[9..]);
}

/// Random writes, truncations, snapshots and restarts against a model in memory.
#[test]
fn random_histories_come_back() {
    for seed in 0..200 {
        let volume = Memory::default();
        let mut random = Random(seed);
        let (mut disk, mut state) = open(&volume).unwrap();
        let mut term = 1;
        for step in 0..40 {
            match random.below(10) {
                0 => disk = open(&volume).unwrap().0,
                1 => {
                    let covered = random.below(state.entries.len() as u64 + 1);
                    let kept = state.entries.split_off(usize::try_from(covered).unwrap());
                    if let Some(last) = std::mem::replace(&mut state.entries, kept).last() {
                        let snapshot = meta(last.index, last.term);
                        let data = Bytes::from(vec![1; 50]);
                        disk.save_snapshot(&snapshot, &data).unwrap();
                        disk.compact(last.index).unwrap();
                        state.snapshot = Some((snapshot, data));
                    }
                }
                _ => {
                    term += random.below(2);
                    let written = random_persist(&mut random, &mut state, term);
                    disk.append(&written).unwrap();
                    disk.flush().unwrap();
                }
            }
            assert_eq!(peek(&volume), state, "seed {seed}, step {step}");
        }
    }
}

/// Entries that overwrite a random part of the log's end, or a vote; applied to the model as well.
fn random_persist(random: &mut Random, state: &mut State, term: u64) -> Persist {
    let base = state.snapshot.as_ref().map_or(0, |(meta, _)| meta.last.index);
    let count = random.below(4);
    if count == 0 {
        state.hard_state = HardState { term, vote: Some(random.below(3) + 1) };
        return persist(Some(state.hard_state), Vec::new());
    }
    let length = state.entries.len() as u64;
    let keep = length - random.below(length.min(3) + 1);
    state.entries.truncate(usize::try_from(keep).unwrap());
    let first = base + keep + 1;
    let size = usize::try_from(random.below(300)).unwrap();
    let entries: Vec<_> = (first..first + count).map(|index| entry(index, term, size)).collect();
    state.entries.extend(entries.iter().cloned());
    persist(None, entries)
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
