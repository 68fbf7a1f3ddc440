//! Which release gives back what which acquire took.

use std::collections::HashMap;

use crate::history::{Function, History, NEVER, Operation};
use crate::linear::object::effective;

/// Acquires and the releases that give back what they took, process by process.
///
/// The operations of one process are one behind the other, so a release gives back what its process took last and has not given
/// back yet. Such a pair can be left out of any valid order in which nobody gives back what another took, and so can an
/// acquire that is never given back.
pub(crate) struct Pairs {
    partners: HashMap<u32, u32>,
    /// Releases of a process that held nothing, by invocation.
    pub(crate) unheld: Vec<u32>,
}

impl Pairs {
    pub(crate) fn new(history: &History, operations: &[u32]) -> Pairs {
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
    pub(crate) fn close(&self, history: &History, operations: &[u32]) -> Vec<u32> {
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

pub(crate) fn last_return(history: &History, operations: &[u32]) -> u32 {
    let returned = operations.iter().map(|&index| recorded(history, index).completed);
    returned.filter(|&at| at != NEVER).max().unwrap_or(0)
}
