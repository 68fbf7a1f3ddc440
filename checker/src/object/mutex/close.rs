//! Locks as objects.

use std::collections::HashMap;

use super::model;
use crate::history::{Function, History, NEVER};
use crate::linear::machine::Interned;
use crate::linear::object::{Object, Problem, effective, interned};

/// One lock.
pub(crate) struct MutexObject<'a> {
    history: &'a History,
    /// A process's acquire and the release after it, both ways.
    partners: HashMap<u32, u32>,
    /// Where the first operation begins that is not its process's turn: an acquire of a process that holds the lock, a
    /// release of one that does not. Up to there an acquire is followed by its own release in every valid order,
    /// and the two can be left out together.
    out_of_turn: u32,
    effective: Vec<u32>,
}

impl<'a> MutexObject<'a> {
    pub(crate) fn new(history: &'a History, operations: &[u32]) -> Self {
        let mut partners = HashMap::new();
        let mut acquired: HashMap<u64, u32> = HashMap::new();
        let mut out_of_turn = NEVER;
        for (index, operation) in effective(history, operations) {
            if operation.function != Function::Release {
                if acquired.insert(operation.process, index).is_some() {
                    out_of_turn = out_of_turn.min(operation.invoked);
                }
            } else if let Some(acquire) = acquired.remove(&operation.process) {
                partners.insert(acquire, index);
                partners.insert(index, acquire);
            } else {
                out_of_turn = out_of_turn.min(operation.invoked);
            }
        }
        let effective = effective(history, operations).map(|(index, _)| index).collect();
        MutexObject { history, partners, out_of_turn, effective }
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

    /// What begins after everything else has returned can be left out. Of the rest, an acquire and its release stay or
    /// go together as long as all processes take turns; where one does not, any release may be the one that made
    /// an acquire possible, and nothing of the rest can be left out.
    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        let recorded = |index: &u32| &self.history.operations[*index as usize];
        let returned = operations.iter().map(|index| recorded(index).completed);
        let last = returned.filter(|&at| at != NEVER).max().unwrap_or(0);
        let is_left_out = |index: &u32| operations.binary_search(index).is_err();
        if self.out_of_turn < last {
            let mut early = self.effective.iter().filter(|index| recorded(index).invoked < last);
            return (!early.any(is_left_out)).then(|| operations.to_vec());
        }
        let has_partner = |index: &u32| {
            let partner = self.partners.get(index);
            partner.is_none_or(|other| !is_left_out(other) || recorded(other).invoked > last)
        };
        Some(operations.iter().copied().filter(has_partner).collect())
    }
}
