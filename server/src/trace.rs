//! The trace file: one JSON line per event, out before the effect it tells of.
//!
//! Lines go out with one `write(2)` to a file opened for appending, so that a killed process leaves no
//! half line behind another process's back, and the page cache keeps what was written. There is no
//! sync: only a power loss of the whole machine could lose lines, and then the test's own files too.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use whitewater_raft::event::Record;

/// An open trace file.
#[derive(Debug)]
pub struct TraceFile {
    file: File,
    buffer: Vec<u8>,
}

impl TraceFile {
    /// Opens the file, which later boots of the same node go on with.
    pub fn open(path: &Path) -> io::Result<TraceFile> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        end_last_line(&mut file)?;
        Ok(TraceFile { file, buffer: Vec::new() })
    }

    /// Writes the records.
    pub fn write(&mut self, records: &[Record]) -> io::Result<()> {
        self.buffer.clear();
        for record in records {
            serde_json::to_writer(&mut self.buffer, record)?;
            self.buffer.push(b'\n');
        }
        self.file.write_all(&self.buffer)
    }
}

/// A full disk may have cut the last line short: end it, so that the next one stands alone.
fn end_last_line(file: &mut File) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    if last != *b"\n" { file.write_all(b"\n") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_raft::event::{Event, Role};

    #[test]
    fn lines_of_several_boots_follow_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("n1.jsonl");
        std::fs::write(&path, "{\"cut").unwrap();
        for boot in [1, 2] {
            let event = Event::Purge { to: 7 };
            let (seq, time_ns, term, role) = (1, 5, 3, Role::Follower);
            let record = Record { node: 1, boot, seq, time_ns, term, role, event };
            TraceFile::open(&path).unwrap().write(&[record]).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let last: Record = serde_json::from_str(lines[2]).unwrap();
        assert_eq!(last.boot, 2);
    }
}
