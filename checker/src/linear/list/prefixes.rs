//! Lists with repeated elements, for the search: a machine whose states are the prefixes that reads showed.
//!
//! A list that is no prefix of anything shown can never be read, and neither can anything appended to
//! it, so all such lists are one state, [`LOST`]. An element that was put in no more often than it is shown in
//! different places cannot have got lost: each of its operations made one of those places.

use std::collections::HashMap;

use super::split::Lists;
use crate::history::{Function, History, Outcome};
use crate::linear::machine::{Machine, Step};

/// The empty list.
const EMPTY: u32 = 0;

/// Any list that no read showed and that no shown one begins with.
const LOST: u32 = u32::MAX - 1;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Act {
    /// The list was this prefix.
    Read(u32),
    /// An element was added.
    Append(u32),
    /// The list was replaced by one element.
    Write(u32),
    /// The list was emptied.
    Empty,
}

/// The machine.
#[derive(Clone, Debug)]
pub(crate) struct Prefixes {
    acts: Vec<Act>,
    /// (prefix, element) to the prefix one longer.
    longer: HashMap<(u32, u32), u32>,
    /// Elements that may have got lost.
    may_be_lost: Vec<bool>,
}

impl Prefixes {
    /// The machine of a key, its steps, and the operation of each step.
    pub(crate) fn new(
        history: &History,
        operations: &[u32],
        lists: &Lists,
    ) -> (Prefixes, Vec<Step>, Vec<u32>) {
        let mut machine =
            Prefixes { acts: Vec::new(), longer: HashMap::new(), may_be_lost: Vec::new() };
        let mut made: HashMap<u32, (u32, u32)> = HashMap::new();
        for element in lists.element_of.values().copied().flatten() {
            made.entry(element).or_default().0 += 1;
        }
        let mut next = EMPTY + 1;
        for sequence in &lists.sequences {
            let mut prefix = EMPTY;
            for &element in &sequence.elements {
                prefix = *machine.longer.entry((prefix, element)).or_insert_with(|| {
                    made.entry(element).or_default().1 += 1;
                    next += 1;
                    next - 1
                });
            }
        }
        let elements = made.keys().max().map_or(0, |last| *last as usize + 1);
        machine.may_be_lost = vec![true; elements];
        for (element, (made, shown)) in made {
            machine.may_be_lost[element as usize] = made > shown;
        }
        let mut numbers: HashMap<Act, u32> = HashMap::new();
        let (mut steps, mut indices) = (Vec::new(), Vec::new());
        for &index in operations {
            let Some(act) = machine.act(history, lists, index) else { continue };
            let operation = *numbers.entry(act).or_insert_with(|| {
                machine.acts.push(act);
                machine.acts.len() as u32 - 1
            });
            let recorded = &history.operations[index as usize];
            let (invoked, returned) = (recorded.invoked, recorded.completed);
            steps.push(Step { invoked, returned, operation });
            indices.push(index);
        }
        (machine, steps, indices)
    }

    fn act(&self, history: &History, lists: &Lists, index: u32) -> Option<Act> {
        let recorded = &history.operations[index as usize];
        let element = lists.element_of.get(&index).copied().flatten();
        match (recorded.function, recorded.outcome, element) {
            (_, Outcome::Fail | Outcome::Rejected, _) | (Function::Read, Outcome::Info, _) => None,
            (Function::Read, ..) => {
                let shown = lists.elements(lists.shown[&index]);
                let prefix = shown.iter().fold(EMPTY, |prefix, &element| {
                    self.longer.get(&(prefix, element)).copied().unwrap_or(LOST)
                });
                Some(Act::Read(prefix))
            }
            (Function::Append, _, Some(element)) => Some(Act::Append(element)),
            // Appending nothing changes nothing.
            (Function::Append, _, None) => None,
            (_, _, Some(element)) => Some(Act::Write(element)),
            (_, _, None) => Some(Act::Empty),
        }
    }

    fn with(&self, prefix: u32, element: u32) -> Option<u32> {
        match self.longer.get(&(prefix, element)) {
            Some(&longer) => Some(longer),
            None => self.may_be_lost[element as usize].then_some(LOST),
        }
    }
}

impl Machine for Prefixes {
    fn initial(&mut self) -> u32 {
        EMPTY
    }

    fn step(&mut self, state: u32, operation: u32) -> Option<u32> {
        match self.acts[operation as usize] {
            Act::Read(prefix) => (state == prefix && state != LOST).then_some(state),
            Act::Append(element) => self.with(state, element),
            Act::Write(element) => self.with(EMPTY, element),
            Act::Empty => Some(EMPTY),
        }
    }

    fn observes(&self, operation: u32) -> bool {
        matches!(self.acts[operation as usize], Act::Read(_))
    }

    fn overwrites(&self, operation: u32) -> bool {
        match self.acts[operation as usize] {
            Act::Empty => true,
            Act::Write(element) => self.with(EMPTY, element).is_some(),
            Act::Read(_) | Act::Append(_) => false,
        }
    }

    fn operations(&self) -> usize {
        self.acts.len()
    }

    fn bytes(&self) -> usize {
        self.longer.len() * 20 + self.acts.len() * 8
    }
}
