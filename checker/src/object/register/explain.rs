//! Kinds of register violations and their sentences.
//!
//! In the comments the blocked operation saw `a`, and `b` is another value that had been there before it began.

use super::close::RegisterObject;
use crate::history::{Function, Operation, Outcome, Value};
use crate::linear::witness::{Case, Explain, Fate, Told, fallback, fate, words};

/// The value that a register operation saw.
fn seen(operation: &Operation) -> Option<Value> {
    match (operation.function, operation.outcome) {
        (Function::Read, Outcome::Ok) => Some(operation.value),
        (Function::Cas, Outcome::Ok) => Some(operation.value),
        (Function::Cas, Outcome::Rejected) if operation.saw != Value::UNTOLD => Some(operation.saw),
        _ => None,
    }
}

/// The value that a register operation left, if it may have changed the register.
fn left(operation: &Operation) -> Option<Value> {
    match (operation.function, operation.outcome) {
        (_, Outcome::Fail | Outcome::Rejected) => None,
        (Function::Write, _) => Some(operation.value),
        (Function::Cas, _) if operation.value != operation.second => Some(operation.second),
        (Function::Delete, _) => Some(Value::NIL),
        _ => None,
    }
}

/// The value that a register operation would have left.
fn meant(operation: &Operation) -> Option<Value> {
    match operation.function {
        Function::Write => Some(operation.value),
        Function::Cas => Some(operation.second),
        _ => None,
    }
}

fn ended_before(operation: &Operation, other: &Operation) -> bool {
    operation.completed < other.invoked
}

impl Explain for RegisterObject<'_> {
    /// Tells what is wrong with a minimal set of register operations.
    fn explain(&self, case: &Case<'_>) -> Told {
        let blocked = case.blocked();
        if blocked.outcome == Outcome::Rejected
            && seen(blocked).is_none_or(|saw| saw == blocked.value)
        {
            return wrong_rejection(case);
        }
        let Some(value) = seen(blocked).filter(|_| case.is_blocked) else {
            return fallback(case, "");
        };
        let began_in_time = |operation: &Operation| operation.invoked < blocked.completed;
        let writers: Vec<u32> = case
            .whole()
            .filter(|&(index, operation)| index != case.blocked && left(operation) == Some(value))
            .map(|(index, _)| index)
            .collect();
        let (early, late): (Vec<u32>, Vec<u32>) =
            writers.into_iter().partition(|&index| began_in_time(case.operation(index)));
        let is_initial = value == case.initial;
        if early.is_empty() && !is_initial {
            return match late.first() {
                Some(&writer) => from_the_future(case, value, writer),
                None => no_writer(case, value),
            };
        }
        let older = Older { case, value, is_initial, early };
        if blocked.function == Function::Cas
            && blocked.outcome == Outcome::Ok
            && let Some(told) = two_updates(case, &older)
        {
            return told;
        }
        replaced(case, &older).unwrap_or_else(|| fallback(case, ""))
    }
}

fn wrong_rejection(case: &Case<'_>) -> Told {
    let blocked = case.blocked();
    let expected = words::value(case.history, blocked.value);
    let headline = "A compare-and-set was rejected although the value was the expected one.";
    let text = case.capital_one(case.blocked);
    if seen(blocked).is_some() {
        let explanation = format!("{text} was rejected, and saw {expected}, which it expected.");
        return Told::new("wrong-rejection", headline, explanation);
    }
    if !case.is_blocked {
        return fallback(case, "");
    }
    let others: Vec<String> = case.others().map(|(index, _)| case.one(index)).collect();
    let others = match others.as_slice() {
        [] => String::new(),
        several => format!(", in every order of {}", words::listed(several)),
    };
    let explanation = format!(
        "{text} was rejected without an error, which says that the value was another. But the value was \
         {expected} all the time that it could have looked{others}.",
    );
    Told::new("wrong-rejection", headline, explanation)
}

fn no_writer(case: &Case<'_>, value: Value) -> Told {
    let (history, blocked) = (case.history, case.blocked());
    let shown = words::value(history, value);
    let failed = |is_early: bool| {
        case.whole().find(|(_, operation)| {
            meant(operation) == Some(value)
                && matches!(operation.outcome, Outcome::Fail | Outcome::Rejected)
                && (operation.invoked < blocked.completed) == is_early
        })
    };
    if let Some((failed, operation)) = failed(true) {
        let reported = match operation.outcome {
            Outcome::Rejected => "was rejected",
            _ => "was reported as failed",
        };
        let found = match failed == case.blocked {
            // Tried again, it met what its first try had left.
            true => format!("it found {shown} there"),
            false => format!("{} saw {shown}", case.one(case.blocked)),
        };
        let explanation = format!(
            "{} {reported}, so it must never take effect. But {found}, and nothing else that had begun by \
             then leaves it. (What may have taken effect, as after a time-out, is to be recorded as info.)",
            case.capital_one(failed),
        );
        let headline = "A client saw the value of a write that had been reported as failed.";
        return Told::new("failed-write-read", headline, explanation);
    }
    let text = case.capital_one(case.blocked);
    let explanation = match failed(false) {
        Some((failed, _)) => format!(
            "{text} saw {shown}, and no client had begun to write {shown} by then. {} began {}.",
            case.capital_one(failed),
            case.later(case.blocked, failed),
        ),
        None => format!("{text} saw {shown}, and no client ever wrote {shown}."),
    };
    Told::new("never-written", "A client saw a value that nobody had written.", explanation)
}

fn from_the_future(case: &Case<'_>, value: Value, writer: u32) -> Told {
    let explanation = format!(
        "{} ended with {shown}, and no client had begun an operation that leaves {shown} by then. {} was \
         the first, and began {}.",
        case.capital_one(case.blocked),
        case.capital_one(writer),
        case.later(case.blocked, writer),
        shown = words::value(case.history, value),
    );
    Told::new("future-read", "A client saw a value before anybody began to write it.", explanation)
}

/// Two cas succeeded on a value that was written once.
fn two_updates(case: &Case<'_>, older: &Older<'_>) -> Option<Told> {
    let other = case.others().find(|(_, operation)| {
        operation.function == Function::Cas
            && operation.outcome == Outcome::Ok
            && operation.value == older.value
            && left(operation).is_some()
    })?;
    let in_set = |index: &u32| case.operations.binary_search(index).is_ok();
    let writers: Vec<u32> = older.early.iter().copied().filter(in_set).collect();
    let was_there = match (older.is_initial, writers.as_slice()) {
        (true, []) => "with which the key began".to_owned(),
        (false, &[writer]) => format!("which only {} had left there", case.one(writer)),
        _ => return None,
    };
    let explanation = format!(
        "{} and {} both succeeded on {}, {was_there}: the first to take effect replaced it, so the other \
         overwrote an update that it had not seen.",
        case.capital_one(other.0),
        case.one(case.blocked),
        words::value(case.history, older.value),
    );
    Some(Told::new("lost-update", "Two compare-and-sets succeeded on the same value.", explanation))
}

/// What is known of the value that the blocked operation saw.
struct Older<'a> {
    case: &'a Case<'a>,
    value: Value,
    /// The key began with it.
    is_initial: bool,
    /// The operations of the key that leave it and began before the blocked one ended.
    early: Vec<u32>,
}

/// Why a value is older than another.
enum Reason {
    /// The key began with it.
    Initial,
    /// This operation, the last to leave it, had ended before the other's began.
    Written(u32),
    /// This operation replaced it.
    Linked,
    /// This operation had shown it before the other's began.
    Read(u32),
}

impl Older<'_> {
    /// The writers that the blocked operation may have had its value from: nothing in the set surely came after
    /// them. All of them are in the set (`RegisterObject::close` keeps them).
    fn possible(&self) -> Vec<u32> {
        let case = self.case;
        let is_overwritten = |writer: &Operation| {
            case.others().any(|(_, other)| {
                left(other).is_some()
                    && ended_before(other, case.blocked())
                    && ended_before(writer, other)
            })
        };
        let early = self.early.iter().copied();
        early.filter(|&index| !is_overwritten(case.operation(index))).collect()
    }

    /// Why the value is older than what `newer`, a writer, left.
    fn than(&self, newer: u32) -> Option<Reason> {
        let case = self.case;
        let operation = case.operation(newer);
        let possible = self.possible();
        if possible.iter().all(|&writer| ended_before(case.operation(writer), operation)) {
            let before = |&&index: &&u32| ended_before(case.operation(index), operation);
            let last = self.early.iter().filter(before);
            return match last.max_by_key(|&&index| case.operation(index).completed) {
                Some(&writer) => Some(Reason::Written(writer)),
                None => self.is_initial.then_some(Reason::Initial),
            };
        }
        let [writer] = possible.as_slice() else { return None };
        if self.is_initial || *writer == newer {
            return None;
        }
        if operation.function == Function::Cas && operation.value == self.value {
            return Some(Reason::Linked);
        }
        let reader = case
            .others()
            .find(|(_, other)| seen(other) == Some(self.value) && ended_before(other, operation));
        reader.map(|(index, _)| Reason::Read(index))
    }

    fn tell(&self, reason: &Reason, newer: u32) -> String {
        let case = self.case;
        let newer = case.label(newer);
        match reason {
            Reason::Initial => ", with which the key began".to_owned(),
            Reason::Written(writer) => {
                format!(", which is older: {} had ended before {newer} began", case.one(*writer))
            }
            Reason::Linked => format!(", which {newer} had replaced"),
            Reason::Read(reader) => {
                format!(", which is older: {} had shown it before {newer} began", case.one(*reader))
            }
        }
    }
}

/// What shows that another value was there before the blocked operation began.
#[derive(Clone, Copy)]
struct Newer {
    /// The operation that shows it.
    shown_by: u32,
    value: Value,
    /// Whether that operation wrote it.
    is_writer: bool,
}

/// The operations that had ended before the blocked one began and show another value: writes first, late ones
/// first.
fn newer_values(case: &Case<'_>, value: Value) -> Vec<Newer> {
    let ended = || case.others().filter(|(_, operation)| ended_before(operation, case.blocked()));
    let wrote = ended().filter_map(|(index, operation)| {
        let left = left(operation)?;
        Some(Newer { shown_by: index, value: left, is_writer: true })
    });
    let saw = ended().filter(|(_, operation)| left(operation).is_none());
    let saw = saw.filter_map(|(index, operation)| {
        Some(Newer { shown_by: index, value: seen(operation)?, is_writer: false })
    });
    let mut newer: Vec<Newer> = wrote.chain(saw).filter(|newer| newer.value != value).collect();
    let completed = |newer: &Newer| case.operation(newer.shown_by).completed;
    newer.sort_by_key(|newer| std::cmp::Reverse((newer.is_writer, completed(newer))));
    newer
}

/// The blocked operation saw a value that is older than one that was there before: stale, lost, or a matter of
/// order.
fn replaced(case: &Case<'_>, older: &Older<'_>) -> Option<Told> {
    let newer = newer_values(case, older.value);
    for &newer in &newer {
        if newer.is_writer {
            if let Some(reason) = older.than(newer.shown_by) {
                return Some(acknowledged(case, older, newer, &reason));
            }
            continue;
        }
        // Every writer that the other value may be from.
        let writers: Vec<u32> = case
            .others()
            .filter(|(_, operation)| left(operation) == Some(newer.value))
            .map(|(index, _)| index)
            .collect();
        let reasons: Option<Vec<Reason>> =
            writers.iter().map(|&writer| older.than(writer)).collect();
        if newer.value != case.initial
            && let (Some(reasons), [first, ..]) = (reasons, writers.as_slice())
        {
            return Some(shown(case, older, newer, *first, &reasons[0]));
        }
    }
    newer.into_iter().find_map(|newer| split(case, older, newer))
}

/// A change was acknowledged, and the blocked operation saw what was there before.
fn acknowledged(case: &Case<'_>, older: &Older<'_>, newer: Newer, reason: &Reason) -> Told {
    let told = format!(
        "{} was acknowledged. {}{}.",
        case.capital_one(newer.shown_by),
        began(case, older, newer.shown_by),
        older.tell(reason, newer.shown_by),
    );
    if case.blocked().function == Function::Cas && case.blocked().outcome == Outcome::Ok {
        return overwritten(told);
    }
    let value = words::value(case.history, newer.value);
    let shows = |_: u32, operation: &Operation| seen(operation) == Some(newer.value);
    let replaces = |_: u32, operation: &Operation| {
        left(operation).is_some_and(|left| left != newer.value && left != older.value)
    };
    match fate(case, newer.shown_by, &value, shows, replaces) {
        Fate::Stale(more) => Told::new(
            "stale-read",
            "A client read a value older than an acknowledged one.",
            told + &more,
        ),
        Fate::Lost(more, true) => {
            Told::new("lost-write", "A write was acknowledged and then lost.", told + &more)
        }
        Fate::Lost(more, false) => Told::new(
            "lost-write",
            "A write was acknowledged, and no later read shows it.",
            told + &more,
        ),
    }
}

/// `30.0 ms later client 3 began “read → 5” (C) on n3 and got 5`.
fn began(case: &Case<'_>, older: &Older<'_>, before: u32) -> String {
    format!(
        "{} {} began {} and got {}",
        case.capital_later(before, case.blocked),
        words::client(case.blocked()),
        case.quoted_on(case.blocked),
        words::value(case.history, older.value),
    )
}

fn overwritten(told: String) -> Told {
    let explanation = format!("{told} It overwrote an update that it had not seen.");
    let headline = "A compare-and-set succeeded on a value older than an acknowledged one.";
    Told::new("lost-update", headline, explanation)
}

/// Another client had seen a newer value.
fn shown(case: &Case<'_>, older: &Older<'_>, newer: Newer, writer: u32, reason: &Reason) -> Told {
    let told = format!(
        "{} had shown {}, from {}. {}{}.",
        case.capital_one(newer.shown_by),
        words::value(case.history, newer.value),
        case.one(writer),
        began(case, older, newer.shown_by),
        older.tell(reason, writer),
    );
    if case.blocked().function == Function::Cas && case.blocked().outcome == Outcome::Ok {
        let explanation = format!("{told} It overwrote an update that it had not seen.");
        let headline = "A compare-and-set succeeded on a value older than one already read.";
        return Told::new("lost-update", headline, explanation);
    }
    let headline = "A client read a value after another had read a newer one.";
    Told::new("stale-read", headline, told)
}

/// Two writes overlap, so either may be the newer; what was seen says both.
fn split(case: &Case<'_>, older: &Older<'_>, newer: Newer) -> Option<Told> {
    let &[own] = older.possible().as_slice() else { return None };
    let mut writers = case.others().filter(|(_, operation)| left(operation) == Some(newer.value));
    let (other, None) = (writers.next()?.0, writers.next()) else { return None };
    let overlap = !ended_before(case.operation(own), case.operation(other))
        && !ended_before(case.operation(other), case.operation(own));
    if !overlap || older.is_initial || newer.value == case.initial || own == other {
        return None;
    }
    // Something that shows the other value after this one had been there.
    let shows_own =
        |index: u32, operation: &Operation| index == own || seen(operation) == Some(older.value);
    let (first, then) = case.others().find_map(|(then, reader)| {
        if then == other || seen(reader) != Some(newer.value) {
            return None;
        }
        let mut before = case.others().filter(|(_, before)| ended_before(before, reader));
        let first = before.find(|&(index, operation)| shows_own(index, operation))?;
        Some((first.0, then))
    })?;
    let value = |value| words::value(case.history, value);
    let after = |index: u32, writer: u32| {
        if index == writer {
            format!("after {} had ended", case.label(writer))
        } else {
            format!("after {} had seen the other", case.one(index))
        }
    };
    let explanation = format!(
        "{} and {} overlapped, so either may be the newer. But {} got {}, and began {}; and {} got {}, and \
         began {}. So both orders were seen.",
        case.capital_one(own),
        case.one(other),
        case.one(then),
        value(newer.value),
        after(first, own),
        case.one(case.blocked),
        value(older.value),
        after(newer.shown_by, other),
    );
    Some(Told::new("split-read", "Reads disagree about which of two values is newer.", explanation))
}
