//! Append lists as objects.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::model;
use super::prefixes::Prefixes;
use super::split::{Lists, is_of_members, text_of};
use crate::history::{Function, History, Outcome, Value};
use crate::linear::machine::Interned;
use crate::linear::object::{Object, Problem, Supports, effective, interned, list_words};
use crate::linear::search::{Budget, search};

/// One list.
pub(crate) struct ListObject<'a> {
    history: &'a History,
    /// The reads taken apart; `None`: they cannot be, and are compared byte by byte.
    pub(crate) lists: Option<Lists>,
    /// Which operations put each element in.
    makers: HashMap<u32, Vec<u32>>,
    /// Everything that may change the list.
    changing: Vec<u32>,
    /// Deletes and writes of the empty list.
    emptying: Vec<u32>,
    /// Where reads cannot be taken apart: whether they are lists of members, and the members' numbers.
    is_of_members: bool,
    members: HashMap<String, u32>,
}

impl<'a> ListObject<'a> {
    pub(crate) fn new(history: &'a History, operations: &[u32]) -> Self {
        let lists = Lists::new(history, operations).ok();
        let mut makers: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut emptying = Vec::new();
        for (index, operation) in effective(history, operations) {
            let element = lists.as_ref().and_then(|lists| lists.element_of.get(&index));
            match (operation.function, element) {
                (Function::Delete, _) | (Function::Write, Some(None)) => emptying.push(index),
                (_, Some(Some(element))) => makers.entry(*element).or_default().push(index),
                _ => {}
            }
        }
        let changing = effective(history, operations)
            .filter(|(_, operation)| operation.function != Function::Read)
            .map(|(index, _)| index)
            .collect();
        let (is_of_members, members) = match lists {
            Some(_) => (false, HashMap::new()),
            None => (is_of_members(history, operations), number_members(history, operations)),
        };
        ListObject { history, lists, makers, changing, emptying, is_of_members, members }
    }

    /// An element in words.
    pub(crate) fn element(&self, element: u32) -> String {
        match self.makers.get(&element).and_then(|makers| makers.first()) {
            Some(&maker) => {
                self.history.values.words(self.history.operations[maker as usize].value)
            }
            None => "something nobody put in".to_owned(),
        }
    }

    /// Which operations put an element in.
    pub(crate) fn makers(&self, element: u32) -> &[u32] {
        self.makers.get(&element).map_or(&[], Vec::as_slice)
    }

    /// The calls of some operations. Reads are seen through the elements in view.
    pub(crate) fn calls(&self, operations: &[u32]) -> Vec<(u32, model::ListOperation)> {
        let kept: HashSet<u32> = operations.iter().copied().collect();
        let mut calls = Vec::with_capacity(operations.len());
        for (index, operation) in effective(self.history, operations) {
            if operation.function == Function::Read && operation.outcome != Outcome::Ok {
                continue;
            }
            let elements = match (&self.lists, operation.function) {
                (None, function) => self.raw(function, operation.value),
                (Some(lists), function) => {
                    let mut elements = match function {
                        Function::Read => lists.elements(lists.shown[&index]).to_vec(),
                        _ => lists.element_of.get(&index).copied().flatten().into_iter().collect(),
                    };
                    elements.retain(|&element| self.is_in_view(&kept, element));
                    elements
                }
            };
            calls.push((index, call(operation.function, elements)));
        }
        calls
    }

    /// Those of some elements that are in view of some operations.
    pub(crate) fn in_view(&self, operations: &[u32], elements: &[u32]) -> Vec<u32> {
        let kept: HashSet<u32> = operations.iter().copied().collect();
        elements.iter().copied().filter(|&element| self.is_in_view(&kept, element)).collect()
    }

    fn makers_kept(&self, operations: &[u32]) -> bool {
        self.changing.iter().all(|index| operations.binary_search(index).is_ok())
    }

    /// The elements in view: those whose operations are all kept, and those that have none.
    fn is_in_view(&self, kept: &HashSet<u32>, element: u32) -> bool {
        self.makers
            .get(&element)
            .is_none_or(|makers| makers.iter().all(|maker| kept.contains(maker)))
    }

    /// What a value is made of, where reads cannot be taken apart: members where reads are lists, bytes else.
    fn raw(&self, function: Function, value: Value) -> Vec<u32> {
        let json = self.history.values.json(value);
        if !self.is_of_members {
            return text_of(&json).bytes().map(u32::from).collect();
        }
        match (function, json) {
            (Function::Append, json) => vec![self.member(&json)],
            (_, Json::Array(members)) => members.iter().map(|member| self.member(member)).collect(),
            (_, json) if text_of(&json).is_empty() => Vec::new(),
            (_, json) => vec![self.member(&json)],
        }
    }

    fn member(&self, json: &Json) -> u32 {
        self.members.get(&json.to_string()).copied().unwrap_or(u32::MAX)
    }
}

/// Numbers for the members of all lists, and for what is appended to them.
fn number_members(history: &History, operations: &[u32]) -> HashMap<String, u32> {
    let mut members = HashMap::new();
    for (_, operation) in effective(history, operations) {
        let value = history.values.json(operation.value);
        let own = value.as_array().cloned().unwrap_or_default();
        for member in own.iter().chain([&value]) {
            let next = members.len() as u32;
            members.entry(member.to_string()).or_insert(next);
        }
    }
    members
}

impl Object for ListObject<'_> {
    type Machine = Interned<model::List>;

    fn problem(&self, operations: &[u32]) -> Problem<Self::Machine> {
        interned(model::List, self.history, self.calls(operations).into_iter())
    }

    fn search(&self, operations: &[u32], budget: &Budget) -> Option<bool> {
        let (machine, steps, _) = Prefixes::new(self.history, &self.calls(operations));
        search(&machine, &steps, budget, false).linearizable
    }

    fn words(&self, machine: &Self::Machine, state: u32) -> String {
        let Some(list) = machine.state(state) else { return String::new() };
        if self.lists.is_none() {
            return format!("{} bytes or members", list.len());
        }
        let members: Vec<String> = list.iter().map(|&element| self.element(element)).collect();
        list_words('[', &members, ']')
    }

    /// Appended elements are independent of each other: one that is left out is left out of all reads. A
    /// list that was written, or emptied, goes only with all reads of what came after.
    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        let Some(lists) = &self.lists else {
            // Bytes cannot be left out, reads can.
            return self.makers_kept(operations).then(|| operations.to_vec());
        };
        let kept: HashSet<u32> = operations.iter().copied().collect();
        let all_empty = self.emptying.iter().all(|index| kept.contains(index));
        let stays = |index: &u32| {
            let Some(&shown) = lists.shown.get(index) else { return true };
            let Some(&first) = lists.elements(shown).first() else { return all_empty };
            let makers = self.makers.get(&first).map_or(&[][..], Vec::as_slice);
            let is_write =
                |maker: &u32| self.history.operations[*maker as usize].function == Function::Write;
            // What was appended stands first where the list was empty.
            let is_written = !makers.is_empty() && makers.iter().all(is_write);
            let has_makers = makers.iter().all(|maker| kept.contains(maker));
            match makers.iter().any(is_write) {
                true => has_makers && (is_written || all_empty),
                false => all_empty,
            }
        };
        Some(operations.iter().copied().filter(stays).collect())
    }

    /// Without the appends of what a read shows its text could not be taken apart.
    fn supports(&self, operations: &[u32]) -> Supports {
        let complete = self.complete(operations).into_iter();
        let operations = complete.filter(|index| operations.binary_search(index).is_err());
        Supports { operations: operations.collect(), initial: None }
    }

    /// Adds what the reads show.
    fn complete(&self, operations: &[u32]) -> Vec<u32> {
        let Some(lists) = &self.lists else { return self.changing.clone() };
        let mut complete: Vec<u32> = operations.to_vec();
        complete.extend(&self.emptying);
        for index in operations {
            if let Some(&shown) = lists.shown.get(index) {
                let makers = lists.elements(shown).iter().flat_map(|&element| self.makers(element));
                complete.extend(makers);
            }
        }
        complete.sort_unstable();
        complete.dedup();
        complete
    }
}

fn call(function: Function, elements: Vec<u32>) -> model::ListOperation {
    match function {
        Function::Read => model::ListOperation::Read(elements),
        Function::Append => model::ListOperation::Append(elements),
        Function::Write => model::ListOperation::Write(elements),
        Function::Delete => model::ListOperation::Write(Vec::new()),
        // Other functions never get here: a history with them has another model.
        _ => model::ListOperation::Impossible,
    }
}
