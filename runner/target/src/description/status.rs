//! `[status.*]`: what a node says of itself, and where.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::client::Condition;
use super::notation::{Arguments, Pattern, Text, Time};

/// `[status]`: where nodes say who leads and in which term; one source.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Statuses {
    /// How often nodes are asked; 75 ms, and 1 s where a program is run for it.
    pub every: Option<Time>,
    /// The term is that of what the node has applied, so that for a moment a new leader still tells the last one's: the
    /// rules of terms are not held against it.
    #[serde(default)]
    pub term_lags: bool,
    /// By HTTP.
    pub http: Option<Box<HttpStatus>>,
    /// By what a program prints.
    pub command: Option<Box<RunStatus>>,
    /// By what the node writes to its log.
    pub log: Option<Box<LogStatus>>,
    /// By a command of the Redis protocol.
    pub resp: Option<Box<RunStatus>>,
}

/// The one source of a checked file.
#[derive(Clone, Copy, Debug)]
pub enum StatusSource<'a> {
    /// By HTTP.
    Http(&'a HttpStatus),
    /// By what a program prints.
    Command(&'a RunStatus),
    /// By the node's log.
    Log(&'a LogStatus),
    /// By the Redis protocol.
    Resp(&'a RunStatus),
}

impl Statuses {
    /// Those that are written; at most one, where the file was checked.
    pub fn sources(&self) -> impl Iterator<Item = (&'static str, StatusSource<'_>)> {
        let all = [
            ("http", self.http.as_deref().map(StatusSource::Http)),
            ("command", self.command.as_deref().map(StatusSource::Command)),
            ("log", self.log.as_deref().map(StatusSource::Log)),
            ("resp", self.resp.as_deref().map(StatusSource::Resp)),
        ];
        all.into_iter().filter_map(|(name, source)| source.map(|source| (name, source)))
    }
}

/// What a source tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The term.
    pub term: bool,
    /// Whether the node itself leads.
    pub leads: bool,
    /// Whom it follows.
    pub leader: bool,
    /// For whom it voted.
    pub vote: bool,
    /// Its commit index.
    pub commit: bool,
}

impl StatusSource<'_> {
    /// What it tells.
    pub fn told(&self) -> Told {
        match self {
            StatusSource::Http(it) => Told {
                term: it.term.is_some(),
                leads: it.leads.is_some(),
                leader: it.leader.is_some(),
                vote: it.vote.is_some(),
                commit: it.commit.is_some(),
            },
            StatusSource::Command(it) | StatusSource::Resp(it) => Told {
                term: it.term.is_some(),
                leads: it.leads.is_some(),
                leader: it.leader.is_some(),
                vote: it.vote.is_some(),
                commit: it.commit.is_some(),
            },
            StatusSource::Log(it) => {
                let has_term = |it: &Option<Pattern>| {
                    it.as_ref().is_some_and(|pattern| pattern.0.raw.contains("<term>"))
                };
                Told {
                    term: it.term.is_some() || has_term(&it.leads),
                    leads: it.leads.is_some(),
                    ..Told::default()
                }
            }
        }
    }
}

/// `[status.http]`: JSON pointers into the answer, in which `*` is the only member.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpStatus {
    /// The name of the port; the first one where none is named.
    #[schemars(with = "Option<String>")]
    pub port: Option<Spanned<String>>,
    /// The path of a GET.
    pub get: Option<Text>,
    /// The path of a POST.
    pub post: Option<Text>,
    /// The body.
    pub body: Option<Text>,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// The term.
    pub term: Option<Text>,
    /// Whether the node leads: a pointer to a truth, or a rule.
    pub leads: Option<Condition>,
    /// Whom it follows: a number, a name, or an address of the node.
    pub leader: Option<Text>,
    /// For whom it voted in this term, in the same way.
    pub vote: Option<Text>,
    /// Its commit index.
    pub commit: Option<Text>,
}

/// `[status.command]` and `[status.resp]`: patterns, of which the group of that name counts, else the first, else all.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunStatus {
    /// The command.
    pub run: Arguments,
    /// The name of the port that a command of the Redis protocol is sent to; the first one where none is named.
    #[schemars(with = "Option<String>")]
    pub port: Option<Spanned<String>>,
    /// The term.
    pub term: Option<Pattern>,
    /// That the node leads.
    pub leads: Option<Pattern>,
    /// Whom it follows: a number, a name, or an address of the node.
    pub leader: Option<Pattern>,
    /// For whom it voted in this term, in the same way.
    pub vote: Option<Pattern>,
    /// Its commit index.
    pub commit: Option<Pattern>,
}

/// `[status.log]`: patterns of lines; the last line counts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogStatus {
    /// That it now leads; a group named term is the term.
    pub leads: Option<Pattern>,
    /// That it no longer leads.
    pub follows: Option<Pattern>,
    /// That it is in a term.
    pub term: Option<Pattern>,
}
