//! One line of `history.jsonl`: a client's event, or the nemesis's.
//!
//! This is the recording form: whoever drives clients builds these and writes them as JSON lines in
//! real-time order. The checker's own compact form is made when a history is read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who acts: a client process, or the nemesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Process {
    /// A client process: at most one open operation; retired after `info`.
    Client(u64),
    /// The fault injector. Its events are always of type `info`. Written as `"nemesis"`.
    Nemesis,
}

impl Serialize for Process {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Process::Client(number) => serializer.serialize_u64(*number),
            Process::Nemesis => serializer.serialize_str("nemesis"),
        }
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "nemesis" => Ok(Process::Nemesis),
            Value::Number(number) if number.is_u64() => {
                Ok(Process::Client(number.as_u64().unwrap_or_default()))
            }
            other => Err(serde::de::Error::custom(format!(
                "process must be a whole number or \"nemesis\", not {other}"
            ))),
        }
    }
}

/// The phase of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventType {
    /// The operation begins; stamped before anything is sent.
    Invoke,
    /// It took effect.
    Ok,
    /// It took no effect, now or ever.
    Fail,
    /// Nobody knows; it may take effect at any later time.
    Info,
}

impl EventType {
    /// The phase of a word in a history.
    #[inline]
    pub(crate) fn of_word(word: &[u8]) -> Option<EventType> {
        match word {
            b"invoke" => Some(EventType::Invoke),
            b"ok" => Some(EventType::Ok),
            b"fail" => Some(EventType::Fail),
            b"info" => Some(EventType::Info),
            _ => None,
        }
    }
}

/// One event. Fields after `time_ns` are optional extensions; a reader must ignore unknown ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Who acts.
    pub process: Process,
    /// Begin or outcome.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// `read`, `write`, `cas`, `append`, `delete`, …; for the nemesis: `phase`, `start`, `heal`.
    pub f: String,
    /// The object acted on. Keys are independent of each other. Absent for the nemesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// read: null at invoke, the observed value at ok (null = absent); write: the value; cas:
    /// `[from, to]`; append: the string; delete: null.
    #[serde(default)]
    pub value: Value,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    /// Why it failed or is unknown. A `fail` of a cas WITHOUT error says "the value was not `from`".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// On the `fail` of a cas without error: the value seen instead (`{"is": null}` = absent), which
    /// makes the operation a read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saw: Option<Seen>,
    /// The node the request was sent to, or that answered: `n1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The term the answering node said it was in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<u64>,
    /// The client session and command number, for the exactly-once check: `[session, sequence]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<(u64, u64)>,
}

impl Event {
    /// An event with nothing but who acts and how, yet without a time.
    pub fn new(process: Process, kind: EventType, f: impl Into<String>, value: Value) -> Self {
        let f = f.into();
        Self {
            process,
            kind,
            f,
            key: None,
            value,
            time_ns: 0,
            error: None,
            saw: None,
            node: None,
            term: None,
            command: None,
        }
    }
}

/// A value in a wrapper, so that "absent" and "not told" differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The value; null = absent.
    pub is: Value,
}
