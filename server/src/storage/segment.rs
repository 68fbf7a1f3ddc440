//! One file of the write-ahead log: its header, its frames, and how a damaged one is read.
//!
//! ```text
//! segment  magic "WWWAL001" | node u64 | number u64 | sequence u64 | previous u32 | crc u32
//!          frame frame frame … zeros up to the preallocated size
//! frame    mark u32 | previous u32 | length u64 | sequence u64 | payload crc u32 | header crc u32
//!          payload, padded with zeros to a multiple of 8
//! ```
//!
//! Integers are little-endian, checksums CRC-32. `sequence` counts frames over all segments, and
//! `previous` repeats the header checksum of the frame before (rolling: a frame is only valid behind
//! the one it was written behind). One flush writes one frame, so a frame is the unit that a crash
//! can tear. What follows from that, in [`scan`]:
//!
//! - a bad frame with nothing valid behind it was never acknowledged: a torn tail, to be cut;
//! - a bad frame with a valid frame behind it was acknowledged once: corruption, to be refused.
//!
//! Nothing here knows what a payload means: see [`super::record`].

use super::StorageError;
use std::path::Path;

/// The first bytes of every segment; the digits are the format's version.
const MAGIC: &[u8; 8] = b"WWWAL001";
/// The first bytes of every frame ("FRAM"), so that scanning for a later frame is cheap.
const MARK: u32 = 0x4d41_5246;
/// Bytes of a segment's header.
pub(super) const SEGMENT_HEADER_BYTES: usize = 40;
/// Bytes of a frame's header.
pub(super) const FRAME_HEADER_BYTES: usize = 32;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Whose log this is.
    pub(super) node: u64,
    /// Counts segments, from 1.
    pub(super) number: u64,
    /// The place of its first frame.
    pub(super) at: Place,
}

/// Where the next frame goes in the chain of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The frame's number.
    pub(super) sequence: u64,
    /// The header checksum of the frame before it.
    pub(super) previous: u32,
}

impl SegmentHeader {
    /// The header's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.node.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.at.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.at.previous.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header; `None`: these bytes are none.
    pub(super) fn decode(bytes: &[u8]) -> Option<SegmentHeader> {
        let header = bytes.get(..SEGMENT_HEADER_BYTES)?;
        let valid = header[..8] == *MAGIC && u32_at(header, 36) == crc32fast::hash(&header[..36]);
        valid.then(|| SegmentHeader {
            node: u64_at(header, 8),
            number: u64_at(header, 16),
            at: Place { sequence: u64_at(header, 24), previous: u32_at(header, 32) },
        })
    }
}

/// Appends a frame to `out` and returns the place behind it.
pub(super) fn encode_frame(out: &mut Vec<u8>, at: Place, payload: &[u8]) -> Place {
    let start = out.len();
    out.extend_from_slice(&MARK.to_le_bytes());
    out.extend_from_slice(&at.previous.to_le_bytes());
    out.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    out.extend_from_slice(&at.sequence.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
    out.resize(start + frame_bytes(payload.len()), 0);
    Place { sequence: at.sequence + 1, previous: crc }
}

/// How much room a payload of this length takes.
pub(super) fn frame_bytes(payload: usize) -> usize {
    (FRAME_HEADER_BYTES + payload).next_multiple_of(8)
}

/// A segment read to its end.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    /// Offset and payload of every valid frame.
    pub(super) frames: Vec<(usize, &'a [u8])>,
    /// The place behind the last valid frame.
    pub(super) next: Place,
    /// Where the next frame goes.
    pub(super) end: usize,
    /// Bytes of a torn tail behind `end`; 0: the segment ends cleanly.
    pub(super) torn_bytes: usize,
}

/// Reads a segment whose first frame belongs at `at`.
///
/// Fails where a damaged frame cannot be a torn tail: where a valid frame follows it, where it is the
/// first (that one is durable before the file gets its name), or where `is_last` is false.
pub(super) fn scan<'a>(
    path: &Path,
    bytes: &'a [u8],
    at: Place,
    is_last: bool,
) -> Result<Scan<'a>, StorageError> {
    let mut frames = Vec::new();
    let mut next = at;
    let mut end = SEGMENT_HEADER_BYTES;
    while let Some((payload, after)) = frame_at(bytes, end, next) {
        frames.push((end, payload));
        end += frame_bytes(payload.len());
        next = after;
    }
    let tail = bytes.get(end..).unwrap_or_default();
    let torn_bytes = written_bytes(tail);
    let corrupt = |why: String| StorageError::corrupt(path, end as u64, why);
    if frames.is_empty() {
        return Err(corrupt("its first frame is damaged".into()));
    }
    if torn_bytes > 0 && !is_last {
        return Err(corrupt("a frame is damaged, and a later segment exists".into()));
    }
    if torn_bytes > 0
        && let Some(later) = later_frame(bytes, end)
    {
        return Err(corrupt(format!(
            "a frame is damaged, and a valid one follows at byte {later}"
        )));
    }
    Ok(Scan { frames, next, end, torn_bytes })
}

/// Where zeros begin that last to the end. Most of a segment is zeros, so they are passed over in blocks:
/// byte by byte that was half of the time of a restart.
fn written_bytes(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4_096] = [0; 4_096];
    let mut end = bytes.len();
    for block in bytes.rchunks(ZEROS.len()) {
        let start = end - block.len();
        if *block != ZEROS[..block.len()] {
            let last = block.iter().rposition(|byte| *byte != 0);
            return start + last.map_or(0, |last| last + 1);
        }
        end = start;
    }
    0
}

/// The payload of the frame at `offset`, if a valid one stands there in its place of the chain.
fn frame_at(bytes: &[u8], offset: usize, at: Place) -> Option<(&[u8], Place)> {
    let header = valid_header(bytes, offset)?;
    if u32_at(header, 4) != at.previous || u64_at(header, 16) != at.sequence {
        return None;
    }
    let length = usize::try_from(u64_at(header, 8)).ok()?;
    let start = offset + FRAME_HEADER_BYTES;
    let payload = bytes.get(start..start.checked_add(length)?)?;
    let valid = u32_at(header, 24) == crc32fast::hash(payload);
    valid.then(|| (payload, Place { sequence: at.sequence + 1, previous: u32_at(header, 28) }))
}

/// A frame header with a right checksum behind the damaged frame at `offset`: proof that the damaged
/// one was complete once. Where the damaged frame's own header is right, its payload is passed over:
/// a client's value may look like anything.
fn later_frame(bytes: &[u8], offset: usize) -> Option<usize> {
    let own_length = valid_header(bytes, offset).map_or(0, |header| u64_at(header, 8));
    let start = match usize::try_from(own_length) {
        Ok(length) if length < bytes.len() => offset + frame_bytes(length).max(8),
        _ => bytes.len(),
    };
    (start..bytes.len()).step_by(8).find(|&offset| valid_header(bytes, offset).is_some())
}

fn valid_header(bytes: &[u8], offset: usize) -> Option<&[u8]> {
    let header = bytes.get(offset..offset.checked_add(FRAME_HEADER_BYTES)?)?;
    let valid = u32_at(header, 0) == MARK && u32_at(header, 28) == crc32fast::hash(&header[..28]);
    valid.then_some(header)
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
}
