//! The folder in which Jepsen keeps a test.

use std::path::{Path, PathBuf};

use crate::run_folder::is_run;

/// The files that hold its history, the best first: one has values as they were, one has no nesting, one is a log with
/// everything else in it.
const FILES: [&str; 3] = ["history.edn", "history.txt", "jepsen.log"];

/// The history of a folder that Jepsen wrote; `None` if it is none, or a run of our own, whatever else is in it.
pub fn in_store(folder: &Path) -> Option<PathBuf> {
    if !folder.is_dir() || is_run(folder) {
        return None;
    }
    FILES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_file_of_a_store_is_its_history() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(folder.path().join(name), "").unwrap();
        assert_eq!(in_store(folder.path()), None);
        write("jepsen.log");
        assert_eq!(in_store(folder.path()), Some(folder.path().join("jepsen.log")));
        write("history.edn");
        assert_eq!(in_store(folder.path()), Some(folder.path().join("history.edn")));
        assert_eq!(in_store(&folder.path().join("history.edn")), None);
        write("plan.json");
        assert_eq!(in_store(folder.path()), None, "a run of ours");
    }
}
