//! From bytes to a [`History`]: chunks of whole lines are parsed in parallel while the next ones are
//! read and the previous ones assembled, so that memory holds a few chunks and the compact form.

use std::io::{self, Read};
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;

use super::assemble::{Assembler, Manner};
use super::line::Chunk;
use super::{History, array, detect, edn, log};
use crate::error::CheckError;
use crate::file;
use crate::options::{FailedCas, Format, Options, Progress};

/// Lines are handed to the parsers in pieces of about this size: large enough that a piece's own
/// tables pay off, small enough that two batches of pieces are nothing beside the history.
const CHUNK_BYTES: usize = 1 << 20;

/// Chunks per thread and batch.
const CHUNKS_PER_THREAD: usize = 4;

/// The longest line. A longer one is no history line, and must not eat all memory.
const LINE_BYTES_MAX: usize = 256 << 20;

/// A history with what is known about its file.
#[derive(Clone, Debug)]
pub struct Source {
    /// The history.
    pub history: History,
    /// The format it was in.
    pub format: Format,
    /// Bytes of text.
    pub bytes: u64,
    /// How long reading took, milliseconds.
    pub parse_ms: f64,
}

/// Reads a history file; its format and gzip are told by its content.
pub fn read(path: &Path, options: &Options) -> Result<Source, CheckError> {
    read_file(path, options, false)
}

/// Reads a history file; with `torn_tail`, a bad last line without line end is left out.
pub(crate) fn read_file(
    path: &Path,
    options: &Options,
    torn_tail: bool,
) -> Result<Source, CheckError> {
    let file = file::open(path)?;
    let bytes_total = file.metadata().map_or(0, |metadata| metadata.len());
    let reading = Reading { file: path.display().to_string(), options, torn_tail, bytes_total };
    match reading.read(Box::new(file), false) {
        Err(CheckError::Disorder { .. }) => reading.read(Box::new(file::open(path)?), true),
        read => read,
    }
}

/// Reads a history from anywhere; `name` stands for the file in errors.
pub fn read_from(
    name: &str,
    input: Box<dyn Read + Send>,
    options: &Options,
) -> Result<Source, CheckError> {
    Reading { file: name.to_owned(), options, torn_tail: false, bytes_total: 0 }.read(input, false)
}

struct Reading<'a> {
    file: String,
    options: &'a Options,
    torn_tail: bool,
    bytes_total: u64,
}

impl Reading<'_> {
    fn read(&self, input: Box<dyn Read + Send>, sorted: bool) -> Result<Source, CheckError> {
        let begun = Instant::now();
        let (start, input) = detect::plain(input).map_err(|error| self.failed(error))?;
        let format = self.options.format.unwrap_or_else(|| detect::format(&start));
        let failed_cas = self.options.failed_cas.unwrap_or(format.failed_cas());
        let is_whole = matches!(format, Format::Edn | Format::Json);
        let manner = Manner {
            is_mismatch: failed_cas == FailedCas::Mismatch,
            is_sorted: sorted || is_whole,
        };
        let mut assembler = Assembler::new(&self.file, manner);
        let mut input: detect::Plain = Box::new(io::Cursor::new(start).chain(input));
        let bytes = match format {
            Format::Jsonl => self.lines(&mut Lines::new(input), &mut assembler, Chunk::parse)?,
            Format::Log => self.lines(&mut Lines::new(input), &mut assembler, log::parse)?,
            Format::Edn | Format::Json => {
                let mut text = Vec::new();
                input.read_to_end(&mut text).map_err(|error| self.failed(error))?;
                let parse = if format == Format::Edn { edn::parse } else { array::parse };
                let chunk = parse(&text);
                let bytes = text.len() as u64;
                drop(text);
                assembler.take(chunk)?;
                bytes
            }
        };
        let history = assembler.finish(&self.options.initial)?;
        Ok(Source { history, format, bytes, parse_ms: begun.elapsed().as_secs_f64() * 1e3 })
    }

    fn lines(
        &self,
        lines: &mut Lines,
        assembler: &mut Assembler,
        parse: impl Fn(&[u8]) -> Chunk + Sync,
    ) -> Result<u64, CheckError> {
        let batch_chunks = CHUNKS_PER_THREAD * rayon::current_num_threads();
        let mut parsed: Vec<Chunk> = Vec::new();
        let mut batch = lines.batch(batch_chunks).map_err(|error| self.failed(error))?;
        while !batch.is_empty() {
            let (next_parsed, next_batch) = rayon::join(
                || batch.par_iter().map(|piece| self.piece(piece, &parse)).collect::<Vec<Chunk>>(),
                || -> Result<_, CheckError> {
                    for chunk in parsed.drain(..) {
                        assembler.take(chunk)?;
                    }
                    lines.batch(batch_chunks).map_err(|error| self.failed(error))
                },
            );
            (parsed, batch) = (next_parsed, next_batch?);
            if let Some(progress) = &self.options.progress {
                let (bytes, bytes_total) = (lines.bytes, self.bytes_total);
                progress.tell(Progress::Reading { bytes, bytes_total });
            }
        }
        for chunk in parsed {
            assembler.take(chunk)?;
        }
        Ok(lines.bytes)
    }

    fn piece(&self, piece: &Piece, parse: impl Fn(&[u8]) -> Chunk) -> Chunk {
        let mut chunk = parse(&piece.bytes);
        let is_last_line = chunk.error.as_ref().is_some_and(|error| error.line == chunk.positions);
        if self.torn_tail && piece.is_torn && is_last_line {
            chunk.error = None;
        }
        chunk
    }

    fn failed(&self, source: io::Error) -> CheckError {
        CheckError::Read { path: self.file.clone().into(), source }
    }
}

/// Whole lines, or a last one without its end.
struct Piece {
    bytes: Vec<u8>,
    is_torn: bool,
}

/// Cuts a stream at line ends.
struct Lines {
    input: detect::Plain,
    /// The beginning of a line whose end was not read yet.
    carry: Vec<u8>,
    bytes: u64,
    ended: bool,
}

impl Lines {
    fn new(input: detect::Plain) -> Self {
        Lines { input, carry: Vec::new(), bytes: 0, ended: false }
    }

    fn batch(&mut self, pieces: usize) -> io::Result<Vec<Piece>> {
        let mut batch = Vec::with_capacity(pieces);
        while batch.len() < pieces
            && let Some(piece) = self.piece()?
        {
            batch.push(piece);
        }
        Ok(batch)
    }

    fn piece(&mut self) -> io::Result<Option<Piece>> {
        let mut bytes = std::mem::take(&mut self.carry);
        bytes.reserve(CHUNK_BYTES);
        while !self.ended {
            let wanted = CHUNK_BYTES as u64;
            let read = (&mut self.input).take(wanted).read_to_end(&mut bytes)?;
            self.bytes += read as u64;
            self.ended = (read as u64) < wanted;
            if let Some(end) = memchr::memrchr(b'\n', &bytes) {
                self.carry = bytes.split_off(end + 1);
                return Ok(Some(Piece { bytes, is_torn: false }));
            }
            if bytes.len() > LINE_BYTES_MAX {
                let message = format!("a line is longer than {} MiB", LINE_BYTES_MAX >> 20);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
        let is_rest = !bytes.is_empty();
        Ok(is_rest.then_some(Piece { bytes, is_torn: true }))
    }
}
