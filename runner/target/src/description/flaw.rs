//! What is wrong with a file: the line, what was seen, and what to write.

use std::fmt;
use std::ops::Range;

use crate::template::nearest;

/// A longer line is shown from a little before the place on.
const LINE_CHARS_MAX: usize = 110;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The file, as the user named it.
    pub file: String,
    /// The line, from 1; 0: the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub says: String,
    /// What to write.
    pub help: Option<String>,
    /// The line's text, and the characters of it that are meant.
    shown: Option<(String, Range<usize>)>,
}

impl Flaw {
    /// Of the whole file.
    pub(super) fn whole(file: &str, says: impl Into<String>, help: Option<String>) -> Self {
        Self { file: file.to_owned(), line: 0, says: says.into(), help, shown: None }
    }

    /// Of these bytes of it.
    pub(super) fn at(file: &str, text: &str, span: Range<usize>, says: impl Into<String>) -> Self {
        let floor =
            |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        let begin = floor(span.start).unwrap_or(0);
        let end = floor(span.end.max(span.start)).unwrap_or(begin);
        let line_begin = text[..begin].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[begin..].find('\n').map_or(text.len(), |at| begin + at);
        let chars = |bytes: Range<usize>| text[bytes].chars().count();
        let (mut from, count) =
            (chars(line_begin..begin), chars(begin..end.clamp(begin, line_end)).max(1));
        let mut shown: String = text[line_begin..line_end].trim_end().replace('\t', " ");
        if shown.chars().count() > LINE_CHARS_MAX {
            let skipped = from.saturating_sub(30);
            let cut: String = shown.chars().skip(skipped).take(LINE_CHARS_MAX).collect();
            let mark = if skipped > 0 { "…" } else { "" };
            from = from - skipped + mark.len() / '…'.len_utf8();
            shown = format!("{mark}{cut}");
        }
        let line = text[..begin].matches('\n').count() + 1;
        let says = says.into();
        Self {
            file: file.to_owned(),
            line,
            says,
            help: None,
            shown: Some((shown, from..from + count)),
        }
    }

    /// With what to write.
    #[must_use]
    pub(super) fn helped(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Of what the reader of TOML says, in our words.
    pub(super) fn of_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let (says, help) = explained(error.message());
        let flaw = match error.span() {
            // A key that is missing may be missing from the whole file.
            Some(span) if span.start > 0 || !error.message().starts_with("missing") => {
                Self::at(file, text, span, says)
            }
            _ => Self::whole(file, says, None),
        };
        Self { help, ..flaw }
    }
}

/// What a reader says, in words for the writer.
fn explained(message: &str) -> (String, Option<String>) {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let Some(count) = message.strip_prefix("wanted exactly 1 element, ") {
        let says = match count {
            "found 0 elements" => "`[client]` says nothing",
            _ => "there are several clients here, and one is enough",
        };
        return (says.to_owned(), Some("there are http, resp, shim, command, etcd".into()));
    }
    let Some((name, known)) = names.split_first() else { return (message.to_owned(), None) };
    if message.ends_with("expected a string") {
        return (message.to_owned(), Some(format!("put it in quotes: \"{name}\"")));
    }
    let kind = match message {
        message if message.starts_with("unknown field") => "no key",
        message if message.starts_with("unknown variant") => "nothing",
        message if message.starts_with("missing field") => {
            let help = missing(name).map(str::to_owned);
            return (format!("the key `{name}` is missing"), help);
        }
        _ => return (message.to_owned(), None),
    };
    let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? there are {list}"),
        None if known.is_empty() => "there are none here".into(),
        None => format!("there are {list}"),
    };
    (format!("{kind} here is called `{name}`"), Some(help))
}

/// What to write for a key that must be there.
fn missing(name: &str) -> Option<&'static str> {
    Some(match name {
        "command" => "say how a node is started: command = \"./server --listen {host}:{http}\"",
        "read" => "say how a key is read: read = { get = \"/kv/{key}\", value = \"/value\" }",
        "write" => "say how a key is set: write = { put = \"/kv/{key}\", body = \"{value}\" }",
        "means" => "say what it means: not-leader, refused, unknown, absent or mismatch",
        "run" => "say what to run: run = [\"program\", \"{host}\"]",
        _ => return None,
    })
}

impl fmt::Display for Flaw {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(to, "{}: {}", self.file, self.says)?,
            line => write!(to, "{}, line {line}: {}", self.file, self.says)?,
        }
        if let Some((shown, range)) = &self.shown {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            let before = " ".repeat(range.start);
            let room = shown.chars().count().saturating_sub(range.start).max(1);
            let carets = "^".repeat(range.len().min(room));
            write!(to, "\n{margin} |\n{number} | {shown}\n{margin} | {before}{carets}")?;
        }
        match &self.help {
            Some(help) if self.shown.is_some() => write!(to, "\n  = {help}"),
            Some(help) => write!(to, "\n  {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Flaw {}
