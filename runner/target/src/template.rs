//! Text with places in it: `{host}:{http}`, `{others.raft}`, `{key|base64}`.
//!
//! A place is a name in braces, and only that: the braces of JSON, of regular expressions (`\d{3}`) and of other
//! languages stand for themselves. Reading a template never fails; what is wrong with its places is said by
//! [`Template::check`], which is told what may be named there, so that filling in cannot fail.
//!
//! | place | stands for |
//! |---|---|
//! | `{id}`, `{name}`, `{host}`, `{PORT}` | of the node itself: `2`, `n2`, `127.7.7.2`, `7100` |
//! | `{first.X}` | the same of the first node |
//! | `{all.X}`, `{others.X}` | of all nodes, of all others; where X is a port, `host:port` |
//! | `{NAME}` of `[lists]` | the list's text for the node itself; as X, for those nodes |
//! | `{dir}`, `{here}` | its data folder; the folder of the file |
//! | `{env.VAR}` | a variable of the environment |
//! | `{key}`, `{value}`, `{old}`, `{new}` | of a request, where there is one |

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::node::Place;

/// Places of the node itself that every node has.
const OF_NODES: [&str; 3] = ["id", "name", "host"];

/// A text with places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Hole(Hole),
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hole {
    of: Of,
    name: String,
    filters: Vec<Result<Filter, String>>,
    /// As it is written, with its braces.
    source: String,
    /// What a variable of the environment holds.
    fixed: Option<String>,
}

/// Whose name it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    Own,
    First,
    All,
    Others,
    Environment,
    /// None of these.
    Unknown(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Base64,
    Json,
}

/// How the text that surrounds a place is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// As it stands.
    Plain,
    /// A part of a URL's path or query.
    Url,
    /// A part of a regular expression, to be found as it stands.
    Pattern,
    /// A name in a JSON pointer.
    Pointer,
}

/// What may be named in a template.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    /// The ports of a node.
    pub ports: &'a [String],
    /// The names of lists.
    pub lists: &'a [String],
    /// Other names of a node's own: `dir`, `key`.
    pub words: &'a [&'a str],
    /// Whether other nodes may be named.
    pub others: bool,
    /// Whether a node is there at all.
    pub node: bool,
}

/// What is wrong with a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// As it is written, with its braces.
    pub source: String,
    /// How many times the same stands before it in the text.
    pub before: usize,
    /// What is wrong.
    pub says: String,
    /// What to write.
    pub help: String,
}

/// A text for each node, and what stands between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The text of one node.
    pub each: Template,
    /// What stands between two; lines have nothing between them.
    pub between: String,
}

/// What is put into the places.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Where every node of the cluster is.
    pub places: &'a BTreeMap<u32, Place>,
    /// The node itself.
    pub node: u32,
    /// The lists.
    pub lists: &'a BTreeMap<String, List>,
    /// Names of its own: `dir`, `key`.
    pub words: &'a [(&'a str, &'a str)],
}

impl Template {
    /// Reads a text.
    pub fn parse(text: &str) -> Self {
        Self::read(text, false)
    }

    /// Reads a regular expression: braces behind `\p` and the like are its own.
    pub fn parse_pattern(text: &str) -> Self {
        Self::read(text, true)
    }

    fn read(text: &str, is_pattern: bool) -> Self {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let is_its_own = is_pattern && ends_with_class(&text[..at]);
            match Hole::read(&text[at..]).filter(|_| !is_its_own) {
                Some(hole) => {
                    at += hole.source.len();
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Hole(hole));
                }
                None => {
                    plain.push(c);
                    at += c.len_utf8();
                }
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self { parts }
    }

    /// What is wrong with the first place that cannot be filled in. Variables of the environment are looked up.
    pub fn check(
        &mut self,
        known: &Vocabulary<'_>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), Trouble> {
        let quoted: Vec<bool> = (0..self.parts.len()).map(|at| self.is_in_quotes(at)).collect();
        let mut seen: Vec<String> = Vec::new();
        for (at, part) in self.parts.iter_mut().enumerate() {
            let Part::Hole(hole) = part else { continue };
            let wrong = match hole.of {
                Of::Environment => match environment(&hole.name) {
                    Some(value) => {
                        hole.fixed = Some(value);
                        None
                    }
                    None => Some((
                        format!("the environment has no `{}`", hole.name),
                        format!("set it before the run: {}=... whitewater ...", hole.name),
                    )),
                },
                _ => hole.unknown(known),
            };
            let wrong = wrong.or_else(|| hole.wrong_filter(quoted[at]));
            if let Some((says, help)) = wrong {
                let source = hole.source.clone();
                let before = seen.iter().filter(|other| **other == source).count();
                return Err(Trouble { source, before, says, help });
            }
            seen.push(hole.source.clone());
        }
        Ok(())
    }

    /// Whether quotes stand directly around a part.
    fn is_in_quotes(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|at| self.parts.get(at));
        let text = |part: Option<&Part>, is_end: bool| match part {
            Some(Part::Text(text)) if is_end => text.ends_with('"'),
            Some(Part::Text(text)) => text.starts_with('"'),
            _ => false,
        };
        text(before, true) && text(self.parts.get(at + 1), false)
    }

    /// The text with its places filled in; lists joined.
    pub fn fill(&self, scope: &Scope<'_>, escape: Escape) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Hole(hole) => {
                    let (values, between) = hole.values(scope);
                    let value = hole.filtered(values.join(&between));
                    text.push_str(&escape.apply(value));
                }
            }
        }
        text
    }

    /// The same as arguments: a list that stands alone is one for each node.
    pub fn arguments(&self, scope: &Scope<'_>) -> Vec<String> {
        match self.parts.as_slice() {
            [Part::Hole(hole)] if matches!(hole.of, Of::All | Of::Others) => {
                let (values, _) = hole.values(scope);
                values.into_iter().map(|value| hole.filtered(value)).collect()
            }
            _ => vec![self.fill(scope, Escape::Plain)],
        }
    }

    /// Whether it names something of this request.
    pub fn names(&self, word: &str) -> bool {
        let is_it = |part: &Part| matches!(part, Part::Hole(hole) if hole.of == Of::Own && hole.name == word);
        self.parts.iter().any(is_it)
    }

    /// Its text, where it has no place.
    pub fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// Whether a regular expression's `\p`, `\x` or `\u` ends here, whose braces are its own.
fn ends_with_class(before: &str) -> bool {
    let Some(head) = before.strip_suffix(['p', 'P', 'x', 'u', 'U', 'b']) else { return false };
    let slashes = head.bytes().rev().take_while(|byte| *byte == b'\\').count();
    slashes % 2 == 1
}

pub(crate) fn is_identifier(text: &str) -> bool {
    let is_begin = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(is_begin) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Hole {
    /// What begins here, where it is a place: `{`, a name, perhaps `.` and a name, filters behind `|`, `}`.
    fn read(rest: &str) -> Option<Self> {
        let end = rest.strip_prefix('{')?.find('}')? + 1;
        let inner = &rest[1..end];
        let is_like = |c: char| c.is_ascii_alphanumeric() || "_.|-".contains(c);
        if !inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            || !inner.chars().all(is_like)
        {
            return None;
        }
        let mut words = inner.split('|');
        let path = words.next().unwrap_or_default();
        let filter = |word: &str| match word {
            "base64" => Ok(Filter::Base64),
            "json" => Ok(Filter::Json),
            other => Err(other.to_owned()),
        };
        let (of, name) = match path.split_once('.') {
            None => (Of::Own, path),
            Some(("first", name)) => (Of::First, name),
            Some(("all", name)) => (Of::All, name),
            Some(("others", name)) => (Of::Others, name),
            Some(("env", name)) => (Of::Environment, name),
            Some((other, name)) => (Of::Unknown(other.to_owned()), name),
        };
        Some(Self {
            of,
            name: name.to_owned(),
            filters: words.map(filter).collect(),
            source: rest[..=end].to_owned(),
            fixed: None,
        })
    }

    /// What is wrong with the name, and what to write.
    fn unknown(&self, known: &Vocabulary<'_>) -> Option<(String, String)> {
        let mut names: Vec<String> = Vec::new();
        let nodes = if known.node { &OF_NODES[..] } else { &[] };
        let shared = nodes.iter().map(|name| (*name).to_owned());
        let shared: Vec<String> =
            shared.chain(known.ports.iter().cloned()).chain(known.lists.iter().cloned()).collect();
        let own = known.words.iter().map(|word| (*word).to_owned());
        let says = format!("nothing is called `{}` here", self.source);
        match (&self.of, known.others) {
            (Of::Own, _) => names.extend(shared.into_iter().chain(own)),
            (Of::First | Of::All | Of::Others, true) => names.extend(shared),
            (Of::Unknown(_), true) => {
                let subjects = ["first", "all", "others"];
                names.extend(subjects.map(|subject| format!("{subject}.{}", self.name)));
                return Some((says, suggestion(&self.inner(), &names)));
            }
            (_, false) => {
                return Some((
                    says,
                    "other nodes cannot be named here, only the node itself".into(),
                ));
            }
            (Of::Environment, true) => return None,
        }
        if is_identifier(&self.name) && names.contains(&self.name) {
            return None;
        }
        let before = self.inner().strip_suffix(self.name.as_str()).unwrap_or_default().to_owned();
        let named: Vec<String> = names.iter().map(|name| format!("{before}{name}")).collect();
        Some((says, suggestion(&self.inner(), &named)))
    }

    /// Without braces and filters.
    fn inner(&self) -> String {
        let inner = self.source.trim_start_matches('{').trim_end_matches('}');
        inner.split('|').next().unwrap_or_default().to_owned()
    }

    fn wrong_filter(&self, is_quoted: bool) -> Option<(String, String)> {
        for filter in &self.filters {
            match filter {
                Err(name) => {
                    let known = "there are `|base64` and `|json`".to_owned();
                    return Some((format!("no filter is called `{name}`"), known));
                }
                Ok(Filter::Json) if is_quoted => {
                    let says = "`|json` writes a JSON string with its quotes".to_owned();
                    return Some((says, format!("leave out the quotes around `{}`", self.source)));
                }
                Ok(_) => {}
            }
        }
        None
    }

    /// The values it stands for, one for each node it speaks of, and what stands between them.
    fn values(&self, scope: &Scope<'_>) -> (Vec<String>, String) {
        if let Some(value) = &self.fixed {
            return (vec![value.clone()], String::new());
        }
        let first = scope.places.keys().next().copied().unwrap_or(scope.node);
        let between =
            scope.lists.get(&self.name).map_or(",", |list| list.between.as_str()).to_owned();
        let nodes: Vec<u32> = match self.of {
            Of::First => vec![first],
            Of::All => scope.places.keys().copied().collect(),
            Of::Others => scope.places.keys().copied().filter(|node| *node != scope.node).collect(),
            _ => vec![scope.node],
        };
        let is_many = matches!(self.of, Of::All | Of::Others);
        let value = |node: u32| self.value(&Scope { node, ..*scope }, is_many);
        (nodes.into_iter().map(value).collect(), between)
    }

    fn value(&self, scope: &Scope<'_>, is_many: bool) -> String {
        if let Some((_, value)) = scope.words.iter().find(|(word, _)| *word == self.name) {
            return (*value).to_owned();
        }
        let Some(place) = scope.places.get(&scope.node) else { return String::new() };
        match self.name.as_str() {
            "id" => scope.node.to_string(),
            "name" => format!("n{}", scope.node),
            "host" => place.host.to_string(),
            name => match (scope.lists.get(name), place.port(name)) {
                (Some(list), _) => list.each.fill(scope, Escape::Plain),
                (None, Some(port)) if is_many => format!("{}:{port}", place.host),
                (None, Some(port)) => port.to_string(),
                (None, None) => {
                    unreachable!("`{}` was checked when the file was read", self.source)
                }
            },
        }
    }

    fn filtered(&self, value: String) -> String {
        self.filters.iter().flatten().fold(value, |value, filter| match filter {
            Filter::Base64 => STANDARD.encode(value),
            Filter::Json => serde_json::Value::String(value).to_string(),
        })
    }
}

impl Escape {
    fn apply(self, value: String) -> String {
        match self {
            Escape::Plain => value,
            Escape::Pattern => regex::escape(&value),
            Escape::Pointer => value.replace('~', "~0").replace('/', "~1"),
            Escape::Url => {
                let mut text = String::with_capacity(value.len());
                for byte in value.bytes() {
                    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                        text.push(char::from(byte));
                    } else {
                        write!(text, "%{byte:02X}").expect("writing to a string");
                    }
                }
                text
            }
        }
    }
}

/// ``did you mean `{host}`? `` and what else there is.
fn suggestion(given: &str, names: &[String]) -> String {
    let list: Vec<String> = names.iter().map(|name| format!("{{{name}}}")).collect();
    match nearest(given, names.iter().map(String::as_str)) {
        Some(name) => format!("did you mean `{{{name}}}`? there are {}", list.join(" ")),
        None if list.is_empty() => "no place can be filled in here".into(),
        None => format!("there are {}", list.join(" ")),
    }
}

/// The name that a person may have meant.
pub fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|name| (strsim::jaro_winkler(given, name), name));
    let best = near.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}

#[cfg(test)]
mod tests;
