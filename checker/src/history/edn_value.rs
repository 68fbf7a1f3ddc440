//! A value in EDN.

use serde_json::{Map, Value as Json};

/// A value in EDN.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edn {
    Nil,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Keyword(String),
    Symbol(String),
    List(Vec<Edn>),
    Map(Vec<(Edn, Edn)>),
    /// `#jepsen.independent/tuple [key value]`, a map entry in Clojure.
    Tuple(Box<(Edn, Edn)>),
}

impl Edn {
    pub(super) fn to_json(&self) -> Json {
        match self {
            Edn::Nil => Json::Null,
            Edn::Bool(value) => Json::from(*value),
            Edn::Integer(number) => Json::from(*number),
            Edn::Float(number) => Json::from(*number),
            Edn::Text(text) | Edn::Keyword(text) | Edn::Symbol(text) => Json::from(text.as_str()),
            Edn::List(members) => members.iter().map(Edn::to_json).collect(),
            Edn::Map(fields) => {
                let name = |edn: &Edn| match edn.to_json() {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                Json::Object(
                    fields.iter().map(|(k, v)| (name(k), v.to_json())).collect::<Map<_, _>>(),
                )
            }
            Edn::Tuple(pair) => Json::from(vec![pair.0.to_json(), pair.1.to_json()]),
        }
    }

    pub(super) fn get(&self, field: &str) -> Option<&Edn> {
        let Edn::Map(fields) = self else { return None };
        fields.iter().find(|(name, _)| *name == Edn::Keyword(field.to_owned())).map(|(_, v)| v)
    }

    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Edn::Text(text) | Edn::Keyword(text) | Edn::Symbol(text) => Some(text),
            _ => None,
        }
    }
}
