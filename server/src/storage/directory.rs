//! Who a data directory belongs to, how often its node started, and that only one process uses it.
//!
//! `node.json` names cluster, node and format; a server refuses a directory that is another's, because
//! two nodes that mix up their logs vote twice. `lock` is locked while a server runs.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::{Directory, StorageError, sync_names};

/// The layout of the whole directory. Raise it with an incompatible change of any file in it.
const FORMAT: u32 = 1;

/// Who a directory belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster's name.
    pub cluster_id: String,
    /// The node's number.
    pub node_id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct NodeFile {
    format: u32,
    #[serde(flatten)]
    identity: Identity,
    boots: u64,
}

/// A directory that this process has for itself until this value is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    boot: u64,
    _lock: Flock<File>,
}

impl DataDirectory {
    /// Opens or makes the directory, checks whose it is, and counts this start.
    pub fn open(path: &Path, identity: &Identity) -> Result<DataDirectory, StorageError> {
        fs::create_dir_all(path)
            .map_err(|source| StorageError::io("make data directory", path, source))?;
        let lock = lock(path)?;
        let file = path.join("node.json");
        let boots = match fs::read(&file) {
            Ok(bytes) => boots_of(path, &file, &bytes, identity)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(StorageError::io("read", &file, error)),
        };
        let boot = boots + 1;
        write(path, &file, &NodeFile { format: FORMAT, identity: identity.clone(), boots: boot })?;
        Ok(DataDirectory { path: path.to_owned(), boot, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Counts the node's starts, from 1.
    pub fn boot(&self) -> u64 {
        self.boot
    }
}

fn lock(directory: &Path) -> Result<Flock<File>, StorageError> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| StorageError::io("open", &path, source))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => StorageError::InUse(directory.to_owned()),
        errno => StorageError::io("lock", &path, errno.into()),
    })
}

fn boots_of(
    directory: &Path,
    file: &Path,
    bytes: &[u8],
    expected: &Identity,
) -> Result<u64, StorageError> {
    let found: NodeFile = serde_json::from_slice(bytes)
        .map_err(|error| StorageError::corrupt(file, error.column() as u64, error.to_string()))?;
    let name = |identity: &Identity, format: u32| {
        format!("node {} of cluster {:?} (format {format})", identity.node_id, identity.cluster_id)
    };
    if found.identity != *expected || found.format != FORMAT {
        return Err(StorageError::Foreign {
            path: directory.to_owned(),
            found: name(&found.identity, found.format),
            expected: name(expected, FORMAT),
        });
    }
    Ok(found.boots)
}

fn write(directory: &Path, file: &Path, content: &NodeFile) -> Result<(), StorageError> {
    let temporary = file.with_extension("json.tmp");
    let save = || {
        let mut out = File::create(&temporary)?;
        serde_json::to_writer(&mut out, content)?;
        out.write_all(b"\n")?;
        out.sync_all()?;
        fs::rename(&temporary, file)
    };
    save().map_err(|source| StorageError::io("write", file, source))?;
    sync_names(&Directory::new(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(cluster: &str, node_id: u64) -> Identity {
        Identity { cluster_id: cluster.into(), node_id }
    }

    #[test]
    fn starts_are_counted_and_strangers_refused() {
        let directory = tempfile::tempdir().unwrap();
        for boot in 1..=3 {
            let opened = DataDirectory::open(directory.path(), &identity("c", 1)).unwrap();
            assert_eq!(opened.boot(), boot);
        }
        let error = DataDirectory::open(directory.path(), &identity("c", 2)).unwrap_err();
        assert!(error.to_string().contains("belongs to node 1 of cluster \"c\""), "{error}");
    }

    #[test]
    fn a_second_process_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(directory.path(), &identity("c", 1)).unwrap();
        let second = DataDirectory::open(directory.path(), &identity("c", 1));
        assert!(matches!(second, Err(StorageError::InUse(_))));
        drop(first);
        assert!(DataDirectory::open(directory.path(), &identity("c", 1)).is_ok());
    }
}
