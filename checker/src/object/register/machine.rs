//! Registers for the search, which compute with the codes of values.

use hashbrown::HashMap;

use super::call::{Call, Effect, NIL};
use crate::linear::machine::{Machine, Need, Step};

/// A read, write, cas register.
#[derive(Clone, Debug)]
pub(crate) struct Register {
    operations: Vec<(Effect, u32, u32)>,
    initial: u32,
}

impl Register {
    /// The steps are in the order of the calls. Only indeterminate calls gain by being recognised as equal,
    /// so only those share numbers.
    pub(crate) fn new(calls: &[Call]) -> (Register, Vec<Step>) {
        let mut numbers: HashMap<(Effect, u32, u32), u32> = HashMap::new();
        let mut operations = Vec::with_capacity(calls.len());
        let mut steps = Vec::with_capacity(calls.len());
        for call in calls {
            let operation = (call.effect, call.a, call.b);
            let next = operations.len() as u32;
            let number = match call.is_optional() {
                true => *numbers.entry(operation).or_insert(next),
                false => next,
            };
            if number == next {
                operations.push(operation);
            }
            let (invoked, returned) = (call.invoked, call.returned);
            steps.push(Step { invoked, returned, operation: number });
        }
        (Register { operations, initial: NIL }, steps)
    }
}

impl Machine for Register {
    fn initial(&mut self) -> u32 {
        self.initial
    }

    #[inline]
    fn step(&mut self, state: u32, operation: u32) -> Option<u32> {
        let (effect, a, b) = self.operations[operation as usize];
        match effect {
            Effect::Read => (state == a).then_some(state),
            Effect::Write => Some(a),
            Effect::Cas => (state == a).then_some(b),
            Effect::NotEqual => (state != a).then_some(state),
            Effect::Impossible => None,
        }
    }

    #[inline]
    fn observes(&self, operation: u32) -> bool {
        let effect = self.operations[operation as usize].0;
        matches!(effect, Effect::Read | Effect::NotEqual | Effect::Impossible)
    }

    #[inline]
    fn overwrites(&self, operation: u32) -> bool {
        self.operations[operation as usize].0 == Effect::Write
    }

    fn is_cell(&self) -> bool {
        true
    }

    fn needs(&self, operation: u32) -> Need {
        let (effect, a, _) = self.operations[operation as usize];
        match effect {
            Effect::Read | Effect::Cas => Need::State(a),
            Effect::Write => Need::Nothing,
            Effect::NotEqual => Need::NotState(a),
            Effect::Impossible => Need::Never,
        }
    }

    fn leaves(&self, operation: u32) -> Option<u32> {
        let (effect, a, b) = self.operations[operation as usize];
        match effect {
            Effect::Write => Some(a),
            Effect::Cas => Some(b),
            _ => None,
        }
    }

    fn operations(&self) -> usize {
        self.operations.len()
    }

    fn bytes(&self) -> usize {
        self.operations.len() * 12
    }
}
