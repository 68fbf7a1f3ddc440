//! Says what to do next, and learns from what came of it. Shared by all clients of a run.

use super::keys::Keys;
use super::{Action, Operation, Outcome, append, register};
use crate::dice::Dice;
use crate::plan::workload_plan::WorkloadPlan;

/// The state of a workload: pure, so that a simulation can use it as well.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    name: String,
    keys: Keys,
    values: u64,
    has_cas: bool,
    /// The nodes through each of which every key is read at the end; empty: through any.
    read_at: Vec<u32>,
}

impl Generator {
    /// The workload of a plan.
    pub(crate) fn new(plan: &WorkloadPlan) -> Self {
        let count = usize::try_from(plan.keys).expect("a plan's keys fit into memory");
        Self {
            name: plan.name.clone(),
            keys: Keys::new(count, plan.operations_per_key, plan.unknown_per_key),
            values: 0,
            has_cas: !plan.without.iter().any(|kind| kind == "cas"),
            read_at: Vec::new(),
        }
    }

    /// The same, reading every key through each of these nodes at the end.
    pub(crate) fn reading_at(self, read_at: Vec<u32>) -> Self {
        Self { read_at, ..self }
    }

    /// The workload's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The next operation. A client without a session only reads, because a change that is retried
    /// must be recognised; so does a client that is pinned to a node.
    pub(crate) fn next(&mut self, may_change: bool, dice: &mut Dice) -> Operation {
        let place = dice.index(self.keys.len());
        let fresh = self.values + 1;
        let slot = self.keys.take(place);
        let action = match (may_change, self.name.as_str()) {
            (false, _) => Action::Read,
            (true, append::NAME) => append::next(fresh, dice),
            (true, _) => register::next(slot, fresh, self.has_cas, dice),
        };
        let operation = Operation { key: slot.key.clone(), slot: place, action, node: None };
        self.values = fresh;
        operation
    }

    /// Learns what came of an operation.
    pub(crate) fn learn(&mut self, operation: &Operation, outcome: &Outcome) {
        let Some(slot) = self.keys.holding(operation.slot, &operation.key) else { return };
        match (outcome, &operation.action) {
            (Outcome::Info, action) if !matches!(action, Action::Read) => slot.count_unknown(),
            (Outcome::Ok(_), Action::Write(value) | Action::Cas(_, value)) => {
                slot.last_value = Some(*value);
            }
            (Outcome::Ok(Some(seen)), Action::Read) | (Outcome::Mismatch(seen), _) => {
                slot.last_value = seen.as_u64();
            }
            _ => {}
        }
    }

    /// The operations that end a run: each key in use is changed once more, and every key ever used
    /// is read, so that a lost write has a witness.
    pub(crate) fn final_operations(&mut self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for key in self.keys.in_use() {
            self.values += 1;
            let action = match self.name.as_str() {
                append::NAME => Action::Append(format!("{};", self.values)),
                _ => Action::Write(self.values),
            };
            operations.push(Operation { key, slot: 0, action, node: None });
        }
        let read = |node| move |key| Operation { key, slot: 0, action: Action::Read, node };
        let nodes: Vec<Option<u32>> = match self.read_at.is_empty() {
            true => vec![None],
            false => self.read_at.iter().copied().map(Some).collect(),
        };
        for node in nodes {
            operations.extend(self.keys.all().into_iter().map(read(node)));
        }
        operations
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn generator(name: &str) -> Generator {
        Generator::new(&WorkloadPlan {
            name: name.into(),
            clients: 1,
            keys: 3,
            rate: 0,
            operation_deadline_ms: 1000,
            operations_per_key: 50,
            unknown_per_key: 5,
            without: Vec::new(),
            reads_at_every_node: false,
        })
    }

    #[test]
    fn written_values_are_unique_and_the_mix_is_as_told() {
        let (mut generator, mut dice) = (generator("register"), Dice::new(1, 0));
        let (mut values, mut reads) = (BTreeSet::new(), 0);
        for _ in 0..2000 {
            match generator.next(true, &mut dice).action {
                Action::Read => reads += 1,
                Action::Write(value) | Action::Cas(_, value) => assert!(values.insert(value)),
                Action::Append(_) => panic!("registers are not appended to"),
            }
        }
        assert!((900..1100).contains(&reads), "{reads} of 2000 are reads");
    }

    #[test]
    fn a_cas_starts_from_what_was_seen_last() {
        let (mut generator, mut dice) = (generator("register"), Dice::new(2, 0));
        for place in 0..3 {
            let key = format!("k{}", place + 1);
            let read = Operation { key, slot: place, action: Action::Read, node: None };
            generator.learn(&read, &Outcome::Ok(Some(77.into())));
        }
        let cas = (0..100).map(|_| generator.next(true, &mut dice).action);
        let from = cas.filter_map(|action| match action {
            Action::Cas(from, _) => Some(from),
            _ => None,
        });
        let from: Vec<_> = from.collect();
        assert!(!from.is_empty() && from.iter().all(|from| *from == Some(77)), "{from:?}");
    }

    #[test]
    fn without_a_session_clients_only_read() {
        let (mut generator, mut dice) = (generator("append"), Dice::new(1, 0));
        assert!((0..50).all(|_| generator.next(false, &mut dice).action == Action::Read));
    }

    #[test]
    fn the_end_changes_keys_in_use_and_reads_every_key() {
        let (mut generator, mut dice) = (generator("append"), Dice::new(1, 0));
        for _ in 0..400 {
            generator.next(true, &mut dice);
        }
        let last = generator.final_operations();
        let reads = last.iter().filter(|operation| operation.action == Action::Read).count();
        assert!(reads >= 8, "{reads} keys were used");
        assert_eq!(last.len(), reads + 3);
    }
}
