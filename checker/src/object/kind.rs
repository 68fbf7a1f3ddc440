//! Which datatype the objects of a history are, by its name.

use std::fmt;

use serde::{Serialize, Serializer};

/// The type of the objects in a history. Names are Knossos's and Jepsen's where they have them; each type has its own in its
/// folder, as [`crate::object::register::KIND`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelKind {
    word: &'static str,
    count: Option<u32>,
}

impl ModelKind {
    pub(crate) const fn new(word: &'static str, count: Option<u32>) -> ModelKind {
        ModelKind { word, count }
    }

    /// What it is called; how many permits a semaphore has is not part of it.
    pub fn word(self) -> &'static str {
        self.word
    }

    /// How many there are of what its name counts: a semaphore's permits.
    pub fn count(self) -> Option<u32> {
        self.count
    }

    /// `a` or `an`, as goes before its word.
    pub fn article(self) -> &'static str {
        if self.word.starts_with(['a', 'o', 'u']) { "an" } else { "a" }
    }
}

/// As it is written on a command line: `register`, `semaphore=2`.
impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            Some(count) => write!(f, "{}={count}", self.word),
            None => f.write_str(self.word),
        }
    }
}

impl Serialize for ModelKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
