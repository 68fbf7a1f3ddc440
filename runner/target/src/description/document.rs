//! The whole file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::client::{Client, ErrorRule};
use super::notation::{Arguments, Forms, Pattern, Stop, Text, Time};
use super::status::Statuses;
use whitewater_checker::target::{Promised, Reads};

use crate::profile::Readiness;

/// `[promises]`: what may be held against it.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promises {
    /// What reads show: linearizable, the newest value; stale, any that was there.
    reads: Option<ReadsForm>,
    /// Whether a node that was killed comes back with what it had acknowledged.
    persistent: Option<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ReadsForm {
    Linearizable,
    Stale,
}

/// A server that is not ours: how it is started, how clients talk to it, and what may be held against it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// What kind of nodes these are: server, or maelstrom.
    #[serde(default)]
    pub kind: Kind,
    /// The names of the ports that a node listens on; the first is the clients'.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub ports: Vec<Spanned<String>>,
    /// How a node is started.
    pub command: Arguments,
    /// Arguments that are added at the first start of every node but the first.
    pub join: Option<Arguments>,
    /// How nodes are started at first.
    #[serde(default)]
    pub order: Order,
    /// Commands before a node's first start.
    pub prepare: Option<Commands>,
    /// The same for the first node, instead of `prepare`.
    pub prepare_first: Option<Commands>,
    /// Commands once all nodes are up, as seen from the first.
    pub setup: Option<Commands>,
    /// Commands after that for every other node, in turn.
    pub join_after: Option<Commands>,
    /// Files that are written before a node's first start: paths below {dir}, and their texts.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub files: Files,
    /// Texts for each node, that {all.NAME} and {others.NAME} put together.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ListEntry>")]
    pub lists: Lists,
    /// Variables of a node's environment.
    #[serde(default)]
    pub env: BTreeMap<String, Text>,
    /// The signal that asks a node to end.
    #[serde(default)]
    pub stop: Stop,
    /// How long it may take to end.
    pub stop_within: Option<Time>,
    /// When a node is ready; without it, when the cluster has acknowledged a write.
    pub ready: Option<Readiness>,
    /// What a node's log never says where all is well, as regular expressions; beside those that are always looked for.
    #[serde(default)]
    pub panics: Vec<Pattern>,
    /// How clients talk to it.
    pub client: Option<Client>,
    /// What answers mean that are not the ones that were hoped for; the first that fits counts.
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
    /// Where nodes say who leads.
    #[serde(default)]
    pub status: Statuses,
    /// What may be held against it.
    #[serde(default)]
    pub promises: Promises,
    /// How long things take.
    #[serde(default)]
    pub times: Times,
    /// How the program is built before it is tested.
    pub build: Option<Build>,
}

impl Description {
    /// What may be held against it. Nodes that speak Maelstrom's protocol keep nothing, unless it is written that they do.
    pub fn promised(&self) -> Promised {
        Promised {
            reads: match self.promises.reads {
                Some(ReadsForm::Stale) => Reads::Stale,
                Some(ReadsForm::Linearizable) | None => Reads::Linearizable,
            },
            persistent: self.promises.persistent.unwrap_or(self.kind == Kind::Server),
        }
    }
}

/// Files by their paths.
pub type Files = BTreeMap<Text, Text>;
/// Lists by their names.
pub type Lists = BTreeMap<Spanned<String>, ListEntry>;

/// What kind of nodes these are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Servers that listen on ports.
    #[default]
    Server,
    /// Nodes that speak Maelstrom's protocol on stdin and stdout.
    Maelstrom,
}

/// How nodes are started at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// All at once.
    #[default]
    Together,
    /// Each when the one before it takes connections.
    OneByOne,
}

/// One command, or several.
#[derive(Clone, Debug)]
pub struct Commands(pub Vec<Arguments>);

/// A text for each node, and what stands between two.
#[derive(Clone, Debug)]
pub struct ListEntry {
    /// The text.
    pub each: Text,
    /// What stands between two.
    pub between: Option<String>,
}

/// `[times]`: how long things take.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// From the loss of a leader to the next one that serves; 1 s.
    election: Option<Time>,
    /// From the start of a node to its part in the cluster; 30 s.
    restart: Option<Time>,
}

impl Times {
    /// From the loss of a leader to the next one that serves.
    pub fn election(&self) -> Duration {
        self.election.map_or(Duration::from_secs(1), |time| time.0)
    }

    /// From the start of a node to its part in the cluster.
    pub fn restart(&self) -> Duration {
        self.restart.map_or(Duration::from_secs(30), |time| time.0)
    }
}

/// `[build]`: how the program is built before it is tested.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The command, in the folder of this file.
    pub command: Arguments,
    /// What it makes: the program, below that folder.
    pub program: PathBuf,
    /// How long it may take; 10 min.
    pub timeout: Option<Time>,
}

enum CommandsForm {
    One(String),
    Words(Vec<Text>),
    Many(Vec<Arguments>),
}

impl CommandsForm {
    fn list(list: Vec<Arguments>) -> Result<Self, String> {
        let texts = list.iter().filter(|command| command.text.is_some()).count();
        if texts == 0 {
            return Ok(CommandsForm::Many(list));
        }
        if texts < list.len() {
            return Err("texts and arrays stand side by side: is this one command, [\"a\", \"b\"], or several, [[\"a\"], [\"b\"]]?".into());
        }
        let word = |it: Arguments| it.text.map(|text| Text::at(text, it.span));
        Ok(CommandsForm::Words(list.into_iter().filter_map(word).collect()))
    }
}

impl<'de> Deserialize<'de> for CommandsForm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Forms::<_, IgnoredAny, Vec<Arguments>> {
            expected: "a command, or an array of commands",
            word: |word| Ok(CommandsForm::One(word.to_owned())),
            table: None,
            list: Some(CommandsForm::list),
        }
        .read(from)
    }
}

impl<'de> Deserialize<'de> for Commands {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = Spanned::<CommandsForm>::deserialize(from)?;
        let span = form.span();
        Ok(Self(match form.into_inner() {
            CommandsForm::One(text) => vec![Arguments::split(&text, &span)],
            CommandsForm::Words(words) => vec![Arguments::array(words, span)],
            CommandsForm::Many(commands) => commands,
        }))
    }
}

impl JsonSchema for Commands {
    fn schema_name() -> Cow<'static, str> {
        "Commands".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Arguments>();
        json_schema!({
            "description": "one command, or an array of arrays: several",
            "anyOf": [one, { "type": "array", "items": { "type": "array", "items": { "type": "string" } } }],
        })
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListTable {
    /// The text of one node.
    each: Text,
    /// What stands between two; a comma, and nothing behind a text that ends its line.
    between: Option<String>,
}

enum ListForm {
    Word(String),
    Table(ListTable),
}

impl<'de> Deserialize<'de> for ListForm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Forms::<_, ListTable> {
            expected: "a text for each node, or a table of `each` and `between`",
            word: |word| Ok(ListForm::Word(word.to_owned())),
            table: Some(|table| Ok(ListForm::Table(table))),
            list: None,
        }
        .read(from)
    }
}

impl<'de> Deserialize<'de> for ListEntry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = Spanned::<ListForm>::deserialize(from)?;
        let span = form.span();
        Ok(match form.into_inner() {
            ListForm::Word(text) => Self { each: Text::at(text, span), between: None },
            ListForm::Table(table) => Self { each: table.each, between: table.between },
        })
    }
}

impl JsonSchema for ListEntry {
    fn schema_name() -> Cow<'static, str> {
        "ListEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<ListTable>();
        json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}
