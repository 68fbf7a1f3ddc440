//! The file of a witness: the operations that, judged by themselves, are told as the page tells them.
//!
//! A sentence rests on more than the proof: that nobody else wrote a value, that a later read shows it, that a write which
//! is left out may have come between. Which operations those are depends on the kind of object, the class and the sentence. So
//! none of the three is asked: the file is judged before it is written, by what judges it later, and as long as it does not say
//! what the page says, it gets more of the key's operations, the nearest first. With all of them it says the same, because
//! then nothing is left out; and of those that were added only what makes the difference is kept.

use std::collections::HashSet;

use super::{Case, Effect, Known};
use crate::analysis::{
    Finding, OperationId, Witness, WitnessEffect, WitnessFile, WitnessNote, WitnessOperation,
};
use crate::history::{History, NEVER, Operation, Value};
use crate::linear::object::Object;
use crate::linear::search::Budget;
use crate::object::ModelKind;

/// Operations that are added at first.
const ADDED_FIRST: usize = 8;

/// Operations that are added at most: a longer file is no witness that anybody reads.
const ADDED_MAX: usize = 1 << 12;

/// What a history of one key and what is noted of it are told as; `None`: nothing was confirmed in time.
pub(crate) type Tell<'a> = dyn Fn(&History, &Known<'_>) -> Option<Finding> + 'a;

fn id(operation: &Operation) -> OperationId {
    OperationId {
        process: operation.process,
        invoked_at_ns: operation.invoked_at_ns,
        part: operation.part(),
    }
}

/// What a file of the witness holds at least: the proof, what the text names, and what explains the values that they found.
pub(super) fn file<O: Object>(object: &O, case: &Case<'_>, context: &[u32]) -> WitnessFile {
    let id = |&index: &u32| id(case.operation(index));
    let supports = object.supports(case.operations);
    let mut all = [case.operations, context, &supports.operations].concat();
    all.sort_unstable();
    all.dedup();
    let effect = |index: &u32| {
        let (node, at) = match case.known.effect(*index)? {
            Effect::Applied { node, index } => (Some(node), Some(index)),
            Effect::Nowhere => (None, None),
        };
        Some(WitnessEffect { operation: id(index), node, index: at })
    };
    WitnessFile {
        operations: all.iter().map(id).collect(),
        initial: supports
            .initial
            .or(Some(case.initial).filter(|&value| value != Value::NIL))
            .map(|value| case.history.values.json(value)),
        note: WitnessNote {
            proof: case.operations.iter().map(id).collect(),
            effects: case.operations.iter().filter_map(effect).collect(),
            is_start_open: is_start_open(object, case),
            model: None,
        },
    }
}

/// Whether operations that were left out may have changed the key before.
pub(super) fn is_start_open<O: Object>(object: &O, case: &Case<'_>) -> bool {
    case.known.is_start_open() || !object.is_start_known(case.operations)
}

/// Makes the file of a finding of a key, whose operations are `all`, say by that model what the finding says. Where the time is up before,
/// or where that would take too many operations, it stays as it is.
pub(crate) fn settle(
    (history, model): (&History, ModelKind),
    all: &[u32],
    finding: &mut Finding,
    tell: &Tell<'_>,
    budget: &Budget,
) {
    if let Some(witness) = &mut finding.witness {
        witness.file.note.model = Some(model);
    }
    let Some(witness) = &finding.witness else { return };
    let trial = Trial { history, all, finding, note: &witness.file.note, tell };
    let least = trial.with_lines_of(&witness.file.operations);
    if trial.says_the_same(&least, witness.file.initial.as_ref()) {
        return;
    }
    // What the key began with belongs to all of its operations.
    let initial = history.initial_of(all);
    let initial = (initial != Value::NIL).then(|| history.values.json(initial));
    let grown = trial.grown(&least, initial.as_ref(), budget);
    let Some(grown) = grown else { return };
    let ids = grown.iter().map(|&index| id(&history.operations[index as usize])).collect();
    if let Some(witness) = &mut finding.witness {
        witness.file.operations = ids;
        witness.file.initial = initial;
    }
}

/// Files of a finding, tried.
struct Trial<'a> {
    history: &'a History,
    /// The key's operations.
    all: &'a [u32],
    finding: &'a Finding,
    note: &'a WitnessNote,
    tell: &'a Tell<'a>,
}

impl Trial<'_> {
    fn operation(&self, index: u32) -> &Operation {
        &self.history.operations[index as usize]
    }

    /// The operations on the lines of some operations: a drain is several.
    fn with_lines_of(&self, ids: &[OperationId]) -> Vec<u32> {
        let lines: HashSet<(u64, u64)> =
            ids.iter().map(|id| (id.process, id.invoked_at_ns)).collect();
        let is_there = |index: &u32| {
            let operation = self.operation(*index);
            lines.contains(&(operation.process, operation.invoked_at_ns))
        };
        self.all.iter().copied().filter(is_there).collect()
    }

    fn says_the_same(&self, operations: &[u32], initial: Option<&serde_json::Value>) -> bool {
        let part = self.history.part(operations, initial);
        let again = (self.tell)(&part, &Known::noted(&part, self.note));
        again.is_some_and(|again| is_same(self.finding, &again))
    }

    /// The least operations with more of the key's, so many that they say the same, and no more than that takes.
    fn grown(
        &self,
        least: &[u32],
        initial: Option<&serde_json::Value>,
        budget: &Budget,
    ) -> Option<Vec<u32>> {
        let near = self.nearest_first(least);
        let says_the_same = |added: &[Vec<u32>]| {
            let mut operations = [least, &added.concat()].concat();
            operations.sort_unstable();
            self.says_the_same(&operations, initial)
        };
        let mut added: &[Vec<u32>] = &[];
        while !says_the_same(added) {
            if added.len() == near.len() || added.len() >= ADDED_MAX || budget.is_over() {
                return None;
            }
            added = &near[..(2 * added.len()).max(ADDED_FIRST).min(near.len())];
        }
        let mut added = added.to_vec();
        let mut size = added.len().div_ceil(2);
        while size > 0 && !added.is_empty() {
            let mut at = 0;
            while at < added.len() && !budget.is_over() {
                let end = (at + size).min(added.len());
                let rest = [&added[..at], &added[end..]].concat();
                match says_the_same(&rest) {
                    true => added = rest,
                    false => at = end,
                }
            }
            size /= 2;
        }
        let mut operations = [least, &added.concat()].concat();
        operations.sort_unstable();
        Some(operations)
    }

    /// The key's other operations, those of one line together; first those that were open while the least were, then those
    /// that ended or began closer and closer to them.
    fn nearest_first(&self, least: &[u32]) -> Vec<Vec<u32>> {
        let of_least = || least.iter().map(|&index| self.operation(index));
        let begun = of_least().map(|operation| operation.invoked).min().unwrap_or(0);
        let returned = of_least().map(|operation| operation.completed).filter(|&at| at != NEVER);
        let ended = returned.max().unwrap_or(NEVER);
        let others = self.all.iter().copied().filter(|index| least.binary_search(index).is_err());
        let mut lines: Vec<Vec<u32>> = Vec::new();
        for index in others {
            let own = self.operation(index);
            let is_one = |line: &&mut Vec<u32>| {
                let last = line.last().map(|&last| self.operation(last));
                last.is_some_and(|last| (last.process, last.invoked) == (own.process, own.invoked))
            };
            match lines.last_mut().filter(is_one) {
                Some(line) => line.push(index),
                None => lines.push(vec![index]),
            }
        }
        lines.sort_by_key(|line| {
            let own = self.operation(line[0]);
            begun.saturating_sub(own.completed).max(own.invoked.saturating_sub(ended))
        });
        lines
    }
}

/// Whether two findings say the same. Lines and indices are of the file.
fn is_same(page: &Finding, file: &Finding) -> bool {
    let text = |finding: &Finding| {
        [finding.anomaly.clone(), finding.headline.clone(), finding.explanation.clone()]
    };
    let (Some(of_page), Some(of_file)) = (&page.witness, &file.witness) else { return false };
    let drawn = |witness: &Witness| {
        let operations = witness.operations.iter().map(|operation| WitnessOperation {
            line: None,
            index: None,
            ..operation.clone()
        });
        Witness {
            operations: operations.collect(),
            file: WitnessFile::default(),
            ..witness.clone()
        }
    };
    text(page) == text(file) && drawn(of_page) == drawn(of_file)
}
