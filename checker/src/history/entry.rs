//! An event as a file tells it, before anything is made of it.
//!
//! [`crate::event::Event`] is what our own runs write. Files of others have less (no times), more (`index`), or the same
//! under other names; all readers make these.

use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use crate::event::{Event, EventType, Process, Seen};

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// A client process.
    Client(u64),
    /// The fault injector, and other threads that are no clients.
    Nemesis,
    /// Nobody: the event says what a key held before the first operation.
    Initial,
}

/// The process of an event that tells an initial value, and the function of that event.
pub(crate) const INITIAL: &str = "init";

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::String(text) if text == "nemesis" => Ok(Actor::Nemesis),
            Json::String(text) if text == INITIAL => Ok(Actor::Initial),
            Json::Number(number) if number.is_u64() => {
                Ok(Actor::Client(number.as_u64().unwrap_or_default()))
            }
            other => Err(serde::de::Error::custom(format!(
                "process must be a whole number, \"nemesis\" or \"{INITIAL}\", not {other}"
            ))),
        }
    }
}

/// One event.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) process: Actor,
    #[serde(rename = "type")]
    pub(crate) kind: EventType,
    pub(crate) f: String,
    #[serde(default)]
    pub(crate) key: Option<String>,
    #[serde(default)]
    pub(crate) value: Json,
    #[serde(default)]
    pub(crate) time_ns: Option<u64>,
    #[serde(default)]
    pub(crate) error: Option<Json>,
    #[serde(default)]
    pub(crate) saw: Option<Seen>,
    #[serde(default)]
    pub(crate) node: Option<String>,
    #[serde(default)]
    pub(crate) term: Option<u64>,
    #[serde(default)]
    pub(crate) command: Option<(u64, u64)>,
}

impl Entry {
    /// The nemesis's event in its long form.
    pub(crate) fn of_nemesis(self) -> Event {
        Event {
            process: Process::Nemesis,
            kind: self.kind,
            f: self.f,
            key: self.key,
            value: self.value,
            time_ns: self.time_ns.unwrap_or(0),
            error: self.error.as_ref().map(words),
            saw: self.saw,
            node: self.node,
            term: self.term,
            command: self.command,
        }
    }
}

/// A value as a plain word, for keys and errors.
pub(crate) fn words(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
