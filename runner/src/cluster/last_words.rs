//! What a server said before it ended.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// A panic with its backtrace fits; a log that goes on for ever does not.
const SCAN_BYTES: u64 = 64 * 1024;
/// Lines kept: the last ones, as what came after a panic led to the end, and what came before did not.
const LINES_MAX: usize = 20;
/// What a line of a dying process contains, in Rust and in Go, in any case.
const MARKS: [&str; 5] = ["panicked at", "panic:", "fatal", "stack overflow", "segmentation fault"];
/// How a panic of Rust begins.
const RUST_PANIC: &str = "panicked at";
/// How the line begins with which a process says why it gives up.
pub(super) const ERROR: &str = "error:";

/// Lines of the log, from `start` on, that look like a panic or a fatal error. Where a process ended by itself and
/// there are none, its last line is the best there is.
pub(super) fn since(log: &Path, start: u64, is_expected: bool) -> Vec<String> {
    let text = read_end(log, start);
    let is_marked = |line: &&str| {
        let line = line.to_lowercase();
        MARKS.iter().any(|mark| line.contains(mark)) || !is_expected && line.starts_with(ERROR)
    };
    let mut found: Vec<&str> = Vec::new();
    let mut is_place_of_panic = false;
    for line in text.lines() {
        // Since Rust 1.73 the first line of a panic is its place, and the next its message.
        if is_marked(&line) || is_place_of_panic {
            found.push(line);
        }
        is_place_of_panic = line.contains(RUST_PANIC) && line.ends_with(':');
    }
    if !is_expected && found.is_empty() {
        found.extend(text.lines().rfind(|line| !line.trim().is_empty()));
    }
    let dropped = found.len().saturating_sub(LINES_MAX);
    found[dropped..].iter().map(|line| (*line).to_owned()).collect()
}

/// The end of the file, not before `start`; empty where it cannot be read.
fn read_end(log: &Path, start: u64) -> String {
    let read = || {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(start.max(length.saturating_sub(SCAN_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(SCAN_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_this_boot_is_found_and_one_of_an_earlier_boot_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("n1.log");
        let first = "thread 'main' panicked at src/old.rs:1:\n";
        std::fs::write(
            &log,
            format!("{first}started\nthread 'x' panicked at src/a.rs:7:\nno leader\nbye\n"),
        )
        .unwrap();
        let panic = ["thread 'x' panicked at src/a.rs:7:", "no leader"];
        assert_eq!(since(&log, first.len() as u64, true), panic);
        assert_eq!(since(&log, first.len() as u64, false), panic);
        std::fs::write(&log, "fatal: again\n".repeat(30) + "fatal: the last\n").unwrap();
        let many = since(&log, 0, false);
        assert_eq!((many.len(), many[LINES_MAX - 1].as_str()), (LINES_MAX, "fatal: the last"));
        assert!(since(&folder.path().join("absent"), 0, false).is_empty());
    }

    #[test]
    fn who_gives_up_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("n1.log");
        std::fs::write(&log, "started\nerror: the snapshot is damaged\nserved until then\n")
            .unwrap();
        assert_eq!(since(&log, 0, false), ["error: the snapshot is damaged"]);
        assert!(since(&log, 0, true).is_empty(), "whoever is killed may have complained before");
        std::fs::write(&log, "started\ngiving up: no disk\n\n").unwrap();
        assert_eq!(since(&log, 0, false), ["giving up: no disk"]);
        assert!(since(&log, 0, true).is_empty());
    }
}
