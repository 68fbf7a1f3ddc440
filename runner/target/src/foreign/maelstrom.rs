//! A client of nodes that speak Maelstrom's protocol: its workload lin-kv, of which keys and values are numbers where
//! they can be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::json;
use super::meaning::{Asked, At, Meanings, Reply, refused, shown};
use super::shim::meaning_of;
use crate::description::{Description, Offer};
use crate::node::Place;
use crate::{Answer, Answered, LeaderSeen, Next, Pending, Request, Setback, Wire};

/// Keys that end in no number of their own get one from here on.
const NAMELESS_FROM: u64 = 1_000_000;

/// The number that each key is called by: many nodes take no other keys. All clients of a target share them.
#[derive(Debug, Default)]
pub(super) struct KeyNumbers(Mutex<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    of: BTreeMap<String, u64>,
    taken: BTreeSet<u64>,
}

impl KeyNumbers {
    /// That with which the key ends, so that logs can be read beside the history; another one where that is taken.
    fn of(&self, key: &str) -> u64 {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = numbers.of.get(key) {
            return *number;
        }
        let end = key.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
        let own = key[end..].parse().ok().filter(|own| *own < NAMELESS_FROM);
        let mut free = own.into_iter().chain(NAMELESS_FROM..);
        let number = free.find(|number| !numbers.taken.contains(number)).unwrap_or(u64::MAX);
        numbers.taken.insert(number);
        numbers.of.insert(key.to_owned(), number);
        number
    }
}

/// One client.
pub(super) struct MaelstromClient {
    meanings: Meanings,
    wire: Box<dyn Wire>,
    keys: Arc<KeyNumbers>,
    leader: LeaderSeen,
}

impl MaelstromClient {
    /// That reaches nodes by this.
    pub(super) fn new(
        description: &Description,
        wire: Box<dyn Wire>,
        keys: Arc<KeyNumbers>,
        leader: LeaderSeen,
    ) -> Self {
        Self { meanings: Meanings::of(&description.errors), wire, keys, leader }
    }

    async fn asked(
        &mut self,
        node: u32,
        request: Request,
        time: Duration,
    ) -> Result<Answer, Setback> {
        if request == Request::OpenSession {
            // Session 0 is none.
            return Ok(Answer { result: Answered::Opened(0), node, term: None });
        }
        let asked = Asked::of(&request)?;
        let body = body(&asked, self.keys.of(asked.word("key")))?;
        let answer =
            self.wire.ask(node, body, time).await.map_err(|lost| {
                Setback::unreachable(lost.is_sent && asked.is_change(), lost.reason)
            })?;
        let nowhere: BTreeMap<u32, Place> = BTreeMap::new();
        let at = At { node, places: &nowhere, leader: &self.leader };
        understood(&answer, &asked, at, &self.meanings)
    }
}

impl crate::Client for MaelstromClient {
    fn ask(
        &mut self,
        node: u32,
        request: Request,
        deadline: Duration,
    ) -> Pending<'_, Result<Answer, Setback>> {
        Box::pin(self.asked(node, request, deadline))
    }
}

/// A request of lin-kv.
fn body(asked: &Asked, key: u64) -> Result<Value, Setback> {
    let value = |name: &str| {
        let text = asked.word(name);
        let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
        number.map_or_else(|| Value::from(text), Value::from)
    };
    match asked.offer {
        Offer::Read => Ok(json!({ "type": "read", "key": key })),
        Offer::Write => Ok(json!({ "type": "write", "key": key, "value": value("value") })),
        Offer::Cas => {
            Ok(json!({ "type": "cas", "key": key, "from": value("old"), "to": value("new") }))
        }
        other => Err(refused(Next::GiveUp, format!("lin-kv has no `{}`", other.name()))),
    }
}

/// What an answer says.
fn understood(
    answer: &Value,
    asked: &Asked,
    at: At<'_>,
    meanings: &Meanings,
) -> Result<Answer, Setback> {
    let unclear = |says: &str| {
        let reason = format!("n{}'s answer {} {says}", at.node, shown(&answer.to_string()));
        Setback::unreachable(asked.is_change(), reason)
    };
    match (answer["type"].as_str().unwrap_or_default(), asked.offer) {
        ("error", _) => {
            let code = answer["code"].as_i64().ok_or_else(|| unclear("has no number as `code`"))?;
            let text = answer.get("text").and_then(json::text).unwrap_or_default();
            let reply = Reply::new(code, text);
            let means = meanings.find(&reply).unwrap_or_else(|| meaning_of(code));
            at.conclude(means, asked, format!("error {code} {}", reply.shown()))
        }
        ("read_ok", Offer::Read) => match answer.get("value") {
            Some(value) => Ok(at.value(json::text(value))),
            None => Err(unclear("has no value")),
        },
        ("write_ok", Offer::Write) | ("cas_ok", Offer::Cas) => Ok(at.answer(Answered::Written)),
        _ => Err(unclear(&format!("answers no {}", asked.offer.name()))),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Change;

    fn asked(change: Option<Change>) -> Asked {
        let key = String::from("k7");
        Asked::of(&match change {
            None => Request::Get { key, leader_only: false },
            Some(change) => Request::Write { key, change, command: (0, 1) },
        })
        .unwrap()
    }

    fn cas() -> Asked {
        asked(Some(Change::Cas { expected: Some("3".into()), new: "x9".into() }))
    }

    fn said(answer: &Value, asked: &Asked) -> Result<Answered, Setback> {
        let (places, leader) = (BTreeMap::new(), LeaderSeen::default());
        let at = At { node: 2, places: &places, leader: &leader };
        understood(answer, asked, at, &Meanings::of(&[])).map(|answer| answer.result)
    }

    #[test]
    fn keys_and_values_are_numbers_where_they_can_be_and_no_two_keys_are_one() {
        let write = asked(Some(Change::Put("12".into())));
        let written = json!({ "type": "write", "key": 7, "value": 12 });
        assert_eq!(body(&write, 7).unwrap(), written);
        let swap = json!({ "type": "cas", "key": 7, "from": 3, "to": "x9" });
        assert_eq!(body(&cas(), 7).unwrap(), swap);
        assert!(body(&asked(Some(Change::Append("1".into()))), 7).is_err());
        let keys = KeyNumbers::default();
        assert_eq!(["k7", "k12", "k7"].map(|key| keys.of(key)), [7, 12, 7]);
        let others = ["try-7", "never-written", "k99999999999999999999"].map(|key| keys.of(key));
        assert_eq!(others, [NAMELESS_FROM, NAMELESS_FROM + 1, NAMELESS_FROM + 2]);
    }

    #[test]
    fn answers_mean_what_the_protocol_says_and_in_doubt_a_change_may_have_happened() {
        let (read, write) = (asked(None), asked(Some(Change::Put("1".into()))));
        let value = said(&json!({ "type": "read_ok", "value": 5 }), &read).unwrap();
        assert_eq!(value, Answered::Value(Some(Bytes::from("5"))));
        let error = |code: i64| json!({ "type": "error", "code": code, "text": "so" });
        assert_eq!(said(&error(20), &read).unwrap(), Answered::Value(None));
        assert_eq!(said(&json!({ "type": "cas_ok" }), &cas()).unwrap(), Answered::Written);
        assert_eq!(said(&error(20), &cas()).unwrap(), Answered::Mismatch(None));
        for code in [1, 10, 11, 12, 14, 22] {
            assert!(!said(&error(code), &cas()).unwrap_err().is_indefinite, "{code}");
        }
        for code in [0, 13, 99] {
            assert!(said(&error(code), &write).unwrap_err().is_indefinite, "{code}");
        }
        for unclear in [json!({ "type": "cas_ok" }), json!({ "type": "error" }), json!({})] {
            assert!(said(&unclear, &write).unwrap_err().is_indefinite, "{unclear}");
            assert!(said(&unclear, &read).is_err());
        }
        assert!(said(&json!({ "type": "read_ok" }), &read).is_err(), "it has no value");
    }
}
