//! A history in memory: the operations of all clients in real-time order, compact enough that ten
//! million of them are no burden.
//!
//! [`read()`] turns a file into a [`History`]; [`export`] writes one out again. Keys, nodes and
//! uncommon values are stored once and referred to by number. A history says nothing about right or
//! wrong; that is for [`crate::linear`].

mod array;
mod assemble;
mod census;
mod compact;
mod detect;
mod drain;
mod edn;
mod edn_value;
mod entry;
pub mod export;
mod interner;
mod line;
mod log;
mod number;
pub(crate) mod operation;
mod order;
mod part;
mod place;
mod read;
mod scan;
mod stale;
mod store;
mod value;

use std::collections::HashMap;

use crate::event::Event;
pub(crate) use census::Census;
use interner::Interner;

pub use operation::{Function, NEVER, NEVER_NS, Operation, Outcome};
pub(crate) use read::read_file;
pub use read::{Source, read, read_from};
pub use store::in_store;
pub use value::{Value, Values};

/// The number a client session gave a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Index of the operation.
    pub operation: u32,
    /// The session.
    pub session: u64,
    /// The number in the session.
    pub sequence: u64,
}

/// Everything that clients and the nemesis did.
///
/// - `operations` is ordered by invocation.
/// - Positions of invocations and completions are all different.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The client operations by invocation.
    pub operations: Vec<Operation>,
    /// The session commands of operations that told them, by operation.
    pub commands: Vec<Command>,
    /// The nemesis's events with their positions.
    pub nemesis: Vec<(u32, Event)>,
    /// The values that need a table.
    pub values: Values,
    /// Number of events, blank lines included.
    pub events: u64,
    keys: Interner,
    nodes: Interner,
    by_key: ByKey,
    census: Census,
    /// What each key holds before its first operation; empty where all begin absent.
    initial: Vec<Value>,
    /// Whether the operations' times are the file's. If not, they only count events and say no durations.
    pub has_times: bool,
    /// What a reader of the history should know about how it was read.
    pub notes: Vec<String>,
    /// Failed cas without a word on why: evidence that the value was another, or none, as the reader chose.
    pub(crate) ambiguous: Vec<u32>,
    /// The line of each position, where positions are not lines.
    lines: Vec<u32>,
    /// The lines of single positions that are not lines.
    moved: HashMap<u32, u32>,
    /// The `index` of each position, where the file has them.
    indices: Vec<u64>,
}

impl History {
    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// A key's name.
    pub fn key(&self, number: u32) -> &str {
        self.keys.text(number)
    }

    /// The number of a key.
    pub fn find_key(&self, name: &str) -> Option<u32> {
        self.keys.find(name)
    }

    /// The line of the file, from 1, that an event at a position is on.
    pub fn line(&self, position: u32) -> u64 {
        let moved = self.moved.get(&position);
        let line = moved.or_else(|| self.lines.get(position as usize)).copied();
        u64::from(line.unwrap_or(position))
    }

    /// The `index` that the file gives the event at a position, if it has them.
    pub fn index(&self, position: u32) -> Option<u64> {
        self.indices.get(position as usize).copied().filter(|&index| index != compact::NONE)
    }

    /// What a key holds before its first operation: null unless the file or the caller says otherwise.
    pub fn initial(&self, key: u32) -> Value {
        self.initial.get(key as usize).copied().unwrap_or(Value::NIL)
    }

    /// What the key of some operations of one key holds before the first of them.
    pub(crate) fn initial_of(&self, operations: &[u32]) -> Value {
        let first = operations.first().map(|&index| &self.operations[index as usize]);
        first.map_or(Value::NIL, |operation| self.initial(operation.key))
    }

    /// The node that an operation was sent to, or that answered it.
    pub fn node(&self, operation: &Operation) -> Option<&str> {
        (operation.node != operation::NO_NODE).then(|| self.nodes.text(u32::from(operation.node)))
    }

    /// What there is in it.
    pub(crate) fn census(&self) -> &Census {
        &self.census
    }

    /// For each key, its operations' indices, in order of invocation.
    pub fn by_key(&self) -> &ByKey {
        &self.by_key
    }
}

/// Operation indices grouped by key.
#[derive(Clone, Debug, Default)]
pub struct ByKey {
    starts: Vec<u32>,
    indices: Vec<u32>,
}

impl ByKey {
    /// Groups operations, and counts what there is; `counts` says how many each key has.
    fn new(operations: &[Operation], counts: &[u32]) -> (ByKey, Census) {
        let mut starts = Vec::with_capacity(counts.len() + 1);
        let mut next = 0;
        for count in counts {
            starts.push(next);
            next += count;
        }
        starts.push(next);
        let mut places = starts.clone();
        let mut indices = vec![0u32; operations.len()];
        let mut census = Census::default();
        for (index, operation) in operations.iter().enumerate() {
            let place = &mut places[operation.key as usize];
            indices[*place as usize] = index as u32;
            *place += 1;
            census.count(operation);
        }
        (ByKey { starts, indices }, census)
    }

    /// The operations of one key.
    pub fn operations(&self, key: u32) -> &[u32] {
        let key = key as usize;
        &self.indices[self.starts[key] as usize..self.starts[key + 1] as usize]
    }
}
