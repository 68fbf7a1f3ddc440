//! Jepsen's `history.edn`: one map a line, or one vector of maps.
//!
//! The reader knows as much of EDN as histories use: nil, booleans, numbers, strings, keywords,
//! symbols, lists, vectors, sets, maps, tagged values (the tag is dropped), comments and discards. A
//! map with `:type`, `:f`, `:process` is an event. Independent keys are `[key value]` tuples as Jepsen
//! writes them (`jepsen.independent`), recognised where every client value is a tuple, or tagged
//! `#jepsen.independent/tuple`; our own export writes a `:key` field instead.

use super::edn_value::Edn;
use super::entry::{Actor, Entry, INITIAL};
use super::line::{Chunk, LineError};
use super::number;
use super::place::Places;
use crate::event::{EventType, Seen};

/// Deepest nesting. History values are flat; a file of brackets must not exhaust the stack.
const DEPTH_MAX: usize = 64;

/// What is wrong, and at which byte.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EdnError {
    pub(super) at: usize,
    pub(super) message: String,
}

/// Reads EDN values from text, one after the other.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Reader { text, at: 0 }
    }

    /// The next value; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Edn>, EdnError> {
        self.skip(0)?;
        if self.at >= self.text.len() { Ok(None) } else { self.value(0).map(Some) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, EdnError> {
        Err(EdnError { at: self.at, message: message.into() })
    }

    /// Passes over space, commas, comments and discarded values, inside so many brackets.
    fn skip(&mut self, depth: usize) -> Result<(), EdnError> {
        loop {
            match self.peek() {
                Some(byte) if byte.is_ascii_whitespace() || byte == b',' => self.at += 1,
                Some(b';') => {
                    let rest = &self.text.as_bytes()[self.at..];
                    self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                Some(b'#') if self.text.as_bytes().get(self.at + 1) == Some(&b'_') => {
                    self.at += 2;
                    self.value(depth + 1)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Edn, EdnError> {
        if depth > DEPTH_MAX {
            return self.error(format!("nested deeper than {DEPTH_MAX}"));
        }
        // A discard nests in itself, so `skip` alone would not see the depth.
        while matches!(self.peek(), Some(byte) if byte.is_ascii_whitespace() || byte == b',') {
            self.at += 1;
        }
        match self.peek() {
            None => self.error("the text ends where a value should be"),
            Some(b'"') => self.string(),
            Some(b'[') => self.members(b']', depth).map(Edn::List),
            Some(b'(') => self.members(b')', depth).map(Edn::List),
            Some(b'{') => self.map(depth),
            Some(b'#') => self.tagged(depth),
            Some(b'^') => {
                // Metadata stands before the value it is about, and is no part of it.
                self.at += 1;
                self.value(depth + 1)?;
                self.skip(depth)?;
                self.value(depth + 1)
            }
            Some(b']' | b')' | b'}') => self.error("a closing bracket that nothing opened"),
            Some(_) => self.atom(),
        }
    }

    /// How a list or vector that begins here ends.
    fn list(&self) -> Option<u8> {
        match self.peek() {
            Some(b'[') => Some(b']'),
            Some(b'(') => Some(b')'),
            _ => None,
        }
    }

    fn members(&mut self, close: u8, depth: usize) -> Result<Vec<Edn>, EdnError> {
        let mut members = Vec::new();
        self.each_at(close, depth, &mut |_, member| members.push(member))?;
        Ok(members)
    }

    /// Sees the members of the outermost list, each with the byte it begins at.
    fn each(&mut self, close: u8, see: &mut dyn FnMut(usize, Edn)) -> Result<(), EdnError> {
        self.each_at(close, 0, see)
    }

    fn each_at(
        &mut self,
        close: u8,
        depth: usize,
        see: &mut dyn FnMut(usize, Edn),
    ) -> Result<(), EdnError> {
        let opened_at = self.at;
        self.at += 1;
        loop {
            self.skip(depth)?;
            match self.peek() {
                None => {
                    self.at = opened_at;
                    return self.error("a bracket that nothing closes");
                }
                Some(byte) if byte == close => break,
                Some(_) => {
                    let at = self.at;
                    let member = self.value(depth + 1)?;
                    see(at, member);
                }
            }
        }
        self.at += 1;
        Ok(())
    }

    fn map(&mut self, depth: usize) -> Result<Edn, EdnError> {
        let opened_at = self.at;
        let members = self.members(b'}', depth)?;
        if members.len() % 2 != 0 {
            self.at = opened_at;
            return self.error("a map with a key and no value");
        }
        let mut members = members.into_iter();
        let mut fields = Vec::with_capacity(members.len() / 2);
        while let (Some(key), Some(value)) = (members.next(), members.next()) {
            fields.push((key, value));
        }
        Ok(Edn::Map(fields))
    }

    fn tagged(&mut self, depth: usize) -> Result<Edn, EdnError> {
        self.at += 1;
        if self.peek() == Some(b'{') {
            return self.members(b'}', depth).map(Edn::List);
        }
        if self.peek() == Some(b'_') {
            self.at += 1;
            self.value(depth + 1)?;
            return self.value(depth + 1);
        }
        if self.peek() == Some(b'"') {
            // A regular expression is its text.
            return self.string();
        }
        let tag = self.token();
        if tag.starts_with('#') {
            // `##NaN`, `##Inf`.
            return Ok(Edn::Symbol(tag.to_owned()));
        }
        if tag.is_empty() {
            return self.error("a # that begins nothing known");
        }
        let value = self.value(depth + 1)?;
        Ok(match value {
            // Jepsen writes events as records and tuples as tagged vectors.
            Edn::List(mut two) if tag.ends_with("tuple") && two.len() == 2 => {
                let second = two.pop().unwrap_or(Edn::Nil);
                let first = two.pop().unwrap_or(Edn::Nil);
                Edn::Tuple(Box::new((first, second)))
            }
            value => value,
        })
    }

    fn string(&mut self) -> Result<Edn, EdnError> {
        let opened_at = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(character) = self.text[self.at..].chars().next() else {
                self.at = opened_at;
                return self.error("a string that nothing closes");
            };
            self.at += character.len_utf8();
            match character {
                '"' => return Ok(Edn::Text(text)),
                '\\' => text.push(self.escape()?),
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, EdnError> {
        let escaped = self.text[self.at..].chars().next();
        self.at += escaped.map_or(0, char::len_utf8);
        match escaped {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('u') => {
                let digits = self.text.get(self.at..self.at + 4);
                let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                self.at += digits.map_or(0, str::len);
                match code.and_then(char::from_u32) {
                    Some(character) => Ok(character),
                    None => self.error("\\u needs four hexadecimal digits of a character"),
                }
            }
            Some(other) => Ok(other),
            None => self.error("a string that nothing closes"),
        }
    }

    fn token(&mut self) -> &'a str {
        let start = self.at;
        while let Some(byte) = self.peek() {
            if byte.is_ascii_whitespace() || b",;\"()[]{}".contains(&byte) {
                break;
            }
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn atom(&mut self) -> Result<Edn, EdnError> {
        let start = self.at;
        let token = self.token();
        if let Some(word) = token.strip_prefix(':') {
            return Ok(Edn::Keyword(word.to_owned()));
        }
        match token {
            "nil" => return Ok(Edn::Nil),
            "true" => return Ok(Edn::Bool(true)),
            "false" => return Ok(Edn::Bool(false)),
            _ => {}
        }
        let digits = token.strip_prefix(['-', '+']).unwrap_or(token);
        if !digits.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(Edn::Symbol(token.to_owned()));
        }
        if let Some(number) = number::whole(token) {
            return Ok(number);
        }
        match token.trim_end_matches('M').parse() {
            Ok(number) => Ok(Edn::Float(number)),
            Err(_) => {
                self.at = start;
                self.error(format!(
                    "not a number: {token}; known are 1, -1, 1N, 0x1f, 017, 2r101, 1/3, 1.5 and 1M"
                ))
            }
        }
    }
}

/// Parses a whole history.
pub(super) fn parse(bytes: &[u8]) -> Chunk {
    let mut chunk = Chunk::default();
    let places = Places::new(bytes);
    if let Err(error) = events(bytes).and_then(|events| take(&mut chunk, places, events)) {
        let (line, column) = Places::new(bytes).of(error.at);
        chunk.error = Some(LineError { line, column, message: error.message });
    }
    chunk
}

/// All maps of the text with the bytes they begin at.
fn events(bytes: &[u8]) -> Result<Vec<(usize, Edn)>, EdnError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| EdnError { at: error.valid_up_to(), message: "not UTF-8".to_owned() })?;
    let mut reader = Reader::new(text);
    let mut events = Vec::new();
    loop {
        reader.skip(0)?;
        if let Some(close) = reader.list() {
            reader.each(close, &mut |at, edn| events.push((at, edn)))?;
            continue;
        }
        let at = reader.at;
        match reader.next()? {
            None => return Ok(events),
            Some(edn) => events.push((at, edn)),
        }
    }
}

fn take(
    chunk: &mut Chunk,
    mut places: Places<'_>,
    events: Vec<(usize, Edn)>,
) -> Result<(), EdnError> {
    let has_tuples = all_values_are_pairs(&events);
    for (at, edn) in events {
        chunk.positions += 1;
        chunk.place = Some(places.of(at));
        let event = event(&edn, has_tuples).map_err(|message| EdnError { at, message })?;
        if let Some(event) = event {
            chunk.entry(event).map_err(|(_, message)| EdnError { at, message })?;
        }
    }
    Ok(())
}

/// Operations that are asked for without a value.
const WITHOUT_VALUE: [&str; 9] =
    ["read", "get", "dequeue", "drain", "delete", "acquire", "lock", "release", "unlock"];

/// Whether every operation that is asked for without a value has `[key nil]` at its invocation: Jepsen's
/// independent keys.
fn all_values_are_pairs(events: &[(usize, Edn)]) -> bool {
    let is_without_value = |event: &Edn| {
        event.get("f").and_then(Edn::word).is_some_and(|f| WITHOUT_VALUE.contains(&f))
    };
    let mut asked = events
        .iter()
        .filter(|(_, event)| is_without_value(event))
        .filter(|(_, event)| event.get("type").and_then(Edn::word) == Some("invoke"))
        .peekable();
    asked.peek().is_some()
        && asked.all(|(_, event)| match event.get("value") {
            Some(Edn::Tuple(_)) => true,
            Some(Edn::List(two)) => two.len() == 2 && two[1] == Edn::Nil,
            _ => false,
        })
}

/// The event of a map; `None` for the nemesis.
fn event(edn: &Edn, has_tuples: bool) -> Result<Option<Entry>, String> {
    if !matches!(edn, Edn::Map(_)) {
        return Err(
            "expected an event, a map such as {:process 0, :type :invoke, :f :read}".to_owned()
        );
    }
    let field = |name: &str| edn.get(name).ok_or_else(|| format!("an event needs :{name}"));
    let process = match field("process")? {
        Edn::Integer(number) => {
            Actor::Client(u64::try_from(*number).map_err(|_| "a negative process".to_owned())?)
        }
        word if word.word() == Some(INITIAL) => Actor::Initial,
        // `:nemesis`, and other threads that are no clients.
        _ => return Ok(None),
    };
    let word = field("type")?.word();
    let kind = word.and_then(|word| EventType::of_word(word.as_bytes()));
    let kind =
        kind.ok_or_else(|| format!("unknown type {word:?}; known are invoke, ok, fail, info"))?;
    let f = field("f")?.word().ok_or("the function :f must be a keyword")?.to_owned();
    let own_key = edn.get("key").map(Edn::to_json);
    let (key, value) = match (own_key, edn.get("value").cloned().unwrap_or(Edn::Nil)) {
        (Some(key), value) => (Some(key), value),
        (None, Edn::Tuple(pair)) => (Some(pair.0.to_json()), pair.1),
        (None, Edn::List(mut two)) if has_tuples && two.len() == 2 => {
            let value = two.pop().unwrap_or(Edn::Nil);
            (Some(two[0].to_json()), value)
        }
        // `[key from to]`, where every operation has its key with it.
        (None, Edn::List(three)) if has_tuples && three.len() == 3 && f == "cas" => {
            (Some(three[0].to_json()), Edn::List(three[1..].to_vec()))
        }
        (None, value) => (None, value),
    };
    let number = |name: &str| match edn.get(name) {
        Some(Edn::Integer(number)) => u64::try_from(*number)
            .map(Some)
            .map_err(|_| format!(":{name} must be a whole number from 0 on, not {number}")),
        Some(Edn::Nil) | None => Ok(None),
        Some(other) => Err(format!(":{name} must be a whole number, not {}", other.to_json())),
    };
    Ok(Some(Entry {
        process,
        kind,
        f,
        key,
        value: edn.get("value").map(|_| value.to_json()),
        time_ns: number("time")?,
        index: number("index")?,
        rejected: edn.get("rejected").map(|rejected| *rejected == Edn::Bool(true)),
        error: edn.get("error").filter(|error| **error != Edn::Nil).map(Edn::to_json),
        saw: edn.get("saw").map(|value| Seen { is: value.to_json() }),
        node: edn.get("node").and_then(Edn::word).map(str::to_owned),
        term: None,
        command: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_histories_hold() {
        let text = r#"{:a [1 -2 3N 1.5 "x\n\u0041" :k/w sym], #_ignored :b #{1}, ; comment
                       :c #inst "2026" :d nil :e (true false)}"#;
        let edn = Reader::new(text).next().unwrap().unwrap();
        assert_eq!(
            edn.to_json(),
            serde_json::json!({"a": [1, -2, 3, 1.5, "x\nA", "k/w", "sym"], "b": [1],
                               "c": "2026", "d": null, "e": [true, false]})
        );
    }

    #[test]
    fn both_layouts_and_both_kinds_of_keys() {
        let lines = "{:process 0, :type :invoke, :f :read, :value [7 nil], :time 5}\n\
                     {:process :nemesis, :type :info, :f :start}\n\
                     {:process 0, :type :ok, :f :read, :value [7 3], :time 9}\n";
        let vector = format!("[{lines}]");
        for text in [lines.to_owned(), vector] {
            let chunk = parse(text.as_bytes());
            assert!(chunk.error.is_none(), "{:?}", chunk.error);
            assert_eq!(chunk.events.len(), 2);
            assert_eq!(chunk.keys.text(0), "7");
            assert_eq!(chunk.events[1].value.number(), Some(3));
            assert_eq!(chunk.events[1].position, 3);
        }
        let tagged = lines.replace("[7", "#jepsen.independent/tuple [7");
        assert_eq!(parse(tagged.as_bytes()).keys.text(0), "7");
    }

    #[test]
    fn errors_have_line_and_column() {
        let chunk = parse(b"{:process 0 :type :invoke :f :read}\n{:process 0 :type [}");
        let error = chunk.error.unwrap();
        assert_eq!((error.line, error.column), (2, 20));
        let chunk = parse(b"{:process 0 :type :began :f :read}");
        assert!(chunk.error.unwrap().message.contains("known are invoke"));
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        for opening in ["[", "#_", "#a ", "#_[", "[#_", "#_{", "{#_", "(#_", "#{#_", "#a [#_"] {
            let text = opening.repeat(100_000);
            let error = parse(text.as_bytes()).error.expect(opening);
            assert!(error.message.contains("nested deeper"), "{opening}: {}", error.message);
        }
    }
}
