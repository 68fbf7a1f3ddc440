//! What a caller may decide about a check. The defaults suit a person at a terminal.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::object::ModelKind;

/// How long the linearizability check may search, unless told otherwise. Histories of our own
/// workloads need milliseconds; what is not decided in a minute is rarely decided in ten.
pub const BUDGET_DEFAULT: Duration = Duration::from_secs(60);

/// How much the searches may keep in memory, unless told otherwise: 2 GiB leaves room beside a
/// browser and a cluster on an 8 GiB machine.
pub const MEMORY_BYTES_DEFAULT: u64 = 2 << 30;

/// How to check.
#[derive(Clone, Debug)]
pub struct Options {
    /// Wall-clock time for the whole linearizability check. At its end: undecided.
    pub budget: Duration,
    /// Memory for all searches together, bytes; the history itself is not counted. 16 MiB of it, a quarter at most, are
    /// left for the program, and a quarter of the rest for the allocator. At its end: undecided.
    pub memory_bytes: u64,
    /// Worker threads; 0 means one per core.
    pub threads: usize,
    /// The objects' type; `None`: told by the operations that occur.
    pub model: Option<ModelKind>,
    /// What keys hold before their first operation, where the history does not say it.
    pub initial: Initial,
    /// What a cas that failed without an error says; `None`: told by the format.
    pub failed_cas: Option<FailedCas>,
    /// The history's format; `None`: told by its content.
    pub format: Option<Format>,
    /// The positive control: report a violation that is not there, so that everything behind the
    /// checker can be seen to fail.
    pub canary: bool,
    /// Called now and then during a long check, from any thread.
    pub progress: Option<ProgressSink>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            budget: BUDGET_DEFAULT,
            memory_bytes: MEMORY_BYTES_DEFAULT,
            threads: 0,
            model: None,
            initial: Initial::default(),
            failed_cas: None,
            format: None,
            canary: false,
            progress: None,
        }
    }
}

impl Options {
    /// The number of worker threads to use, never 0.
    pub fn worker_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        }
    }
}

/// What keys hold before their first operation. A set's or a queue's is a list of its elements. Taken when a
/// history is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Initial {
    /// Every key that nothing else is said of.
    pub all: Option<Json>,
    /// Single keys, before what the file says.
    pub keys: BTreeMap<String, Json>,
}

impl Initial {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.all.is_none() && self.keys.is_empty()
    }

    /// Takes what one option on a command line says: `VALUE` for all keys, `KEY=VALUE` for one. A value is JSON, or
    /// else a string as it stands; JSON with an equals sign is a value.
    ///
    /// ```
    /// use whitewater_checker::options::Initial;
    ///
    /// let mut initial = Initial::default();
    /// initial.take("42");
    /// initial.take("a=[1,2]");
    /// assert_eq!(initial.all, Some(42.into()));
    /// assert_eq!(initial.keys["a"], serde_json::json!([1, 2]));
    /// ```
    pub fn take(&mut self, text: &str) {
        let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Json::from(text));
        let is_json = serde_json::from_str::<Json>(text).is_ok();
        match text.split_once('=') {
            Some((key, own)) if !is_json => {
                self.keys.insert(key.to_owned(), value(own));
            }
            _ => self.all = Some(value(text)),
        }
    }
}

/// What the `fail` of a cas says that has no error and does not tell what it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailedCas {
    /// The value was another than the expected one: evidence, as in our own JSON lines.
    Mismatch,
    /// It did not take place, for whatever reason: no evidence, as Jepsen means it.
    Nothing,
}

impl FailedCas {
    /// The word used in flags.
    pub fn word(self) -> &'static str {
        match self {
            FailedCas::Mismatch => "mismatch",
            FailedCas::Nothing => "nothing",
        }
    }
}

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line; see [`crate::event`].
    Jsonl,
    /// The same objects in one JSON array.
    Json,
    /// Jepsen's `history.edn`: one EDN map a line, or one vector of maps.
    Edn,
    /// `INFO  jepsen.util - 0  :invoke  :read  nil`, as Knossos and porcupine keep them.
    Log,
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Format; 4] = [Format::Jsonl, Format::Json, Format::Edn, Format::Log];

    /// What a failed cas without an error says in it.
    pub fn failed_cas(self) -> FailedCas {
        match self {
            Format::Jsonl | Format::Json => FailedCas::Mismatch,
            Format::Edn | Format::Log => FailedCas::Nothing,
        }
    }

    /// The word used in files and flags.
    pub fn word(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Json => "json",
            Format::Edn => "edn",
            Format::Log => "log",
        }
    }
}

/// How far a check has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The history is being read.
    Reading {
        /// Bytes read so far.
        bytes: u64,
        /// Bytes in the file; 0 where that is not known.
        bytes_total: u64,
    },
    /// Keys are being checked.
    Checking {
        /// Keys decided, or given up, so far.
        keys: u64,
        /// Keys in the history.
        keys_total: u64,
    },
}

/// Where progress is told.
#[derive(Clone)]
pub struct ProgressSink(Arc<dyn Fn(Progress) + Send + Sync>);

impl ProgressSink {
    /// Wraps a function. It is called from worker threads and must be quick.
    pub fn new(sink: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        ProgressSink(Arc::new(sink))
    }

    /// Tells it.
    pub fn tell(&self, progress: Progress) {
        (self.0)(progress);
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressSink")
    }
}
