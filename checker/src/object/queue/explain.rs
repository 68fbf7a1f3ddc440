//! Kinds of violations of queues, and their sentences.

use super::close::{QueueModel, QueueObject};
use crate::history::{Function, Outcome, Value};
use crate::linear::witness::{Case, Explain, Told, failed, failed_before, fallback, words};

impl<M: QueueModel> Explain for QueueObject<'_, M> {
    /// Kinds of queue violations.
    fn explain(&self, case: &Case<'_>) -> Told {
        let blocked = case.blocked();
        let takes = |function: Function| matches!(function, Function::Dequeue | Function::Drain);
        if !case.is_blocked || !takes(blocked.function) || blocked.outcome != Outcome::Ok {
            return fallback(case, M::PROMISE);
        }
        if blocked.value == Value::NIL {
            return not_empty(case);
        }
        let shown = words::value(case.history, blocked.value);
        let of = |is_it: &dyn Fn(Function) -> bool| -> Vec<u32> {
            let own = case.own().filter(|(_, operation)| {
                is_it(operation.function) && operation.value == blocked.value
            });
            own.map(|(index, _)| index).collect()
        };
        let enqueued = of(&|function| function == Function::Enqueue);
        let mut dequeued = of(&takes);
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
            return Told::new(
                "never-written",
                "An element came out that nobody put in.",
                explanation,
            );
        }
        if dequeued.len() > enqueued.len() {
            let explanation = format!(
                "{shown} was enqueued {}, by {}, and came out {}: {}.",
                words::times(enqueued.len()),
                names(case, &enqueued),
                words::times(dequeued.len()),
                names(case, &dequeued),
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
        dequeued.sort_by_key(|&index| case.operation(index).completed);
        too_early(case, &enqueued, &dequeued).unwrap_or_else(|| fallback(case, M::PROMISE))
    }
}

/// An element came out more often than it had begun to be put in by then. `dequeued` is in the order of the returns.
fn too_early(case: &Case<'_>, enqueued: &[u32], dequeued: &[u32]) -> Option<Told> {
    let began_by = |end: u32| {
        let begun = move |index: &&u32| case.operation(**index).invoked < end;
        enqueued.iter().partition::<Vec<u32>, _>(begun)
    };
    dequeued.iter().enumerate().find_map(|(before, &dequeue)| {
        let (begun, later) = began_by(case.operation(dequeue).completed);
        if begun.len() > before {
            return None;
        }
        let explanation = format!(
            "{} came out {}: {}. By then it had been put in {}, by {}; {} began {}.",
            words::value(case.history, case.blocked().value),
            words::times(before + 1),
            names(case, &dequeued[..=before]),
            words::times(begun.len()),
            names(case, &begun),
            case.one(*later.first()?),
            case.later(dequeue, *later.first()?),
        );
        let headline = "An element came out more often than it had been put in by then.";
        Some(Told::new("duplicate-apply", headline, explanation))
    })
}

/// Operations in words.
fn names(case: &Case<'_>, indices: &[u32]) -> String {
    words::listed(&indices.iter().map(|&index| case.one(index)).collect::<Vec<_>>())
}

/// A dequeue found nothing. An element that was in all the time is named.
fn not_empty(case: &Case<'_>) -> Told {
    let blocked = case.blocked();
    let took = |element: Value| {
        case.whole().find(|(_, operation)| {
            matches!(operation.function, Function::Dequeue | Function::Drain)
                && operation.outcome == Outcome::Ok
                && operation.value == element
        })
    };
    let is_single = |element: Value| {
        let enqueues = case.whole().filter(|(_, operation)| {
            operation.function == Function::Enqueue
                && operation.outcome != Outcome::Fail
                && operation.value == element
        });
        enqueues.count() == 1
    };
    // Where nobody knows what some dequeue took, it may be this one, and an order is all there is to tell.
    let may_be_taken = case.own().any(|(_, operation)| operation.outcome == Outcome::Info);
    let was_in = case.others().find(|(_, operation)| {
        operation.function == Function::Enqueue
            && operation.completed < blocked.invoked
            && is_single(operation.value)
            && took(operation.value).is_none_or(|(_, took)| took.invoked > blocked.completed)
    });
    let Some((enqueue, operation)) = was_in.filter(|_| !may_be_taken) else {
        return fallback(case, "It found the queue empty, and an element must have been in it.");
    };
    let element = words::value(case.history, operation.value);
    let mut explanation = format!(
        "{} was acknowledged. {} {} began {} and found the queue empty, with {element} in it.",
        case.capital_one(enqueue),
        case.capital_later(enqueue, case.blocked),
        words::client(blocked),
        case.quoted_on(case.blocked),
    );
    match took(operation.value) {
        Some((index, _)) => explanation.push_str(&format!(
            " It came out later, by {}, which began {}.",
            case.one(index),
            case.later(case.blocked, index),
        )),
        None => explanation.push_str(" Nobody is known to have taken it out."),
    }
    Told::new("not-empty", "A client found a queue empty while an element was in it.", explanation)
}
