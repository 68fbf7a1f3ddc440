//! Kinds of append-list violations and their sentences.
//!
//! Only elements in view are told of: those whose operations are all in the minimal set, and those that have none. The
//! proof leaves the others out of every read.

use super::close::ListObject;
use super::split::{Lists, text_of};
use crate::history::{Function, Operation, Outcome};
use crate::linear::witness::{self, Case, Explain, Fate, Told, fallback, fate, words};

impl Explain for ListObject<'_> {
    /// Tells what is wrong with a minimal set of list operations.
    fn explain(&self, case: &Case<'_>) -> Told {
        let Some(lists) = &self.lists else { return fallback(case, "") };
        if !case.is_blocked {
            return fallback(case, "");
        }
        let view = View { object: self, lists, case };
        let Some(elements) = view.shown(case.blocked) else { return fallback(case, "") };
        if let Some(&unknown) = elements.iter().find(|element| lists.unknown.contains(element)) {
            return view.unknown_element(unknown);
        }
        let told = view.repeated(&elements).or_else(|| view.future(&elements));
        let told = told.or_else(|| view.missing(&elements)).or_else(|| view.split(&elements));
        told.unwrap_or_else(|| fallback(case, &view.out_of_order(&elements).unwrap_or_default()))
    }
}

/// A minimal set with its elements.
struct View<'a> {
    object: &'a ListObject<'a>,
    lists: &'a Lists,
    case: &'a Case<'a>,
}

impl View<'_> {
    /// The elements in view that a read showed.
    fn shown(&self, read: u32) -> Option<Vec<u32>> {
        let shown = self.lists.shown.get(&read)?;
        Some(self.object.in_view(self.case.operations, self.lists.elements(*shown)))
    }

    /// Whether an operation empties or replaces the list.
    fn replaces(operation: &Operation) -> bool {
        operation.outcome != Outcome::Fail
            && matches!(operation.function, Function::Delete | Function::Write)
    }

    fn is_only_appended(&self) -> bool {
        !self.case.own().any(|(_, operation)| View::replaces(operation))
    }

    fn unknown_element(&self, unknown: u32) -> Told {
        let case = self.case;
        let name = self.lists.name(unknown).unwrap_or_default();
        let is_it = |operation: &Operation| {
            let json = case.history.values.json(operation.value);
            let text = text_of(&json);
            let is_start = !text.is_empty() && name.starts_with(&text);
            is_start || Lists::name_of(&json) == name
        };
        let failed = case.whole().find(|(_, operation)| {
            operation.outcome == Outcome::Fail
                && matches!(operation.function, Function::Append | Function::Write)
                && operation.invoked < case.blocked().completed
                && is_it(operation)
        });
        if let Some((failed, _)) = failed {
            let explanation = witness::failed(case, failed, "shows it");
            let headline = "A read shows an append that had been reported as failed.";
            return Told::new("failed-write-read", headline, explanation);
        }
        let explanation = format!(
            "{} shows “{name}”, which no client appended by then.",
            case.capital_one(case.blocked),
        );
        Told::new("never-written", "A read shows what nobody had appended.", explanation)
    }

    /// An element stands in the read more often than it was appended.
    fn repeated(&self, elements: &[u32]) -> Option<Told> {
        let case = self.case;
        let count = |element: u32| elements.iter().filter(|&&other| other == element).count();
        let makers = |element: u32| self.object.makers(element);
        let &element = elements.iter().find(|&&element| count(element) > makers(element).len())?;
        let by: Vec<String> = makers(element).iter().map(|&maker| case.one(maker)).collect();
        let explanation = format!(
            "{} was appended {}, by {}, and {} shows it {}.",
            words::capital(&self.object.element(element)),
            words::times(by.len()),
            words::listed(&by),
            case.one(case.blocked),
            words::times(count(element)),
        );
        Some(Told::new("duplicate-apply", "A read shows an append more than once.", explanation))
    }

    fn future(&self, elements: &[u32]) -> Option<Told> {
        let case = self.case;
        let is_late = |&maker: &u32| case.operation(maker).invoked > case.blocked().completed;
        let &element = elements.iter().find(|&&element| {
            let makers = self.object.makers(element);
            !makers.is_empty() && makers.iter().all(is_late)
        })?;
        let maker = *self.object.makers(element).first()?;
        let explanation = format!(
            "{} ended with {}, and no client had begun to append it by then. {} was the first, and began {}.",
            case.capital_one(case.blocked),
            self.object.element(element),
            case.capital_one(maker),
            case.later(case.blocked, maker),
        );
        let headline = "A read shows an append before anybody began it.";
        Some(Told::new("future-read", headline, explanation))
    }

    /// An element that was acknowledged, or shown, before the read began and is not in it.
    fn missing(&self, elements: &[u32]) -> Option<Told> {
        let case = self.case;
        let blocked = case.blocked();
        let ended = case.others().filter(|(_, operation)| operation.completed < blocked.invoked);
        let stays = |index: u32, operation: &Operation| {
            !case.others().any(|(other, replacing)| {
                other != index
                    && View::replaces(replacing)
                    && replacing.completed > operation.invoked
                    && replacing.invoked < blocked.completed
            })
        };
        let is_missing = |element: &u32| !elements.contains(element);
        let found = ended.filter(|&(index, operation)| stays(index, operation)).find_map(
            |(index, operation)| {
                let element = match operation.function {
                    Function::Append | Function::Write => {
                        self.lists.element_of.get(&index).copied().flatten().filter(is_missing)
                    }
                    _ => self.shown(index)?.into_iter().find(is_missing),
                };
                Some((index, operation, element?))
            },
        );
        let (index, operation, element) = found?;
        let name = self.object.element(element);
        let began = format!(
            "{} {} began {}, and {name} is not in it.",
            case.capital_later(index, case.blocked),
            words::client(blocked),
            case.quoted_on(case.blocked),
        );
        let stale = "A client read a list without what it already held.";
        if operation.function == Function::Read {
            let explanation = format!("{} had shown {name}. {began}", case.capital_one(index));
            return Some(Told::new("stale-read", stale, explanation));
        }
        let told = format!("{} was acknowledged. {began}", case.capital_one(index));
        let shows = |other: u32, _: &Operation| {
            let shown = self.lists.shown.get(&other);
            shown.is_some_and(|&shown| self.lists.elements(shown).contains(&element))
        };
        let replaces = |_: u32, operation: &Operation| View::replaces(operation);
        Some(match fate(case, index, &name, shows, replaces) {
            Fate::Stale(more) => Told::new("stale-read", stale, told + &more),
            Fate::Lost(more, true) => {
                Told::new("lost-write", "An append was acknowledged and then lost.", told + &more)
            }
            Fate::Lost(more, false) => Told::new(
                "lost-write",
                "An append was acknowledged, and no later read shows it.",
                told + &more,
            ),
        })
    }

    /// Two reads that do not begin alike.
    fn split(&self, elements: &[u32]) -> Option<Told> {
        let case = self.case;
        if !self.is_only_appended() {
            return None;
        }
        let (other, _) = case.others().find(|&(index, _)| {
            let Some(other) = self.shown(index) else { return false };
            let common = elements.len().min(other.len());
            elements[..common] != other[..common]
        })?;
        let explanation = format!(
            "{} and {} do not begin alike, but a list only grows at its end.",
            case.capital_one(other),
            case.one(case.blocked),
        );
        let headline = "Two reads disagree about the order of a list.";
        Some(Told::new("split-read", headline, explanation))
    }

    /// Two elements in the read whose appends came the other way round.
    fn out_of_order(&self, elements: &[u32]) -> Option<String> {
        if !self.is_only_appended() {
            return None;
        }
        let makers: Vec<u32> = elements
            .iter()
            .filter_map(|&element| match self.object.makers(element) {
                [alone] => Some(*alone),
                _ => None,
            })
            .collect();
        let case = self.case;
        let pairs = makers.windows(2).map(|pair| (pair[0], pair[1]));
        let mut wrong = pairs.filter(|&(first, then)| {
            case.operation(then).completed < case.operation(first).invoked
        });
        wrong.next().map(|(first, then)| {
            format!(
                "It shows {} before {}, but {} had ended before {} began.",
                words::value(case.history, case.operation(first).value),
                words::value(case.history, case.operation(then).value),
                case.one(then),
                case.one(first),
            )
        })
    }
}
