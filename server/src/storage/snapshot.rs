//! Snapshot files: the whole state machine at one index.
//!
//! ```text
//! snapshot-INDEX-TERM.snap   magic "WWSNAP01" | meta length u32 | data length u64 | crc u32 | meta | data
//! ```
//!
//! The checksum covers everything but itself. A file gets its name by rename once its bytes are
//! durable, and the directory is synced before anyone is told, so a file with a snapshot's name is
//! complete: a damaged one is corruption, and is refused. Names with `.tmp` are leftovers of a crash.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use whitewater_raft::{Index, SnapshotMeta};

use super::StorageError;

const MAGIC: &[u8; 8] = b"WWSNAP01";
const HEADER_BYTES: usize = 24;

/// Writes a snapshot durably, then removes the older ones.
pub(crate) fn save(
    directory: &Path,
    meta: &SnapshotMeta,
    data: &[u8],
    fsync: bool,
) -> Result<(), StorageError> {
    let path = path_of(directory, meta);
    let temporary = path.with_extension("tmp");
    let bytes = header(meta, data);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.write_all(data)?;
        if fsync {
            file.sync_all()?;
        }
        fs::rename(&temporary, &path)
    };
    write().map_err(|source| StorageError::io("write snapshot", &path, source))?;
    if fsync {
        super::sync_directory(directory)?;
    }
    remove_older(directory, meta.last.index)
}

/// The newest snapshot, if there is one. Removes what a crash left half-written.
pub(crate) fn load(directory: &Path) -> Result<Option<(SnapshotMeta, Bytes)>, StorageError> {
    for leftover in files(directory, "tmp")? {
        remove(&leftover.1)?;
    }
    let Some((_, path)) = files(directory, "snap")?.pop() else { return Ok(None) };
    let bytes = fs::read(&path).map_err(|e| StorageError::io("read snapshot", &path, e))?;
    let (meta, data_offset) =
        decode(&bytes).map_err(|(offset, why)| StorageError::corrupt(&path, offset as u64, why))?;
    let data = Bytes::from(bytes).slice(data_offset..);
    remove_older(directory, meta.last.index)?;
    Ok(Some((meta, data)))
}

/// Where a snapshot of this description lies.
pub(crate) fn path_of(directory: &Path, meta: &SnapshotMeta) -> PathBuf {
    directory.join(format!("snapshot-{:016}-{}.snap", meta.last.index, meta.last.term))
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

fn remove_older(directory: &Path, index: Index) -> Result<(), StorageError> {
    for (older, path) in files(directory, "snap")? {
        if older < index {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), StorageError> {
    fs::remove_file(path).map_err(|source| StorageError::io("remove", path, source))
}

/// The directory's snapshot files with this extension and their indexes, oldest first.
fn files(directory: &Path, extension: &str) -> Result<Vec<(Index, PathBuf)>, StorageError> {
    let list = || {
        let mut found = Vec::new();
        for file in fs::read_dir(directory)? {
            let path = file?.path();
            if path.extension().is_some_and(|it| it == extension)
                && let Some(index) = index_of(&path)
            {
                found.push((index, path));
            }
        }
        found.sort();
        Ok(found)
    };
    list().map_err(|source| StorageError::io("list", directory, source))
}

fn index_of(path: &Path) -> Option<Index> {
    let name = path.file_stem()?.to_str()?;
    name.strip_prefix("snapshot-")?.split('-').next()?.parse().ok()
}
