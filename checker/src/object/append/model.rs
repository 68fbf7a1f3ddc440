//! A list that grows at its end: append, read it whole, replace it, delete it.

use crate::model::Model;

/// A list of elements given by number.
#[derive(Clone, Debug, Default)]
pub struct List;

/// What a list can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListOperation {
    /// It was this.
    Read(Vec<u32>),
    /// These are its last elements now.
    Append(Vec<u32>),
    /// It is this now; a delete leaves it empty.
    Write(Vec<u32>),
    /// A read whose answer no list can give.
    Impossible,
}

impl Model for List {
    type State = Vec<u32>;
    type Operation = ListOperation;

    fn initial(&self) -> Self::State {
        Vec::new()
    }

    fn step(&self, state: &Self::State, operation: &ListOperation) -> Option<Self::State> {
        match operation {
            ListOperation::Read(list) => (state == list).then(|| state.clone()),
            ListOperation::Append(elements) => {
                let mut list = state.clone();
                list.extend_from_slice(elements);
                Some(list)
            }
            ListOperation::Write(list) => Some(list.clone()),
            ListOperation::Impossible => None,
        }
    }

    fn observes(&self, operation: &ListOperation) -> bool {
        matches!(operation, ListOperation::Read(_) | ListOperation::Impossible)
    }

    fn overwrites(&self, operation: &ListOperation) -> bool {
        matches!(operation, ListOperation::Write(_))
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        state.capacity() * 4
    }
}
