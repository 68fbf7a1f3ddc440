//! What a search needs to know of a sequential object, in numbers.
//!
//! States and operations are small integers here, whatever the object is: the searches store millions of
//! them. [`Interned`] adapts any [`crate::model::Model`] by numbering its states as they appear and remembering every
//! transition.

use hashbrown::HashMap;

use super::growth::{table_bytes, vector_bytes};
use crate::model::Model;

/// A sequential object in numbers. Operations include their answers.
pub(crate) trait Machine: Clone + Send + Sync {
    /// The state before the first operation.
    fn initial(&mut self) -> u32;

    /// The state after an operation, or `None` if it could not have this answer here.
    fn step(&mut self, state: u32, operation: u32) -> Option<u32>;

    /// Whether the operation never changes the state.
    fn observes(&self, operation: u32) -> bool;

    /// Whether the operation is possible everywhere and the state after it is always the same.
    fn overwrites(&self, operation: u32) -> bool;

    /// Whether an overwritten state leaves no trace, and every operation observes, overwrites, or needs
    /// exactly one state. Then [`Machine::needs`] and [`Machine::leaves`] tell all there is.
    fn is_cell(&self) -> bool {
        false
    }

    /// In a cell: what an operation asks of the state.
    fn needs(&self, _operation: u32) -> Need {
        Need::Nothing
    }

    /// In a cell: the state after the operation, if it changes it.
    fn leaves(&self, _operation: u32) -> Option<u32> {
        None
    }

    /// How many operations there are; they are numbered from 0.
    fn operations(&self) -> usize;

    /// Bytes in use.
    fn bytes(&self) -> usize;
}

/// What an operation of a cell asks of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Anything will do.
    Nothing,
    /// It must be this.
    State(u32),
    /// It must be anything but this.
    NotState(u32),
    /// No state will do.
    Never,
}

/// A call of the searches: positions, and the number of an operation. Equal numbers are equal
/// operations with equal answers; for indeterminate calls the reverse holds too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Position of the invocation.
    pub(crate) invoked: u32,
    /// Position of the completion; [`crate::history::NEVER`] if it may never take effect.
    pub(crate) returned: u32,
    /// The operation's number in the machine.
    pub(crate) operation: u32,
}

/// Marks a transition that is not possible.
const IMPOSSIBLE: u32 = u32::MAX;

/// Any model, its states numbered as they appear.
#[derive(Clone, Debug)]
pub(crate) struct Interned<M: Model> {
    model: M,
    operations: Vec<M::Operation>,
    states: Vec<M::State>,
    numbers: HashMap<M::State, u32>,
    transitions: HashMap<u64, u32>,
    /// What states hold on the heap, as the model tells it.
    state_bytes: usize,
}

impl<M: Model> Interned<M> {
    /// Numbers the operations of `(invoked, returned, operation)` triples.
    pub(crate) fn new(
        model: M,
        calls: impl IntoIterator<Item = (u32, u32, M::Operation)>,
    ) -> (Interned<M>, Vec<Step>) {
        let mut numbers: HashMap<M::Operation, u32> = HashMap::new();
        let mut operations = Vec::new();
        let steps = calls
            .into_iter()
            .map(|(invoked, returned, operation)| {
                let number = *numbers.entry(operation).or_insert_with_key(|operation| {
                    operations.push(operation.clone());
                    operations.len() as u32 - 1
                });
                Step { invoked, returned, operation: number }
            })
            .collect();
        let machine = Interned {
            model,
            operations,
            states: Vec::new(),
            numbers: HashMap::new(),
            transitions: HashMap::new(),
            state_bytes: 0,
        };
        (machine, steps)
    }

    /// A state by its number.
    pub(crate) fn state(&self, number: u32) -> Option<&M::State> {
        self.states.get(number as usize)
    }

    fn number(&mut self, state: M::State) -> u32 {
        if let Some(&number) = self.numbers.get(&state) {
            return number;
        }
        let number = self.states.len() as u32;
        // Twice: in the list and as a key; each piece of the heap has some bytes around it.
        let heap = self.model.heap_bytes(&state);
        self.state_bytes += 2 * (heap + if heap > 0 { 16 } else { 0 });
        self.states.push(state.clone());
        self.numbers.insert(state, number);
        number
    }
}

impl<M: Model> Machine for Interned<M> {
    fn initial(&mut self) -> u32 {
        let initial = self.model.initial();
        self.number(initial)
    }

    fn step(&mut self, state: u32, operation: u32) -> Option<u32> {
        let transition = u64::from(state) << 32 | u64::from(operation);
        if let Some(&next) = self.transitions.get(&transition) {
            return (next != IMPOSSIBLE).then_some(next);
        }
        let next =
            self.model.step(&self.states[state as usize], &self.operations[operation as usize]);
        let next = next.map(|next| self.number(next));
        self.transitions.insert(transition, next.unwrap_or(IMPOSSIBLE));
        next
    }

    fn observes(&self, operation: u32) -> bool {
        self.model.observes(&self.operations[operation as usize])
    }

    fn overwrites(&self, operation: u32) -> bool {
        self.model.overwrites(&self.operations[operation as usize])
    }

    fn operations(&self) -> usize {
        self.operations.len()
    }

    fn bytes(&self) -> usize {
        let (numbers, transitions) = (&self.numbers, &self.transitions);
        self.state_bytes
            + vector_bytes(&self.states)
            + table_bytes(numbers.allocation_size(), numbers.len(), numbers.capacity())
            + table_bytes(transitions.allocation_size(), transitions.len(), transitions.capacity())
    }
}
