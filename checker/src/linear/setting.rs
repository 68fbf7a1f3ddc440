//! What is the same for all keys of a history, and what a key comes to.

use super::machine::{Machine, Step};
use super::object::Object;
use super::search::{Budget, Found, Kind, search};
use super::witness::Known;
use crate::history::History;
use crate::object::ModelKind;

/// What a key came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decision {
    /// Whether there is a valid order; `None`: undecided.
    pub(crate) linearizable: Option<bool>,
    /// What decided it.
    pub(crate) method: &'static str,
    /// Configurations that searches visited.
    pub(crate) configurations: u64,
    /// Operations that contradict each other, where the method names them.
    pub(crate) core: Option<Vec<u32>>,
    /// The operation at whose return the violation was certain, where known.
    pub(crate) failed: Option<u32>,
    /// Undecided: how far it got.
    pub(crate) progress: Option<String>,
}

impl Decision {
    /// There is a valid order.
    pub(crate) fn order(method: &'static str) -> Decision {
        Decision { linearizable: Some(true), method, ..Decision::default() }
    }

    /// There is none, because of these operations.
    pub(crate) fn violation(method: &'static str, core: Vec<u32>) -> Decision {
        let core = Some(core);
        Decision { linearizable: Some(false), method, core, ..Decision::default() }
    }

    fn searched(found: Found, operations: &[u32]) -> Decision {
        let (reached, all) = found.reached;
        let progress = found.linearizable.is_none().then(|| {
            format!("{reached} of {all} operations placed, {} configurations", found.steps)
        });
        Decision {
            linearizable: found.linearizable,
            method: found.by.map_or("search", Kind::word),
            configurations: found.steps,
            core: None,
            failed: found.failed.map(|call| operations[call as usize]),
            progress,
        }
    }
}

/// What is the same for all keys.
pub(crate) struct Setting<'a> {
    pub(crate) history: &'a History,
    pub(crate) model: ModelKind,
    /// What is known beside the operations.
    pub(crate) known: &'a Known<'a>,
    /// Do without the linear methods, to test the searches or to compare.
    pub(crate) search_only: bool,
    /// Run the searches of one key side by side.
    pub(crate) side_by_side: bool,
}

impl Setting<'_> {
    /// Searches calls; each is of the operation at its place.
    pub(crate) fn search<M: Machine>(
        &self,
        machine: &M,
        steps: &[Step],
        operations: &[u32],
        budget: &Budget,
    ) -> Decision {
        Decision::searched(search(machine, steps, budget, self.side_by_side), operations)
    }

    /// Searches an object's operations.
    pub(crate) fn whole<O: Object>(
        &self,
        object: &O,
        operations: &[u32],
        budget: &Budget,
    ) -> Decision {
        let problem = object.problem(operations);
        self.search(&problem.machine, &problem.steps, &problem.operations, budget)
    }
}
