//! A file of JSON lines in a run folder: its name and the form of its lines, its two readers, its writer.
//!
//! A verdict must not rest on a line that could not be read, so the strict reader refuses one, but for the last: a
//! runner that is killed leaves it torn. Pictures are wanted most when something went wrong, so the lenient reader
//! passes over what it cannot read, and says so.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::write_whole;
use crate::error::{CheckError, without_place};
use crate::file;

/// What is gathered before it goes to the file.
const BUFFER_BYTES: usize = 64 * 1024;

/// Items of a file, each with the number of its line.
pub(crate) type Numbered<T> = Vec<(u32, T)>;

/// A file of JSON lines, one `T` a line.
#[derive(Clone, Debug)]
pub struct Stream<T> {
    name: Cow<'static, str>,
    line: PhantomData<fn() -> T>,
}

impl<T> Stream<T> {
    pub(super) const fn named(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), line: PhantomData }
    }

    pub(super) fn of(name: String) -> Self {
        Self { name: Cow::Owned(name), line: PhantomData }
    }

    /// Where it is in a run's folder.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&*self.name)
    }

    /// Calls `take` with each line that is not blank. A missing file and the lines for which it returns false
    /// are remarks.
    pub fn each_line(
        &self,
        folder: &Path,
        remarks: &mut Vec<String>,
        mut take: impl FnMut(&[u8]) -> bool,
    ) {
        let mut reader = match File::open(self.path(folder)) {
            Ok(file) => BufReader::with_capacity(1 << 18, file),
            Err(error) => {
                remarks.push(format!("{self} could not be opened: {error}"));
                return;
            }
        };
        let (mut line, mut number, mut refused) = (Vec::new(), 0u64, Vec::new());
        loop {
            line.clear();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => number += 1,
                Err(error) => {
                    remarks.push(format!("{self} could not be read past line {number}: {error}"));
                    break;
                }
            }
            let text = line.trim_ascii();
            if !text.is_empty() && !take(text) {
                refused.push(number);
            }
        }
        match refused.as_slice() {
            [] => {}
            [one] => remarks.push(format!("{self}:{one} could not be read and was left out")),
            [first, ..] => remarks.push(format!(
                "{self}: {} lines could not be read and were left out, the first is line {first}",
                refused.len()
            )),
        }
    }
}

impl<T: DeserializeOwned> Stream<T> {
    /// The strict reader: the lines of the file; `None` where there is none. A torn last line is left out.
    pub(crate) fn read(&self, folder: &Path) -> Result<Option<Numbered<T>>, CheckError> {
        let path = self.path(folder);
        if !path.exists() {
            return Ok(None);
        }
        let file = file::open(&path)?;
        let (mut items, mut torn) = (Vec::new(), None);
        for (number, line) in (1..).zip(BufReader::new(file).split(b'\n')) {
            let line = line.map_err(CheckError::read(&path))?;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if let Some(error) = torn.take() {
                return Err(error);
            }
            match serde_json::from_slice(&line) {
                Ok(item) => items.push((number, item)),
                Err(error) => {
                    torn = Some(CheckError::Malformed {
                        file: path.display().to_string(),
                        line: number.into(),
                        column: error.column() as u64,
                        message: without_place(&error),
                    });
                }
            }
        }
        Ok(Some(items))
    }

    /// The lenient reader: the lines that could be read.
    pub fn read_leniently(&self, folder: &Path, remarks: &mut Vec<String>) -> Vec<T> {
        let mut items = Vec::new();
        self.each_line(folder, remarks, |line| {
            let item = serde_json::from_slice(line).ok();
            let is_read = item.is_some();
            items.extend(item);
            is_read
        });
        items
    }
}

impl<T: Serialize> Stream<T> {
    /// Creates the file of a run that begins.
    ///
    /// # Errors
    /// Where it cannot be created, with its path.
    pub fn create(&self, folder: &Path) -> io::Result<Lines<T>> {
        let path = self.path(folder);
        let file = File::create(&path).map_err(|error| named("create", &path, &error))?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Lines { path, file, text: Vec::new(), line: PhantomData })
    }

    /// Writes all lines at once.
    ///
    /// # Errors
    /// Where it cannot be written, with its path.
    pub fn write<'a>(&self, folder: &Path, items: impl IntoIterator<Item = &'a T>) -> io::Result<()>
    where
        T: 'a,
    {
        let mut text = Vec::new();
        items.into_iter().try_for_each(|item| encode(item, &mut text))?;
        let path = self.path(folder);
        write_whole(&path, &text).map_err(|error| named("write", &path, &error))
    }
}

impl<T> fmt::Display for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

/// A file of JSON lines that is being written. What is not flushed is lost with the process.
#[derive(Debug)]
pub struct Lines<T> {
    path: PathBuf,
    file: BufWriter<File>,
    /// The line that is being put together.
    text: Vec<u8>,
    line: PhantomData<fn(&T)>,
}

impl<T: Serialize> Lines<T> {
    /// Adds a line.
    ///
    /// # Errors
    /// Where the file cannot be written, with its path.
    pub fn write(&mut self, line: &T) -> io::Result<()> {
        self.text.clear();
        encode(line, &mut self.text)?;
        self.file.write_all(&self.text).map_err(|error| named("write", &self.path, &error))
    }

    /// Makes every line reach the file.
    ///
    /// # Errors
    /// Where the file cannot be written, with its path.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| named("write", &self.path, &error))
    }
}

fn encode<T: Serialize>(line: &T, text: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *text, line).map_err(io::Error::other)?;
    text.push(b'\n');
    Ok(())
}

fn named(verb: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{verb} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const STREAM: Stream<Value> = Stream::named("stream.jsonl");

    #[test]
    fn what_is_torn_at_the_end_is_left_out_and_elsewhere_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(STREAM.read(folder.path()).unwrap(), None);
        let write = |text: &str| std::fs::write(STREAM.path(folder.path()), text).unwrap();
        write("1\n\n2\n{\"a\":");
        assert_eq!(STREAM.read(folder.path()).unwrap().unwrap(), [(1, json!(1)), (3, json!(2))]);
        write("1\n{\"a\":\n2\n");
        let error = STREAM.read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("stream.jsonl:2:"), "{error}");
        let mut remarks = Vec::new();
        assert_eq!(STREAM.read_leniently(folder.path(), &mut remarks), [json!(1), json!(2)]);
        assert_eq!(remarks, ["stream.jsonl:2 could not be read and was left out"]);
    }

    #[test]
    fn both_writers_write_the_same_lines() {
        let folder = tempfile::tempdir().unwrap();
        let items = [json!({"a": 1}), json!("b")];
        let mut lines = STREAM.create(folder.path()).unwrap();
        items.iter().for_each(|item| lines.write(item).unwrap());
        lines.flush().unwrap();
        let text = || std::fs::read_to_string(STREAM.path(folder.path())).unwrap();
        let as_it_happened = text();
        STREAM.write(folder.path(), &items).unwrap();
        assert_eq!((text(), text()), (as_it_happened, "{\"a\":1}\n\"b\"\n".to_owned()));
    }
}
