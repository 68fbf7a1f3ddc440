//! What several kinds of objects have in common: the sentence where no template fits, and what became of an
//! acknowledged change.

use super::told::Told;
use super::{Case, Effect};
use crate::history::{Function, Operation, Outcome};

/// When no template fits.
pub(crate) fn fallback(case: &Case<'_>, why: &str) -> Told {
    let mut explanation = match case.operations {
        [alone] => format!("{} cannot have its answer in any order.", case.capital_one(*alone)),
        several => {
            let mut text = format!(
                "No order of these {} operations gives every client the answer it got.",
                several.len()
            );
            if case.is_blocked {
                let blocked = case.one(case.blocked);
                text.push_str(&format!(" Without {blocked} there is one."));
            }
            text
        }
    };
    if !why.is_empty() {
        explanation.push(' ');
        explanation.push_str(why);
    }
    Told::new(
        "not-linearizable",
        "No order of the operations explains what clients saw.",
        explanation,
    )
}

const INFO_HINT: &str =
    "(What may have taken effect, as after a time-out, is to be recorded as info.)";

/// A change that was reported as failed and that an answer shows.
pub(crate) fn failed(case: &Case<'_>, change: u32, shows: &str) -> String {
    format!(
        "{} was reported as failed, so it must never take effect. But {} {shows}. {INFO_HINT}",
        case.capital_one(change),
        case.one(case.blocked),
    )
}

/// Failed operations of a function that began before the blocked one ended.
pub(crate) fn failed_before<'a>(
    case: &'a Case<'_>,
    function: Function,
) -> impl Iterator<Item = (u32, &'a Operation)> {
    case.whole().filter(move |(_, operation)| {
        operation.function == function
            && operation.outcome == Outcome::Fail
            && operation.invoked < case.blocked().completed
    })
}

/// What is known of an acknowledged change that a later read lacks.
pub(crate) enum Fate {
    /// A read shows it, or a trace does, or something may have replaced it; the sentence about that, to follow
    /// the rest.
    Stale(String),
    /// Nothing shows it. The sentence, and whether traces were looked at.
    Lost(String, bool),
}

/// What became of an acknowledged change. `shows`: whether an operation's answer shows it; `replaces`: whether an
/// operation may have replaced it before the blocked one looked. `value` is what is looked for, in words.
pub(crate) fn fate(
    case: &Case<'_>,
    change: u32,
    value: &str,
    shows: impl Fn(u32, &Operation) -> bool,
    replaces: impl Fn(u32, &Operation) -> bool,
) -> Fate {
    let made = case.operation(change);
    let is_after = |operation: &Operation| operation.completed > made.invoked;
    let is_answer =
        |operation: &Operation| matches!(operation.outcome, Outcome::Ok | Outcome::Rejected);
    let witness = case
        .whole()
        .filter(|(_, operation)| is_answer(operation) && is_after(operation))
        .filter(|&(index, operation)| index != case.blocked && shows(index, operation))
        .min_by_key(|(_, operation)| operation.completed);
    if let Some((index, _)) = witness {
        return Fate::Stale(format!(" {} shows {value}.", case.capital_one(index)));
    }
    match case.known.effect(change) {
        Some(Effect::Applied { node, index }) => {
            return Fate::Stale(format!(
                " No later read shows {value}, but the trace of {node} has it take effect, at index {index}."
            ));
        }
        Some(Effect::Nowhere) => {
            let text = format!(
                " No later read shows {value}, and no trace has it take effect: the acknowledged change is \
                 lost."
            );
            return Fate::Lost(text, true);
        }
        None => {}
    }
    let replaced = case.whole().find(|&(index, operation)| {
        index != change
            && index != case.blocked
            && is_after(operation)
            && operation.invoked < case.blocked().completed
            && replaces(index, operation)
    });
    if let Some((index, _)) = replaced {
        let by = case.one(index);
        return Fate::Stale(format!(" No later read shows {value}; {by} may have replaced it."));
    }
    // What replaced it before anybody looked again leaves open whether it was lost or the answer was stale.
    let unseen = case.whole().filter(|&(index, operation)| {
        !matches!(operation.outcome, Outcome::Fail | Outcome::Rejected)
            && operation.invoked > case.blocked().completed
            && replaces(index, operation)
    });
    let unseen = unseen.min_by_key(|(_, operation)| operation.invoked).filter(|(_, next)| {
        !case.whole().any(|(index, operation)| {
            let looks = matches!(operation.function, Function::Read | Function::Cas);
            index != case.blocked
                && looks
                && is_answer(operation)
                && operation.invoked > made.completed
                && operation.invoked < next.invoked
        })
    });
    match unseen {
        Some((index, _)) => Fate::Stale(format!(
            " Nobody else looked for {value} before {} may have replaced it.",
            case.one(index)
        )),
        None => Fate::Lost(format!(" No later read in this history shows {value}."), false),
    }
}
