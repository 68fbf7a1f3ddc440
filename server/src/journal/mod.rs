//! A node's journal: every input of the protocol core, and what the core answered, in one file per boot.
//!
//! The core is a value ([`whitewater_raft::Raft`]): the same inputs give the same outputs. So a journal that
//! was written during a real run can be put through the core again, later and elsewhere, and must give the
//! same outputs byte for byte ([`replay`]). Where it does not, the first differing step says what the
//! recorded node did that this core, or these rules, would not have done.
//!
//! - `seam` wraps the core for the node: it has the core's methods and, where a journal is wanted, notes each call
//!   in a [`Recorder`]. Without one nothing is done but a test of an option.
//! - `step` has what a step consists of, `told` how the events in it are written.
//! - `recorder` writes the file, `reader` reads it, and `replay` runs it; `describe` puts it in words.
//!
//! ```text
//! file    magic "WWJOURNL" | schema version u32 | block block block …
//! block   length u32 | payload crc u32 | crc of these eight bytes u32 | payload
//! payload the first block: a `Header`; the others: number of the first step, then step step step …
//! step    input | output
//! ```
//!
//! Integers of the frame are little-endian and checksums CRC-32; payloads are postcard: the names of JSON
//! lines would be most of a file, and commands are bytes that JSON cannot hold as they are. Inputs are kept whole, since they are what is
//! replayed. Of the outputs everything is kept but the entries in them, which are in the inputs already:
//! each run of entries is kept as its first and last position, its length and a 128-bit hash of its bytes.
//!
//! A block is written when 64 KiB have gathered, with every tick, and at the end. So a killed node's journal
//! lacks the steps since its last tick, and may end within a block (a torn tail): both are told, and neither is an
//! error. Damage anywhere else is refused, with its place.
//!
//! Not here: what the state machine, the sessions and the disk do. A bug outside the core leaves a journal that
//! replays alike.

mod describe;
mod divergence;
mod reader;
mod recorder;
mod replay;
mod seam;
mod step;
mod told;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use whitewater_raft::{Config, NodeId, ReadMode, Restored};

use crate::mutants::Mutant;
pub use divergence::Divergence;
pub use reader::Torn;
pub use recorder::{Recorder, path_of_boot};
pub use replay::{Replayed, UnderRules, replay, replay_bytes};
pub(crate) use seam::Core;

/// The first bytes of every journal.
const MAGIC: &[u8; 8] = b"WWJOURNL";
/// The format's version. A reader refuses any other: inputs cannot be replayed by halves.
pub const SCHEMA_VERSION: u32 = 1;
/// The extension of a journal's name.
pub const EXTENSION: &str = "journal";
/// Bytes before the first block.
const FILE_HEADER_BYTES: usize = 12;
/// Bytes before a block's payload.
const BLOCK_HEADER_BYTES: usize = 12;

/// What a node was started with: all that its core was ever told beside its inputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The version of the build that wrote it.
    pub build: String,
    /// Counts the node's starts, from 1.
    pub boot: u64,
    /// The mutant in force.
    pub mutant: Option<String>,
    /// The core's settings.
    pub settings: Settings,
    /// What was found on the disk.
    pub restored: Restored,
}

/// [`Config`] without its rules, which are code: [`Header::mutant`] names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are Config's, which describes them")]
pub struct Settings {
    pub id: NodeId,
    pub election_timeout_ticks_min: u32,
    pub election_timeout_ticks_max: u32,
    pub heartbeat_ticks: u32,
    pub pre_vote: bool,
    pub check_quorum: bool,
    pub read_mode: ReadMode,
    pub append_entries_max: usize,
    pub append_bytes_max: usize,
    pub appends_in_flight_max: usize,
    pub append_entries_min: usize,
    pub seed: u64,
}

impl Settings {
    fn of(config: &Config) -> Settings {
        Settings {
            id: config.id,
            election_timeout_ticks_min: config.election_timeout_ticks_min,
            election_timeout_ticks_max: config.election_timeout_ticks_max,
            heartbeat_ticks: config.heartbeat_ticks,
            pre_vote: config.pre_vote,
            check_quorum: config.check_quorum,
            read_mode: config.read_mode,
            append_entries_max: config.append_entries_max,
            append_bytes_max: config.append_bytes_max,
            appends_in_flight_max: config.appends_in_flight_max,
            append_entries_min: config.append_entries_min,
            seed: config.seed,
        }
    }

    fn under(&self, mutant: Option<Mutant>) -> Config {
        Config {
            id: self.id,
            election_timeout_ticks_min: self.election_timeout_ticks_min,
            election_timeout_ticks_max: self.election_timeout_ticks_max,
            heartbeat_ticks: self.heartbeat_ticks,
            pre_vote: self.pre_vote,
            check_quorum: self.check_quorum,
            read_mode: self.read_mode,
            append_entries_max: self.append_entries_max,
            append_bytes_max: self.append_bytes_max,
            appends_in_flight_max: self.appends_in_flight_max,
            append_entries_min: self.append_entries_min,
            seed: self.seed,
            rules: Mutant::rules(mutant),
        }
    }
}

/// Why a journal cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system said no.
    #[error("read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{} is no journal: it does not begin with \"WWJOURNL\"", .0.display())]
    NotAJournal(PathBuf),
    /// The node ended before it had begun.
    #[error("{} ends within its header, at byte {offset}: its node was killed as it started", path.display())]
    NoHeader {
        /// The file.
        path: PathBuf,
        /// How long it is.
        offset: u64,
    },
    /// Another build's format.
    #[error("{} has schema version {found}; this build reads version {SCHEMA_VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
    /// The bytes are not those that were written.
    #[error("{} is damaged at byte {offset}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the bad block begins.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// It was written under a mutant that this build does not have.
    #[error("{} was written by the mutant {name:?}, which this build does not know", path.display())]
    UnknownMutant {
        /// The file.
        path: PathBuf,
        /// The bug's name.
        name: String,
    },
}

impl JournalError {
    /// Whether the file itself is at fault, and not the machine: the wrong one was named.
    pub fn is_usage(&self) -> bool {
        match self {
            JournalError::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            JournalError::NotAJournal(_)
            | JournalError::Version { .. }
            | JournalError::UnknownMutant { .. } => true,
            JournalError::NoHeader { .. } | JournalError::Damaged { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;
