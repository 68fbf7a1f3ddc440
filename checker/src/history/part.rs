//! Some operations of a history as a history of its own: what a file that holds nothing but them says when it is read.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::interner::Interner;
use super::operation::NEVER;
use super::{ByKey, History, Operation, Value, Values};

impl History {
    /// Operations of one key, ascending, with what the key holds before the first of them; `None`: what it holds in the whole
    /// history. Values that occur nowhere among them are not known to the part. The nemesis's events are left out.
    pub(crate) fn part(&self, operations: &[u32], initial: Option<&Json>) -> History {
        let recorded = || operations.iter().map(|&index| &self.operations[index as usize]);
        let mut moments: Vec<u32> =
            recorded().flat_map(|operation| [operation.invoked, operation.completed]).collect();
        moments.retain(|&at| at != NEVER);
        moments.sort_unstable();
        moments.dedup();
        let position = |at: u32| match moments.binary_search(&at) {
            Ok(place) => place as u32 + 1,
            Err(_) => NEVER,
        };
        let mut taken = Taken { from: &self.values, into: Values::default() };
        let key = recorded().next().map_or(0, |operation| operation.key);
        let initial = match initial {
            Some(json) => taken.into.intern(json),
            None => taken.value(self.initial_of(operations)),
        };
        let mut moved = HashMap::new();
        let mut own: Vec<Operation> = Vec::with_capacity(operations.len());
        for (place, operation) in recorded().enumerate() {
            moved.insert(operations[place], place as u32);
            own.push(Operation {
                key: 0,
                invoked: position(operation.invoked),
                completed: position(operation.completed),
                value: taken.value(operation.value),
                second: taken.value(operation.second),
                saw: taken.value(operation.saw),
                ..*operation
            });
        }
        let mut keys = Interner::default();
        keys.intern(self.key(key));
        let (by_key, census) = ByKey::new(&own, &[own.len() as u32]);
        let ambiguous = self.ambiguous.iter().filter_map(|index| moved.get(index).copied());
        History {
            by_key,
            census,
            ambiguous: ambiguous.collect(),
            operations: own,
            values: taken.into,
            events: moments.len() as u64,
            keys,
            nodes: self.nodes.clone(),
            initial: vec![initial],
            has_times: self.has_times,
            ..History::default()
        }
    }
}

/// Values of a history on their way into a part of it.
struct Taken<'a> {
    from: &'a Values,
    into: Values,
}

impl Taken<'_> {
    fn value(&mut self, value: Value) -> Value {
        match value.table_place() {
            Some(_) => self.into.intern(&self.from.json(value)),
            None => value,
        }
    }
}
