//! Snapshot files: the whole state machine at one index.
//!
//! ```text
//! snapshot-INDEX-TERM.snap   magic "WWSNAP01" | meta length u32 | data length u64 | crc u32 | meta | data
//! ```
//!
//! The checksum covers everything but itself. A file gets its name by rename once its bytes are
//! durable, and the directory is synced before anyone is told, so a file with a snapshot's name is
//! complete: a damaged one is corruption, and is refused. Names with `.tmp` are leftovers of a crash.

use bytes::Bytes;
use whitewater_raft::{Index, SnapshotMeta};

use super::{StorageError, Volume, sync_names};

const MAGIC: &[u8; 8] = b"WWSNAP01";
const HEADER_BYTES: usize = 24;

/// Writes a snapshot durably, then removes the older ones.
pub(crate) fn save(
    volume: &dyn Volume,
    meta: &SnapshotMeta,
    data: &[u8],
    fsync: bool,
) -> Result<(), StorageError> {
    let name = name_of(meta);
    let temporary = format!("{}.tmp", stem_of(meta));
    let bytes = header(meta, data);
    let write = || {
        let mut file = volume.create(&temporary)?;
        file.write_at(&bytes, 0)?;
        file.write_at(data, bytes.len() as u64)?;
        if fsync {
            file.sync()?;
        }
        volume.rename(&temporary, &name)
    };
    write().map_err(|source| StorageError::io("write snapshot", &volume.path(&name), source))?;
    if fsync {
        sync_names(volume)?;
    }
    remove_older(volume, meta.last.index)
}

/// The newest snapshot, if there is one. Removes what a crash left half-written.
///
/// It is written once more at every start, as the end of the log is: its name may be in the page cache alone, because
/// the process before was killed before it had synced the directory, or because that sync failed. In
/// the second case no later sync speaks of the name, and what this node does next rests on it.
pub(crate) fn load(
    volume: &dyn Volume,
    fsync: bool,
) -> Result<Option<(SnapshotMeta, Bytes)>, StorageError> {
    for (_, leftover) in files(volume, "tmp")? {
        remove(volume, &leftover)?;
    }
    let Some((_, name)) = files(volume, "snap")?.pop() else { return Ok(None) };
    let path = &volume.path(&name);
    let bytes = volume.read(&name).map_err(|e| StorageError::io("read snapshot", path, e))?;
    let (meta, data_offset) =
        decode(&bytes).map_err(|(offset, why)| StorageError::corrupt(path, offset as u64, why))?;
    let data = Bytes::from(bytes).slice(data_offset..);
    save(volume, &meta, &data, fsync)?;
    Ok(Some((meta, data)))
}

/// The file name of a snapshot of this description.
pub(crate) fn name_of(meta: &SnapshotMeta) -> String {
    format!("{}.snap", stem_of(meta))
}

fn stem_of(meta: &SnapshotMeta) -> String {
    format!("snapshot-{:016}-{}", meta.last.index, meta.last.term)
}

/// Everything in front of the data.
pub(crate) fn header(meta: &SnapshotMeta, data: &[u8]) -> Vec<u8> {
    let meta = postcard::to_stdvec(meta).expect("a vector takes any description");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + meta.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(
        &u32::try_from(meta.len()).expect("a description is small").to_le_bytes(),
    );
    bytes.extend_from_slice(&(data.len() as u64).to_le_bytes());
    let crc = checksum(&bytes, &meta, data);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&meta);
    bytes
}

fn checksum(lengths: &[u8], meta: &[u8], data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in [lengths, meta, data] {
        hasher.update(part);
    }
    hasher.finalize()
}

/// The description, and where the data begins; or the offset at which it went wrong.
fn decode(bytes: &[u8]) -> Result<(SnapshotMeta, usize), (usize, String)> {
    let header = bytes.get(..HEADER_BYTES).ok_or((bytes.len(), "the file is cut short".into()))?;
    if header[..8] != *MAGIC {
        return Err((0, "this is no snapshot of this build's format".into()));
    }
    let meta_length = u32::from_le_bytes(header[8..12].try_into().expect("four bytes")) as usize;
    let data_length = u64::from_le_bytes(header[12..20].try_into().expect("eight bytes"));
    let data_offset = HEADER_BYTES + meta_length;
    let whole = (data_offset as u64).checked_add(data_length);
    if whole != Some(bytes.len() as u64) {
        let text = format!("the file has {} bytes, and not those its header says", bytes.len());
        return Err((8, text));
    }
    let (meta, data) = (&bytes[HEADER_BYTES..data_offset], &bytes[data_offset..]);
    let crc = u32::from_le_bytes(header[20..24].try_into().expect("four bytes"));
    if crc != checksum(&header[..20], meta, data) {
        return Err((20, "the checksum is wrong".into()));
    }
    let meta = postcard::from_bytes(meta).map_err(|error| (HEADER_BYTES, error.to_string()))?;
    Ok((meta, data_offset))
}

fn remove_older(volume: &dyn Volume, index: Index) -> Result<(), StorageError> {
    for (older, name) in files(volume, "snap")? {
        if older < index {
            remove(volume, &name)?;
        }
    }
    Ok(())
}

fn remove(volume: &dyn Volume, name: &str) -> Result<(), StorageError> {
    volume.remove(name).map_err(|source| StorageError::io("remove", &volume.path(name), source))
}

/// The snapshot files with this extension and their indexes, oldest first.
fn files(volume: &dyn Volume, extension: &str) -> Result<Vec<(Index, String)>, StorageError> {
    let names = volume.names();
    let names = names.map_err(|source| StorageError::io("list", &volume.path(""), source))?;
    let of_snapshot = |name: String| Some((index_of(&name, extension)?, name));
    let mut found: Vec<(Index, String)> = names.into_iter().filter_map(of_snapshot).collect();
    found.sort();
    Ok(found)
}

fn index_of(name: &str, extension: &str) -> Option<Index> {
    let (stem, found) = name.rsplit_once('.')?;
    let index = stem.strip_prefix("snapshot-")?.split('-').next()?;
    (found == extension).then(|| index.parse().ok())?
}
