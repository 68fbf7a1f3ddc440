//! What there is in a history, counted in one pass: questions of a yes or no do not each walk through a million
//! operations.

use super::operation::{Function, Operation, Outcome};
use super::value::Value;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census {
    functions: [bool; Function::WORDS.len()],
    /// Operations that somebody was answered: a rejected cas that says what it saw is one too.
    pub(crate) answered: u64,
    /// There is a write that may have taken place and does not say what it wrote.
    pub(crate) has_untold_write: bool,
}

impl Census {
    #[inline]
    pub(super) fn count(&mut self, operation: &Operation) {
        self.functions[operation.function as usize] = true;
        let is_answered = match operation.outcome {
            Outcome::Ok => true,
            Outcome::Rejected => operation.saw != Value::UNTOLD,
            Outcome::Fail | Outcome::Info => false,
        };
        self.answered += u64::from(is_answered);
        self.has_untold_write |= operation.function == Function::Write
            && operation.value == Value::UNTOLD
            && operation.outcome != Outcome::Fail;
    }

    /// Whether some operation asks for it.
    pub(crate) fn has(&self, function: Function) -> bool {
        self.functions[function as usize]
    }

    /// Whether every operation asks for one of these.
    pub(crate) fn has_only(&self, functions: &[Function]) -> bool {
        let known = |number: usize| functions.iter().any(|known| *known as usize == number);
        self.functions.iter().enumerate().all(|(number, is_there)| !is_there || known(number))
    }
}
