//! Reads a journal's blocks, and tells a torn tail from damage.
//!
//! A file that is only appended to can end anywhere when its writer is killed, and nothing before that end changes.
//! So what is cut short is torn, and what is complete and wrong is damaged. The checksum over a block's
//! length keeps a damaged length from passing for a torn block.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{BLOCK_HEADER_BYTES, FILE_HEADER_BYTES, Header, JournalError, MAGIC, SCHEMA_VERSION};

/// The end of a journal that its killed writer left half-written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where the last complete block ends.
    pub offset: u64,
    /// Bytes behind it.
    pub bytes: u64,
}

/// A journal that is being read.
pub(super) struct Reader<R> {
    source: R,
    path: PathBuf,
    /// Where the next block begins.
    pub(super) offset: u64,
    /// Where the block read last begins.
    block_offset: u64,
    length: u64,
    /// Set once the end is reached.
    pub(super) torn: Option<Torn>,
}

impl Reader<BufReader<File>> {
    pub(super) fn open(path: &Path) -> Result<(Self, Header), JournalError> {
        let io = |source| JournalError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if metadata.is_dir() {
            return Err(io(io::ErrorKind::IsADirectory.into()));
        }
        Reader::new(BufReader::with_capacity(256 << 10, file), metadata.len(), path)
    }
}

impl<R: Read> Reader<R> {
    /// Reads the header. `length` is the file's.
    pub(super) fn new(source: R, length: u64, path: &Path) -> Result<(Self, Header), JournalError> {
        let path = path.to_owned();
        let mut reader = Reader { source, path, offset: 0, block_offset: 0, length, torn: None };
        let mut opening = [0; FILE_HEADER_BYTES];
        let there = opening.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        reader.fill(&mut opening[..there])?;
        let magic = there.min(MAGIC.len());
        if there == 0 || opening[..magic] != MAGIC[..magic] {
            return Err(JournalError::NotAJournal(reader.path));
        }
        if there < FILE_HEADER_BYTES {
            return Err(JournalError::NoHeader { path: reader.path, offset: length });
        }
        let found = u32::from_le_bytes(opening[8..].try_into().expect("four bytes"));
        if found != SCHEMA_VERSION {
            return Err(JournalError::Version { path: reader.path, found });
        }
        let Some(block) = reader.block()? else {
            return Err(JournalError::NoHeader { path: reader.path, offset: length });
        };
        match postcard::from_bytes(&block) {
            Ok(header) => Ok((reader, header)),
            Err(error) => Err(reader.damaged(format!("its header cannot be read: {error}"))),
        }
    }

    /// The next block's payload; `None`: there is no complete one any more, and `torn` says what is left.
    pub(super) fn block(&mut self) -> Result<Option<Vec<u8>>, JournalError> {
        self.block_offset = self.offset;
        let left = self.length - self.offset;
        if left == 0 {
            return Ok(None);
        }
        if left < BLOCK_HEADER_BYTES as u64 {
            return Ok(self.tear(left));
        }
        let mut header = [0; BLOCK_HEADER_BYTES];
        self.fill(&mut header)?;
        let word =
            |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        if word(8) != crc32fast::hash(&header[..8]) {
            return Err(self.damaged("the checksum of a block's header is wrong"));
        }
        let length = word(0);
        if u64::from(length) > self.length - self.offset {
            return Ok(self.tear(left));
        }
        let mut payload = vec![0; length as usize];
        self.fill(&mut payload)?;
        if word(4) != crc32fast::hash(&payload) {
            return Err(self.damaged("the checksum of a block is wrong"));
        }
        Ok(Some(payload))
    }

    fn tear(&mut self, bytes: u64) -> Option<Vec<u8>> {
        self.torn = Some(Torn { offset: self.block_offset, bytes });
        None
    }

    /// The block read last is not what was written.
    pub(super) fn damaged(&self, why: impl Into<String>) -> JournalError {
        let (path, offset) = (self.path.clone(), self.block_offset);
        JournalError::Damaged { path, offset, why: why.into() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), JournalError> {
        let read = self.source.read_exact(bytes);
        read.map_err(|source| JournalError::Io { path: self.path.clone(), source })?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}
