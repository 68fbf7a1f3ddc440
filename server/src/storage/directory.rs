//! Who a data directory belongs to, how often its node started, and that only one process uses it.
//!
//! `node.json` names cluster, node and format; a server refuses a directory that is another's, because
//! two nodes that mix up their logs vote twice. It also keeps the voters that the node first started with: later
//! changes are in the log, and if each start could name others, two nodes could rule by different majorities.
//! `lock` is locked while a server runs.

use std::collections::BTreeSet;
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
    /// The voters of the first start; older files do not tell.
    #[serde(default)]
    bootstrap: Option<BTreeSet<u64>>,
}

/// A directory that this process has for itself until this value is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    boot: u64,
    bootstrap: BTreeSet<u64>,
    _lock: Flock<File>,
}

impl DataDirectory {
    /// Opens or makes the directory, checks whose it is, and counts this start. `bootstrap` are the voters where
    /// this is the first one.
    pub fn open(
        path: &Path,
        identity: &Identity,
        bootstrap: &BTreeSet<u64>,
    ) -> Result<DataDirectory, StorageError> {
        fs::create_dir_all(path)
            .map_err(|source| StorageError::io("make data directory", path, source))?;
        let lock = lock(path)?;
        let file = path.join("node.json");
        let before = match fs::read(&file) {
            Ok(bytes) => Some(known(path, &file, &bytes, identity)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(StorageError::io("read", &file, error)),
        };
        let boot = before.as_ref().map_or(0, |before| before.boots) + 1;
        let first = before.and_then(|before| before.bootstrap);
        let bootstrap = first.unwrap_or_else(|| bootstrap.clone());
        let content = NodeFile {
            format: FORMAT,
            identity: identity.clone(),
            boots: boot,
            bootstrap: Some(bootstrap.clone()),
        };
        write(path, &file, &content)?;
        Ok(DataDirectory { path: path.to_owned(), boot, bootstrap, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Counts the node's starts, from 1.
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// The voters that the node first started with.
    pub fn bootstrap(&self) -> &BTreeSet<u64> {
        &self.bootstrap
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

fn known(
    directory: &Path,
    file: &Path,
    bytes: &[u8],
    expected: &Identity,
) -> Result<NodeFile, StorageError> {
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
    Ok(found)
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

    fn open(path: &Path, identity: &Identity) -> Result<DataDirectory, StorageError> {
        DataDirectory::open(path, identity, &[1, 2, 3].into())
    }

    #[test]
    fn the_voters_are_those_of_the_first_start() {
        let directory = tempfile::tempdir().unwrap();
        let (path, identity) = (directory.path(), identity("c", 1));
        assert_eq!(*open(path, &identity).unwrap().bootstrap(), [1, 2, 3].into());
        let grown = DataDirectory::open(path, &identity, &[1, 2, 3, 4, 5].into()).unwrap();
        assert_eq!(*grown.bootstrap(), [1, 2, 3].into());
        drop(grown);
        // A node that joins has none, and keeps to it.
        let joining = tempfile::tempdir().unwrap();
        drop(DataDirectory::open(joining.path(), &identity, &[].into()).unwrap());
        assert!(open(joining.path(), &identity).unwrap().bootstrap().is_empty());
    }

    #[test]
    fn starts_are_counted_and_strangers_refused() {
        let directory = tempfile::tempdir().unwrap();
        for boot in 1..=3 {
            let opened = open(directory.path(), &identity("c", 1)).unwrap();
            assert_eq!(opened.boot(), boot);
        }
        let error = open(directory.path(), &identity("c", 2)).unwrap_err();
        assert!(error.to_string().contains("belongs to node 1 of cluster \"c\""), "{error}");
    }

    #[test]
    fn a_second_process_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let first = open(directory.path(), &identity("c", 1)).unwrap();
        let second = open(directory.path(), &identity("c", 1));
        assert!(matches!(second, Err(StorageError::InUse(_))));
        drop(first);
        assert!(open(directory.path(), &identity("c", 1)).is_ok());
    }
}
