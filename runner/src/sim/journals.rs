//! The journals of a simulated run, in memory until somebody wants them as files.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use whitewater_checker::run_folder::JOURNALS;
use whitewater_raft::NodeId;
use whitewater_server::journal::{EXTENSION, Recorder, path_of_boot};

/// Every boot's journal by its file's name. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journals(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Journals {
    /// Begins the journal of a boot.
    pub(super) fn recorder(&self, node: NodeId, boot: u64) -> Recorder {
        let name = path_of_boot(Path::new(&format!("n{node}.{EXTENSION}")), boot);
        let name = name.to_string_lossy().into_owned();
        Recorder::to(Box::new(Growing { name, journals: self.clone() }))
    }

    /// What was noted until now.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes them into a run's folder.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let folder = folder.join(JOURNALS);
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        for (name, bytes) in self.files() {
            let path = folder.join(name);
            fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }
}

/// One journal that is being written.
struct Growing {
    name: String,
    journals: Journals,
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut files = self.journals.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.entry(self.name.clone()).or_default().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
