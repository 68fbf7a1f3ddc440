//! A set: add, remove, ask for one element, read it whole.

use std::collections::BTreeSet;

use crate::model::Model;

/// A set of elements given by number.
#[derive(Clone, Debug, Default)]
pub struct Set {
    /// The elements it begins with.
    pub initial: BTreeSet<u32>,
}

/// What a set can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetOperation {
    /// This element is in.
    Add(u32),
    /// This element is not in.
    Remove(u32),
    /// Whether this element was in.
    Contains(u32, bool),
    /// Its elements were these, ascending.
    Read(Vec<u32>),
}

impl Model for Set {
    type State = BTreeSet<u32>;
    type Operation = SetOperation;

    fn initial(&self) -> Self::State {
        self.initial.clone()
    }

    fn step(&self, state: &Self::State, operation: &SetOperation) -> Option<Self::State> {
        match operation {
            SetOperation::Add(element) => {
                let mut set = state.clone();
                set.insert(*element);
                Some(set)
            }
            SetOperation::Remove(element) => {
                let mut set = state.clone();
                set.remove(element);
                Some(set)
            }
            SetOperation::Contains(element, is_in) => {
                (state.contains(element) == *is_in).then(|| state.clone())
            }
            SetOperation::Read(elements) => state.iter().eq(elements.iter()).then(|| state.clone()),
        }
    }

    fn observes(&self, operation: &SetOperation) -> bool {
        matches!(operation, SetOperation::Contains(..) | SetOperation::Read(_))
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        state.len() * 8
    }
}
