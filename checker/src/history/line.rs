//! One chunk of a JSON-lines history: lines in, events in compact form out.
//!
//! Chunks are parsed in parallel, so every number in a chunk's events (keys, nodes, table values) is
//! the chunk's own until [`super::assemble`] translates it.

use memchr::memchr;
use serde_json::Value as Json;

use super::compact::{CompactEvent, EventPlaces, NONE, Place};
use super::entry::{Actor, Entry, INITIAL, words};
use super::interner::Interner;
use super::operation::{Function, NO_NODE};
use super::scan::{Cursor, Fields, scan};
use super::value::{Value, Values};
use crate::event::{Event, EventType};

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LineError {
    /// The line's number in the chunk, from 1.
    pub(crate) line: u32,
    /// The byte in the line, from 1.
    pub(crate) column: u32,
    pub(crate) message: String,
}

/// What a key held before its first operation, as an `init` event tells it.
#[derive(Clone, Debug)]
pub(crate) struct Initially {
    /// The event's position.
    pub(crate) position: u32,
    pub(crate) key: String,
    pub(crate) value: Json,
}

/// The parsed form of a piece of a history.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) events: Vec<CompactEvent>,
    /// Where they stand.
    pub(crate) places: EventPlaces,
    /// Index into `events`, session, sequence.
    pub(crate) commands: Vec<(u32, u64, u64)>,
    /// The nemesis's events with their line numbers.
    pub(crate) nemesis: Vec<(u32, Event)>,
    /// What keys held before the first operation.
    pub(crate) initial: Vec<Initially>,
    pub(crate) keys: Interner,
    pub(crate) nodes: Interner,
    pub(crate) values: Values,
    /// Positions used up, blank lines included.
    pub(crate) positions: u32,
    /// Where the event that is taken begins, if that is not a line of its own.
    pub(crate) place: Option<(u32, u32)>,
    pub(crate) error: Option<LineError>,
}

impl Chunk {
    /// Parses whole lines. Stops at the first bad one.
    pub(crate) fn parse(bytes: &[u8]) -> Chunk {
        let mut chunk = Chunk { events: Vec::with_capacity(bytes.len() / 90), ..Chunk::default() };
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).unwrap_or(rest.len());
            chunk.positions += 1;
            if let Err(mut error) = chunk.line(&rest[..end]) {
                error.line = chunk.positions;
                chunk.error = Some(error);
                break;
            }
            rest = &rest[(end + 1).min(rest.len())..];
        }
        chunk
    }

    /// Takes one event's JSON text.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), LineError> {
        let mut fields = Fields::default();
        if scan(line, &mut fields).is_ok() && self.usual(&fields).is_some() {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        if let Some(at) = memchr(0, line) {
            // UTF-16 has one beside every letter.
            let column = u32::try_from(at + 1).unwrap_or(u32::MAX);
            let message = "a zero byte: expected JSON in UTF-8 (UTF-16 is not read)".to_owned();
            return Err(LineError { line: 0, column, message });
        }
        if let Some(at) = long_number(line) {
            let column = u32::try_from(at + 1).unwrap_or(u32::MAX);
            let message = "a whole number that 64 bits do not hold, and that would be rounded: expected a smaller one, or \
                           a string"
                .to_owned();
            return Err(LineError { line: 0, column, message });
        }
        let entry: Entry = serde_json::from_slice(line).map_err(|error| LineError {
            line: error.line() as u32 - u32::from(error.line() > 0),
            column: u32::try_from(error.column().max(1)).unwrap_or(u32::MAX),
            message: json_message(&error),
        })?;
        self.entry(entry).map_err(|(field, message)| LineError {
            line: 0,
            column: column_of(line, field),
            message,
        })
    }

    /// Takes a line of the usual form; `None` leaves it to the careful path.
    #[inline]
    fn usual(&mut self, fields: &Fields<'_>) -> Option<()> {
        let kind = EventType::of_word(fields.kind)?;
        let function = Function::of_word(fields.function)?;
        let (process, time_ns) = (fields.process?, fields.time_ns.unwrap_or(NONE));
        let term = u32::try_from(fields.term.unwrap_or(0)).ok()?;
        let (value, second) = self.usual_value(function, kind, fields.value)?;
        let saw = match fields.saw {
            Some(text) => self.scalar(text)?,
            None => Value::UNTOLD,
        };
        let key = self.keys.intern_bytes(fields.key.unwrap_or(b""))?;
        let node = match fields.node {
            Some(name) => node(self.nodes.intern_bytes(name)?),
            None => NO_NODE,
        };
        if let Some((session, sequence)) = fields.command {
            self.commands.push((self.events.len() as u32, session, sequence));
        }
        let (position, has_error) = (self.positions, fields.has_error);
        self.stands(fields.index);
        self.events.push(CompactEvent {
            process,
            time_ns,
            position,
            key,
            value,
            second,
            saw,
            term,
            node,
            function,
            kind,
            has_error,
            is_rejected: false,
        });
        Some(())
    }

    /// The value, where it is of the form that its function usually has.
    #[inline]
    fn usual_value(
        &mut self,
        function: Function,
        kind: EventType,
        text: &[u8],
    ) -> Option<(Value, Value)> {
        if !carries_value(function, kind) {
            return Some((Value::UNTOLD, Value::UNTOLD));
        }
        match (function, text.first()) {
            (_, None) if kind == EventType::Ok && !function.value_is_answer() => {
                Some((Value::UNTOLD, Value::UNTOLD))
            }
            (_, None) => None,
            (Function::Cas, Some(b'[')) => {
                let mut cursor = Cursor { bytes: text, at: 1 };
                let from = cursor.scalar().ok()?;
                cursor.take(b',').ok()?;
                let to = cursor.scalar().ok()?;
                cursor.take(b']').ok()?;
                let (from, to) = (self.scalar(from)?, self.scalar(to)?);
                Some((from, to))
            }
            (Function::Cas | Function::Drain, _) | (_, Some(b'[')) => None,
            (Function::Contains, _) if kind == EventType::Ok => None,
            _ => Some((self.scalar(text)?, Value::UNTOLD)),
        }
    }

    #[inline]
    fn scalar(&mut self, text: &[u8]) -> Option<Value> {
        match text.first()? {
            b'n' => Some(Value::NIL),
            b'0'..=b'9' => Value::direct(Cursor { bytes: text, at: 0 }.number().ok()?),
            b'"' => Some(self.values.intern_text(std::str::from_utf8(text).ok()?)),
            _ => None,
        }
    }

    /// Takes an event in its long form. An error names the field it is about.
    pub(crate) fn entry(&mut self, event: Entry) -> Result<(), (&'static str, String)> {
        let process = match event.process {
            Actor::Client(process) => process,
            Actor::Nemesis => {
                self.nemesis.push((self.positions, event.of_nemesis()));
                return Ok(());
            }
            Actor::Initial => return self.initially(event),
        };
        let event = event.untangle().map_err(|message| ("value", message))?;
        let function = Function::of_word(event.f.as_bytes()).ok_or_else(|| {
            let known: Vec<&str> = Function::WORDS.iter().map(|(_, words)| words[0]).collect();
            ("f", format!("unknown operation `{}`; known are {}", event.f, known.join(", ")))
        })?;
        let (value, second) = match &event.value {
            Some(json) => self.value(function, event.kind, json)?,
            // Who writes null says so.
            None if function == Function::Write => (Value::UNTOLD, Value::UNTOLD),
            None => self.value(function, event.kind, &Json::Null)?,
        };
        let saw = event.saw.map_or(Value::UNTOLD, |seen| self.values.intern(&seen.is));
        let key = self.keys.intern(&event.key.as_ref().map(words).unwrap_or_default());
        let node = event.node.map_or(NO_NODE, |name| node(self.nodes.intern(&name)));
        if let Some((session, sequence)) = event.command {
            self.commands.push((self.events.len() as u32, session, sequence));
        }
        self.stands(event.index);
        self.events.push(CompactEvent {
            process,
            time_ns: event.time_ns.unwrap_or(NONE),
            position: self.positions,
            key,
            value,
            second,
            saw,
            term: u32::try_from(event.term.unwrap_or(0)).unwrap_or(u32::MAX),
            node,
            function,
            kind: event.kind,
            has_error: event.error.is_some_and(|error| !error.is_null()),
            is_rejected: event.rejected == Some(true),
        });
        Ok(())
    }

    /// Notes where the event stands that is pushed next.
    #[inline]
    fn stands(&mut self, index: Option<u64>) {
        if index.is_none() && self.place.is_none() && self.places.is_empty() {
            return;
        }
        let (line, column) = self.place.unwrap_or((self.positions, 1));
        let place = Place { index: index.unwrap_or(NONE), line, column };
        self.places.push(&self.events, self.positions, place);
    }

    fn initially(&mut self, event: Entry) -> Result<(), (&'static str, String)> {
        if event.f != INITIAL {
            let message =
                format!("process {INITIAL:?} has one operation, {INITIAL:?}, not {:?}", event.f);
            return Err(("f", message));
        }
        let (position, key) = (self.positions, event.key.as_ref().map(words).unwrap_or_default());
        self.initial.push(Initially { position, key, value: event.value.unwrap_or_default() });
        Ok(())
    }

    fn value(
        &mut self,
        function: Function,
        kind: EventType,
        json: &Json,
    ) -> Result<(Value, Value), (&'static str, String)> {
        if !carries_value(function, kind) {
            return Ok((Value::UNTOLD, Value::UNTOLD));
        }
        let pair = |names| {
            let message = format!("{} needs a value of {names}, not {json}", function.word());
            ("value", message)
        };
        match (function, json) {
            (Function::Cas, Json::Array(two)) if two.len() == 2 => {
                Ok((self.values.intern(&two[0]), self.values.intern(&two[1])))
            }
            // Many clients tell of a success nothing but that it was one.
            (_, Json::Null) if kind == EventType::Ok && !function.value_is_answer() => {
                Ok((Value::UNTOLD, Value::UNTOLD))
            }
            (Function::Cas, _) => Err(pair("[from, to]")),
            (Function::Contains, Json::Array(two)) if two.len() == 2 && two[1].is_boolean() => {
                let is_in = Json::from(u8::from(two[1] == Json::Bool(true)));
                Ok((self.values.intern(&two[0]), self.values.intern(&is_in)))
            }
            // The element is the invocation's.
            (Function::Contains, Json::Bool(is_in)) if kind == EventType::Ok => {
                Ok((Value::UNTOLD, self.values.intern(&Json::from(u8::from(*is_in)))))
            }
            (Function::Contains, _) if kind == EventType::Ok => {
                Err(pair("[element, true or false]"))
            }
            (Function::Drain, Json::Array(taken)) if taken.contains(&Json::Null) => {
                Err(("value", format!("drain took null, which is no element: {json}")))
            }
            // Nothing was taken, or nobody knows what.
            (Function::Drain, Json::Null) => Ok((Value::UNTOLD, Value::UNTOLD)),
            (Function::Drain, Json::Array(taken)) if taken.is_empty() => {
                Ok((Value::UNTOLD, Value::UNTOLD))
            }
            (Function::Drain, Json::Array(_)) => Ok((self.values.intern(json), Value::UNTOLD)),
            (Function::Drain, _) => {
                Err(("value", format!("drain needs a list of the elements it took, not {json}")))
            }
            _ => Ok((self.values.intern(json), Value::UNTOLD)),
        }
    }
}

/// A node's number. A cluster of 65,535 nodes is not a cluster of ours; the rest share one number.
fn node(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(NO_NODE)
}

/// Whether an event's value means something: an invocation's does unless the value is the answer, and an ok's does:
/// it is the answer, or what was done, if that is another value than the one asked for.
#[inline]
fn carries_value(function: Function, kind: EventType) -> bool {
    match kind {
        EventType::Invoke => {
            !matches!(function, Function::Read | Function::Dequeue | Function::Drain)
        }
        EventType::Ok => true,
        EventType::Fail | EventType::Info => false,
    }
}

/// What the JSON parser says, without its own idea of the line number.
fn json_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    match error.classify() {
        serde_json::error::Category::Data => format!("not a history event: {message}"),
        _ => format!("not JSON: {message}"),
    }
}

/// Where a whole number stands that has more digits than 64 bits ever have, outside strings.
fn long_number(line: &[u8]) -> Option<usize> {
    const DIGITS_MAX: usize = 20;
    let (mut in_string, mut is_escaped, mut digits) = (false, false, 0);
    // A last byte that is none ends a number at the end.
    for (at, &byte) in line.iter().chain(b" ").enumerate() {
        match byte {
            b'0'..=b'9' if !in_string => {
                digits += 1;
                continue;
            }
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        let before = at.checked_sub(digits + 1).map(|before| line[before]);
        let is_whole = !matches!(byte, b'.' | b'e' | b'E') && before != Some(b'.');
        let number = &line[at - digits..at];
        if digits > DIGITS_MAX - 1
            && is_whole
            && std::str::from_utf8(number).ok()?.parse::<u64>().is_err()
        {
            return Some(at - digits);
        }
        digits = 0;
    }
    None
}

/// Where a field stands in a line that is known to be JSON; 1 where it cannot be told.
fn column_of(line: &[u8], field: &str) -> u32 {
    let quoted = format!("\"{field}\"");
    let place = memchr::memmem::find(line, quoted.as_bytes()).map_or(0, |at| at);
    u32::try_from(place + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> LineError {
        Chunk::parse(text.as_bytes()).error.expect("a bad line")
    }

    #[test]
    fn the_fast_and_the_careful_path_agree() {
        let usual = r#"{"process":3,"type":"fail","f":"cas","key":"k","value":["a",4294967296],"time_ns":5,"saw":{"is":null},"node":"n1","term":2,"command":[1,2]}"#;
        let odd = usual.replace("\"k\"", "\"\\u006b\"");
        assert!(scan(odd.as_bytes(), &mut Fields::default()).is_err());
        let (fast, careful) = (Chunk::parse(usual.as_bytes()), Chunk::parse(odd.as_bytes()));
        assert_eq!(format!("{:?}", fast.events), format!("{:?}", careful.events));
        assert_eq!(fast.commands, careful.commands);
        assert_eq!(fast.keys.text(0), careful.keys.text(0));
    }

    #[test]
    fn errors_say_line_column_and_what_was_expected() {
        let good = r#"{"process":3,"type":"invoke","f":"read","key":"k","value":null,"time_ns":1}"#;
        let bad = error(&format!("{good}\n\n{{\"process\":3,"));
        assert_eq!((bad.line, bad.column), (3, 13));
        assert!(bad.message.starts_with("not JSON: EOF while parsing"), "{}", bad.message);

        let bad = error(&good.replace("invoke", "started"));
        assert!(bad.message.contains("unknown variant `started`, expected one of `invoke`"));
        let bad = error(&good.replace("read", "nap"));
        assert_eq!(bad.column, 30);
        assert!(bad.message.starts_with("unknown operation `nap`; known are read, write"));
        let bad = error(&good.replace("read", "cas"));
        assert!(bad.message.contains("cas needs a value of [from, to], not null"));
    }

    #[test]
    fn the_nemesis_is_kept_apart() {
        let line = r#"{"process":"nemesis","type":"info","f":"phase","value":{"name":"faults"},"time_ns":9}"#;
        let chunk = Chunk::parse(line.as_bytes());
        assert!(chunk.events.is_empty());
        assert_eq!(chunk.nemesis[0].1.f, "phase");
    }
}
