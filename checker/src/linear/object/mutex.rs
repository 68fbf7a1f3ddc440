//! Locks as objects.

use std::collections::HashMap;

use super::{Object, Problem, effective, interned};
use crate::history::{Function, History};
use crate::linear::machine::Interned;
use crate::model;

/// One lock.
pub(crate) struct MutexObject<'a> {
    history: &'a History,
    /// A process's acquire and the release after it, both ways.
    partners: HashMap<u32, u32>,
}

impl<'a> MutexObject<'a> {
    pub(crate) fn new(history: &'a History, operations: &[u32]) -> Self {
        let mut partners = HashMap::new();
        let mut acquired: HashMap<u64, u32> = HashMap::new();
        for (index, operation) in effective(history, operations) {
            if operation.function != Function::Release {
                acquired.insert(operation.process, index);
            } else if let Some(acquire) = acquired.remove(&operation.process) {
                partners.insert(acquire, index);
                partners.insert(index, acquire);
            }
        }
        MutexObject { history, partners }
    }
}

impl Object for MutexObject<'_> {
    type Machine = Interned<model::Mutex>;

    fn problem(&self, operations: &[u32]) -> Problem<Self::Machine> {
        let calls = effective(self.history, operations).map(|(index, operation)| {
            let call = match operation.function {
                Function::Release => model::MutexOperation::Release,
                _ => model::MutexOperation::Acquire,
            };
            (index, call)
        });
        interned(model::Mutex, self.history, calls)
    }

    fn words(&self, machine: &Self::Machine, state: u32) -> String {
        match machine.state(state) {
            Some(true) => "held".to_owned(),
            _ => "free".to_owned(),
        }
    }

    /// An acquire and its release stay or go together.
    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        let has_partner = |index: &u32| {
            self.partners.get(index).is_none_or(|other| operations.binary_search(other).is_ok())
        };
        Some(operations.iter().copied().filter(has_partner).collect())
    }
}
