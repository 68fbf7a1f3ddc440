//! A lock: acquire it when it is free, release it when it is held.

use crate::model::Model;

/// A lock that begins free. It does not know its holder, as Knossos's mutex does not.
#[derive(Clone, Debug, Default)]
pub struct Mutex;

/// What a lock can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MutexOperation {
    /// It was free and is held now.
    Acquire,
    /// It was held and is free now.
    Release,
}

impl Model for Mutex {
    type State = bool;
    type Operation = MutexOperation;

    fn initial(&self) -> bool {
        false
    }

    fn step(&self, held: &bool, operation: &MutexOperation) -> Option<bool> {
        match (held, operation) {
            (false, MutexOperation::Acquire) => Some(true),
            (true, MutexOperation::Release) => Some(false),
            _ => None,
        }
    }
}
