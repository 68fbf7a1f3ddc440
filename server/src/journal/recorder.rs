//! Writes a journal.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use whitewater_raft::Input;

use super::step::Output;
use super::{BLOCK_HEADER_BYTES, EXTENSION, Header, MAGIC, SCHEMA_VERSION};

/// Bytes that are gathered before they are written. A tick writes them sooner.
const BLOCK_BYTES: usize = 64 << 10;

/// The journal of one boot of one node.
pub struct Recorder {
    sink: Box<dyn Write + Send>,
    /// The block that is being gathered, behind room for its header; empty where nothing has gathered.
    block: Vec<u8>,
    /// The last step noted.
    step: u64,
    is_tick: bool,
    failure: Option<io::Error>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("step", &self.step).finish_non_exhaustive()
    }
}

/// The journal of a boot, `path` being what a person calls the node's journals: `n1.journal` becomes
/// `n1-boot3.journal`, and so does `n1`.
pub fn path_of_boot(path: &Path, boot: u64) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension =
        path.extension().map_or(EXTENSION.into(), |extension| extension.to_string_lossy());
    path.with_file_name(format!("{stem}-boot{boot}.{extension}"))
}

impl Recorder {
    /// A journal in a new file.
    ///
    /// # Errors
    /// Where the file cannot be made, or is there already: an earlier journal is never overwritten.
    pub fn create(path: &Path) -> io::Result<Recorder> {
        Ok(Recorder::to(Box::new(File::create_new(path)?)))
    }

    /// A journal that goes anywhere.
    pub fn to(sink: Box<dyn Write + Send>) -> Recorder {
        Recorder { sink, block: Vec::new(), step: 0, is_tick: false, failure: None }
    }

    /// Writes what the core begins with, at once.
    pub(super) fn begin(&mut self, header: &Header) {
        let mut opening = MAGIC.to_vec();
        opening.extend_from_slice(&SCHEMA_VERSION.to_le_bytes());
        if let Err(error) = self.sink.write_all(&opening) {
            self.failure.get_or_insert(error);
        }
        self.open_block();
        self.put(header);
        self.flush();
    }

    /// Notes a call of the core. [`Recorder::output`] follows.
    pub(super) fn input(&mut self, input: &Input) {
        self.step += 1;
        if self.block.is_empty() {
            self.open_block();
            self.put(&self.step.clone());
        }
        self.is_tick = *input == Input::Tick;
        self.put(input);
    }

    /// Notes what came of it.
    pub(super) fn output(&mut self, output: &Output) {
        self.put(output);
        if self.is_tick || self.block.len() >= BLOCK_BYTES {
            self.flush();
        }
    }

    /// Why the journal is not complete, once.
    pub(super) fn check(&mut self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn open_block(&mut self) {
        self.block.resize(BLOCK_HEADER_BYTES, 0);
    }

    fn put(&mut self, value: &impl Serialize) {
        let block = std::mem::take(&mut self.block);
        self.block = postcard::to_extend(value, block).expect("a vector takes any value");
    }

    /// Writes what has gathered.
    fn flush(&mut self) {
        let Some((header, payload)) = self.block.split_first_chunk_mut::<BLOCK_HEADER_BYTES>()
        else {
            return;
        };
        let length = u32::try_from(payload.len()).expect("a block is far below 4 GiB");
        header[..4].copy_from_slice(&length.to_le_bytes());
        header[4..8].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
        let crc = crc32fast::hash(&header[..8]);
        header[8..].copy_from_slice(&crc.to_le_bytes());
        if let Err(error) = self.sink.write_all(&self.block) {
            self.failure.get_or_insert(error);
        }
        self.block.clear();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Whoever could be told of a failure is gone: the journal then ends like a killed node's.
        self.flush();
    }
}
