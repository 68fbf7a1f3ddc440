//! Locks that know their holder, as objects.

use super::model::{OwnedMutex, OwnedMutexOperation};
use super::pairs::Pairs;
use crate::history::{Function, History};
use crate::linear::machine::Interned;
use crate::linear::object::{Object, Problem, effective, interned};

/// A lock that only its holder may release.
pub(crate) struct OwnedMutexObject<'a> {
    history: &'a History,
    pub(crate) model: OwnedMutex,
    pub(crate) pairs: Pairs,
}

impl<'a> OwnedMutexObject<'a> {
    pub(crate) fn new(history: &'a History, operations: &[u32], is_reentrant: bool) -> Self {
        let model = OwnedMutex { is_reentrant };
        OwnedMutexObject { history, model, pairs: Pairs::new(history, operations) }
    }
}

impl Object for OwnedMutexObject<'_> {
    type Machine = Interned<OwnedMutex>;

    fn problem(&self, operations: &[u32]) -> Problem<Self::Machine> {
        let calls = effective(self.history, operations).map(|(index, operation)| {
            let call = match operation.function {
                Function::Release => OwnedMutexOperation::Release(operation.process),
                _ => OwnedMutexOperation::Acquire(operation.process),
            };
            (index, call)
        });
        interned(self.model.clone(), self.history, calls)
    }

    fn words(&self, machine: &Self::Machine, state: u32) -> String {
        match machine.state(state) {
            Some(Some((process, 1))) => format!("held by client {process}"),
            Some(Some((process, times))) => format!("held by client {process}, {times} times"),
            _ => "free".to_owned(),
        }
    }

    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        Some(self.pairs.close(self.history, operations))
    }
}
