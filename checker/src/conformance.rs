//! What a replay of a run's journals found, one journal a line.
//!
//! The replay needs the protocol core, which the runner has; the judgement is the checker's.

use serde::{Deserialize, Serialize};

/// The version of a line. A reader refuses a higher one.
pub const SCHEMA_VERSION: u32 = 1;

/// What came of one journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalReplay {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The journal's file name: `n1-boot1.journal`.
    pub journal: String,
    /// The node, as `n1`; `None`: the journal could not be read so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The node's start that the journal is of, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<u64>,
    /// Steps replayed, a differing one included.
    pub steps: u64,
    /// Entries that the core handed out as committed.
    pub entries: u64,
    /// A kill cut it short.
    pub torn: bool,
    /// The first step in which the reference core did something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<JournalDivergence>,
    /// Why it could not be replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where a node's core and the reference core part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalDivergence {
    /// The step, from 1; 0: the core could not even begin.
    pub step: u64,
    /// What differs, in one sentence.
    pub headline: String,
    /// The inputs, and what only one of the two did, a line each.
    pub lines: Vec<String>,
}
