//! Lists for the search: a machine whose states are the prefixes that reads showed.
//!
//! A list that is no prefix of anything shown can never be read, and neither can anything appended to
//! it, so all such lists are one state, [`LOST`]. An element that was put in no more often than it is shown in
//! different places cannot have got lost: each of its operations made one of those places.

use std::collections::HashMap;

use super::model::ListOperation;
use crate::history::History;
use crate::linear::machine::{Machine, Step};

/// The empty list.
const EMPTY: u32 = 0;

/// Any list that no read showed and that no shown one begins with.
const LOST: u32 = u32::MAX - 1;

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Act {
    /// The list was this prefix.
    Read(u32),
    /// Elements were added.
    Append(Vec<u32>),
    /// The list was replaced.
    Write(Vec<u32>),
    /// No list explains it.
    Impossible,
}

/// The machine.
#[derive(Clone, Debug)]
pub(crate) struct Prefixes {
    acts: Vec<Act>,
    /// (prefix, element) to the prefix one longer.
    longer: HashMap<(u32, u32), u32>,
    /// Elements that cannot have got lost.
    kept: Vec<bool>,
}

impl Prefixes {
    /// The machine of some calls, given with the indices of their operations, and its steps.
    pub(crate) fn new(
        history: &History,
        calls: &[(u32, ListOperation)],
    ) -> (Prefixes, Vec<Step>, Vec<u32>) {
        let mut machine = Prefixes { acts: Vec::new(), longer: HashMap::new(), kept: Vec::new() };
        // How often each element was put in, and at how many places it is shown.
        let mut counts: HashMap<u32, (u32, u32)> = HashMap::new();
        let mut next = EMPTY + 1;
        let mut one_by_one = true;
        for (_, call) in calls {
            match call {
                ListOperation::Read(elements) => {
                    let mut prefix = EMPTY;
                    for &element in elements {
                        prefix = *machine.longer.entry((prefix, element)).or_insert_with(|| {
                            counts.entry(element).or_default().1 += 1;
                            next += 1;
                            next - 1
                        });
                    }
                }
                ListOperation::Append(elements) | ListOperation::Write(elements) => {
                    one_by_one &= elements.len() <= 1;
                    for &element in elements {
                        counts.entry(element).or_default().0 += 1;
                    }
                }
                ListOperation::Impossible => {}
            }
        }
        if one_by_one {
            let elements = counts.keys().max().map_or(0, |last| *last as usize + 1);
            machine.kept = vec![false; elements];
            for (element, (made, shown)) in counts {
                machine.kept[element as usize] = made <= shown;
            }
        }
        let mut numbers: HashMap<Act, u32> = HashMap::new();
        let (mut steps, mut indices) = (Vec::new(), Vec::new());
        for (index, call) in calls {
            let act = machine.act(call);
            let operation = *numbers.entry(act).or_insert_with_key(|act| {
                machine.acts.push(act.clone());
                machine.acts.len() as u32 - 1
            });
            let recorded = &history.operations[*index as usize];
            let (invoked, returned) = (recorded.invoked, recorded.completed);
            steps.push(Step { invoked, returned, operation });
            indices.push(*index);
        }
        (machine, steps, indices)
    }

    fn act(&self, call: &ListOperation) -> Act {
        match call {
            ListOperation::Read(elements) => {
                let longer = |prefix, &element: &u32| self.longer.get(&(prefix, element)).copied();
                elements.iter().try_fold(EMPTY, longer).map_or(Act::Impossible, Act::Read)
            }
            ListOperation::Append(elements) => Act::Append(elements.clone()),
            ListOperation::Write(elements) => Act::Write(elements.clone()),
            ListOperation::Impossible => Act::Impossible,
        }
    }

    /// The state after elements were added to a prefix; `None` if one that must be seen would be lost.
    fn with(&self, prefix: u32, elements: &[u32]) -> Option<u32> {
        elements.iter().try_fold(prefix, |prefix, &element| {
            match self.longer.get(&(prefix, element)) {
                Some(&longer) => Some(longer),
                None if self.kept.get(element as usize).copied().unwrap_or(false) => None,
                None => Some(LOST),
            }
        })
    }
}

impl Machine for Prefixes {
    fn initial(&mut self) -> u32 {
        EMPTY
    }

    fn step(&mut self, state: u32, operation: u32) -> Option<u32> {
        match &self.acts[operation as usize] {
            Act::Read(prefix) => (state == *prefix).then_some(state),
            Act::Append(elements) => self.with(state, elements),
            Act::Write(elements) => self.with(EMPTY, elements),
            Act::Impossible => None,
        }
    }

    fn observes(&self, operation: u32) -> bool {
        matches!(self.acts[operation as usize], Act::Read(_) | Act::Impossible)
    }

    fn overwrites(&self, operation: u32) -> bool {
        match &self.acts[operation as usize] {
            Act::Write(elements) => self.with(EMPTY, elements).is_some(),
            Act::Read(_) | Act::Append(_) | Act::Impossible => false,
        }
    }

    fn operations(&self) -> usize {
        self.acts.len()
    }

    fn bytes(&self) -> usize {
        self.longer.len() * 20 + self.acts.len() * 40
    }
}
