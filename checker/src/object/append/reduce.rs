//! From lists to registers whose values are prefixes.

use std::collections::HashMap;

use super::split::{Lists, Shown};
use crate::history::{Function, History, Outcome};
use crate::object::register::call::{Call, Effect, NIL};

/// What became of a key.
#[derive(Debug)]
pub(crate) enum Reduction {
    /// Register calls that have a valid order exactly if the lists have one.
    Calls(Vec<Call>),
    /// Operations that contradict each other whatever the order.
    Violation(Vec<u32>),
    /// A shown element was put in more than once: the reads do not tell by whom.
    Repeated,
}

/// Where an element stands: in which sequence, and at which place.
type Places = HashMap<u32, (u32, u32)>;

/// Turns a key into register calls.
pub(crate) fn reduce(history: &History, operations: &[u32], lists: &Lists) -> Reduction {
    let mut makers: HashMap<u32, Vec<u32>> = HashMap::new();
    for (&index, element) in &lists.element_of {
        if let Some(element) = element {
            makers.entry(*element).or_default().push(index);
        }
    }
    let longest = longest_reads(history, lists);
    let places = match places(history, lists, &longest, &makers) {
        Ok(places) => places,
        Err(reduction) => return reduction,
    };
    // Prefix codes: 0 is the empty list; each sequence has one code per length.
    let mut first_codes = Vec::with_capacity(lists.sequences.len());
    let mut next_code = NIL + 1;
    for sequence in &lists.sequences {
        first_codes.push(next_code);
        next_code += sequence.elements.len() as u32;
    }
    let canonical: HashMap<u32, u32> =
        places.iter().filter(|(_, at)| at.1 == 0).map(|(element, at)| (*element, at.0)).collect();
    let code = |sequence: u32, length: u32| match length {
        0 => NIL,
        _ => first_codes[sequence as usize] + length - 1,
    };
    let mut calls = Vec::with_capacity(operations.len());
    for &index in operations {
        let operation = &history.operations[index as usize];
        let (effect, a, b) = match (operation.function, operation.outcome) {
            (_, Outcome::Fail) | (Function::Read, Outcome::Info) => continue,
            (Function::Read, _) => {
                let shown = lists.shown[&index];
                let first = lists.elements(shown).first();
                let sequence = first.and_then(|first| canonical.get(first)).copied().unwrap_or(0);
                (Effect::Read, code(sequence, shown.length), NIL)
            }
            (Function::Delete, _) => (Effect::Write, NIL, NIL),
            (function, outcome) => {
                let element = lists.element_of.get(&index).copied().flatten();
                match (element, element.and_then(|element| places.get(&element))) {
                    // Appending nothing changes nothing; writing nothing deletes.
                    (None, _) if function == Function::Append => continue,
                    (None, _) => (Effect::Write, NIL, NIL),
                    (Some(_), Some(&(sequence, place))) if function == Function::Append => {
                        (Effect::Cas, code(sequence, place), code(sequence, place + 1))
                    }
                    (Some(_), Some(&(sequence, place))) => {
                        (Effect::Write, code(sequence, place + 1), NIL)
                    }
                    (Some(_), None) if outcome == Outcome::Info => continue,
                    (Some(_), None) => {
                        next_code += 1;
                        (Effect::Write, next_code - 1, NIL)
                    }
                }
            }
        };
        let (invoked, returned) = (operation.invoked, operation.completed);
        calls.push(Call { invoked, returned, a, b, index, effect });
    }
    Reduction::Calls(calls)
}

/// For each sequence, the first read that showed most of it.
fn longest_reads(history: &History, lists: &Lists) -> Vec<Option<(u32, Shown)>> {
    let mut longest: Vec<Option<(u32, Shown)>> = vec![None; lists.sequences.len()];
    for (&index, &shown) in &lists.shown {
        let Some(best) = longest.get_mut(shown.sequence as usize) else { continue };
        let invoked = |index: u32| history.operations[index as usize].invoked;
        let is_better = best.is_none_or(|(other, known)| {
            (shown.length, std::cmp::Reverse(invoked(index)))
                > (known.length, std::cmp::Reverse(invoked(other)))
        });
        if is_better {
            *best = Some((index, shown));
        }
    }
    longest
}

/// Where each element stands. Reads that disagree about that are a violation.
fn places(
    history: &History,
    lists: &Lists,
    longest: &[Option<(u32, Shown)>],
    makers: &HashMap<u32, Vec<u32>>,
) -> Result<Places, Reduction> {
    let mut by_length: Vec<(u32, Shown)> = longest.iter().copied().flatten().collect();
    by_length.sort_unstable_by_key(|&(index, shown)| (std::cmp::Reverse(shown.length), index));
    let mut places = Places::new();
    let mut shown_by: HashMap<u32, u32> = HashMap::new();
    for (read, shown) in by_length {
        let elements = lists.elements(shown);
        let Some(first) = elements.first() else { continue };
        if elements.iter().any(|element| lists.unknown.contains(element)) {
            return Err(Reduction::Violation(vec![read]));
        }
        let makers = |element: &u32| makers.get(element).map_or(&[][..], Vec::as_slice);
        if elements.iter().any(|element| makers(element).len() > 1) {
            return Err(Reduction::Repeated);
        }
        let is_written = |element: &u32| {
            let writes =
                |maker: &u32| history.operations[*maker as usize].function == Function::Write;
            makers(element).iter().any(writes)
        };
        if elements[1..].iter().any(is_written) {
            // What was written stands at the beginning of a list or nowhere.
            return Err(Reduction::Violation(vec![read]));
        }
        // A shorter read with the same first element has to be a prefix of the longer one.
        let known = places.get(first).filter(|at| at.1 == 0).map(|at| at.0);
        if let Some(sequence) = known {
            let whole = &lists.sequences[sequence as usize].elements;
            if !whole.starts_with(elements) {
                return Err(Reduction::Violation(vec![read, shown_by[&sequence]]));
            }
            continue;
        }
        shown_by.insert(shown.sequence, read);
        for (place, &element) in elements.iter().enumerate() {
            if let Some((other, _)) = places.insert(element, (shown.sequence, place as u32)) {
                let mut reads = vec![read];
                reads.extend(shown_by.get(&other).filter(|other| **other != read));
                return Err(Reduction::Violation(reads));
            }
        }
    }
    Ok(places)
}
