//! One key: the method that fits its model, and the search where there is none.

use std::time::Instant;

use super::call::{Call, register_calls};
use super::greedy::Greedy;
use super::list::{Lists, Prefixes, Reduction, reduce};
use super::machine::{Machine, Register, Step};
use super::object::{
    CounterObject, ListObject, MutexObject, Object, OwnedMutexObject, QueueModel, QueueObject,
    RegisterObject, SemaphoreObject, SetObject,
};
use super::search::{Budget, Found, search};
use super::witness::{Asked, Confirmed, Known, confirm, file};
use super::{queue, set, unordered, zones};
use crate::history::History;
use crate::model;
use crate::options::ModelKind;

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
    fn linear(method: &'static str, linearizable: bool, core: Option<Vec<u32>>) -> Decision {
        Decision { linearizable: Some(linearizable), method, core, ..Decision::default() }
    }

    fn searched(found: Found, operations: &[u32]) -> Decision {
        let (reached, all) = found.reached;
        let progress = found.linearizable.is_none().then(|| {
            format!("{reached} of {all} operations placed, {} configurations", found.steps)
        });
        Decision {
            linearizable: found.linearizable,
            method: found.by.map_or("search", super::search::Kind::word),
            configurations: found.steps,
            core: None,
            failed: found.failed.map(|call| operations[call as usize]),
            progress,
        }
    }
}

/// Memory that one worker uses again for each key.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    calls: Vec<Call>,
    register: RegisterScratch,
}

/// The part of it for registers.
#[derive(Debug, Default)]
struct RegisterScratch {
    zones: zones::Scratch,
    greedy: Greedy,
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
    /// Decides a key. `operations` are its operations by invocation.
    pub(crate) fn decide(
        &self,
        operations: &[u32],
        budget: &Budget,
        scratch: &mut Scratch,
    ) -> Decision {
        let history = self.history;
        match self.model {
            ModelKind::Register => {
                let Scratch { calls, register } = scratch;
                register_calls(history, operations, calls);
                self.register(calls, budget, register, "zones")
            }
            ModelKind::Append => self.list(operations, budget, scratch),
            ModelKind::Set => self.set(operations, budget, scratch),
            ModelKind::Queue => {
                let order = |operations: &[u32]| queue::decide(history, operations);
                self.queue::<model::Queue>(operations, budget, "queue-order", order)
            }
            ModelKind::UnorderedQueue => {
                let order = |operations: &[u32]| unordered::decide(history, operations);
                self.queue::<model::UnorderedQueue>(operations, budget, "element-counts", order)
            }
            ModelKind::Counter => {
                self.whole(&CounterObject::new(history, operations), operations, budget)
            }
            ModelKind::Mutex => {
                self.whole(&MutexObject::new(history, operations), operations, budget)
            }
            ModelKind::OwnerAwareMutex | ModelKind::ReentrantMutex => {
                let is_reentrant = self.model == ModelKind::ReentrantMutex;
                let object = OwnedMutexObject::new(history, operations, is_reentrant);
                self.whole(&object, operations, budget)
            }
            ModelKind::Semaphore(permits) => {
                let object = SemaphoreObject::new(history, operations, permits);
                self.whole(&object, operations, budget)
            }
        }
    }

    /// Confirms and explains a violation, and finds a file of it that says the same.
    pub(crate) fn explain(
        &self,
        operations: &[u32],
        decision: &Decision,
        budget: Budget,
        end: Instant,
    ) -> Confirmed {
        let mut confirmed = self.confirm(operations, decision, budget.clone(), end);
        if let Confirmed::Finding(finding) = &mut confirmed {
            let budget = budget.ending(end);
            let tell = |history: &History, known: &Known<'_>| {
                let own = history.by_key().operations(0);
                let part = Setting { history, known, ..*self };
                match part.confirm(own, &Decision::default(), budget.clone(), end) {
                    Confirmed::Finding(finding) => Some(*finding),
                    Confirmed::Unconfirmed(_) => None,
                }
            };
            file::settle((self.history, self.model), operations, finding, &tell, &budget);
        }
        confirmed
    }

    fn confirm(
        &self,
        operations: &[u32],
        decision: &Decision,
        budget: Budget,
        end: Instant,
    ) -> Confirmed {
        let (history, all) = (self.history, operations);
        let asked = Asked {
            history,
            known: self.known,
            all,
            core: decision.core.as_deref(),
            failed: decision.failed,
            budget,
            end,
        };
        match self.model {
            ModelKind::Register => confirm(&RegisterObject::new(history, all), &asked),
            ModelKind::Append => confirm(&ListObject::new(history, all), &asked),
            ModelKind::Set => confirm(&SetObject::new(history, all), &asked),
            ModelKind::Queue => confirm(&QueueObject::<model::Queue>::new(history, all), &asked),
            ModelKind::UnorderedQueue => {
                confirm(&QueueObject::<model::UnorderedQueue>::new(history, all), &asked)
            }
            ModelKind::Counter => confirm(&CounterObject::new(history, all), &asked),
            ModelKind::Mutex => confirm(&MutexObject::new(history, all), &asked),
            ModelKind::OwnerAwareMutex => {
                confirm(&OwnedMutexObject::new(history, all, false), &asked)
            }
            ModelKind::ReentrantMutex => {
                confirm(&OwnedMutexObject::new(history, all, true), &asked)
            }
            ModelKind::Semaphore(permits) => {
                confirm(&SemaphoreObject::new(history, all, permits), &asked)
            }
        }
    }

    fn register(
        &self,
        calls: &[Call],
        budget: &Budget,
        scratch: &mut RegisterScratch,
        method: &'static str,
    ) -> Decision {
        if !self.search_only {
            match zones::decide(calls, &mut scratch.zones) {
                zones::Answer::Linearizable => return Decision::linear(method, true, None),
                zones::Answer::Violation(conflict) => {
                    let core = conflict.calls.iter().map(|&call| calls[call as usize].index);
                    return Decision::linear(method, false, Some(core.collect()));
                }
                zones::Answer::Unsettled => {}
            }
            if scratch.greedy.finds_order(calls) {
                return Decision::linear("greedy", true, None);
            }
        }
        let (machine, steps) = Register::new(calls);
        let operations: Vec<u32> = calls.iter().map(|call| call.index).collect();
        self.search(&machine, &steps, &operations, budget)
    }

    fn search<M: Machine>(
        &self,
        machine: &M,
        steps: &[Step],
        operations: &[u32],
        budget: &Budget,
    ) -> Decision {
        Decision::searched(search(machine, steps, budget, self.side_by_side), operations)
    }

    fn whole<O: Object>(&self, object: &O, operations: &[u32], budget: &Budget) -> Decision
    where
        O::Machine: Sync,
    {
        let problem = object.problem(operations);
        self.search(&problem.machine, &problem.steps, &problem.operations, budget)
    }

    fn list(&self, operations: &[u32], budget: &Budget, scratch: &mut Scratch) -> Decision {
        if !self.search_only
            && let Ok(lists) = Lists::new(self.history, operations)
        {
            match reduce(self.history, operations, &lists) {
                Reduction::Violation(core) => {
                    return Decision::linear("list-order", false, Some(core));
                }
                Reduction::Calls(calls) => {
                    let mut decision =
                        self.register(&calls, budget, &mut scratch.register, "list-order");
                    decision.core = decision
                        .core
                        .map(|core| with_longest_reads(self.history, operations, &lists, core));
                    return decision;
                }
                Reduction::Repeated => {}
            }
        }
        let object = ListObject::new(self.history, operations);
        let (machine, steps, indices) = Prefixes::new(self.history, &object.calls(operations));
        self.search(&machine, &steps, &indices, budget)
    }

    fn set(&self, operations: &[u32], budget: &Budget, scratch: &mut Scratch) -> Decision {
        if !self.search_only
            && let Some(elements) = set::split(self.history, operations)
        {
            let mut configurations = 0;
            let mut is_decided = true;
            for calls in elements.calls.values() {
                let decision = self.register(calls, budget, &mut scratch.register, "elements");
                configurations += decision.configurations;
                match decision.linearizable {
                    Some(true) => {}
                    Some(false) => {
                        let core = calls.iter().map(|call| call.index).collect();
                        return Decision {
                            core: Some(core),
                            failed: None,
                            method: "elements",
                            configurations,
                            ..decision
                        };
                    }
                    None => is_decided = false,
                }
            }
            if is_decided && elements.is_exact {
                return Decision { configurations, ..Decision::linear("elements", true, None) };
            }
        }
        self.whole(&SetObject::new(self.history, operations), operations, budget)
    }

    fn queue<M: QueueModel>(
        &self,
        operations: &[u32],
        budget: &Budget,
        method: &'static str,
        order: impl Fn(&[u32]) -> queue::Answer,
    ) -> Decision {
        if !self.search_only {
            match order(operations) {
                queue::Answer::Linearizable => return Decision::linear(method, true, None),
                queue::Answer::Violation(core) => {
                    return Decision::linear(method, false, Some(core));
                }
                queue::Answer::Unsettled => {}
            }
        }
        self.whole(&QueueObject::<M>::new(self.history, operations), operations, budget)
    }
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
