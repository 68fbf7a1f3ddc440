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

/// A value that is there, null included.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    whole(deserializer, "time must be whole nanoseconds from 0 on")
}

fn index<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    whole(deserializer, "index must be a whole number from 0 on")
}

/// A whole number that is not negative, or null; `expected` is what an error says.
fn whole<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &str,
) -> Result<Option<u64>, D::Error> {
    match Json::deserialize(deserializer)? {
        Json::Null => Ok(None),
        json => match json.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(serde::de::Error::custom(format!("{expected}, not {json}"))),
        },
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
    pub(crate) key: Option<Json>,
    /// `None`: the event has none, which is not null.
    #[serde(default, deserialize_with = "present")]
    pub(crate) value: Option<Json>,
    /// Jepsen calls it `time`; nanoseconds there too.
    #[serde(default, alias = "time", deserialize_with = "time")]
    pub(crate) time_ns: Option<u64>,
    /// Its place in the order of events, where the file tells it.
    #[serde(default, deserialize_with = "index")]
    pub(crate) index: Option<u64>,
    #[serde(default)]
    pub(crate) error: Option<Json>,
    /// On the `fail` of a cas: whether it says that the value was another than the expected one.
    #[serde(default)]
    pub(crate) rejected: Option<bool>,
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
    /// A transaction of one read, write or append is that operation on its key.
    pub(crate) fn untangle(mut self) -> Result<Entry, String> {
        if self.f != "txn" {
            return Ok(self);
        }
        let expected = "a transaction of one operation: [[\"r\", key, null]], [[\"w\", key, value]] or \
                        [[\"append\", key, value]]; longer ones are not checked";
        let value = self.value.clone().unwrap_or_default();
        let Json::Array(steps) = &value else {
            return Err(format!("txn needs {expected}, not {value}"));
        };
        let [Json::Array(step)] = steps.as_slice() else {
            return Err(format!("this txn has {} operations; expected is {expected}", steps.len()));
        };
        let (f, key, value) = match step.as_slice() {
            [Json::String(f), key, value] => (f.trim_start_matches(':'), key, value),
            _ => {
                return Err(format!(
                    "{} is no operation of a txn; expected is {expected}",
                    steps[0]
                ));
            }
        };
        let f = match f {
            "r" => "read",
            "w" => "write",
            "append" => "append",
            _ => return Err(format!("{f:?} is no operation of a txn; expected is {expected}")),
        };
        (self.f, self.key, self.value) = (f.to_owned(), Some(key.clone()), Some(value.clone()));
        Ok(self)
    }

    /// The nemesis's event in its long form.
    pub(crate) fn of_nemesis(self) -> Event {
        Event {
            process: Process::Nemesis,
            kind: self.kind,
            f: self.f,
            key: self.key.as_ref().map(words),
            value: self.value.unwrap_or_default(),
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
