//! One client operation in 56 bytes.

use super::value::Value;

/// What an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Function {
    /// Register, append list, set, counter: tell the state.
    Read,
    /// Register, append list: replace the state.
    Write,
    /// Register: replace the state if it is what was expected.
    Cas,
    /// Register, append list: make it absent.
    Delete,
    /// Append list: put an element at the end.
    Append,
    /// Set: put an element in. Counter: add a number.
    Add,
    /// Set: take an element out.
    Remove,
    /// Set: tell whether an element is in.
    Contains,
    /// Queue: put an element in at the back.
    Enqueue,
    /// Queue: take the element at the front; any, if the queue has no order.
    Dequeue,
    /// Queue: take one element after another. Each that was taken is an operation of its own, of the same interval, with
    /// its place among them as `second`.
    Drain,
    /// Mutex: take it.
    Acquire,
    /// Mutex: give it back.
    Release,
}

impl Function {
    /// Every function with the words that histories use for it; the first is ours.
    pub(crate) const WORDS: [(Function, &'static [&'static str]); 13] = [
        (Function::Read, &["read", "get"]),
        (Function::Write, &["write", "put"]),
        (Function::Cas, &["cas"]),
        (Function::Delete, &["delete"]),
        (Function::Append, &["append"]),
        (Function::Add, &["add", "increment"]),
        (Function::Remove, &["remove"]),
        (Function::Contains, &["contains"]),
        (Function::Enqueue, &["enqueue"]),
        (Function::Dequeue, &["dequeue"]),
        (Function::Drain, &["drain"]),
        (Function::Acquire, &["acquire", "lock"]),
        (Function::Release, &["release", "unlock"]),
    ];

    /// The function of a word.
    #[inline]
    pub(crate) fn of_word(word: &[u8]) -> Option<Function> {
        // The three by far most frequent ones first.
        match word {
            b"read" => return Some(Function::Read),
            b"write" => return Some(Function::Write),
            b"cas" => return Some(Function::Cas),
            _ => {}
        }
        Function::WORDS
            .iter()
            .find(|(_, words)| words.iter().any(|known| known.as_bytes() == word))
            .map(|(function, _)| *function)
    }

    /// The word of our own histories.
    pub fn word(self) -> &'static str {
        Function::WORDS[self as usize].1[0]
    }

    /// Whether the completion, not the invocation, says the value.
    pub(crate) fn value_is_answer(self) -> bool {
        matches!(self, Function::Read | Function::Dequeue | Function::Drain | Function::Contains)
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It took effect.
    Ok,
    /// It took no effect and says nothing about the state.
    Fail,
    /// A cas that took no effect because the state was not the expected one.
    Rejected,
    /// Nobody knows; it may take effect at any later time. Also: the history ends before it does.
    Info,
}

impl Outcome {
    /// The word used in histories.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Fail | Outcome::Rejected => "fail",
            Outcome::Info => "info",
        }
    }
}

/// The position of a completion that never came.
pub const NEVER: u32 = u32::MAX;

/// The moment of a completion that never came.
pub const NEVER_NS: u64 = u64::MAX;

/// A node that was not told.
pub(crate) const NO_NODE: u16 = u16::MAX;

/// A client operation: its invocation and, if there was one, its completion.
///
/// Positions count the history's events from 1; they are the only notion of real-time order. Times
/// are for people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operation {
    /// The client process.
    pub process: u64,
    /// When it began, CLOCK_MONOTONIC nanoseconds.
    pub invoked_at_ns: u64,
    /// When it ended; [`NEVER_NS`] if it never did, or if nobody knows what it did.
    pub completed_at_ns: u64,
    /// Position of the invocation.
    pub invoked: u32,
    /// Position of the completion; [`NEVER`] for [`Outcome::Info`].
    pub completed: u32,
    /// The key's number.
    pub key: u32,
    /// The value: written, read, expected by a cas, appended, ….
    pub value: Value,
    /// A cas's new value; for `contains` whether it is in; for `drain` the place of the element among those taken;
    /// else [`Value::UNTOLD`].
    pub second: Value,
    /// What a rejected cas saw instead; [`Value::UNTOLD`] if it did not say.
    pub saw: Value,
    /// The term the answering node said it was in; 0 if it did not say.
    pub term: u32,
    /// The node's number; [`NO_NODE`] if not told.
    pub(crate) node: u16,
    /// What it asked for.
    pub function: Function,
    /// How it ended.
    pub outcome: Outcome,
}

impl Operation {
    /// Which of the elements that a drain took this is, from 0; `None`: it is no part of a drain.
    pub(crate) fn part(&self) -> Option<u32> {
        self.second.number().filter(|_| self.function == Function::Drain)
    }
}

const _: () = assert!(size_of::<Operation>() <= 64, "an operation fits one cache line");

#[cfg(test)]
mod tests {
    use super::Function;

    #[test]
    fn every_function_is_found_by_each_of_its_words() {
        for (place, (function, words)) in Function::WORDS.iter().enumerate() {
            assert_eq!(*function as usize, place, "the table is in the order of the type");
            for word in *words {
                assert_eq!(Function::of_word(word.as_bytes()), Some(*function));
            }
            assert_eq!(function.word(), words[0]);
        }
        assert_eq!(Function::of_word(b"txn"), None);
    }
}
