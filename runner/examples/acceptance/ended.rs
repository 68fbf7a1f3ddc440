//! What a step came to, and what the report of a failure run says.

use serde::{Deserialize, Serialize};

/// What a step came to.
pub(crate) struct Ended {
    pub(crate) is_good: bool,
    pub(crate) told: String,
    pub(crate) read: Option<Read>,
}

/// What one report says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Read {
    pub(crate) mutant: String,
    /// A simulated run, or one of real processes.
    pub(crate) is_real: bool,
    /// `None`: the bug was not found.
    pub(crate) signature: Option<String>,
    /// Whether a check of the bug's card leads, and its headline is the page's title.
    pub(crate) leads: bool,
    /// Whether the witness file is judged as the page tells it; `None`: there is none.
    pub(crate) witness: Option<bool>,
}
