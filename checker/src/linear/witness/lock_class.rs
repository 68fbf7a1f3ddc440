//! Kinds of violations of locks and semaphores, and their sentences.

use super::class::fallback;
use super::told::Told;
use super::{Case, words};
use crate::history::{Function, NEVER, Operation, Outcome};
use crate::linear::object::{OwnedMutexObject, SemaphoreObject};

const TWO_HOLDERS: &str = "Two clients held a lock at the same time.";
const HELD_TWICE: &str = "A client was granted a lock that it already held.";

/// Acquires that were granted.
fn granted<'a>(case: &'a Case<'_>) -> Vec<(u32, &'a Operation)> {
    let is_granted = |(_, operation): &(u32, &Operation)| {
        operation.function == Function::Acquire && operation.completed != NEVER
    };
    case.own().filter(is_granted).collect()
}

fn releases<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (u32, &'a Operation)> {
    case.own().filter(|(_, operation)| operation.function == Function::Release)
}

/// All pairs of some operations, each in the order of their invocations.
fn pairs<T: Copy>(all: &[T]) -> impl Iterator<Item = (T, T)> {
    let behind = move |(place, &first): (usize, &T)| {
        all[place + 1..].iter().map(move |&second| (first, second))
    };
    all.iter().enumerate().flat_map(behind)
}

/// Kinds of violations of a lock that does not know its holder.
pub(super) fn mutex(case: &Case<'_>) -> Told {
    let acquired = granted(case);
    let released_between = |first: &Operation, second: &Operation| {
        releases(case).any(|(_, operation)| {
            operation.completed > first.invoked
                && operation.invoked < second.completed.max(first.completed)
        })
    };
    let mut held = pairs(&acquired).filter(|(first, second)| !released_between(first.1, second.1));
    if let Some(((first, one), (second, other))) = held.next() {
        let explanation = format!(
            "{} was granted, and so was {}, and nothing can have released the lock between them.",
            case.capital_one(first),
            case.one(second),
        );
        let headline = if one.process == other.process { HELD_TWICE } else { TWO_HOLDERS };
        return Told::new("double-acquire", headline, explanation);
    }
    if case.own().all(|(_, operation)| operation.function == Function::Release) {
        return fallback(case, "Nobody held the lock when it was released.");
    }
    fallback(case, "A lock is held by one at a time, and released only while it is held.")
}

/// Kinds of violations of a lock that only its holder may release.
pub(super) fn owned_mutex(object: &OwnedMutexObject<'_>, case: &Case<'_>) -> Told {
    let unheld = releases(case).find(|&(index, operation)| {
        operation.outcome == Outcome::Ok && object.pairs.partner(index).is_none()
    });
    if let Some((release, operation)) = unheld {
        return unheld_release(object, case, release, operation);
    }
    let given_back_before = |acquire: u32, other: &Operation| {
        let release = object.pairs.partner(acquire);
        release.is_some_and(|release| case.operation(release).invoked < other.completed)
    };
    let acquired = granted(case);
    let mut held = pairs(&acquired).filter(|&((first, one), (second, other))| {
        let may_be = match one.process == other.process {
            true => object.model.is_reentrant,
            false => given_back_before(second, one),
        };
        !may_be && !given_back_before(first, other)
    });
    let Some(((first, one), (second, other))) = held.next() else {
        return fallback(
            case,
            "A lock is held by one client at a time, and released only by the one that holds it.",
        );
    };
    // What the holder gave back meanwhile it had acquired again.
    let gave_back = case.whole().filter(|(_, operation)| {
        operation.function == Function::Release
            && operation.process == one.process
            && operation.completed > one.completed
            && operation.invoked < other.completed
    });
    let gave_back: Vec<String> = gave_back
        .filter_map(|(release, _)| Some((release, object.pairs.partner(release)?)))
        .map(|(release, acquire)| {
            format!("its {} gave back {}", case.quoted(release), case.quoted(acquire))
        })
        .collect();
    let process = one.process;
    let why = match one.completed < other.invoked {
        true if gave_back.is_empty() => {
            format!("client {process} had not given it back between them")
        }
        true => format!(
            "client {process} had not given back what it had with {}: {}",
            case.label(first),
            words::listed(&gave_back)
        ),
        false => "neither had given it back before the other was granted".to_owned(),
    };
    let explanation = format!(
        "{} was granted, and so was {}, and {why}.",
        case.capital_one(first),
        case.one(second)
    );
    let headline = if one.process == other.process { HELD_TWICE } else { TWO_HOLDERS };
    Told::new("double-acquire", headline, explanation)
}

fn unheld_release(
    object: &OwnedMutexObject<'_>,
    case: &Case<'_>,
    release: u32,
    operation: &Operation,
) -> Told {
    let process = operation.process;
    let before = case.whole().filter(|(_, other)| {
        other.process == process
            && other.function == Function::Acquire
            && other.outcome == Outcome::Ok
            && other.completed < operation.invoked
    });
    let why = match before.last() {
        None => format!("client {process} had never acquired it"),
        Some((acquire, _)) => match object.pairs.partner(acquire) {
            Some(earlier) => format!(
                "what client {process} had acquired with {} it had given back with {}",
                case.quoted(acquire),
                case.quoted(earlier)
            ),
            None => format!("client {process} did not hold it"),
        },
    };
    let mut explanation = format!("{} was granted, and {why}.", case.capital_one(release));
    let holder = case.whole().find(|&(index, other)| {
        let gives_back = object.pairs.partner(index);
        other.process != process
            && other.function == Function::Acquire
            && other.completed < operation.invoked
            && gives_back
                .is_none_or(|release| case.operation(release).invoked > operation.completed)
    });
    if let Some((acquire, other)) = holder {
        explanation.push_str(&format!(
            " {} held it, by {}.",
            words::capital_client(other),
            case.quoted(acquire)
        ));
    }
    Told::new("unheld-release", "A client released a lock that it did not hold.", explanation)
}

/// Kinds of violations of a semaphore.
pub(super) fn semaphore(object: &SemaphoreObject<'_>, case: &Case<'_>) -> Told {
    let names = |operations: &[(u32, &Operation)]| {
        words::listed(&operations.iter().map(|&(index, _)| case.one(index)).collect::<Vec<_>>())
    };
    let acquired = granted(case);
    let released: Vec<(u32, &Operation)> = releases(case).collect();
    let permits = object.permits as usize;
    if acquired.len() > permits + released.len() {
        let given_back = match released.len() {
            0 => "nothing".to_owned(),
            _ => format!("only {}", names(&released)),
        };
        let explanation = format!(
            "{} were granted, of {permits} in all, and {given_back} can have given a permit back between them.",
            words::capital(&names(&acquired)),
        );
        let headline = "More permits of a semaphore were out than there are.";
        return Told::new("too-many-permits", headline, explanation);
    }
    let given: Vec<(u32, &Operation)> = released
        .iter()
        .copied()
        .filter(|(_, operation)| operation.outcome == Outcome::Ok)
        .collect();
    let taken: Vec<(u32, &Operation)> =
        case.own().filter(|(_, operation)| operation.function == Function::Acquire).collect();
    if given.len() > taken.len() {
        let verb = if given.len() == 1 { "was" } else { "were" };
        let taken = match taken.len() {
            0 => "nothing".to_owned(),
            _ => format!("only {}", names(&taken)),
        };
        let explanation = format!(
            "{} {verb} granted, each gives a permit back, and {taken} can have taken one before.",
            words::capital(&names(&given)),
        );
        let headline = "A permit of a semaphore was given back that nobody had.";
        return Told::new("unheld-release", headline, explanation);
    }
    fallback(
        case,
        &format!(
            "At most {permits} permits are out at a time, and a release gives back one that is out."
        ),
    )
}
