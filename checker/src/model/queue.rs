//! Queues: one that is first in first out, and one without an order.

use std::collections::VecDeque;

use super::Model;

/// What a queue holds, and how far the clients have come that drain it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueueState {
    /// The elements, front first; ascending where the queue has no order.
    pub elements: VecDeque<u32>,
    /// How many elements each drain has taken so far, by its number.
    drains: Vec<(u32, u32)>,
}

impl QueueState {
    fn of(elements: VecDeque<u32>) -> QueueState {
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

    fn heap_bytes(&self) -> usize {
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
        let mut queue = state.clone();
        let fits = match *operation {
            QueueOperation::Enqueue(element) => {
                queue.elements.push_back(element);
                true
            }
            QueueOperation::Dequeue(element) => queue.elements.pop_front() == Some(element),
            QueueOperation::Drain { drain, place, element } => {
                queue.advance(drain, place) && queue.elements.pop_front() == Some(element)
            }
            QueueOperation::Empty => queue.elements.is_empty(),
            QueueOperation::DequeueAny => {
                queue.elements.pop_front();
                true
            }
        };
        fits.then_some(queue)
    }

    fn observes(&self, operation: &QueueOperation) -> bool {
        matches!(operation, QueueOperation::Empty)
    }

    fn heap_bytes(&self, state: &QueueState) -> usize {
        state.heap_bytes()
    }
}

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
        let mut queue = state.clone();
        let find = |queue: &QueueState, element: u32| queue.elements.binary_search(&element);
        let fits = match *operation {
            QueueOperation::Enqueue(element) => {
                let at = find(&queue, element).unwrap_or_else(|at| at);
                queue.elements.insert(at, element);
                true
            }
            QueueOperation::Dequeue(element) => {
                find(&queue, element).is_ok_and(|at| queue.elements.remove(at).is_some())
            }
            QueueOperation::Drain { drain, place, element } => {
                queue.advance(drain, place)
                    && find(&queue, element).is_ok_and(|at| queue.elements.remove(at).is_some())
            }
            QueueOperation::Empty => queue.elements.is_empty(),
            QueueOperation::DequeueAny => {
                queue.elements.pop_front();
                true
            }
        };
        fits.then_some(queue)
    }

    fn observes(&self, operation: &QueueOperation) -> bool {
        matches!(operation, QueueOperation::Empty)
    }

    fn heap_bytes(&self, state: &QueueState) -> usize {
        state.heap_bytes()
    }
}
