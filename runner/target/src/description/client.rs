//! `[client.*]` and `[[errors]]`: how keys are read and written, and what answers mean.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::notation::{Arguments, Forms, Pattern, Text};

/// How clients talk to the server: one of these.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Client {
    /// By HTTP, with requests that are written here.
    Http(Box<HttpClient>),
    /// By the Redis protocol, with commands that are written here.
    Resp(RunClient),
    /// Through a program of yours, one process for each client, in JSON lines.
    Shim(ShimClient),
    /// Through a program, one process for each operation: slow.
    Command(RunClient),
    /// By etcd's own protocol, version 3.
    Etcd(EtcdClient),
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum To {
    /// Any node: each answers, or says that it does not lead.
    #[default]
    Any,
    /// The leader alone, as `[status]` last saw it: what others answer cannot be told from a lost change.
    Leader,
}

/// `[client.http]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpClient {
    /// Whom to ask: any node, or the leader.
    #[serde(default)]
    pub to: To,
    /// Headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// Reads {key}.
    pub read: HttpRequest,
    /// Reads {key} from the asked node alone, which may be behind.
    pub stale: Option<HttpRequest>,
    /// Sets {key} to {value}.
    pub write: HttpRequest,
    /// Sets {key} to {new} where it holds {old}.
    pub cas: Option<HttpRequest>,
    /// Appends {value} to {key}.
    pub append: Option<HttpRequest>,
    /// Removes {key}.
    pub delete: Option<HttpRequest>,
}

/// One request: exactly one of get, put, post, delete, patch says the path.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpRequest {
    /// The path of a GET.
    pub get: Option<Text>,
    /// The path of a PUT.
    pub put: Option<Text>,
    /// The path of a POST.
    pub post: Option<Text>,
    /// The path of a DELETE.
    pub delete: Option<Text>,
    /// The path of a PATCH.
    pub patch: Option<Text>,
    /// The body.
    pub body: Option<Text>,
    /// Headers of this request.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// Where the value stands in the answer: a JSON pointer, or text, the whole of it; with |base64 where it is encoded.
    pub value: Option<Reading>,
    /// What says that the key is absent: the text of the value, or a rule. Without it, a value that is null or not there.
    pub absent: Option<Condition>,
    /// What says that it was done. Without it, a status of 2xx.
    pub ok: Option<Condition>,
    /// What says that a cas changed the value: a JSON pointer to a truth, or a rule.
    pub swapped: Option<Condition>,
}

impl HttpRequest {
    /// The methods and paths that are written; one, where the file was checked.
    pub fn targets(&self) -> impl Iterator<Item = (&'static str, &Text)> {
        let all = [
            ("GET", &self.get),
            ("PUT", &self.put),
            ("POST", &self.post),
            ("DELETE", &self.delete),
            ("PATCH", &self.patch),
        ];
        all.into_iter().filter_map(|(method, path)| path.as_ref().map(|path| (method, path)))
    }
}

/// `[client.command]` and `[client.resp]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunClient {
    /// Whom to ask: any node, or the leader.
    #[serde(default)]
    pub to: To,
    /// Reads {key}.
    pub read: RunRequest,
    /// Reads {key} from the asked node alone, which may be behind.
    pub stale: Option<RunRequest>,
    /// Sets {key} to {value}.
    pub write: RunRequest,
    /// Sets {key} to {new} where it holds {old}.
    pub cas: Option<RunRequest>,
    /// Appends {value} to {key}.
    pub append: Option<RunRequest>,
    /// Removes {key}.
    pub delete: Option<RunRequest>,
}

/// A command, and how its answer is read.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The command.
    pub run: Arguments,
    /// What of the answer is the value: the pattern's first group; without it the whole.
    pub value: Option<Pattern>,
    /// What says that the key is absent.
    pub absent: Option<Condition>,
    /// What says that it was done.
    pub ok: Option<Condition>,
    /// What says that a cas changed the value.
    pub swapped: Option<Condition>,
}

/// A command and how its answer is read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunTable {
    /// The command.
    run: Arguments,
    /// What of the answer is the value: the pattern's first group, or all it matches; without it the whole answer.
    value: Option<Pattern>,
    /// What says that the key is absent: the text of the answer, or a rule.
    absent: Option<Condition>,
    /// What says that it was done: a rule. Without it, exit code 0; an answer that is no error.
    ok: Option<Condition>,
    /// What says that a cas changed the value: a pattern, or a rule.
    swapped: Option<Condition>,
}

impl<'de> Deserialize<'de> for RunRequest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = Spanned::<RunForm>::deserialize(from)?;
        let span = form.span();
        Ok(match form.into_inner() {
            RunForm::Word(text) => Self::of(Arguments::split(&text, &span)),
            RunForm::List(words) => Self::of(Arguments::array(words, span)),
            RunForm::Table(table) => {
                let RunTable { run, value, absent, ok, swapped } = *table;
                Self { run, value, absent, ok, swapped }
            }
        })
    }
}

impl RunRequest {
    fn of(run: Arguments) -> Self {
        Self { run, value: None, absent: None, ok: None, swapped: None }
    }
}

enum RunForm {
    Word(String),
    List(Vec<Text>),
    Table(Box<RunTable>),
}

impl<'de> Deserialize<'de> for RunForm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Forms::<_, RunTable, Vec<Text>> {
            expected: "a command: a text, an array, or a table with `run`",
            word: |word| Ok(RunForm::Word(word.to_owned())),
            table: Some(|table| Ok(RunForm::Table(Box::new(table)))),
            list: Some(|list| Ok(RunForm::List(list))),
        }
        .read(from)
    }
}

/// `[client.shim]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShimClient {
    /// Whom to ask: any node, or the leader.
    #[serde(default)]
    pub to: To,
    /// The program: one process for each client, requests on its stdin, answers on its stdout, a JSON object a line.
    pub command: Arguments,
    /// What it can do; without it read, write and cas.
    #[serde(default)]
    pub operations: Option<Vec<Offer>>,
}

/// An operation that a client may offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Offer {
    /// Reads a key.
    Read,
    /// Reads a key from one node alone.
    Stale,
    /// Sets a key.
    Write,
    /// Sets a key where it holds a value.
    Cas,
    /// Appends to a key.
    Append,
    /// Removes a key.
    Delete,
}

impl Offer {
    /// As it stands in a file and in a shim's requests.
    pub fn name(self) -> &'static str {
        match self {
            Offer::Read => "read",
            Offer::Stale => "stale",
            Offer::Write => "write",
            Offer::Cas => "cas",
            Offer::Append => "append",
            Offer::Delete => "delete",
        }
    }
}

/// `[client.etcd]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EtcdClient {
    /// How keys are read.
    #[serde(default)]
    pub reads: EtcdReads,
}

/// How etcd reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EtcdReads {
    /// Through the leader.
    #[default]
    Linearizable,
    /// From the asked member alone, which may be behind.
    Serializable,
}

impl EtcdReads {
    /// Their names.
    pub const NAMES: [&str; 2] = ["linearizable", "serializable"];

    /// Of a name; `None`: there are none of it.
    pub fn named(name: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        [EtcdReads::Linearizable, EtcdReads::Serializable].get(at).copied()
    }
}

/// Where a value stands in an answer.
#[derive(Clone, Debug)]
pub struct Reading {
    /// A JSON pointer; `None`: the whole text.
    pub pointer: Option<Text>,
    /// Whether it is written in base64.
    pub is_base64: bool,
    /// As it is written.
    pub source: Text,
}

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let source = Text::deserialize(from)?;
        let (place, is_base64) = match source.raw.strip_suffix("|base64") {
            Some(place) => (place, true),
            None => (source.raw.as_str(), false),
        };
        let pointer = (place != "text").then(|| Text::at(place.to_owned(), source.span.clone()));
        Ok(Self { pointer, is_base64, source })
    }
}

/// What says something of an answer: one text, whose meaning is the key's, or a rule.
#[derive(Clone, Debug)]
pub enum Condition {
    /// One text.
    Word(Text),
    /// A rule.
    Rule(Box<ResponseRule>),
}

/// A rule for answers: all that is written must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseRule {
    /// The HTTP status or exit code: one, or several.
    pub status: Option<Codes>,
    /// A pattern of the body, or of what was printed.
    pub body: Option<Pattern>,
    /// A JSON pointer, to what `equals` says; to a truth without it.
    pub path: Option<Text>,
    /// What stands there.
    pub equals: Option<Text>,
    /// Two JSON pointers, to the same.
    pub equal: Option<Vec<Text>>,
    /// What it means where nothing stands at `path`; without it, that the answer is not understood.
    pub missing: Option<bool>,
}

enum ConditionForm {
    Word(String),
    Rule(Box<ResponseRule>),
}

impl<'de> Deserialize<'de> for ConditionForm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Forms::<_, ResponseRule> {
            expected: "a text, or a table of status, body, path, equals",
            word: |word| Ok(ConditionForm::Word(word.to_owned())),
            table: Some(|rule| Ok(ConditionForm::Rule(Box::new(rule)))),
            list: None,
        }
        .read(from)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = Spanned::<ConditionForm>::deserialize(from)?;
        let span = form.span();
        Ok(match form.into_inner() {
            ConditionForm::Word(word) => Condition::Word(Text::at(word, span)),
            ConditionForm::Rule(rule) => Condition::Rule(rule),
        })
    }
}

/// One number, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes(pub Vec<i64>);

impl<'de> Deserialize<'de> for Codes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = Codes;

            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("a number, or an array of numbers")
            }

            fn visit_i64<E: serde::de::Error>(self, code: i64) -> Result<Codes, E> {
                Ok(Codes(vec![code]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Codes, A::Error> {
                let mut codes = Vec::new();
                while let Some(code) = seq.next_element()? {
                    codes.push(code);
                }
                match codes.is_empty() {
                    true => Err(A::Error::custom("an empty array names no status")),
                    false => Ok(Codes(codes)),
                }
            }
        }
        from.deserialize_any(Forms)
    }
}

/// `[[errors]]`: what an answer means that is not the one that was hoped for. The first that fits counts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// The HTTP status, the exit code, or a shim's error code: one, or several.
    pub status: Option<Codes>,
    /// A pattern of the body, of what was printed, or of an error's text.
    pub body: Option<Pattern>,
    /// What it means.
    #[schemars(with = "Means")]
    pub means: Spanned<Means>,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// The node does not lead, and has done nothing.
    NotLeader,
    /// It was refused: it has no effect and never will.
    Refused,
    /// Nobody knows whether it has taken effect, or may yet.
    Unknown,
    /// The key is absent.
    Absent,
    /// A cas found another value and changed nothing.
    Mismatch,
}

macro_rules! same_schema {
    ($($name:ident: $schema:tt),+ $(,)?) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let _ = &generator;
                json_schema!($schema)
            }
        }
    )+};
}

same_schema! {
    Reading: { "type": "string", "description": "a JSON pointer, or text; with |base64 where it is encoded" },
    Codes: { "anyOf": [{ "type": "integer" }, { "type": "array", "items": { "type": "integer" }, "minItems": 1 }] },
}

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rule = generator.subschema_for::<ResponseRule>();
        json_schema!({ "anyOf": [{ "type": "string" }, rule] })
    }
}

impl JsonSchema for RunRequest {
    fn schema_name() -> Cow<'static, str> {
        "RunRequest".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RunTable>();
        let short = generator.subschema_for::<Arguments>();
        json_schema!({ "anyOf": [short, table] })
    }
}
