//! What is known of a history beside its operations: what traces tell of its commands, and, in the file of a
//! witness, which operations are the proof.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::analysis::{NOTE, OperationId, WitnessEffect, WitnessNote};
use crate::history::History;
use crate::object::ModelKind;

/// What traces tell of an acknowledged command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Effect {
    /// A node applied it.
    Applied {
        /// The node, as `n1`.
        node: String,
        /// The log index.
        index: u64,
    },
    /// The node that acknowledged it writes a trace, and no trace has it take effect.
    Nowhere,
}

/// What traces tell of the command of an operation; `None`: nothing.
pub(crate) type Traces<'a> = dyn Fn(u32) -> Option<Effect> + Sync + 'a;

/// The note of a witness file.
fn note(history: &History) -> Option<WitnessNote> {
    let note = history.nemesis.iter().find(|(_, event)| event.f == NOTE);
    note.and_then(|(_, event)| serde_json::from_value(event.value.clone()).ok())
}

/// The model that a witness file was judged by.
pub(crate) fn noted_model(history: &History) -> Option<ModelKind> {
    note(history)?.model
}

/// See the module.
#[derive(Default)]
pub(crate) struct Known<'a> {
    traces: Option<&'a Traces<'a>>,
    /// The operations that the file calls its proof, ascending.
    proof: Vec<u32>,
    effects: HashMap<u32, Effect>,
    is_start_open: bool,
}

impl<'a> Known<'a> {
    /// What a history's own note says, and traces where there are any.
    pub(crate) fn new(history: &History, traces: Option<&'a Traces<'a>>) -> Known<'a> {
        let noted = note(history).map_or_else(Known::default, |note| Known::noted(history, &note));
        Known { traces, ..noted }
    }

    /// What the note of a witness file says of the file's operations.
    pub(crate) fn noted(history: &History, note: &WitnessNote) -> Known<'a> {
        let find = |id: &OperationId| {
            let is_it = |operation: &crate::history::Operation| {
                operation.process == id.process
                    && operation.invoked_at_ns == id.invoked_at_ns
                    && operation.part() == id.part
            };
            history.operations.iter().position(is_it).and_then(|place| u32::try_from(place).ok())
        };
        let mut proof: Vec<u32> = note.proof.iter().filter_map(find).collect();
        proof.sort_unstable();
        let effect = |told: &WitnessEffect| {
            let effect = match (&told.node, told.index) {
                (Some(node), Some(index)) => Effect::Applied { node: node.clone(), index },
                _ => Effect::Nowhere,
            };
            Some((find(&told.operation)?, effect))
        };
        let effects = note.effects.iter().filter_map(effect).collect();
        Known { traces: None, proof, effects, is_start_open: note.is_start_open }
    }

    /// What is known to have become of an acknowledged operation.
    pub(crate) fn effect(&self, operation: u32) -> Option<Effect> {
        let noted = self.effects.get(&operation).cloned();
        noted.or_else(|| self.traces.and_then(|traces| traces(operation)))
    }

    /// Whether the file leaves out what may have changed its key before.
    pub(crate) fn is_start_open(&self) -> bool {
        self.is_start_open
    }

    /// The operations of a key that the file calls the proof.
    pub(crate) fn proof(&self, all: &[u32]) -> Vec<u32> {
        self.proof.iter().copied().filter(|index| all.binary_search(index).is_ok()).collect()
    }
}
