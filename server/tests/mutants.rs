//! The disk's mutants, each seen to break what it says: what comes back after a crash is wrong.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod memory;

use std::sync::Arc;

use memory::Memory;
use whitewater_raft::{
    Chain, Entry, HardState, Membership, Payload, Persist, Position, ReadMode, SnapshotMeta,
};
use whitewater_server::Mutant;
use whitewater_server::mutants::CATALOGUE;
use whitewater_server::storage::{Disk, FileDisk, Recovered, StorageError, WalOptions};

const OPTIONS: WalOptions = WalOptions { node: 1, segment_bytes: 1_024, fsync: false };
const VOTED: HardState = HardState { term: 3, vote: Some(2) };

fn disk(mutant: Option<Mutant>, volume: &Memory) -> Box<dyn Disk> {
    let disk = FileDisk::on(Arc::new(volume.clone()), OPTIONS);
    let mut disk = Mutant::disk(mutant, disk);
    disk.recover().unwrap();
    disk
}

fn recover(mutant: Option<Mutant>, volume: &Memory) -> Result<Recovered, StorageError> {
    Mutant::disk(mutant, FileDisk::on(Arc::new(volume.clone()), OPTIONS)).recover()
}

fn entry(index: u64) -> Entry {
    Entry { index, term: 1, payload: Payload::Command(vec![1; 100].into()) }
}

fn write(disk: &mut dyn Disk, hard_state: Option<HardState>, entries: Vec<Entry>) {
    disk.append(&Persist { number: 0, hard_state, entries, snapshot: None }).unwrap();
    disk.flush().unwrap();
}

fn meta(index: u64) -> SnapshotMeta {
    let last = Position { index, term: 1 };
    SnapshotMeta { last, chain: Chain(0), membership: Membership::default() }
}

/// What a disk of this mutant knows after one flush, a crash, and a restart.
fn after_a_crash(mutant: Option<Mutant>) -> Recovered {
    let volume = Memory::default();
    write(&mut *disk(mutant, &volume), Some(VOTED), vec![entry(1)]);
    recover(mutant, &volume).unwrap()
}

#[test]
fn the_correct_disk_forgets_nothing() {
    let recovered = after_a_crash(None);
    assert_eq!((recovered.hard_state, recovered.entries.len()), (VOTED, 1));
}

#[test]
fn vote_volatile_forgets_the_vote() {
    let recovered = after_a_crash(Some(Mutant::VoteVolatile));
    assert_eq!(recovered.hard_state, HardState { term: 3, vote: None });
}

#[test]
fn term_volatile_goes_back_to_the_last_entrys_term() {
    let recovered = after_a_crash(Some(Mutant::TermVolatile));
    assert_eq!(recovered.hard_state, HardState { term: 1, vote: None });
}

#[test]
fn ack_before_flush_loses_what_was_acknowledged() {
    assert_eq!(after_a_crash(Some(Mutant::AckBeforeFlush)).entries, []);
}

#[test]
fn torn_tail_fatal_refuses_what_a_crash_leaves() {
    let volume = Memory::default();
    let mut disk = disk(None, &volume);
    write(&mut *disk, Some(VOTED), vec![entry(1)]);
    let name = volume.with_extension("wal").pop().unwrap();
    let mut files = volume.files();
    let content = files.get_mut(&name).unwrap();
    let end = content.iter().rposition(|byte| *byte != 0).unwrap();
    content.truncate(end - 20);
    let volume = Memory::of(files);
    for _ in 0..2 {
        assert!(recover(Some(Mutant::TornTailFatal), &volume).is_err());
    }
    let recovered = recover(None, &volume).unwrap();
    assert_eq!(recovered.torn.unwrap().segment.to_str(), Some(&name[..]));
}

/// The files as they are in the middle of a mutant's snapshot: its window is a wait of the volume.
fn in_the_window(mutant: Mutant) -> Memory {
    let volume = Memory::default();
    let mut disk = disk(Some(mutant), &volume);
    for index in 1..=20 {
        write(&mut *disk, None, vec![entry(index)]);
    }
    disk.save_snapshot(&meta(15), &[7; 100]).unwrap();
    volume.at_last_wait().expect("the mutant has a window")
}

#[test]
fn purge_before_durable_loses_the_log_in_its_window() {
    let volume = in_the_window(Mutant::PurgeBeforeDurable);
    let error = recover(None, &volume).unwrap_err().to_string();
    assert!(error.contains("the snapshot before it is missing"), "{error}");
}

#[test]
fn snapshot_in_place_leaves_half_a_snapshot_in_its_window() {
    let volume = in_the_window(Mutant::SnapshotInPlace);
    let error = recover(None, &volume).unwrap_err().to_string();
    assert!(error.contains(".snap") && error.contains("not those its header says"), "{error}");
}

#[test]
fn only_the_lease_mutants_change_how_reads_are_served() {
    for card in &CATALOGUE {
        let mode = Mutant::read_mode(Some(card.mutant), ReadMode::Log);
        let expected =
            if card.name.starts_with("lease-") { ReadMode::Lease } else { ReadMode::Log };
        assert_eq!(mode, expected, "{}", card.name);
    }
}
