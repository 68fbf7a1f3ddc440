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
    /// Every process acquires and releases in turns. Then, in any valid order, the release behind an acquire is the
    /// same process's, and the two can be left out together.
    is_paired: bool,
    all: Vec<u32>,
}

impl<'a> MutexObject<'a> {
    pub(crate) fn new(history: &'a History, operations: &[u32]) -> Self {
        let mut partners = HashMap::new();
        let mut acquired: HashMap<u64, u32> = HashMap::new();
        let mut is_paired = true;
        for (index, operation) in effective(history, operations) {
            if operation.function != Function::Release {
                is_paired &= acquired.insert(operation.process, index).is_none();
            } else if let Some(acquire) = acquired.remove(&operation.process) {
                partners.insert(acquire, index);
                partners.insert(index, acquire);
            } else {
                is_paired = false;
            }
        }
        let all = effective(history, operations).map(|(index, _)| index).collect();
        MutexObject { history, partners, is_paired, all }
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

    /// An acquire and its release stay or go together. Where some process acquires or releases twice, only what began
    /// after everything else had ended can be left out: it comes last in every order.
    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        if !self.is_paired {
            let operation = |index: &u32| &self.history.operations[*index as usize];
            let end = operations.iter().map(|index| operation(index).completed).max().unwrap_or(0);
            let is_kept = |index: &u32| operations.binary_search(index).is_ok();
            let all_later =
                self.all.iter().all(|index| is_kept(index) || operation(index).invoked > end);
            return all_later.then(|| operations.to_vec());
        }
        let has_partner = |index: &u32| {
            self.partners.get(index).is_none_or(|other| operations.binary_search(other).is_ok())
        };
        Some(operations.iter().copied().filter(has_partner).collect())
    }
}
