//! The words that values are made of: texts with places, patterns, commands, times.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use nix::sys::signal::Signal;
use regex::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::profile::Readiness;
use crate::template::{Escape, Scope, Template};

/// Longest time that a file may ask for.
const TIME_MAX: Duration = Duration::from_secs(3_600);
/// A pattern's program may take so much memory; the crate's own bound is five times this.
const PATTERN_BYTES_MAX: usize = 2 << 20;

/// The forms in which something may be written; a word always.
pub(super) struct Forms<T, M = IgnoredAny, L = IgnoredAny> {
    /// What it is, where something else stands.
    pub(super) expected: &'static str,
    /// From a word.
    pub(super) word: fn(&str) -> Result<T, String>,
    /// From a table.
    pub(super) table: Option<fn(M) -> Result<T, String>>,
    /// From an array.
    pub(super) list: Option<fn(L) -> Result<T, String>>,
}

impl<'de, T, M: Deserialize<'de>, L: Deserialize<'de>> Forms<T, M, L> {
    /// Reads it in whichever form it stands.
    pub(super) fn read<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
        from.deserialize_any(self)
    }
}

/// Reads what has only the form of a word.
fn word<'de, T, D: Deserializer<'de>>(
    from: D,
    expected: &'static str,
    word: fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    Forms::<T> { expected, word, table: None, list: None }.read(from)
}

impl<'de, T, M: Deserialize<'de>, L: Deserialize<'de>> Visitor<'de> for Forms<T, M, L> {
    type Value = T;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.expected)
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<T, E> {
        (self.word)(word).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let Some(table) = self.table else {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        };
        table(M::deserialize(MapAccessDeserializer::new(map))?).map_err(A::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        let Some(list) = self.list else {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        };
        list(L::deserialize(SeqAccessDeserializer::new(seq))?).map_err(A::Error::custom)
    }
}

/// A text with places, and where it stands in the file.
#[derive(Clone, Debug)]
pub struct Text {
    /// As it was written.
    pub raw: String,
    /// Its places.
    pub template: Template,
    /// The bytes of the file that it stands in.
    pub span: Range<usize>,
}

impl Text {
    /// One that stands at this place of the file.
    pub(super) fn at(raw: String, span: Range<usize>) -> Self {
        Self { template: Template::parse(&raw), raw, span }
    }

    /// With its places filled in.
    pub fn fill(&self, scope: &Scope<'_>, escape: Escape) -> String {
        self.template.fill(scope, escape)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.raw.cmp(&other.raw)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Spanned::<String>::deserialize(from)?;
        let span = text.span();
        Ok(Self::at(text.into_inner(), span))
    }
}

/// A regular expression with places; `^` and `$` are the ends of lines.
#[derive(Clone, Debug)]
pub struct Pattern(pub Text);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Text::deserialize(from).map(Self::of)
    }
}

impl Pattern {
    /// A text, read as one.
    pub fn of(text: Text) -> Self {
        Self(Text { template: Template::parse_pattern(&text.raw), ..text })
    }

    /// Compiled for a node.
    ///
    /// # Errors
    /// Where it is no regular expression; in words.
    pub fn compile(&self, scope: &Scope<'_>) -> Result<Regex, String> {
        let pattern = self.0.fill(scope, Escape::Pattern);
        let mut builder = RegexBuilder::new(&pattern);
        let compiled = builder.multi_line(true).size_limit(PATTERN_BYTES_MAX).build();
        compiled.map_err(|error| {
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("`{pattern}` is no regular expression: {last}")
        })
    }
}

/// A command: a text that is split without a shell, or an array.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// The program, and what it is told.
    pub words: Vec<Text>,
    /// As it was written; `None`: an array, in which a list that is an element alone is one argument for each node.
    pub text: Option<String>,
    /// What is wrong with how it is written.
    pub trouble: Option<String>,
    /// Where it stands.
    pub span: Range<usize>,
}

impl Arguments {
    /// The program and its arguments.
    pub fn fill(&self, scope: &Scope<'_>) -> Vec<String> {
        let words = self.words.iter();
        if self.text.is_none() {
            return words.flat_map(|word| word.template.arguments(scope)).collect();
        }
        words.map(|word| word.fill(scope, Escape::Plain)).collect()
    }

    pub(super) fn array(words: Vec<Text>, span: Range<usize>) -> Self {
        Self { words, text: None, trouble: None, span }
    }

    pub(super) fn split(text: &str, span: &Range<usize>) -> Self {
        let (words, trouble) = match split(text) {
            Ok(words) => (words, None),
            Err(trouble) => (Vec::new(), Some(trouble)),
        };
        let words = words.into_iter().map(|word| Text::at(word, span.clone())).collect();
        Self { words, text: Some(text.to_owned()), trouble, span: span.clone() }
    }
}

enum Form {
    Word(String),
    List(Vec<Text>),
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Forms::<_, IgnoredAny, Vec<Text>> {
            expected: "a command, as a text or as an array of texts",
            word: |word| Ok(Form::Word(word.to_owned())),
            table: None,
            list: Some(|list| Ok(Form::List(list))),
        }
        .read(from)
    }
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = Spanned::<Form>::deserialize(from)?;
        let span = form.span();
        Ok(match form.into_inner() {
            Form::Word(text) => Self::split(&text, &span),
            Form::List(words) => Self::array(words, span),
        })
    }
}

/// Splits a command as a shell would, without a shell: quotes and backslashes hold words together, and nothing else
/// has a meaning.
fn split(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => word.extend(chars.next()),
                        Some(inner) => word.push(inner),
                        None => return Err(format!("a {c} is opened and never closed")),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => {
                let begins = word.is_none();
                if "|&;<>`".contains(c) && begins || c == '$' {
                    return Err(format!(
                        "`{c}` is a shell's word, and no shell reads this: write [\"sh\", \"-c\", '...'], or put it in quotes"
                    ));
                }
                word.get_or_insert_default().push(c);
            }
        }
    }
    words.extend(word);
    Ok(words)
}

/// A time: `"500ms"`, `"10s"`, `"2min"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

impl Time {
    const EXPECTED: &str = "a time, such as \"500ms\", \"10s\" or \"2min\"";

    fn word(word: &str) -> Result<Self, String> {
        let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let factor = match word[end..].trim() {
            "ms" => 0.001,
            "s" => 1.0,
            "min" | "m" => 60.0,
            _ => return Err(format!("`{word}` is not {}", Self::EXPECTED)),
        };
        let number: f64 =
            word[..end].parse().map_err(|_| format!("`{word}` is not {}", Self::EXPECTED))?;
        let time = Duration::try_from_secs_f64(number * factor)
            .map_err(|_| format!("`{word}` is too long a time"))?;
        match time {
            time if time.is_zero() => Err("a time of 0 is none".into()),
            time if time > TIME_MAX => Err(format!("`{word}` is more than an hour")),
            time => Ok(Time(time)),
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        word(from, Self::EXPECTED, Self::word)
    }
}

/// The signal that asks a node to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop(pub Signal);

impl Default for Stop {
    fn default() -> Self {
        Self(Signal::SIGTERM)
    }
}

impl Stop {
    const EXPECTED: &str = "a signal: TERM, INT, QUIT, HUP, USR1, USR2 or KILL";

    fn word(word: &str) -> Result<Self, String> {
        Ok(Stop(match word.trim_start_matches("SIG") {
            "TERM" => Signal::SIGTERM,
            "INT" => Signal::SIGINT,
            "QUIT" => Signal::SIGQUIT,
            "HUP" => Signal::SIGHUP,
            "USR1" => Signal::SIGUSR1,
            "USR2" => Signal::SIGUSR2,
            "KILL" => Signal::SIGKILL,
            _ => return Err(format!("`{word}` is not {}", Self::EXPECTED)),
        }))
    }
}

impl<'de> Deserialize<'de> for Stop {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        word(from, Self::EXPECTED, Self::word)
    }
}

impl Readiness {
    const EXPECTED: &str =
        "a sign of readiness: \"write\", \"tcp\", \"http /path 200\" or \"log REGEX\"";

    fn word(word: &str) -> Result<Self, String> {
        let parts: Vec<&str> = word.split_whitespace().collect();
        let wrong = || format!("`{word}` is not {}", Self::EXPECTED);
        Ok(match parts.as_slice() {
            ["write" | "tcp"] => Readiness::Listens,
            ["http", path, status] if path.starts_with('/') => {
                let status = status.parse().map_err(|_| wrong())?;
                Readiness::Answers { path: (*path).to_owned(), status }
            }
            ["log", _, ..] => {
                let pattern = word.trim_start()["log".len()..].trim().to_owned();
                Regex::new(&pattern)
                    .map_err(|_| format!("`{pattern}` is no regular expression"))?;
                Readiness::Logs(pattern)
            }
            _ => return Err(wrong()),
        })
    }
}

impl<'de> Deserialize<'de> for Readiness {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        word(from, Self::EXPECTED, Self::word)
    }
}

/// A word's schema: a text of which the rest is said in words.
macro_rules! text_schema {
    ($($name:ident: $says:literal),+ $(,)?) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $says })
            }
        }
    )+};
}

text_schema! {
    Text: "a text in which {host} and other places are filled in",
    Pattern: "a regular expression; ^ and $ are the ends of lines",
    Time: "a time: 500ms, 10s, 2min",
    Stop: "a signal: TERM, INT, QUIT, HUP, USR1, USR2 or KILL",
    Readiness: "write, tcp, http /path 200, or log REGEX",
}

impl JsonSchema for Arguments {
    fn schema_name() -> Cow<'static, str> {
        "Arguments".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a command: a text that is split without a shell, or an array",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_by_a_shell_without_one() {
        let words = |text: &str| split(text).unwrap();
        assert_eq!(words("  a  b\n c "), ["a", "b", "c"]);
        assert_eq!(
            words(r#"a 'b c' "d \" e" f\ g '' h'i'j"#),
            ["a", "b c", "d \" e", "f g", "", "hij"]
        );
        assert_eq!(words("a {x}&b=1"), ["a", "{x}&b=1"]);
        assert!(words("").is_empty());
        for shell in ["a | b", "a && b", "a > b", "a; b", "a $HOME", "`a`"] {
            let is_taken = split(shell);
            assert!(shell == "a; b" || is_taken.unwrap_err().contains("no shell"), "{shell}");
        }
        assert!(split("a 'b").unwrap_err().contains("never closed"));
    }

    #[test]
    fn times_have_a_unit_and_bounds() {
        let time = |text: &str| Time::word(text);
        assert_eq!(time("500ms"), Ok(Time(Duration::from_millis(500))));
        assert_eq!(time("1.5 s"), Ok(Time(Duration::from_millis(1_500))));
        assert_eq!(time("2min"), Ok(Time(Duration::from_secs(120))));
        for wrong in ["5", "s", "-1s", "1h", "61min", "0s", "1e9s", "", "9999999999999999999999s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
