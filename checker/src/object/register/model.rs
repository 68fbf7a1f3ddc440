//! A cell with one value: read, write, compare-and-set, delete.

use crate::model::Model;

/// A register of integers; `None` is absent.
#[derive(Clone, Debug, Default)]
pub struct Register {
    /// What it begins as.
    pub initial: Option<i64>,
}

/// What a register can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterOperation {
    /// It held this.
    Read(Option<i64>),
    /// It holds this now. A delete writes `None`.
    Write(Option<i64>),
    /// It held the first and holds the second now.
    Cas(Option<i64>, Option<i64>),
    /// A cas was rejected: it did not hold this.
    NotEqual(Option<i64>),
}

impl Model for Register {
    type State = Option<i64>;
    type Operation = RegisterOperation;

    fn initial(&self) -> Self::State {
        self.initial
    }

    fn step(&self, state: &Self::State, operation: &RegisterOperation) -> Option<Self::State> {
        match operation {
            RegisterOperation::Read(value) => (state == value).then_some(*state),
            RegisterOperation::Write(value) => Some(*value),
            RegisterOperation::Cas(from, to) => (state == from).then_some(*to),
            RegisterOperation::NotEqual(value) => (state != value).then_some(*state),
        }
    }

    fn observes(&self, operation: &RegisterOperation) -> bool {
        matches!(operation, RegisterOperation::Read(_) | RegisterOperation::NotEqual(_))
    }

    fn overwrites(&self, operation: &RegisterOperation) -> bool {
        matches!(operation, RegisterOperation::Write(_))
    }
}
