//! A semaphore: some permits, taken and given back one at a time.

use crate::model::Model;

/// A semaphore whose permits are all free at first. It does not know who has them: whoever releases gives one back, as long
/// as one is out.
#[derive(Clone, Debug)]
pub struct Semaphore {
    /// How many permits there are.
    pub permits: u32,
}

/// What a semaphore can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SemaphoreOperation {
    /// A permit was free and is out now.
    Acquire,
    /// A permit was out and is free now.
    Release,
}

impl Model for Semaphore {
    /// How many permits are out.
    type State = u32;
    type Operation = SemaphoreOperation;

    fn initial(&self) -> u32 {
        0
    }

    fn step(&self, out: &u32, operation: &SemaphoreOperation) -> Option<u32> {
        match operation {
            SemaphoreOperation::Acquire => (*out < self.permits).then_some(out + 1),
            SemaphoreOperation::Release => out.checked_sub(1),
        }
    }
}
