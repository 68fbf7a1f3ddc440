//! What an answer of a foreign server means: whether it took effect, and what to do next.
//!
//! In doubt a change may have taken effect. Only what is sure to have none is called definite: what was never sent,
//! and what the description or the protocol says was refused.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use regex::Regex;
use serde_json::Value;

use super::json;
use crate::description::{Condition, ErrorRule, Means, Offer, ResponseRule};
use crate::node::Place;
use crate::template::{Escape, Scope};
use crate::{Answer, Answered, Change, LeaderSeen, Next, Request, Setback};

/// So much of an answer is shown in a reason.
const SHOWN_CHARS: usize = 160;

/// What is asked, in the words of a description.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The operation.
    pub(super) offer: Offer,
    /// `key`, `value`, `old`, `new`.
    pub(super) words: Vec<(&'static str, String)>,
}

impl Asked {
    /// Of a request.
    ///
    /// # Errors
    /// Where it cannot be said in a description's words; it was not sent then.
    pub(super) fn of(request: &Request) -> Result<Self, Setback> {
        let text = |bytes: &Bytes| match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(refused(Next::GiveUp, "only text can be put into a request")),
        };
        let (offer, key, words) = match request {
            Request::OpenSession => return Err(refused(Next::GiveUp, "there are no sessions")),
            Request::Get { key, .. } => (Offer::Read, key, vec![]),
            Request::Write { key, change, .. } => match change {
                Change::Put(value) => (Offer::Write, key, vec![("value", text(value)?)]),
                Change::Append(value) => (Offer::Append, key, vec![("value", text(value)?)]),
                Change::Delete => (Offer::Delete, key, vec![]),
                Change::Cas { expected: Some(old), new } => {
                    (Offer::Cas, key, vec![("old", text(old)?), ("new", text(new)?)])
                }
                Change::Cas { expected: None, .. } => {
                    let says = "a key that is absent cannot be compared with here";
                    return Err(refused(Next::GiveUp, says));
                }
            },
        };
        let words = std::iter::once(("key", key.clone())).chain(words).collect();
        Ok(Self { offer, words })
    }

    /// Whether it may change something.
    pub(super) fn is_change(&self) -> bool {
        !matches!(self.offer, Offer::Read | Offer::Stale)
    }

    /// One of its words.
    pub(super) fn word(&self, name: &str) -> &str {
        self.words.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value)
    }
}

/// It was refused, or was never sent.
pub(super) fn refused(next: Next, reason: impl Into<String>) -> Setback {
    Setback { is_indefinite: false, next, reason: reason.into() }
}

/// What came back, whatever the protocol.
#[derive(Debug)]
pub(super) struct Reply {
    /// HTTP status, exit code, or error code.
    pub(super) status: i64,
    /// The body, what was printed, or an error's text.
    pub(super) text: String,
    json: OnceCell<Result<Value, String>>,
}

impl Reply {
    /// Of what came back.
    pub(super) fn new(status: i64, text: String) -> Self {
        Self { status, text, json: OnceCell::new() }
    }

    /// The text as JSON.
    pub(super) fn json(&self) -> Result<&Value, String> {
        let read = || serde_json::from_str(&self.text).map_err(|error| error.to_string());
        self.json
            .get_or_init(read)
            .as_ref()
            .map_err(|error| format!("the answer is not JSON ({error}): {}", self.shown()))
    }

    /// The text without the end of its last line.
    pub(super) fn trimmed(&self) -> &str {
        let text = self.text.strip_suffix('\n').unwrap_or(&self.text);
        text.strip_suffix('\r').unwrap_or(text)
    }

    /// The beginning of the text, in quotes.
    pub(super) fn shown(&self) -> String {
        shown(&self.text)
    }
}

/// The beginning of a text, in quotes, on one line.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "nothing".into();
    }
    let start: String = text.chars().take(SHOWN_CHARS).collect();
    let mark = if start.len() < text.len() { "…" } else { "" };
    format!("“{}{mark}”", start.replace(['\n', '\r'], " "))
}

/// `[[errors]]`, compiled.
#[derive(Debug)]
pub(super) struct Meanings(Vec<(ErrorRule, Option<Regex>)>);

impl Meanings {
    /// Of a description that was read.
    pub(super) fn of(rules: &[ErrorRule]) -> Self {
        let nowhere = BTreeMap::new();
        let lists = BTreeMap::new();
        let scope = Scope { places: &nowhere, node: 0, lists: &lists, words: &[] };
        let compiled = |rule: &ErrorRule| {
            let body = rule.body.as_ref();
            let body = body.map(|it| it.compile(&scope).expect("checked when the file was read"));
            (rule.clone(), body)
        };
        Self(rules.iter().map(compiled).collect())
    }

    /// What the first rule that fits says of a reply.
    pub(super) fn find(&self, reply: &Reply) -> Option<Means> {
        let fits = |(rule, body): &&(ErrorRule, Option<Regex>)| {
            rule.status.as_ref().is_none_or(|codes| codes.0.contains(&reply.status))
                && body.as_ref().is_none_or(|body| body.is_match(&reply.text))
        };
        self.0.iter().find(fits).map(|(rule, _)| *rule.means.get_ref())
    }
}

/// Whom is asked, and who else there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    /// The node that is asked.
    pub(super) node: u32,
    /// Where clients reach each node.
    pub(super) places: &'a BTreeMap<u32, Place>,
    /// Who was seen to lead.
    pub(super) leader: &'a LeaderSeen,
}

impl At<'_> {
    /// What to do where the node does not lead: `hint` may name the address of who does.
    pub(super) fn after_not_leading(&self, hint: &str) -> Next {
        let is_named = |(node, place): &(&u32, &Place)| {
            **node != self.node && hint.contains(&place.clients().to_string())
        };
        let named = self.places.iter().find(is_named).map(|(node, _)| *node);
        match named.or_else(|| self.leader.node()).filter(|node| *node != self.node) {
            Some(node) => Next::Leader { node, address: String::new() },
            None => Next::Elsewhere,
        }
    }

    /// What comes of a reply that means something other than hoped for.
    pub(super) fn conclude(
        &self,
        means: Means,
        asked: &Asked,
        reason: String,
    ) -> Result<Answer, Setback> {
        match (means, asked.offer) {
            (Means::NotLeader, _) => Err(refused(self.after_not_leading(&reason), reason)),
            (Means::Unknown, _) => Err(Setback::unreachable(asked.is_change(), reason)),
            (Means::Absent, Offer::Read | Offer::Stale) => Ok(self.answer(Answered::Value(None))),
            (Means::Absent, Offer::Cas) => Ok(self.answer(Answered::Mismatch(None))),
            // What was found instead is not known, so that nothing was seen.
            (Means::Mismatch, Offer::Cas) => {
                Err(refused(Next::GiveUp, format!("it holds another value: {reason}")))
            }
            (Means::Refused | Means::Absent | Means::Mismatch, _) => {
                Err(refused(Next::Later, reason))
            }
        }
    }

    /// An answer of this node.
    pub(super) fn answer(&self, result: Answered) -> Answer {
        Answer { result, node: self.node, term: None }
    }

    /// A value that was read.
    pub(super) fn value(&self, value: Option<String>) -> Answer {
        self.answer(Answered::Value(value.map(Bytes::from)))
    }

    /// What a cas found instead, where that was told.
    pub(super) fn mismatch(&self, seen: Option<String>) -> Result<Answer, Setback> {
        match seen {
            Some(seen) => Ok(self.answer(Answered::Mismatch(Some(Bytes::from(seen))))),
            None => Err(refused(Next::GiveUp, "it holds another value")),
        }
    }
}

/// Whether a rule holds of a reply.
///
/// # Errors
/// Where the reply cannot be understood; in words.
pub(super) fn holds(rule: &ResponseRule, reply: &Reply, scope: &Scope<'_>) -> Result<bool, String> {
    let ResponseRule { status, body, path, equals, equal, missing } = rule;
    if status.as_ref().is_some_and(|codes| !codes.0.contains(&reply.status)) {
        return Ok(false);
    }
    if let Some(body) = body
        && !body.compile(scope)?.is_match(&reply.text)
    {
        return Ok(false);
    }
    if let Some(path) = path {
        let pointer = path.fill(scope, Escape::Pointer);
        let Some(found) = json::find(reply.json()?, &pointer)? else {
            let says = || format!("nothing stands at {pointer} of the answer {}", reply.shown());
            return missing.ok_or_else(says);
        };
        let is_it = match equals {
            Some(equals) => json::text(found) == Some(equals.fill(scope, Escape::Plain)),
            None => json::is_true(found),
        };
        if !is_it {
            return Ok(false);
        }
    }
    if let Some([one, other]) = equal.as_deref() {
        let root = reply.json()?;
        let at = |pointer: &crate::description::Text| {
            let pointer = pointer.fill(scope, Escape::Pointer);
            json::find(root, &pointer).map(|found| found.and_then(json::text))
        };
        let (one, other) = (at(one)?, at(other)?);
        return Ok(one.is_some() && one == other);
    }
    Ok(true)
}

/// Whether an answer says that the key is absent: a text is the value that says so.
pub(super) fn says_absent(
    absent: Option<&Condition>,
    reply: &Reply,
    scope: &Scope<'_>,
) -> Result<bool, String> {
    match absent {
        Some(Condition::Rule(rule)) => holds(rule, reply, scope),
        _ => Ok(false),
    }
}

/// The text that a value has where the key is absent.
pub(super) fn absent_text(absent: Option<&Condition>, scope: &Scope<'_>) -> Option<String> {
    match absent {
        Some(Condition::Word(text)) => Some(text.fill(scope, Escape::Plain)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::read;

    const HEAD: &str = "ports = ['http']\ncommand = 'x'\n[client.http]\nread = { get = '/{key}' }\n\
                        write = { put = '/{key}', body = '{value}' }\n";

    fn meanings(text: &str) -> Meanings {
        Meanings::of(&read("x.toml", &format!("{HEAD}{text}"), &|_| None).unwrap().errors)
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rules = meanings(
            "[[errors]]\nstatus = [500, 503]\nbody = '^not leader'\nmeans = 'not-leader'\n\
             [[errors]]\nstatus = 500\nmeans = 'refused'\n[[errors]]\nbody = 'gone'\nmeans = 'unknown'\n",
        );
        let means = |status, text: &str| rules.find(&Reply::new(status, text.into()));
        assert_eq!(means(503, "not leader, gone"), Some(Means::NotLeader));
        assert_eq!(means(500, "gone"), Some(Means::Refused));
        assert_eq!(means(200, "x\nit is gone"), Some(Means::Unknown));
        assert_eq!(means(503, "busy"), None);
    }

    #[test]
    fn what_may_have_happened_is_never_called_failed() {
        let (places, leader) = (BTreeMap::new(), LeaderSeen::default());
        let at = At { node: 2, places: &places, leader: &leader };
        let change = Change::Put("1".into());
        let write = Request::Write { key: "k".into(), change, command: (0, 1) };
        let write = Asked::of(&write).unwrap();
        let read = Asked::of(&Request::Get { key: "k".into(), leader_only: false }).unwrap();
        let outcome =
            |means, asked: &Asked| at.conclude(means, asked, "reason".into()).unwrap_err();
        assert!(outcome(Means::Unknown, &write).is_indefinite);
        assert!(!outcome(Means::Unknown, &read).is_indefinite, "a read changes nothing");
        assert!(!outcome(Means::Refused, &write).is_indefinite);
        assert_eq!(outcome(Means::NotLeader, &write).next, Next::Elsewhere);
        leader.note(3);
        let next = Next::Leader { node: 3, address: String::new() };
        assert_eq!(outcome(Means::NotLeader, &write).next, next);
        leader.note(2);
        assert_eq!(outcome(Means::NotLeader, &write).next, Next::Elsewhere, "it has just said so");
        assert_eq!(
            at.conclude(Means::Absent, &read, String::new()).unwrap().result,
            Answered::Value(None)
        );
    }
}
