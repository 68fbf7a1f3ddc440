//! A queue without an order.

use std::collections::VecDeque;

use crate::model::Model;
use crate::object::queue::{QueueOperation, QueueState};

/// A queue without an order, as Knossos's `unordered-queue`: what is in may come out, whenever it went in.
///
/// [`QueueOperation::DequeueAny`] takes the least element. That is enough: where the answer matters is a dequeue that found the
/// queue empty, and what it took may be taken just before that, together with all that is left.
#[derive(Clone, Debug, Default)]
pub struct UnorderedQueue {
    /// The elements it begins with.
    pub initial: Vec<u32>,
}

impl Model for UnorderedQueue {
    type State = QueueState;
    type Operation = QueueOperation;

    fn initial(&self) -> QueueState {
        let mut elements = self.initial.clone();
        elements.sort_unstable();
        QueueState::of(elements.into())
    }

    fn step(&self, state: &QueueState, operation: &QueueOperation) -> Option<QueueState> {
        let put = |elements: &mut VecDeque<u32>, element| {
            let at = elements.binary_search(&element).unwrap_or_else(|at| at);
            elements.insert(at, element);
        };
        let take = |elements: &mut VecDeque<u32>, element| {
            elements.binary_search(&element).is_ok_and(|at| elements.remove(at).is_some())
        };
        state.after(operation, put, take)
    }

    fn observes(&self, operation: &QueueOperation) -> bool {
        matches!(operation, QueueOperation::Empty)
    }

    fn heap_bytes(&self, state: &QueueState) -> usize {
        state.heap_bytes()
    }
}
