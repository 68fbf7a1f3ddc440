//! Trace files, merged by time into one stream.
//!
//! Each file is read in batches of lines that are parsed in parallel, so that memory holds a few
//! thousand lines, however long the files are. A node's own lines keep their order whatever their
//! times say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use whitewater_raft::event::{Event, Record};

use super::finding::Place;
use crate::error::{CheckError, without_place};
use crate::file;
use crate::run_folder::{TRACES, traces};

/// Lines parsed at a time: enough to keep all cores busy, few enough to be nothing in memory.
const BATCH_LINES: usize = 8_192;

/// The longest line that is read. A trace line has a few hundred bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// The trace files of a run, by name.
#[derive(Debug)]
pub(crate) struct TraceFiles {
    readers: Vec<Reader>,
}

impl TraceFiles {
    /// Opens every `*.jsonl` in a run's `trace` folder. `None` where there is none.
    pub(crate) fn open(folder: &Path) -> Result<Option<TraceFiles>, CheckError> {
        let paths = traces(folder).map_err(CheckError::read(&folder.join(TRACES)))?;
        if paths.is_empty() {
            return Ok(None);
        }
        let paths = paths.iter().map(|trace| trace.path(folder));
        let readers = paths.map(Reader::open).collect::<Result<_, _>>()?;
        Ok(Some(TraceFiles { readers }))
    }

    /// The files' paths, in the order of their numbers.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.readers.iter().map(|reader| reader.path.clone()).collect()
    }
}

impl Iterator for TraceFiles {
    type Item = Result<(Place, Record), CheckError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut earliest: Option<(u64, usize)> = None;
        for (file, reader) in self.readers.iter_mut().enumerate() {
            match reader.time_ns() {
                Err(error) => return Some(Err(error)),
                Ok(Some(time_ns)) if earliest.is_none_or(|(known, _)| time_ns < known) => {
                    earliest = Some((time_ns, file));
                }
                Ok(_) => {}
            }
        }
        let (_, file) = earliest?;
        let (line, record) = self.readers[file].parsed.pop_front()?;
        let place = Place { file: u32::try_from(file).unwrap_or(u32::MAX), line };
        Some(Ok((place, record)))
    }
}

/// One file.
#[derive(Debug)]
struct Reader {
    path: PathBuf,
    input: BufReader<File>,
    lines_read: u32,
    parsed: VecDeque<(u32, Record)>,
    /// A line that is no record: allowed at the end (killed while writing), and before a boot line (the
    /// server ends such a line when it starts again).
    torn: Option<CheckError>,
    ended: bool,
}

impl Reader {
    fn open(path: PathBuf) -> Result<Reader, CheckError> {
        let input = BufReader::with_capacity(1 << 20, file::open(&path)?);
        Ok(Reader { path, input, lines_read: 0, parsed: VecDeque::new(), torn: None, ended: false })
    }

    /// The time of the next record.
    fn time_ns(&mut self) -> Result<Option<u64>, CheckError> {
        while self.parsed.is_empty() && !self.ended {
            self.refill()?;
        }
        Ok(self.parsed.front().map(|(_, record)| record.time_ns))
    }

    fn refill(&mut self) -> Result<(), CheckError> {
        let lines = self.batch()?;
        let first = self.lines_read + 1;
        self.lines_read += u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let results: Vec<_> =
            lines.par_iter().map(|line| serde_json::from_slice::<Record>(line)).collect();
        for ((text, result), number) in lines.iter().zip(results).zip(first..) {
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match result {
                Ok(record) => {
                    let boots = matches!(record.event, Event::Boot { .. });
                    if let Some(torn) = self.torn.take().filter(|_| !boots) {
                        return Err(torn);
                    }
                    self.parsed.push_back((number, record));
                }
                Err(error) => {
                    if let Some(torn) = self.torn.take() {
                        return Err(torn);
                    }
                    self.torn = Some(CheckError::Malformed {
                        file: self.path.display().to_string(),
                        line: number.into(),
                        column: error.column() as u64,
                        message: format!("a trace line was expected: {}", without_place(&error)),
                    });
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self) -> Result<Vec<Vec<u8>>, CheckError> {
        let mut lines = Vec::with_capacity(BATCH_LINES);
        while lines.len() < BATCH_LINES {
            let mut line = Vec::new();
            read_line(&mut self.input, &mut line).map_err(CheckError::read(&self.path))?;
            if line.is_empty() {
                self.ended = true;
                break;
            }
            lines.push(line);
        }
        Ok(lines)
    }
}

fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<()> {
    use std::io::Read;
    line.reserve(256);
    let read = input.take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    if read as u64 == LINE_BYTES_MAX {
        let message = format!("a line is longer than {} MiB", LINE_BYTES_MAX >> 20);
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
    }
    Ok(())
}

/// Fetches lines again, as evidence: `trace/n1.jsonl:12: {...}`.
pub(crate) fn fetch(
    paths: &[PathBuf],
    places: &BTreeSet<Place>,
) -> Result<BTreeMap<Place, String>, CheckError> {
    let mut texts = BTreeMap::new();
    for (number, path) in (0..).zip(paths) {
        let wanted: Vec<Place> = places.iter().copied().filter(|at| at.file == number).collect();
        if wanted.is_empty() {
            continue;
        }
        let file = File::open(path).map_err(CheckError::read(path))?;
        let mut input = BufReader::with_capacity(1 << 20, file);
        let mut at = 0;
        for place in wanted {
            let mut line = Vec::new();
            while at < place.line {
                line.clear();
                read_line(&mut input, &mut line).map_err(CheckError::read(path))?;
                at += 1;
            }
            let text = String::from_utf8_lossy(&line);
            texts.insert(place, format!("{}:{}: {}", short(path), place.line, text.trim_end()));
        }
    }
    Ok(texts)
}

/// A file's name within its run folder.
fn short(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match path.parent().and_then(Path::file_name) {
        Some(parent) if parent == TRACES => format!("{TRACES}/{name}"),
        _ => name.into_owned(),
    }
}
