//! What a runner notes of its own run: facts, as nemesis events in the history. The checker judges them.
//!
//! The last one is [`Fact::End`]. A runner that was killed leaves none, so a history without it tells by
//! itself that its run did not come to its end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::event::{Event, EventType, Process};

/// One fact. The variant is the event's `f`, its fields are the event's `value`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", content = "value", rename_all = "snake_case")]
pub enum Fact {
    /// The first line: what follows, in this file and in those beside it, is of this version. Histories of version 1
    /// have none.
    Recording {
        /// [`crate::run_folder::SCHEMA_VERSION`].
        schema_version: u32,
        /// The checker is to report a violation that is not there: the positive control.
        #[serde(default)]
        canary: bool,
    },
    /// Something could not be brought back to what it was before the faults.
    Unhealed {
        /// What, in words.
        trouble: String,
    },
    /// A node was taken out of the cluster for good, and its server ended: its state at the end is nobody's.
    Left {
        /// `n3`.
        node: String,
    },
    /// A part of the plan was not carried out.
    Incomplete {
        /// Which, in words.
        reason: String,
    },
    /// Who dialled whom, in a run whose nodes know each other's real addresses and whose dials are redirected.
    Dials {
        /// Dials that went through the proxies, by pair: `n1>n2`. What is missing here, no partition could touch.
        redirected: BTreeMap<String, u64>,
        /// Those that went where no node listens: `n1>10.0.0.1:53`; at most 64 such.
        elsewhere: BTreeMap<String, u64>,
        /// Those beyond these.
        elsewhere_more: u64,
        /// Dials that were refused, or whose destination could not be read, by what was the matter.
        trouble: BTreeMap<String, u64>,
    },
    /// Something went less well than it should.
    Note {
        /// What, in words.
        text: String,
    },
    /// A signal cut the run short.
    Interrupted {
        /// `SIGTERM`, `SIGINT`.
        signal: String,
    },
    /// The machine failed, or the cluster never worked: the run says nothing about the target.
    Environment {
        /// How, in words.
        reason: String,
    },
    /// The last line: everything was noted.
    End {},
}

impl Fact {
    /// The fact as an event of the history, yet without a time.
    pub fn event(&self) -> Event {
        let fact = serde_json::to_value(self).unwrap_or_default();
        let f = fact["f"].as_str().unwrap_or_default();
        Event::new(Process::Nemesis, EventType::Info, f, fact["value"].clone())
    }

    /// The fact of a nemesis event; `None`: it is another kind of event.
    pub fn of(event: &Event) -> Option<Fact> {
        let fact: Value = json!({ "f": event.f, "value": event.value });
        serde_json::from_value(fact).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_one_form_in_the_history() {
        let reason = || "no port is free".to_owned();
        let forms = [
            (
                Fact::Recording { schema_version: 2, canary: false },
                r#""f":"recording","value":{"canary":false,"schema_version":2}"#,
            ),
            (
                Fact::Unhealed { trouble: reason() },
                r#""f":"unhealed","value":{"trouble":"no port is free"}"#,
            ),
            (
                Fact::Incomplete { reason: reason() },
                r#""f":"incomplete","value":{"reason":"no port is free"}"#,
            ),
            (Fact::Left { node: "n3".into() }, r#""f":"left","value":{"node":"n3"}"#),
            (Fact::Note { text: reason() }, r#""f":"note","value":{"text":"no port is free"}"#),
            (
                Fact::Interrupted { signal: "SIGTERM".into() },
                r#""f":"interrupted","value":{"signal":"SIGTERM"}"#,
            ),
            (
                Fact::Environment { reason: reason() },
                r#""f":"environment","value":{"reason":"no port is free"}"#,
            ),
            (
                Fact::Dials {
                    redirected: BTreeMap::from([("n1>n2".to_owned(), 3)]),
                    elsewhere: BTreeMap::new(),
                    elsewhere_more: 0,
                    trouble: BTreeMap::new(),
                },
                r#""f":"dials","value":{"elsewhere":{},"elsewhere_more":0,"redirected":{"n1>n2":3},"trouble":{}}"#,
            ),
            (Fact::End {}, r#""f":"end","value":{}"#),
        ];
        for (fact, form) in forms {
            let line = serde_json::to_string(&fact.event()).unwrap();
            let whole = format!(r#"{{"process":"nemesis","type":"info",{form},"time_ns":0}}"#);
            assert_eq!(line, whole);
            assert_eq!(Fact::of(&serde_json::from_str(&line).unwrap()), Some(fact));
        }
        let phase = Event { f: "phase".into(), ..Fact::End {}.event() };
        assert_eq!(Fact::of(&phase), None);
    }
}
