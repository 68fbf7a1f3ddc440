//! Sets as objects.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::model;
use crate::history::{Function, History, Operation, Outcome, Value};
use crate::linear::machine::Interned;
use crate::linear::object::{
    Object, Problem, Supports, effective, find, in_words_order, interned, list_words,
};

/// One set.
pub(crate) struct SetObject<'a> {
    history: &'a History,
    initial: Value,
    /// Additions and removals of each element.
    updates: HashMap<u32, usize>,
    all: Vec<u32>,
}

impl<'a> SetObject<'a> {
    pub(crate) fn new(history: &'a History, operations: &[u32]) -> Self {
        let updates = updates(history, operations);
        let initial = history.initial_of(operations);
        SetObject { history, initial, updates, all: operations.to_vec() }
    }

    /// The elements in view of some operations that a read found, as it has them, and those that it lacks, as they
    /// were added.
    pub(crate) fn found(&self, operations: &[u32], read: u32) -> (Vec<Element>, Vec<Value>) {
        let hidden = self.hidden(operations);
        let value = self.history.operations[read as usize].value;
        let members = self.history.values.list(value).unwrap_or_default();
        let found = members.iter().map(|json| Element::new(find(self.history, json), json));
        let found = found.filter(|element| !hidden.contains(&element.value.code())).collect();
        let shown = elements(self.history, value);
        let mut lacks: Vec<Value> = Vec::new();
        for (_, operation) in effective(self.history, operations) {
            let code = operation.value.code();
            let is_update = matches!(operation.function, Function::Add | Function::Remove);
            let is_known = hidden.contains(&code) || shown.contains(&code);
            if is_update && !is_known && !lacks.contains(&operation.value) {
                lacks.push(operation.value);
            }
        }
        (found, lacks)
    }

    /// Whether an operation's answer shows an element.
    pub(crate) fn shows(&self, operation: &Operation, value: Value) -> bool {
        match operation.function {
            Function::Read => elements(self.history, operation.value).contains(&value.code()),
            Function::Contains => operation.value == value && operation.second.number() == Some(1),
            _ => false,
        }
    }

    /// Elements with some of their additions and removals left out: out of view.
    fn hidden(&self, operations: &[u32]) -> HashSet<u32> {
        let kept = updates(self.history, operations);
        let is_whole = |element: &u32| kept.get(element) == self.updates.get(element);
        self.updates.keys().filter(|element| !is_whole(element)).copied().collect()
    }
}

/// An element of an answer.
pub(crate) struct Element {
    /// Its value, if an operation has it as well.
    pub(crate) value: Value,
    /// Its name.
    pub(crate) words: String,
}

impl Element {
    pub(crate) fn new(value: Value, json: &serde_json::Value) -> Element {
        let words = if json.is_null() { "absent".to_owned() } else { json.to_string() };
        Element { value, words }
    }
}

fn updates(history: &History, operations: &[u32]) -> HashMap<u32, usize> {
    let mut updates = HashMap::new();
    for (_, operation) in effective(history, operations) {
        if matches!(operation.function, Function::Add | Function::Remove) {
            *updates.entry(operation.value.code()).or_default() += 1;
        }
    }
    updates
}

/// The codes of a read's elements, ascending; repeated ones once. An element that the history mentions
/// nowhere else has a code that stands for all such.
pub(crate) fn elements(history: &History, value: Value) -> Vec<u32> {
    let members = history.values.list(value).unwrap_or_default();
    let codes: BTreeSet<u32> = members.iter().map(|json| find(history, json).code()).collect();
    codes.into_iter().collect()
}

impl Object for SetObject<'_> {
    type Machine = Interned<model::Set>;

    /// Reads are seen without the hidden elements.
    fn problem(&self, operations: &[u32]) -> Problem<Self::Machine> {
        let hidden = self.hidden(operations);
        let calls = effective(self.history, operations).filter_map(|(index, operation)| {
            let element = operation.value.code();
            let call = match (operation.function, operation.outcome) {
                (Function::Read, Outcome::Ok) => {
                    let mut elements = elements(self.history, operation.value);
                    elements.retain(|element| !hidden.contains(element));
                    model::SetOperation::Read(elements)
                }
                (Function::Contains, Outcome::Ok) => {
                    model::SetOperation::Contains(element, operation.second.number() == Some(1))
                }
                (Function::Read | Function::Contains, _) => return None,
                (Function::Remove, _) => model::SetOperation::Remove(element),
                _ => model::SetOperation::Add(element),
            };
            Some((index, call))
        });
        let mut initial = elements(self.history, self.initial);
        initial.retain(|element| !hidden.contains(element));
        interned(model::Set { initial: initial.into_iter().collect() }, self.history, calls)
    }

    fn words(&self, machine: &Self::Machine, state: u32) -> String {
        let words = |&code: &u32| self.history.values.words(Value::of_code(code));
        let mut members: Vec<u32> = machine.state(state).into_iter().flatten().copied().collect();
        members.sort_by_cached_key(|&code| in_words_order(self.history, Value::of_code(code)));
        let members: Vec<String> = members.iter().map(words).collect();
        list_words('{', &members, '}')
    }

    /// What was added beside the proof's elements stands in its reads.
    fn supports(&self, operations: &[u32]) -> Supports {
        let hidden = self.hidden(operations);
        let reads = operations.iter().map(|&index| &self.history.operations[index as usize]);
        let reads = reads.filter(|operation| operation.function == Function::Read);
        let shown: HashSet<u32> =
            reads.flat_map(|read| elements(self.history, read.value)).collect();
        let is_shown = |(_, operation): &(u32, &Operation)| {
            let code = operation.value.code();
            matches!(operation.function, Function::Add | Function::Remove)
                && hidden.contains(&code)
                && shown.contains(&code)
        };
        let shown = effective(self.history, &self.all).filter(is_shown).map(|(index, _)| index);
        let shown = shown.filter(|index| operations.binary_search(index).is_err());
        Supports { operations: shown.collect(), initial: None }
    }

    /// Elements are independent of each other, so an element can be left out altogether.
    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        let hidden = self.hidden(operations);
        let stays = |index: &u32| {
            let operation = &self.history.operations[*index as usize];
            operation.function == Function::Read || !hidden.contains(&operation.value.code())
        };
        Some(operations.iter().copied().filter(stays).collect())
    }
}
