//! Kinds of violations of locks that know their holder, and their sentences.

use super::close::OwnedMutexObject;
use crate::history::{Function, Operation, Outcome};
use crate::linear::witness::{Case, Explain, Told, fallback, words};
use crate::object::mutex::{HELD_TWICE, TWO_HOLDERS, granted, pairs, releases};

impl Explain for OwnedMutexObject<'_> {
    /// Kinds of violations of a lock that only its holder may release.
    fn explain(&self, case: &Case<'_>) -> Told {
        let unheld = releases(case).find(|&(index, operation)| {
            operation.outcome == Outcome::Ok && self.pairs.partner(index).is_none()
        });
        if let Some((release, operation)) = unheld {
            return unheld_release(self, case, release, operation);
        }
        let given_back_before = |acquire: u32, other: &Operation| {
            let release = self.pairs.partner(acquire);
            release.is_some_and(|release| case.operation(release).invoked < other.completed)
        };
        let acquired = granted(case);
        let mut held = pairs(&acquired).filter(|&((first, one), (second, other))| {
            let may_be = match one.process == other.process {
                true => self.model.is_reentrant,
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
            .filter_map(|(release, _)| Some((release, self.pairs.partner(release)?)))
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
