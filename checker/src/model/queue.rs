//! A first-in first-out queue.

use std::collections::VecDeque;

use super::Model;

/// A queue of elements given by number.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// The elements it begins with, front first.
    pub initial: VecDeque<u32>,
}

/// What a queue can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueOperation {
    /// This element is at the back.
    Enqueue(u32),
    /// This element was at the front and is out.
    Dequeue(u32),
    /// A dequeue found it empty.
    Empty,
    /// A dequeue whose answer nobody knows: it took the front element, or found nothing.
    DequeueAny,
}

impl Model for Queue {
    type State = VecDeque<u32>;
    type Operation = QueueOperation;

    fn initial(&self) -> Self::State {
        self.initial.clone()
    }

    fn step(&self, state: &Self::State, operation: &QueueOperation) -> Option<Self::State> {
        let mut queue = state.clone();
        match operation {
            QueueOperation::Enqueue(element) => queue.push_back(*element),
            QueueOperation::Dequeue(element) => {
                if queue.pop_front() != Some(*element) {
                    return None;
                }
            }
            QueueOperation::Empty => {
                if !queue.is_empty() {
                    return None;
                }
            }
            QueueOperation::DequeueAny => {
                queue.pop_front();
            }
        }
        Some(queue)
    }

    fn observes(&self, operation: &QueueOperation) -> bool {
        matches!(operation, QueueOperation::Empty)
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        state.capacity() * 4
    }
}
