//! What is known of the server under test beforehand, as far as it decides what may be held against it.

use serde::{Deserialize, Serialize};

/// The name of the server that comes with this toolkit.
pub const BUNDLED: &str = "bundled";

/// The server under test. Part of `plan.json`, field `target`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetOutline {
    /// Its name, or that of the file that describes it.
    pub name: String,
    /// What it promises.
    pub promises: Promised,
    /// Whether its nodes tell who leads.
    pub tells_leader: bool,
    /// Whether they tell their term.
    pub tells_term: bool,
}

/// What a target promises of what it answers and of what it keeps. A plan that says nothing holds all of it against
/// its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Promised {
    /// What reads show.
    pub reads: Reads,
    /// Whether a node that was killed comes back with what it had acknowledged.
    pub persistent: bool,
}

/// What reads show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// The newest value.
    #[default]
    Linearizable,
    /// Any value that was ever there.
    Stale,
}

impl Default for Promised {
    fn default() -> Self {
        Self { reads: Reads::Linearizable, persistent: true }
    }
}
