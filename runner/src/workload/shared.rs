//! What the clients of a run share: what there is to do, what to do next, and what came of it.

use std::collections::VecDeque;

use super::{Generator, Operation, Tally};
use crate::plan::workload_plan::WorkloadPlan;

/// What clients share. A value: whoever drives them sees to it that one at a time has it.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// The workload.
    pub(crate) generator: Generator,
    /// What clients got.
    pub(crate) tally: Tally,
    /// What there is to do.
    pub(crate) work: Work,
    /// Operations of lists that came to nothing, however often they were tried.
    pub(crate) unanswered: usize,
}

/// What clients have to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Nothing more, once the current operation has ended.
    Nothing,
    /// Whatever the generator says, at the plan's rate.
    Load,
    /// What is left of a list.
    List(VecDeque<Task>),
}

/// An operation of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// What to do.
    pub(crate) operation: Operation,
    /// How often it was tried before.
    pub(crate) tried: u32,
}

impl Shared {
    /// For clients that have done nothing yet, and have nothing to do yet.
    pub(crate) fn new(plan: &WorkloadPlan, nodes: u32) -> Self {
        let read_at = if plan.reads_at_every_node { (1..=nodes).collect() } else { Vec::new() };
        let (generator, tally) = (Generator::new(plan).reading_at(read_at), Tally::default());
        Self { generator, tally, work: Work::Nothing, unanswered: 0 }
    }
}

impl Work {
    /// Each of these once.
    pub(crate) fn list(operations: Vec<Operation>) -> Self {
        let task = |operation| Task { operation, tried: 0 };
        Work::List(operations.into_iter().map(task).collect())
    }
}
