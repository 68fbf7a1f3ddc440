//! One key's operations in the form that the register algorithms work on.

use crate::history::{Function, History, NEVER, Outcome, Value};

/// What a register operation did, as its answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// The state was `a`.
    Read,
    /// The state became `a`.
    Write,
    /// The state was `a` and became `b`.
    Cas,
    /// The state was not `a`: a cas was rejected and did not say what it saw.
    NotEqual,
    /// No state explains the answer: a cas was rejected though it saw what it expected.
    Impossible,
}

/// A register operation. Values are codes; equal codes are equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Position of the invocation.
    pub(crate) invoked: u32,
    /// Position of the completion; [`NEVER`] if it may take effect at any later time, or not at all.
    pub(crate) returned: u32,
    /// First value.
    pub(crate) a: u32,
    /// Second value.
    pub(crate) b: u32,
    /// Index of the operation in the history.
    pub(crate) index: u32,
    /// What it did.
    pub(crate) effect: Effect,
}

impl Call {
    /// Whether it may never take effect.
    pub(crate) fn is_optional(&self) -> bool {
        self.returned == NEVER
    }

    /// The value whose presence it proves, if any.
    pub(crate) fn needs(&self) -> Option<u32> {
        matches!(self.effect, Effect::Read | Effect::Cas).then_some(self.a)
    }

    /// The value it leaves, if it changes the state.
    pub(crate) fn leaves(&self) -> Option<u32> {
        match self.effect {
            Effect::Write => Some(self.a),
            Effect::Cas => Some(self.b),
            _ => None,
        }
    }
}

/// The code of the initial state: of null, unless the register begins as something else.
pub(crate) const NIL: u32 = 0;

/// Values of a register as its calls have them. The initial value and null change places, so that every algorithm
/// begins at [`NIL`], whatever the register begins as: which value is called what means nothing to a register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codes {
    initial: u32,
}

impl Codes {
    /// The codes of one key's operations.
    pub(crate) fn of(history: &History, operations: &[u32]) -> Codes {
        Codes { initial: history.initial_of(operations).code() }
    }

    /// The code of a value.
    #[inline]
    pub(crate) fn code(self, value: Value) -> u32 {
        self.exchanged(value.code())
    }

    /// The value of a code.
    pub(crate) fn value(self, code: u32) -> Value {
        Value::of_code(self.exchanged(code))
    }

    #[inline]
    fn exchanged(self, code: u32) -> u32 {
        match code {
            NIL => self.initial,
            code if code == self.initial => NIL,
            code => code,
        }
    }
}

/// Extracts a key's register calls, ordered by invocation. What says nothing is left out: operations
/// that failed, reads without an answer.
pub(crate) fn register_calls(history: &History, indices: &[u32], calls: &mut Vec<Call>) {
    calls.clear();
    calls.reserve(indices.len());
    let codes = Codes::of(history, indices);
    for &index in indices {
        let operation = &history.operations[index as usize];
        let (effect, a, b) = match (operation.function, operation.outcome) {
            (_, Outcome::Fail) | (Function::Read, Outcome::Info | Outcome::Rejected) => continue,
            (Function::Read, Outcome::Ok) => (Effect::Read, operation.value, Value::NIL),
            (Function::Delete, _) => (Effect::Write, Value::NIL, Value::NIL),
            (Function::Cas, Outcome::Rejected) if operation.saw == operation.value => {
                (Effect::Impossible, operation.value, Value::NIL)
            }
            (Function::Cas, Outcome::Rejected) if operation.saw == Value::UNTOLD => {
                (Effect::NotEqual, operation.value, Value::NIL)
            }
            (Function::Cas, Outcome::Rejected) => (Effect::Read, operation.saw, Value::NIL),
            (Function::Cas, _) if operation.value == operation.second => {
                // It changes nothing, so it is a read, and nothing at all if nobody knows.
                if operation.outcome == Outcome::Info {
                    continue;
                }
                (Effect::Read, operation.value, Value::NIL)
            }
            (Function::Cas, _) => (Effect::Cas, operation.value, operation.second),
            _ => (Effect::Write, operation.value, Value::NIL),
        };
        calls.push(Call {
            invoked: operation.invoked,
            returned: operation.completed,
            a: codes.code(a),
            b: codes.code(b),
            index,
            effect,
        });
    }
}
