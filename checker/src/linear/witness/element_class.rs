//! Kinds of violations of sets, queues, counters and locks, and their sentences.

use super::class::{Fate, fallback, fate};
use super::told::Told;
use super::{Case, words};
use crate::history::{Function, NEVER, Operation, Outcome, Value};
use crate::linear::object::{CounterObject, SetObject};

const INFO_HINT: &str =
    "(What may have taken effect, as after a time-out, is to be recorded as info.)";

/// A change that was reported as failed and that an answer shows.
fn failed(case: &Case<'_>, change: u32, shows: &str) -> String {
    format!(
        "{} was reported as failed, so it must never take effect. But {} {shows}. {INFO_HINT}",
        case.capital_one(change),
        case.one(case.blocked),
    )
}

/// Failed operations of a function that began before the blocked one ended.
fn failed_before<'a>(
    case: &'a Case<'_>,
    function: Function,
) -> impl Iterator<Item = (u32, &'a Operation)> {
    case.whole().filter(move |(_, operation)| {
        operation.function == function
            && operation.outcome == Outcome::Fail
            && operation.invoked < case.blocked().completed
    })
}

/// Kinds of set violations.
pub(super) fn set(object: &SetObject<'_>, case: &Case<'_>) -> Told {
    if !case.is_blocked || case.blocked().outcome != Outcome::Ok {
        return fallback(case, "");
    }
    let (found, lacks) = match case.blocked().function {
        Function::Read => object.found(case.operations, case.blocked),
        Function::Contains => {
            let element = vec![case.blocked().value];
            match case.blocked().second.number() {
                Some(1) => (element, Vec::new()),
                _ => (Vec::new(), element),
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
    for value in found {
        let mut adds = case
            .whole()
            .filter(|(_, operation)| added(operation, value) && operation.outcome != Outcome::Fail);
        match adds.next() {
            None => return set_unknown(case, value),
            Some((first, operation)) if operation.invoked > case.blocked().completed => {
                let explanation = format!(
                    "{} found {}, and no client had begun to add it by then. {} was the first, and began {}.",
                    case.capital_one(case.blocked),
                    words::value(case.history, value),
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
            return set_missing(object, case, add, value);
        }
    }
    fallback(case, "")
}

fn set_unknown(case: &Case<'_>, value: Value) -> Told {
    let shown = words::value(case.history, value);
    let mut adds = failed_before(case, Function::Add);
    if let Some((add, _)) = adds.find(|(_, operation)| operation.value == value) {
        let headline = "An element was found whose addition had been reported as failed.";
        return Told::new("failed-write-read", headline, failed(case, add, "found it"));
    }
    // An element that the history holds nowhere else has no name.
    let what = if value == Value::UNTOLD { "an element".to_owned() } else { shown };
    let explanation =
        format!("{} found {what}, which no client had added.", case.capital_one(case.blocked));
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

/// Kinds of queue violations.
pub(super) fn queue(case: &Case<'_>) -> Told {
    let blocked = case.blocked();
    let is_dequeue = blocked.function == Function::Dequeue && blocked.outcome == Outcome::Ok;
    if !case.is_blocked || !is_dequeue {
        return fallback(case, "");
    }
    if blocked.value == Value::NIL {
        return fallback(case, "It found the queue empty, and an element must have been in it.");
    }
    let shown = words::value(case.history, blocked.value);
    let of = |function: Function| -> Vec<u32> {
        let own = case.own().filter(|(_, operation)| {
            operation.function == function && operation.value == blocked.value
        });
        own.map(|(index, _)| index).collect()
    };
    let (enqueued, dequeued) = (of(Function::Enqueue), of(Function::Dequeue));
    if enqueued.is_empty() {
        let mut failed_ones = failed_before(case, Function::Enqueue);
        if let Some((enqueue, _)) =
            failed_ones.find(|(_, operation)| operation.value == blocked.value)
        {
            let headline = "An element came out whose enqueue had been reported as failed.";
            let explanation = failed(case, enqueue, "took it out");
            return Told::new("failed-write-read", headline, explanation);
        }
        let explanation = format!(
            "{} took out {shown}, which no client had enqueued.",
            case.capital_one(case.blocked)
        );
        return Told::new("never-written", "An element came out that nobody put in.", explanation);
    }
    let names = |indices: &[u32]| {
        words::listed(&indices.iter().map(|&index| case.one(index)).collect::<Vec<_>>())
    };
    if dequeued.len() > enqueued.len() {
        let explanation = format!(
            "{shown} was enqueued {}, by {}, and came out {}: {}.",
            words::times(enqueued.len()),
            names(&enqueued),
            words::times(dequeued.len()),
            names(&dequeued),
        );
        let headline = "An element came out more often than it was put in.";
        return Told::new("duplicate-apply", headline, explanation);
    }
    if enqueued.iter().all(|&index| case.operation(index).invoked > blocked.completed) {
        let explanation = format!(
            "{} took out {shown}, and no client had begun to enqueue it by then. {} was the first, and began {}.",
            case.capital_one(case.blocked),
            case.capital_one(enqueued[0]),
            case.later(case.blocked, enqueued[0]),
        );
        let headline = "An element came out before anybody began to put it in.";
        return Told::new("future-read", headline, explanation);
    }
    fallback(case, "Elements must come out in the order in which they went in.")
}

/// Kinds of counter violations.
pub(super) fn counter(object: &CounterObject<'_>, case: &Case<'_>) -> Told {
    if !case.is_blocked || case.blocked().function != Function::Read {
        return fallback(case, "");
    }
    let counted = failed_before(case, Function::Add)
        .find(|&(index, _)| object.has_order_with(case.operations, index));
    if let Some((add, _)) = counted {
        let text = failed(case, add, "shows a sum that can be had with it, and not without it");
        let headline = "A client read a sum that counts an addition reported as failed.";
        return Told::new("failed-write-read", headline, text);
    }
    fallback(case, "The sum that was read cannot be reached in any order.")
}

/// Kinds of lock violations.
pub(super) fn mutex(case: &Case<'_>) -> Told {
    let acquired: Vec<(u32, &Operation)> = case
        .own()
        .filter(|(_, operation)| {
            operation.function == Function::Acquire && operation.completed != NEVER
        })
        .collect();
    let released_between = |first: &Operation, second: &Operation| {
        case.own().any(|(_, operation)| {
            operation.function == Function::Release
                && operation.completed > first.invoked
                && operation.invoked < second.completed
        })
    };
    let pairs = acquired
        .iter()
        .enumerate()
        .flat_map(|(place, first)| acquired[place + 1..].iter().map(move |second| (first, second)));
    let mut held = pairs.filter(|(first, second)| !released_between(first.1, second.1));
    if let Some((&(first, one), &(second, other))) = held.next() {
        let explanation = format!(
            "{} was granted, and so was {}, and nothing can have released the lock between them.",
            case.capital_one(first),
            case.one(second),
        );
        let headline = match one.process == other.process {
            true => "A client was granted a lock that it already held.",
            false => "Two clients held a lock at the same time.",
        };
        return Told::new("double-acquire", headline, explanation);
    }
    let is_release = |operation: &Operation| operation.function == Function::Release;
    if case.own().all(|(_, operation)| is_release(operation)) {
        return fallback(case, "Nobody held the lock when it was released.");
    }
    fallback(case, "A lock is held by one at a time, and released only while it is held.")
}
