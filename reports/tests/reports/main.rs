//! Every output of whole invented runs, in every shape a report must draw.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod history;
mod hostile;
mod index;
mod junit;
mod leftovers;
mod page;
mod sample;
mod seen;
mod texts;

use std::path::{Path, PathBuf};

use sample::Shape;
use whitewater_checker::run_folder::RunRecord;

/// Operations of a run for most tests: enough to draw, few enough to be quick.
const OPERATIONS: usize = 3_000;

/// A run folder with its reports.
struct Reported {
    root: tempfile::TempDir,
    folder: PathBuf,
    record: RunRecord,
}

impl Reported {
    fn new(shape: Shape, operations: usize) -> Reported {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("2026-11-24T06-40-00Z-7f3a");
        std::fs::create_dir(&folder).unwrap();
        let record = sample::write_run(&folder, shape, operations);
        let reported = Reported { root, folder, record };
        reported.report();
        reported
    }

    fn report(&self) {
        whitewater_reports::write_all(&self.folder).unwrap();
    }

    fn read(&self, name: &str) -> String {
        read(&self.folder.join(name))
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}
