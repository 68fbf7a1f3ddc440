//! Append lists decided: by the order that reads show, as registers of prefixes, else by search over prefixes.

use super::close::ListObject;
use super::prefixes::Prefixes;
use super::reduce::{Reduction, reduce};
use super::split::Lists;
use crate::history::History;
use crate::linear::search::Budget;
use crate::linear::setting::{Decision, Setting};
use crate::object::register::{Scratch, decide_calls};

/// Decides a key.
pub(super) fn decide(
    setting: &Setting<'_>,
    operations: &[u32],
    budget: &Budget,
    scratch: &mut Scratch,
) -> Decision {
    let history = setting.history;
    if !setting.search_only
        && let Ok(lists) = Lists::new(history, operations)
    {
        match reduce(history, operations, &lists) {
            Reduction::Violation(core) => return Decision::violation("list-order", core),
            Reduction::Calls(calls) => {
                let decision = decide_calls(setting, &calls, budget, scratch, "list-order");
                let core = decision.core;
                let core = core.map(|core| with_longest_reads(history, operations, &lists, core));
                return Decision { core, ..decision };
            }
            Reduction::Repeated => {}
        }
    }
    let object = ListObject::new(history, operations);
    let (machine, steps, indices) = Prefixes::new(history, &object.calls(operations));
    setting.search(&machine, &steps, &indices, budget)
}

/// A conflict of prefixes is only one together with the reads that showed them.
fn with_longest_reads(
    history: &History,
    operations: &[u32],
    lists: &Lists,
    core: Vec<u32>,
) -> Vec<u32> {
    let mut core = core;
    let mut elements: Vec<u32> = Vec::new();
    for index in &core {
        elements.extend(lists.element_of.get(index).copied().flatten());
        if let Some(&shown) = lists.shown.get(index) {
            elements.extend(lists.elements(shown).first());
        }
    }
    for element in elements {
        let showing = operations.iter().copied().filter(|index| {
            let shown = lists.shown.get(index);
            shown.is_some_and(|&shown| lists.elements(shown).contains(&element))
        });
        let completed = |index: &u32| history.operations[*index as usize].completed;
        core.extend(showing.min_by_key(completed));
    }
    core.sort_unstable();
    core.dedup();
    core
}
