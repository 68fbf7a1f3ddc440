//! Reads what nodes write to their traces while they run, for faults that wait for a moment.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use whitewater_raft::event::Record;

use super::trigger::{Moment, Moments};

/// The trace files of a run, from some moment on.
#[derive(Debug)]
pub(super) struct TraceTail {
    files: Vec<Tail>,
    moments: Moments,
}

#[derive(Debug)]
struct Tail {
    path: PathBuf,
    offset: u64,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
}

impl TraceTail {
    /// The files of a folder as they are now: what they tell from here on is news.
    pub(super) fn from_now(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let files = entries.map(|entry| Tail {
            offset: entry.metadata().map_or(0, |it| it.len()),
            path: entry.path(),
            rest: Vec::new(),
        });
        Self { files: files.collect(), moments: Moments::default() }
    }

    /// The moments in what was written since, in order of time. What cannot be read now is read the next time.
    pub(super) fn read(&mut self) -> Vec<Moment> {
        let mut records: Vec<Record> = Vec::new();
        for file in &mut self.files {
            let bytes = file.news().unwrap_or_default();
            let lines = bytes.split(|byte| *byte == b'\n');
            records.extend(lines.filter_map(|line| serde_json::from_slice(line).ok()));
        }
        records.sort_by_key(|record| record.time_ns);
        let moments = &mut self.moments;
        records.iter().flat_map(|record| moments.of(record)).flatten().collect()
    }
}

impl Tail {
    /// The whole lines that are new.
    fn news(&mut self) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = std::mem::take(&mut self.rest);
        self.offset += file.read_to_end(&mut bytes)? as u64;
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.rest = bytes.split_off(end);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_what_is_written_later_is_news_and_a_line_counts_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::create(folder.path().join("n2.jsonl")).unwrap();
        let line = |term: u64, time_ns: u64| {
            format!(
                r#"{{"node":2,"boot":1,"seq":1,"time_ns":{time_ns},"term":{term},"role":"leader","event":"leader","votes":[2],"last":{{"index":1,"term":1}},"chain":"00000000000000ff"}}"#
            )
        };
        writeln!(file, "{}", line(3, 5)).unwrap();
        let mut tail = TraceTail::from_now(folder.path());
        assert_eq!(tail.read(), []);
        let next = line(4, 9);
        let (head, rest) = next.split_at(40);
        write!(file, "{head}").unwrap();
        assert_eq!(tail.read(), []);
        writeln!(file, "{rest}").unwrap();
        let told: Vec<String> = tail.read().iter().map(Moment::words).collect();
        assert_eq!(told, ["n2 led term 4"]);
        assert_eq!(tail.read(), []);
    }
}
