//! The log style that Knossos and porcupine keep histories in:
//!
//! ```text
//! INFO  jepsen.util - 0  :invoke  :read  nil
//! INFO  jepsen.util - 0  :ok      :read  3
//! ```
//!
//! A line counts if it holds a process, a type, a function and a value, in this order; every other line of
//! the log (nemesis messages included) is passed over. There are no keys: all operations are on
//! one object. A value of `:timed-out` marks an outcome as an error.

use std::ops::Range;

use super::edn;
use super::edn_value::Edn;
use super::entry::{Actor, Entry};
use super::line::{Chunk, LineError};
use crate::event::EventType;

/// Parses whole lines.
pub(super) fn parse(bytes: &[u8]) -> Chunk {
    let mut chunk = Chunk::default();
    for line in bytes.split(|&byte| byte == b'\n') {
        chunk.positions += 1;
        if let Err((column, message)) = take(&mut chunk, line) {
            let line = chunk.positions;
            chunk.error = Some(LineError { line, column, message });
            break;
        }
    }
    if bytes.ends_with(b"\n") {
        // `split` yields an empty piece after the last line end.
        chunk.positions -= 1;
    }
    chunk
}

fn take(chunk: &mut Chunk, line: &[u8]) -> Result<(), (u32, String)> {
    let Some(found) = event_in(line) else { return Ok(()) };
    let column = |span: &Range<usize>| u32::try_from(span.start + 1).unwrap_or(u32::MAX);
    let rest = std::str::from_utf8(&line[found.rest.clone()])
        .map_err(|_| (column(&found.rest), "not UTF-8".to_owned()))?;
    let mut reader = edn::Reader::new(rest);
    let mut value = Edn::Nil;
    let mut error = None;
    if let Some(first) =
        reader.next().map_err(|error| (column(&found.rest), error.message.clone()))?
    {
        match first {
            // `:timed-out` and the like stand where the value would be.
            Edn::Keyword(word) => error = Some(word),
            other => value = other,
        }
    }
    if let Ok(Some(more)) = reader.next()
        && found.kind != EventType::Ok
    {
        error = Some(more.to_json().to_string());
    }
    let event = Entry {
        process: Actor::Client(found.process),
        kind: found.kind,
        f: found.function,
        key: None,
        value: Some(value.to_json()),
        time_ns: None,
        index: None,
        rejected: None,
        error: error.map(Into::into),
        saw: None,
        node: None,
        term: None,
        command: None,
    };
    chunk.entry(event).map_err(|(_, message)| (column(&found.rest), message))
}

/// Whether a line of a log tells of an operation.
pub(super) fn is_event(line: &[u8]) -> bool {
    event_in(line).is_some()
}

/// A line's event, up to its value.
struct Found {
    process: u64,
    kind: EventType,
    function: String,
    rest: Range<usize>,
}

fn event_in(line: &[u8]) -> Option<Found> {
    let words = words(line);
    let place = words.iter().position(|word| kind(&line[word.clone()]).is_some())?;
    let process = place.checked_sub(1)?;
    let process = std::str::from_utf8(&line[words[process].clone()]).ok()?.parse().ok()?;
    let function = words.get(place + 1)?;
    let function = std::str::from_utf8(&line[function.clone()]).ok()?.strip_prefix(':')?.to_owned();
    let kind = kind(&line[words[place].clone()])?;
    let rest = words.get(place + 2).map_or(line.len(), |word| word.start)..line.len();
    Some(Found { process, kind, function, rest })
}

fn kind(word: &[u8]) -> Option<EventType> {
    EventType::of_word(word.strip_prefix(b":")?)
}

fn words(line: &[u8]) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, byte) in line.iter().enumerate() {
        match (byte.is_ascii_whitespace(), start) {
            (false, None) => start = Some(at),
            (true, Some(from)) => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|from| from..line.len()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::operation::Function;

    #[test]
    fn takes_operations_and_passes_over_the_rest() {
        let text = "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\n\
                    INFO  jepsen.core - nemesis done\n\
                    INFO  jepsen.util - :nemesis\t:info\t:start\tnil\n\
                    INFO  jepsen.util - 0\t:info\t:cas\t:timed-out\n\
                    INFO  jepsen.util - 1\t:ok\t:read\t7\n";
        let chunk = parse(text.as_bytes());
        assert!(chunk.error.is_none(), "{:?}", chunk.error);
        assert_eq!(chunk.positions, 5);
        let events: Vec<_> =
            chunk.events.iter().map(|event| (event.position, event.function, event.kind)).collect();
        assert_eq!(
            events,
            [
                (1, Function::Cas, EventType::Invoke),
                (4, Function::Cas, EventType::Info),
                (5, Function::Read, EventType::Ok),
            ]
        );
        assert!(chunk.events[1].has_error);
        assert_eq!(chunk.events[2].value.number(), Some(7));
    }

    #[test]
    fn a_bad_value_is_an_error_with_its_place() {
        let chunk = parse(b"0 :invoke :cas [1 2");
        let error = chunk.error.unwrap();
        assert_eq!((error.line, error.column), (1, 16));
    }
}
