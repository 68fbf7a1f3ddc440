//! Counters as objects.

use serde_json::Value as Json;

use super::model;
use crate::history::{Function, History, NEVER, Outcome, Value};
use crate::linear::machine::Interned;
use crate::linear::object::{Object, Problem, effective, interned};
use crate::linear::search::Budget;
use crate::linear::witness::tiny::{Order, decide};

/// A whole number, however it is written: 2, 2.0.
pub(crate) fn whole(json: &Json) -> Option<i64> {
    // Beyond 2^53 not every whole number is a float.
    const EXACT_MAX: f64 = (1_u64 << 53) as f64;
    let of_float =
        |float: f64| (float.fract() == 0.0 && float.abs() <= EXACT_MAX).then_some(float as i64);
    json.as_i64().or_else(|| json.as_f64().and_then(of_float))
}

/// One counter.
pub(crate) struct CounterObject<'a> {
    history: &'a History,
    /// Additions, by invocation.
    additions: Vec<u32>,
}

impl<'a> CounterObject<'a> {
    pub(crate) fn new(history: &'a History, operations: &[u32]) -> Self {
        let additions = effective(history, operations)
            .filter(|(_, operation)| operation.function != Function::Read)
            .map(|(index, _)| index)
            .collect();
        CounterObject { history, additions }
    }

    fn model(&self, operations: &[u32]) -> model::Counter {
        let initial = self.history.values.json(self.history.initial_of(operations));
        model::Counter { initial: whole(&initial).unwrap_or(0) }
    }

    fn call(&self, index: u32) -> Option<model::CounterOperation> {
        let operation = &self.history.operations[index as usize];
        let number = |value: Value| whole(&self.history.values.json(value));
        match (operation.function, operation.outcome) {
            // Null is what a counter shows that nobody has added to.
            (Function::Read, Outcome::Ok) => {
                Some(model::CounterOperation::Read(number(operation.value).unwrap_or(0)))
            }
            (Function::Read, _) => None,
            // An increment without a number adds one.
            _ => Some(model::CounterOperation::Add(number(operation.value).unwrap_or(1))),
        }
    }

    /// Whether operations have an order if an addition that was reported as failed may have taken effect.
    pub(crate) fn has_order_with(&self, operations: &[u32], failed: u32, budget: &Budget) -> bool {
        let own = effective(self.history, operations)
            .map(|(index, operation)| (index, operation.invoked, operation.completed));
        let failed = [(failed, self.history.operations[failed as usize].invoked, NEVER)];
        let calls = own.chain(failed).filter_map(|(index, invoked, completed)| {
            Some((invoked, completed, self.call(index)?))
        });
        let (machine, steps) = Interned::new(self.model(operations), calls);
        let processes = vec![0; steps.len()];
        decide(&machine, &steps, &processes, Order::RealTime, budget)
            .is_some_and(|decision| decision.linearizable)
    }
}

impl Object for CounterObject<'_> {
    type Machine = Interned<model::Counter>;

    fn problem(&self, operations: &[u32]) -> Problem<Self::Machine> {
        let calls = effective(self.history, operations)
            .filter_map(|(index, _)| Some((index, self.call(index)?)));
        interned(self.model(operations), self.history, calls)
    }

    fn words(&self, machine: &Self::Machine, state: u32) -> String {
        machine.state(state).map_or_else(String::new, i64::to_string)
    }

    /// Without an addition every sum that may count it is another one, so only those that begin after all
    /// reads can be left out.
    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        let last_read = operations
            .iter()
            .map(|&index| &self.history.operations[index as usize])
            .filter(|operation| {
                operation.function == Function::Read && operation.outcome == Outcome::Ok
            })
            .map(|operation| operation.completed)
            .max()
            .unwrap_or(0);
        let is_kept = |index: u32| operations.binary_search(&index).is_ok();
        let all_there = self.additions.iter().all(|&index| {
            is_kept(index) || self.history.operations[index as usize].invoked > last_read
        });
        all_there.then(|| operations.to_vec())
    }
}
