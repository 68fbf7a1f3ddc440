//! A counter: add a number (negative ones too), read the sum.

use crate::model::Model;

/// A counter.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    /// The sum it begins at.
    pub initial: i64,
}

/// What a counter can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CounterOperation {
    /// It is this much more.
    Add(i64),
    /// It was this.
    Read(i64),
}

impl Model for Counter {
    type State = i64;
    type Operation = CounterOperation;

    fn initial(&self) -> i64 {
        self.initial
    }

    fn step(&self, state: &i64, operation: &CounterOperation) -> Option<i64> {
        match operation {
            // Wrapping, so that the order of additions never matters.
            CounterOperation::Add(number) => Some(state.wrapping_add(*number)),
            CounterOperation::Read(sum) => (state == sum).then_some(*state),
        }
    }

    fn observes(&self, operation: &CounterOperation) -> bool {
        matches!(operation, CounterOperation::Read(_))
    }
}
