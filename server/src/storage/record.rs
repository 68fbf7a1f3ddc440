//! What the payload of a log frame says: records of one flush, one behind the other.
//!
//! ```text
//! hard state  1 | term u64 | vote u64 (0: none)
//! entry       2 | index u64 | term u64 | kind u8 | length u32 | payload
//! reset       3 | index u64 | term u64
//! ```
//!
//! An entry at index `i` removes everything from `i` on before it is added, so truncation and append
//! can never be torn apart. A reset stands where a leader's snapshot replaced the log. Term and vote
//! are one record for the same reason: no crash can keep one and lose the other.

use std::sync::Arc;

use whitewater_raft::{Entry, HardState, Membership, Payload, Position};

const HARD_STATE: u8 = 1;
const ENTRY: u8 = 2;
const RESET: u8 = 3;

const NOOP: u8 = 0;
const COMMAND: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Term and vote from here on.
    HardState(HardState),
    /// The log's new last entry.
    Entry(Entry),
    /// The log is replaced by a snapshot up to here.
    Reset(Position),
}

pub(super) fn encode_hard_state(out: &mut Vec<u8>, state: HardState) {
    out.push(HARD_STATE);
    out.extend_from_slice(&state.term.to_le_bytes());
    out.extend_from_slice(&state.vote.unwrap_or(0).to_le_bytes());
}

pub(super) fn encode_reset(out: &mut Vec<u8>, position: Position) {
    out.push(RESET);
    out.extend_from_slice(&position.index.to_le_bytes());
    out.extend_from_slice(&position.term.to_le_bytes());
}

pub(crate) fn encode_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.push(ENTRY);
    out.extend_from_slice(&entry.index.to_le_bytes());
    out.extend_from_slice(&entry.term.to_le_bytes());
    match &entry.payload {
        Payload::Noop => encode_payload(out, NOOP, &[]),
        Payload::Command(bytes) => encode_payload(out, COMMAND, bytes),
        Payload::Membership(membership) => {
            let bytes = postcard::to_stdvec(membership).expect("a vector takes any membership");
            encode_payload(out, MEMBERSHIP, &bytes);
        }
    }
}

fn encode_payload(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("an entry's size is limited far below 4 GiB");
    out.push(kind);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Reads all records of a payload. Its checksum was right, so a failure means another format.
pub(super) fn decode(mut bytes: &[u8]) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        records.push(next(&mut bytes)?);
    }
    Ok(records)
}

fn next(bytes: &mut &[u8]) -> Result<Record, String> {
    match take::<1>(bytes)?[0] {
        HARD_STATE => {
            let term = take_u64(bytes)?;
            let vote = Some(take_u64(bytes)?).filter(|vote| *vote != 0);
            Ok(Record::HardState(HardState { term, vote }))
        }
        RESET => Ok(Record::Reset(Position { index: take_u64(bytes)?, term: take_u64(bytes)? })),
        ENTRY => {
            let (index, term) = (take_u64(bytes)?, take_u64(bytes)?);
            let kind = take::<1>(bytes)?[0];
            let length = u32::from_le_bytes(take(bytes)?) as usize;
            let (payload, rest) = bytes.split_at_checked(length).ok_or("an entry is cut short")?;
            *bytes = rest;
            Ok(Record::Entry(Entry { index, term, payload: decode_payload(kind, payload)? }))
        }
        other => Err(format!("a record of unknown type {other}; was it written by a newer build?")),
    }
}

fn decode_payload(kind: u8, bytes: &[u8]) -> Result<Payload, String> {
    match kind {
        NOOP => Ok(Payload::Noop),
        COMMAND => Ok(Payload::Command(Arc::from(bytes))),
        MEMBERSHIP => postcard::from_bytes::<Membership>(bytes)
            .map(Payload::Membership)
            .map_err(|error| format!("a membership that cannot be read: {error}")),
        other => Err(format!("an entry of unknown kind {other}; was it written by a newer build?")),
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], String> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or("a record is cut short")?;
    *bytes = rest;
    Ok(*head)
}

fn take_u64(bytes: &mut &[u8]) -> Result<u64, String> {
    Ok(u64::from_le_bytes(take(bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_survives_its_encoding() {
        let membership =
            Membership { voters: [1, 2].into(), learners: [3].into(), ..Membership::default() };
        let payloads = [
            Payload::Noop,
            Payload::Command(Arc::from(&b"abc"[..])),
            Payload::Membership(membership),
        ];
        let state = HardState { term: 3, vote: Some(2) };
        let position = Position { index: 9, term: 2 };
        let mut bytes = Vec::new();
        let mut expected = vec![Record::HardState(state), Record::Reset(position)];
        encode_hard_state(&mut bytes, state);
        encode_reset(&mut bytes, position);
        for (index, payload) in (10..).zip(payloads) {
            let entry = Entry { index, term: 3, payload };
            encode_entry(&mut bytes, &entry);
            expected.push(Record::Entry(entry));
        }
        assert_eq!(decode(&bytes).unwrap(), expected);
        assert!(decode(&bytes[..bytes.len() - 1]).unwrap_err().contains("cut short"));
        assert!(decode(&[9]).unwrap_err().contains("unknown type 9"));
    }
}
