//! The bytes of the log and of snapshot files, held still: a node must be able to read what an earlier build wrote.
//!
//! The expected bytes were put together by another program from the tables of docs/formats.md, and not by this
//! code. A change here is a new format: raise its version, and say in the docs what reads the old one.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod memory;

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use memory::Memory;
use whitewater_raft::{
    Chain, Entry, HardState, Membership, Payload, Persist, Position, SnapshotMeta,
};
use whitewater_server::storage::{Disk, FileDisk, WalOptions};

/// Header, the frame every log begins with, and the frame of one flush.
const SEGMENT: &str = "\
    575757414c303031010000000000000001000000000000000100000000000000\
    00000000689033b4\
    4652414d0000000011000000000000000100000000000000fe3a494e2f5e35c2\
    010000000000000000000000000000000000000000000000\
    4652414d2f5e35c25b00000000000000020000000000000040543a56e944a3c3\
    0103000000000000000200000000000000020100000000000000030000000000\
    0000010300000061626302020000000000000003000000000000000000000000\
    0203000000000000000300000000000000020500000002010200000000000000";

/// Header, description, state.
const SNAPSHOT: &str = "\
    5757534e415030311800000005000000000000001af8f85a\
    090310303030303030303030303030303061620201020000\
    7374617465";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn membership() -> Membership {
    Membership { voters: [1, 2].into(), ..Membership::default() }
}

fn persist() -> Persist {
    let payloads =
        [Payload::Command(Arc::from(*b"abc")), Payload::Noop, Payload::Membership(membership())];
    let entry = |(index, payload)| Entry { index, term: 3, payload };
    Persist {
        number: 1,
        hard_state: Some(HardState { term: 3, vote: Some(2) }),
        entries: (1..).zip(payloads).map(entry).collect(),
        snapshot: None,
    }
}

fn disk(volume: &Memory) -> FileDisk {
    let options = WalOptions { node: 1, segment_bytes: 1_024, fsync: false };
    FileDisk::on(Arc::new(volume.clone()), options)
}

#[test]
fn a_segment_is_these_bytes() {
    let volume = Memory::default();
    let mut written = disk(&volume);
    written.recover().unwrap();
    written.append(&persist()).unwrap();
    written.flush().unwrap();
    let files = volume.files();
    let segment = &files["0000000000000001.wal"];
    let (used, rest) = segment.split_at(SEGMENT.len() / 2);
    assert_eq!(hex(used), SEGMENT);
    assert_eq!(segment.len(), 1_024, "preallocated");
    assert!(rest.iter().all(|byte| *byte == 0));
    let read = disk(&volume).recover().unwrap();
    assert_eq!(Some(read.hard_state), persist().hard_state);
    assert_eq!(read.entries, persist().entries);
}

#[test]
fn a_snapshot_is_these_bytes() {
    let volume = Memory::default();
    let mut written = disk(&volume);
    written.recover().unwrap();
    let last = Position { index: 9, term: 3 };
    let meta = SnapshotMeta { last, chain: Chain(0xab), membership: membership() };
    written.save_snapshot(&meta, b"state").unwrap();
    let files = volume.files();
    assert_eq!(hex(&files["snapshot-0000000000000009-3.snap"]), SNAPSHOT);
    let read = disk(&volume).recover().unwrap();
    assert_eq!(read.snapshot, Some((meta, Bytes::from_static(b"state"))));
}
