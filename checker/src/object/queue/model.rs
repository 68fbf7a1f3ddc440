//! A queue that is first in, first out, and what every queue can do.

use std::collections::VecDeque;

use crate::model::Model;

/// What a queue holds, and how far the clients have come that drain it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueueState {
    /// The elements, front first; ascending where the queue has no order.
    pub elements: VecDeque<u32>,
    /// How many elements each drain has taken so far, by its number.
    drains: Vec<(u32, u32)>,
}

impl QueueState {
    pub(crate) fn of(elements: VecDeque<u32>) -> QueueState {
        QueueState { elements, drains: Vec::new() }
    }

    /// A drain takes its next element; false if it has another one to take first.
    fn advance(&mut self, drain: u32, place: u32) -> bool {
        let at = self.drains.binary_search_by_key(&drain, |entry| entry.0);
        let taken = at.map_or(0, |at| self.drains[at].1);
        match at {
            Ok(at) => self.drains[at].1 += 1,
            Err(at) => self.drains.insert(at, (drain, 1)),
        }
        taken == place
    }

    /// What comes of an operation: `put` puts an element in, and `take` takes it out, if that one can come out.
    pub(crate) fn after(
        &self,
        operation: &QueueOperation,
        put: impl Fn(&mut VecDeque<u32>, u32),
        take: impl Fn(&mut VecDeque<u32>, u32) -> bool,
    ) -> Option<QueueState> {
        let mut queue = self.clone();
        let fits = match *operation {
            QueueOperation::Enqueue(element) => {
                put(&mut queue.elements, element);
                true
            }
            QueueOperation::Dequeue(element) => take(&mut queue.elements, element),
            QueueOperation::Drain { drain, place, element } => {
                queue.advance(drain, place) && take(&mut queue.elements, element)
            }
            QueueOperation::Empty => queue.elements.is_empty(),
            QueueOperation::DequeueAny => {
                queue.elements.pop_front();
                true
            }
        };
        fits.then_some(queue)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.elements.capacity() * 4 + self.drains.capacity() * 8
    }
}

/// What a queue can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueOperation {
    /// This element is in; at the back, where there is an order.
    Enqueue(u32),
    /// This element was in, at the front where there is an order, and is out.
    Dequeue(u32),
    /// The same, by a client that takes one element after another.
    Drain {
        /// The drain's number.
        drain: u32,
        /// How many elements the drain had taken before.
        place: u32,
        /// The element.
        element: u32,
    },
    /// A dequeue found it empty.
    Empty,
    /// A dequeue whose answer nobody knows: it took the front element, or any, or found nothing.
    DequeueAny,
}

/// A first-in first-out queue of elements given by number.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// The elements it begins with, front first.
    pub initial: VecDeque<u32>,
}

impl Model for Queue {
    type State = QueueState;
    type Operation = QueueOperation;

    fn initial(&self) -> QueueState {
        QueueState::of(self.initial.clone())
    }

    fn step(&self, state: &QueueState, operation: &QueueOperation) -> Option<QueueState> {
        let take = |elements: &mut VecDeque<u32>, element| elements.pop_front() == Some(element);
        state.after(operation, VecDeque::push_back, take)
    }

    fn observes(&self, operation: &QueueOperation) -> bool {
        matches!(operation, QueueOperation::Empty)
    }

    fn heap_bytes(&self, state: &QueueState) -> usize {
        state.heap_bytes()
    }
}
