//! Sequential objects: what a single client, alone, would see.
//!
//! A model is small: a state, and what each operation *with the answer it got* does to it. Everything
//! else (concurrency, unknown outcomes, budgets, explanations) is the checker's business. To check
//! an object of your own, implement [`Model`] and call [`crate::linear::check_calls`].

use std::fmt::Debug;
use std::hash::Hash;

/// A sequential object.
pub trait Model: Clone + Debug + Send + Sync {
    /// What it remembers. Equal states must behave equally.
    type State: Clone + Debug + Eq + Hash + Send + Sync;
    /// An operation together with its answer, so that a read is "read 3", not "read".
    type Operation: Clone + Debug + Eq + Hash + Send + Sync;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after the operation, or `None` if it could not have had this answer in this state.
    fn step(&self, state: &Self::State, operation: &Self::Operation) -> Option<Self::State>;

    /// Whether the operation never changes the state. Saying so makes searches faster; a wrong yes
    /// makes them wrong.
    fn observes(&self, _operation: &Self::Operation) -> bool {
        false
    }

    /// Whether the operation is possible in every state and the state after it is always the same, as
    /// for a write. Saying so makes searches faster; a wrong yes makes them wrong.
    fn overwrites(&self, _operation: &Self::Operation) -> bool {
        false
    }

    /// Roughly how much a state holds on the heap, so that a memory budget means something.
    fn heap_bytes(&self, _state: &Self::State) -> usize {
        0
    }
}
