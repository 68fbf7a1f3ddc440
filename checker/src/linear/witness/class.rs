//! Kinds of violations and their sentences.

use super::{Case, words};
use crate::history::{Function, History, NEVER, Operation, Outcome, Value};
use crate::linear::object::SetObject;

/// What a violation is called and how it is told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The slug.
    pub(crate) anomaly: &'static str,
    /// One sentence without values.
    pub(crate) headline: &'static str,
    /// Sentences with values.
    pub(crate) explanation: String,
    /// Operations worth showing beside the proof.
    pub(crate) context: Vec<u32>,
}

impl Told {
    pub(super) fn new(anomaly: &'static str, headline: &'static str, explanation: String) -> Told {
        Told { anomaly, headline, explanation, context: Vec::new() }
    }

    pub(super) fn with_context(mut self, context: impl IntoIterator<Item = u32>) -> Told {
        self.context.extend(context);
        self
    }
}

/// When no template fits.
pub(super) fn fallback(case: &Case<'_>, why: &str) -> Told {
    let blocked = case.blocked();
    let explanation = format!(
        "No order of these {} operations gives every client the answer it got. {why} The one that fits \
         nowhere is {}’s “{}”{}.",
        case.operations.len(),
        words::client(blocked),
        words::operation(case.history, blocked),
        words::on_node(case.history, blocked),
    );
    Told::new(
        "not-linearizable",
        "No order of the operations explains what clients saw.",
        explanation,
    )
}

/// The value that a register operation saw.
fn seen(operation: &Operation) -> Option<Value> {
    match (operation.function, operation.outcome) {
        (Function::Read, Outcome::Ok) => Some(operation.value),
        (Function::Cas, Outcome::Ok | Outcome::Info) => Some(operation.value),
        (Function::Cas, Outcome::Rejected) if operation.saw != Value::UNTOLD => Some(operation.saw),
        _ => None,
    }
}

/// The value that a register operation left.
fn left(operation: &Operation) -> Option<Value> {
    match (operation.function, operation.outcome) {
        (_, Outcome::Fail | Outcome::Rejected) => None,
        (Function::Write, _) => Some(operation.value),
        (Function::Cas, _) => Some(operation.second),
        (Function::Delete, _) => Some(Value::NIL),
        _ => None,
    }
}

/// Kinds of register violations.
pub(super) fn register(case: &Case<'_>) -> Told {
    let blocked = case.blocked();
    if blocked.outcome == Outcome::Rejected && seen(blocked).is_none_or(|saw| saw == blocked.value)
    {
        return wrong_rejection(case);
    }
    let Some(value) = seen(blocked) else {
        return fallback(case, "");
    };
    let writer = case
        .operations
        .iter()
        .copied()
        .find(|&index| index != case.blocked && left(case.operation(index)) == Some(value));
    let Some(writer) = writer else {
        if value != case.history.initial(blocked.key) {
            return no_writer(case, value);
        }
        return replaced(case, value, None);
    };
    if case.operation(writer).invoked > blocked.completed {
        return from_the_future(case, value, writer);
    }
    if blocked.function == Function::Cas && blocked.outcome == Outcome::Ok {
        return lost_update(case, value);
    }
    replaced(case, value, Some(writer))
}

fn wrong_rejection(case: &Case<'_>) -> Told {
    let blocked = case.blocked();
    let expected = words::value(case.history, blocked.value);
    let explanation = format!(
        "{}’s “{}”{} was rejected, but the value was {expected} all the time that it could have looked.",
        words::capital_client(blocked),
        words::operation(case.history, blocked),
        words::on_node(case.history, blocked),
    );
    let headline = "A compare-and-set was rejected although the value was the expected one.";
    Told::new("wrong-rejection", headline, explanation)
}

fn no_writer(case: &Case<'_>, value: Value) -> Told {
    let (history, blocked) = (case.history, case.blocked());
    let shown = words::value(history, value);
    let failed = case.all.iter().copied().find(|&index| {
        let operation = case.operation(index);
        let would_leave = match operation.function {
            Function::Write => Some(operation.value),
            Function::Cas => Some(operation.second),
            _ => None,
        };
        would_leave == Some(value) && matches!(operation.outcome, Outcome::Fail | Outcome::Rejected)
    });
    if let Some(failed) = failed {
        let writer = case.operation(failed);
        let explanation = format!(
            "{}’s “{}” was reported as failed, so it must never take effect. But {} saw {shown}{}.",
            words::capital_client(writer),
            words::operation(history, writer),
            words::client(blocked),
            words::on_node(history, blocked),
        );
        let headline = "A client saw the value of a write that had been reported as failed.";
        return Told::new("failed-write-read", headline, explanation).with_context([failed]);
    }
    let explanation = format!(
        "{}’s “{}”{} saw {shown}, and no client ever wrote {shown}.",
        words::capital_client(blocked),
        words::operation(history, blocked),
        words::on_node(history, blocked),
    );
    Told::new("never-written", "A client saw a value that nobody had written.", explanation)
}

fn from_the_future(case: &Case<'_>, value: Value, writer: u32) -> Told {
    let (blocked, writer) = (case.blocked(), case.operation(writer));
    let explanation = format!(
        "{}’s “{}” ended {} before {} began “{}”, the only operation that leaves {}.",
        words::capital_client(blocked),
        words::operation(case.history, blocked),
        words::gap(blocked, writer),
        words::client(writer),
        words::operation(case.history, writer),
        words::value(case.history, value),
    );
    Told::new("future-read", "A client saw a value before anybody began to write it.", explanation)
}

/// A cas took effect on a value that was not there any more.
fn lost_update(case: &Case<'_>, value: Value) -> Told {
    let (history, blocked) = (case.history, case.blocked());
    let shown = words::value(history, value);
    let other =
        case.operations.iter().copied().filter(|&index| index != case.blocked).find(|&index| {
            let operation = case.operation(index);
            operation.function == Function::Cas
                && operation.value == value
                && left(operation).is_some()
        });
    if let Some(other) = other {
        let other = case.operation(other);
        let explanation = format!(
            "{}’s “{}” and {}’s “{}” both succeeded, but {shown} was there once: the first to succeed \
             replaced it, so the second overwrote an update it had not seen.",
            words::capital_client(other),
            words::operation(history, other),
            words::client(blocked),
            words::operation(history, blocked),
        );
        let headline = "Two compare-and-sets succeeded on the same value.";
        return Told::new("lost-update", headline, explanation);
    }
    let newer = newest_before(case, value);
    let explanation = format!(
        "{}’s “{}”{} succeeded although {shown} had been replaced{}: the update in between is lost.",
        words::capital_client(blocked),
        words::operation(history, blocked),
        words::on_node(history, blocked),
        newer.map_or_else(String::new, |newer| {
            let newer = case.operation(newer);
            format!(
                " by then: {}’s “{}” had ended {} before it began",
                words::client(newer),
                words::operation(history, newer),
                words::gap(newer, blocked)
            )
        }),
    );
    let headline = "A compare-and-set succeeded on a value that had been replaced.";
    Told::new("lost-update", headline, explanation)
}

/// The latest operation that shows another value than `value` and ended before the blocked one began:
/// writes are better evidence than reads.
fn newest_before(case: &Case<'_>, value: Value) -> Option<u32> {
    let ended = |index: &u32| case.operation(*index).completed < case.blocked().invoked;
    let others = || case.operations.iter().copied().filter(ended);
    let wrote = others().filter(|&index| left(case.operation(index)).is_some_and(|v| v != value));
    let saw = others().filter(|&index| {
        let operation = case.operation(index);
        left(operation).is_none() && seen(operation).is_some_and(|v| v != value)
    });
    let latest = |index: &u32| case.operation(*index).completed;
    wrote.max_by_key(latest).or_else(|| saw.max_by_key(latest))
}

/// The blocked operation saw a value that had been replaced: stale, lost, or a matter of order.
fn replaced(case: &Case<'_>, value: Value, writer: Option<u32>) -> Told {
    let (history, blocked) = (case.history, case.blocked());
    let Some(newer) = newest_before(case, value) else { return fallback(case, "") };
    let newer_operation = case.operation(newer);
    let newer_value = left(newer_operation).or(seen(newer_operation)).unwrap_or(Value::NIL);
    let (shown, newer_shown) = (words::value(history, value), words::value(history, newer_value));
    let saw = format!(
        "{} later {} began “{}”{}",
        words::gap(newer_operation, blocked),
        words::client(blocked),
        words::operation(history, blocked),
        words::on_node(history, blocked)
    );
    if left(newer_operation).is_some() {
        let acknowledged = format!(
            "{}’s “{}”{} was acknowledged. {saw} and got {shown}",
            words::capital_client(newer_operation),
            words::operation(history, newer_operation),
            words::on_node(history, newer_operation),
        );
        let is_older = writer
            .is_none_or(|writer| case.operation(writer).completed < newer_operation.completed);
        if is_older && is_lost(case, newer, newer_value) {
            let explanation = format!(
                "{acknowledged}. Nobody ever saw {newer_shown}: the acknowledged write is lost."
            );
            let headline = "A write was acknowledged and then lost.";
            return Told::new("lost-write", headline, explanation);
        }
        let explanation = format!("{acknowledged}, which had been replaced.");
        let headline = "A client read a value that had already been replaced.";
        return Told::new("stale-read", headline, explanation);
    }
    let newer_writer = case
        .operations
        .iter()
        .copied()
        .find(|&index| left(case.operation(index)) == Some(newer_value));
    let is_older = match (writer, newer_writer) {
        (None, _) => true,
        (Some(writer), Some(newer_writer)) => {
            case.operation(writer).completed < case.operation(newer_writer).invoked
        }
        _ => false,
    };
    let explanation = format!(
        "{}’s “{}”{} had shown {newer_shown}. {saw} and got {shown}",
        words::capital_client(newer_operation),
        words::operation(history, newer_operation),
        words::on_node(history, newer_operation),
    );
    if is_older {
        let explanation = format!("{explanation}, which is older.");
        let headline = "A client read a value after another had read a newer one.";
        return Told::new("stale-read", headline, explanation);
    }
    let explanation = format!(
        "{explanation}. The two values were written at the same time, so either may be the newer, but both \
         orders were seen."
    );
    Told::new("split-read", "Reads disagree about which of two values is newer.", explanation)
}

/// Whether nobody ever saw a written value, and up to the blocked read nobody saw anything newer.
fn is_lost(case: &Case<'_>, writer: u32, value: Value) -> bool {
    let writer = case.operation(writer);
    let blocked = case.blocked();
    case.all.iter().map(|&index| case.operation(index)).all(|operation| {
        let Some(saw) = seen(operation).filter(|_| operation.outcome != Outcome::Info) else {
            return true;
        };
        let is_between =
            operation.completed > writer.completed && operation.invoked < blocked.completed;
        let is_newer = is_between
            && case
                .all
                .iter()
                .map(|&index| case.operation(index))
                .any(|other| left(other) == Some(saw) && other.invoked > writer.invoked);
        saw != value && !is_newer
    })
}

/// Kinds of set violations.
pub(super) fn set(_object: &SetObject<'_>, case: &Case<'_>) -> Told {
    let blocked = case.blocked();
    if blocked.function == Function::Contains && blocked.outcome == Outcome::Ok {
        let is_in = blocked.second.number() == Some(1);
        let why = if is_in {
            "It found an element that was not in the set."
        } else {
            "It missed an element that was in the set."
        };
        return fallback(case, why);
    }
    let added = case.operations.iter().copied().find(|&index| {
        let operation = case.operation(index);
        operation.function == Function::Add && operation.completed < blocked.invoked
    });
    if blocked.function == Function::Read
        && let Some(added) = added
        && !shows(case.history, blocked, case.operation(added).value)
    {
        let added = case.operation(added);
        let explanation = format!(
            "{}’s “{}” was acknowledged. {} later {} read the set{}, and the element was not in it.",
            words::capital_client(added),
            words::operation(case.history, added),
            words::gap(added, blocked),
            words::client(blocked),
            words::on_node(case.history, blocked),
        );
        return Told::new("lost-write", "An element was acknowledged and is missing.", explanation);
    }
    fallback(case, "")
}

fn shows(history: &History, read: &Operation, value: Value) -> bool {
    history.values.list(read.value).is_some_and(|list| list.contains(&history.values.json(value)))
}

/// Kinds of queue violations.
pub(super) fn queue(case: &Case<'_>) -> Told {
    let blocked = case.blocked();
    let shown = words::value(case.history, blocked.value);
    let dequeued = case.operations.iter().filter(|&&index| {
        let operation = case.operation(index);
        operation.function == Function::Dequeue && operation.value == blocked.value
    });
    let enqueued = case.operations.iter().filter(|&&index| {
        let operation = case.operation(index);
        operation.function == Function::Enqueue && operation.value == blocked.value
    });
    if blocked.function == Function::Dequeue && enqueued.count() == 0 {
        let explanation = format!(
            "{} dequeued {shown}, and no client ever enqueued it.",
            words::capital_client(blocked)
        );
        return Told::new("never-written", "An element came out that nobody put in.", explanation);
    }
    if dequeued.count() > 1 {
        let explanation = format!(
            "{shown} was enqueued once and came out more than once, last at {}.",
            words::client(blocked)
        );
        return Told::new("duplicate-apply", "An element came out twice.", explanation);
    }
    fallback(case, "Elements came out in another order than they went in, or were skipped.")
}

/// Kinds of lock violations.
pub(super) fn mutex(case: &Case<'_>) -> Told {
    let acquired: Vec<&Operation> = case
        .operations
        .iter()
        .map(|&index| case.operation(index))
        .filter(|operation| operation.function == Function::Acquire && operation.completed != NEVER)
        .collect();
    if let [.., first, second] = acquired.as_slice() {
        let explanation = format!(
            "{} acquired the lock, and {} acquired it while it must still have been held.",
            words::capital_client(first),
            words::client(second),
        );
        return Told::new(
            "double-acquire",
            "Two clients held a lock at the same time.",
            explanation,
        );
    }
    fallback(case, "")
}
