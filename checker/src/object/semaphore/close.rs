//! Semaphores as objects.

use super::model::{Semaphore, SemaphoreOperation};
use crate::history::{Function, History};
use crate::linear::machine::Interned;
use crate::linear::object::{Object, Problem, effective, interned};
use crate::object::owned_mutex::{Pairs, last_return};

/// A semaphore.
pub(crate) struct SemaphoreObject<'a> {
    history: &'a History,
    pub(crate) permits: u32,
    pairs: Pairs,
    effective: Vec<u32>,
}

impl<'a> SemaphoreObject<'a> {
    pub(crate) fn new(history: &'a History, operations: &[u32], permits: u32) -> Self {
        let effective = effective(history, operations).map(|(index, _)| index).collect();
        SemaphoreObject { history, permits, pairs: Pairs::new(history, operations), effective }
    }
}

impl Object for SemaphoreObject<'_> {
    type Machine = Interned<Semaphore>;

    fn problem(&self, operations: &[u32]) -> Problem<Self::Machine> {
        let calls = effective(self.history, operations).map(|(index, operation)| {
            let call = match operation.function {
                Function::Release => SemaphoreOperation::Release,
                _ => SemaphoreOperation::Acquire,
            };
            (index, call)
        });
        interned(Semaphore { permits: self.permits }, self.history, calls)
    }

    fn words(&self, machine: &Self::Machine, state: u32) -> String {
        let out = machine.state(state).copied().unwrap_or_default();
        format!("{out} of {} permits out", self.permits)
    }

    /// Pairs, as long as every process gives back its own. Where one does not, any release may be the one that made an
    /// acquire possible, and of what begins before everything has returned nothing can be left out.
    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        let last = last_return(self.history, operations);
        let begins = |index: &u32| self.history.operations[*index as usize].invoked;
        if self.pairs.unheld.first().is_some_and(|first| begins(first) < last) {
            let is_left_out = |index: &u32| operations.binary_search(index).is_err();
            let mut early = self.effective.iter().filter(|index| begins(index) < last);
            return (!early.any(is_left_out)).then(|| operations.to_vec());
        }
        Some(self.pairs.close(self.history, operations))
    }
}
