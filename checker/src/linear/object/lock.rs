//! Locks that know their holder, and semaphores, as objects.

use std::collections::HashMap;

use super::{Object, Problem, effective, interned};
use crate::history::{Function, History, NEVER, Operation};
use crate::linear::machine::Interned;
use crate::model::{OwnedMutex, OwnedMutexOperation, Semaphore, SemaphoreOperation};

/// Acquires and the releases that give back what they took, process by process.
///
/// The operations of one process are one behind the other, so a release gives back what its process took last and has not given
/// back yet. Such a pair can be left out of any valid order in which nobody gives back what another took, and so can an
/// acquire that is never given back.
pub(crate) struct Pairs {
    partners: HashMap<u32, u32>,
    /// Releases of a process that held nothing, by invocation.
    unheld: Vec<u32>,
}

impl Pairs {
    fn new(history: &History, operations: &[u32]) -> Pairs {
        let mut pairs = Pairs { partners: HashMap::new(), unheld: Vec::new() };
        let mut held: HashMap<u64, Vec<u32>> = HashMap::new();
        for (index, operation) in effective(history, operations) {
            let own = held.entry(operation.process).or_default();
            if operation.function != Function::Release {
                own.push(index);
            } else if let Some(acquire) = own.pop() {
                pairs.partners.insert(acquire, index);
                pairs.partners.insert(index, acquire);
            } else {
                pairs.unheld.push(index);
            }
        }
        pairs
    }

    /// The release that gives back what an acquire took, and the other way round.
    pub(crate) fn partner(&self, index: u32) -> Option<u32> {
        self.partners.get(&index).copied()
    }

    /// Both of a pair stay or go together; what begins after everything else has returned may go alone.
    fn close(&self, history: &History, operations: &[u32]) -> Vec<u32> {
        let last = last_return(history, operations);
        let has_partner = |index: &u32| {
            self.partner(*index).is_none_or(|other| {
                operations.binary_search(&other).is_ok() || recorded(history, other).invoked > last
            })
        };
        operations.iter().copied().filter(has_partner).collect()
    }
}

fn recorded(history: &History, index: u32) -> &Operation {
    &history.operations[index as usize]
}

fn last_return(history: &History, operations: &[u32]) -> u32 {
    let returned = operations.iter().map(|&index| recorded(history, index).completed);
    returned.filter(|&at| at != NEVER).max().unwrap_or(0)
}

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
        let begins = |index: &u32| recorded(self.history, *index).invoked;
        if self.pairs.unheld.first().is_some_and(|first| begins(first) < last) {
            let is_left_out = |index: &u32| operations.binary_search(index).is_err();
            let mut early = self.effective.iter().filter(|index| begins(index) < last);
            return (!early.any(is_left_out)).then(|| operations.to_vec());
        }
        Some(self.pairs.close(self.history, operations))
    }
}
