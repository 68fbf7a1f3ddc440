//! Kinds of append-list violations and their sentences.

use super::class::{Told, fallback};
use super::{Case, words};
use crate::history::{Function, Operation, Outcome};
use crate::linear::object::ListObject;

/// Tells what is wrong with a minimal set of list operations.
pub(super) fn list(object: &ListObject<'_>, case: &Case<'_>) -> Told {
    let blocked = case.blocked();
    let Some(lists) = &object.lists else { return fallback(case, "") };
    let Some(&shown) = lists.shown.get(&case.blocked) else { return fallback(case, "") };
    let elements = lists.elements(shown);
    if let Some(&unknown) = elements.iter().find(|element| lists.unknown.contains(element)) {
        return unknown_element(object, case, unknown);
    }
    for (place, element) in elements.iter().enumerate() {
        if elements[..place].contains(element) && object.makers(*element).len() == 1 {
            return duplicate(object, case, *element);
        }
    }
    if let Some(told) = missing(object, case, elements) {
        return told;
    }
    for &other in case.operations.iter().filter(|&&index| index != case.blocked) {
        let Some(&other_shown) = lists.shown.get(&other) else { continue };
        let other_elements = lists.elements(other_shown);
        let common = elements.len().min(other_elements.len());
        if common > 0 && elements[..common] != other_elements[..common] {
            let other = case.operation(other);
            let explanation = format!(
                "{}’s {} and {}’s {} do not begin alike, but a list only grows at its end.",
                words::capital_client(other),
                read(case, other),
                words::client(blocked),
                read(case, blocked),
            );
            let headline = "Two reads disagree about the order of a list.";
            return Told::new("split-read", headline, explanation);
        }
    }
    fallback(case, "")
}

fn read(case: &Case<'_>, operation: &Operation) -> String {
    format!(
        "“{}”{}",
        words::operation(case.history, operation),
        words::on_node(case.history, operation)
    )
}

fn unknown_element(object: &ListObject<'_>, case: &Case<'_>, unknown: u32) -> Told {
    let blocked = case.blocked();
    let failed = case.all.iter().copied().find(|&index| {
        let operation = case.operation(index);
        let text = case.history.values.json(operation.value);
        let is_failed =
            operation.outcome == Outcome::Fail && operation.function == Function::Append;
        is_failed && shows_text(case, blocked, &text)
    });
    if let Some(failed) = failed {
        let append = case.operation(failed);
        let explanation = format!(
            "{}’s “{}” was reported as failed, so it must never take effect. But {}’s {} shows it.",
            words::capital_client(append),
            words::operation(case.history, append),
            words::client(blocked),
            read(case, blocked),
        );
        let headline = "A read shows an append that had been reported as failed.";
        return Told::new("failed-write-read", headline, explanation).with_context([failed]);
    }
    let explanation = format!(
        "{}’s {} shows {}.",
        words::capital_client(blocked),
        read(case, blocked),
        object.element(unknown)
    );
    Told::new("never-written", "A read shows what nobody had appended.", explanation)
}

fn shows_text(case: &Case<'_>, read: &Operation, value: &serde_json::Value) -> bool {
    let shown = case.history.values.json(read.value);
    match (&shown, value) {
        (serde_json::Value::String(shown), serde_json::Value::String(text)) => {
            !text.is_empty() && shown.contains(text.as_str())
        }
        (serde_json::Value::Array(members), text) => members.contains(text),
        _ => false,
    }
}

fn duplicate(object: &ListObject<'_>, case: &Case<'_>, element: u32) -> Told {
    let blocked = case.blocked();
    let explanation = format!(
        "{} was appended once, and {}’s {} shows it twice: the append was applied twice.",
        object.element(element),
        words::client(blocked),
        read(case, blocked),
    );
    Told::new("duplicate-apply", "An append was applied twice.", explanation)
}

/// An element that was acknowledged, or shown, before the read began and is not in it.
fn missing(object: &ListObject<'_>, case: &Case<'_>, elements: &[u32]) -> Option<Told> {
    let lists = object.lists.as_ref()?;
    let blocked = case.blocked();
    let ended = |index: &u32| case.operation(*index).completed < blocked.invoked;
    for &index in case.operations.iter().filter(|index| ended(index)) {
        let operation = case.operation(index);
        let is_missing = |element: &u32| !elements.contains(element);
        let lacking = match operation.function {
            Function::Append | Function::Write => {
                lists.element_of.get(&index).copied().flatten().filter(is_missing)
            }
            Function::Read => {
                let shown = lists.shown.get(&index)?;
                lists.elements(*shown).iter().copied().find(is_missing)
            }
            _ => None,
        };
        let Some(element) = lacking else { continue };
        let is_seen = lists.shown.values().any(|&shown| lists.elements(shown).contains(&element));
        let evidence = match operation.function {
            Function::Append | Function::Write => {
                format!("“{}” was acknowledged", words::operation(case.history, operation))
            }
            _ => format!("{} showed {}", read(case, operation), object.element(element)),
        };
        let explanation = format!(
            "{}’s {evidence}. {} later {} began {}, and {} is not in it{}.",
            words::capital_client(operation),
            words::gap(operation, blocked),
            words::client(blocked),
            read(case, blocked),
            object.element(element),
            if is_seen { "" } else { ", nor in any other read: the acknowledged append is lost" },
        );
        return Some(if is_seen {
            Told::new(
                "stale-read",
                "A client read a list without what it already held.",
                explanation,
            )
        } else {
            Told::new("lost-write", "An append was acknowledged and then lost.", explanation)
        });
    }
    None
}
