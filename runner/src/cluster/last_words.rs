//! What a server said before it ended.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// A panic with its backtrace fits; a log that goes on for ever does not.
const SCAN_BYTES: u64 = 64 * 1024;
/// Lines kept; the first ones say the most.
const LINES_MAX: usize = 20;
/// What a line of a dying process contains, in Rust and in Go, in any case.
const MARKS: [&str; 5] = ["panicked at", "panic:", "fatal", "stack overflow", "segmentation fault"];

/// Lines of the log, from `start` on, that look like a panic or a fatal error.
pub(super) fn since(log: &Path, start: u64) -> Vec<String> {
    let text = read_end(log, start);
    let lines = text.lines().filter(|line| {
        let line = line.to_lowercase();
        MARKS.iter().any(|mark| line.contains(mark))
    });
    lines.take(LINES_MAX).map(str::to_owned).collect()
}

/// The last lines of the log.
pub(super) fn tail(log: &Path, lines: usize) -> Vec<String> {
    let text = read_end(log, 0);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
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
        std::fs::write(&log, format!("{first}started\nthread 'x' panicked at src/a.rs:7:\nbye\n"))
            .unwrap();
        assert_eq!(since(&log, first.len() as u64), ["thread 'x' panicked at src/a.rs:7:"]);
        assert_eq!(tail(&log, 1), ["bye"]);
        assert!(since(&folder.path().join("absent"), 0).is_empty());
    }
}
