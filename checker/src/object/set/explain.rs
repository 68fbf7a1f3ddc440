//! Kinds of violations of sets, and their sentences.

use super::close::{Element, SetObject};
use crate::history::{Function, Operation, Outcome, Value};
use crate::linear::witness::{
    Case, Explain, Fate, Told, failed, failed_before, fallback, fate, words,
};

impl Explain for SetObject<'_> {
    /// Kinds of set violations.
    fn explain(&self, case: &Case<'_>) -> Told {
        if !case.is_blocked || case.blocked().outcome != Outcome::Ok {
            return fallback(case, "");
        }
        let (found, lacks) = match case.blocked().function {
            Function::Read => self.found(case.operations, case.blocked),
            Function::Contains => {
                let value = case.blocked().value;
                let element = || Element::new(value, &case.history.values.json(value));
                match case.blocked().second.number() {
                    Some(1) => (vec![element()], Vec::new()),
                    _ => (Vec::new(), vec![value]),
                }
            }
            _ => return fallback(case, ""),
        };
        let added = |operation: &Operation, value: Value| {
            operation.function == Function::Add && operation.value == value
        };
        let removed = |operation: &Operation, value: Value| {
            operation.function == Function::Remove && operation.value == value
        };
        for Element { value, words: name } in found {
            let name = words::shortened(&name);
            let mut adds = case.whole().filter(|(_, operation)| {
                added(operation, value) && operation.outcome != Outcome::Fail
            });
            match adds.next() {
                None => return set_unknown(case, value, &name),
                Some((first, operation)) if operation.invoked > case.blocked().completed => {
                    let explanation = format!(
                        "{} found {name}, and no client had begun to add it by then. {} was the first, and began {}.",
                        case.capital_one(case.blocked),
                        case.capital_one(first),
                        case.later(case.blocked, first),
                    );
                    let headline = "An element was found before anybody began to add it.";
                    return Told::new("future-read", headline, explanation);
                }
                Some(_) => {}
            }
        }
        for value in lacks {
            if case.own().any(|(_, operation)| removed(operation, value)) {
                continue;
            }
            let add = case.others().find(|(_, operation)| {
                added(operation, value) && operation.completed < case.blocked().invoked
            });
            if let Some((add, _)) = add {
                return set_missing(self, case, add, value);
            }
        }
        fallback(case, "")
    }
}

fn set_unknown(case: &Case<'_>, value: Value, name: &str) -> Told {
    let mut adds = failed_before(case, Function::Add);
    if let Some((add, _)) = adds.find(|(_, operation)| operation.value == value) {
        let headline = "An element was found whose addition had been reported as failed.";
        return Told::new("failed-write-read", headline, failed(case, add, "found it"));
    }
    let explanation =
        format!("{} found {name}, which no client had added.", case.capital_one(case.blocked));
    Told::new("never-written", "An element was found that nobody had added.", explanation)
}

fn set_missing(object: &SetObject<'_>, case: &Case<'_>, add: u32, value: Value) -> Told {
    let name = words::value(case.history, value);
    let told = format!(
        "{} was acknowledged. {} {} began {}, and {name} was not in it.",
        case.capital_one(add),
        case.capital_later(add, case.blocked),
        words::client(case.blocked()),
        case.quoted_on(case.blocked),
    );
    let shows = |_: u32, operation: &Operation| object.shows(operation, value);
    let replaces = |_: u32, operation: &Operation| {
        operation.function == Function::Remove
            && operation.value == value
            && operation.outcome != Outcome::Fail
    };
    match fate(case, add, &name, shows, replaces) {
        Fate::Stale(more) => {
            let headline = "A client read a set without an element that was acknowledged.";
            Told::new("stale-read", headline, told + &more)
        }
        Fate::Lost(more, true) => {
            Told::new("lost-write", "An element was acknowledged and then lost.", told + &more)
        }
        Fate::Lost(more, false) => Told::new(
            "lost-write",
            "An element was acknowledged, and no later read shows it.",
            told + &more,
        ),
    }
}
