//! Linearizability: is there one order of all operations, respecting real time, that gives every client the
//! answer it got?
//!
//! Keys are independent objects, so each is decided by itself (Herlihy and Wing's locality), in parallel.
//! Per key, the first method that applies decides:
//!
//! | objects | method | cost |
//! |---|---|---|
//! | registers, observed values written once | `zones` | O(n log n) |
//! | append lists, elements appended once | `list`, then zones | linear in the reads |
//! | sets | `set`: element by element | O(n log n) |
//! | queues, distinct elements | `queue` | O(n log n) |
//! | queues without an order | `unordered` | O(n log n) |
//! | registers whose calls hardly overlap | `greedy`: a first guess, which may only say yes | linear |
//! | everything else | `search`: three searches in turns | exponential in the worst case, bounded |
//!
//! A violation is reported only with a witness that a second, tiny checker has confirmed (`witness`).
//! Whatever is not settled within the budget is undecided, never guessed.

mod call;
mod calls;
mod check;
mod greedy;
mod growth;
mod key;
mod list;
mod machine;
mod object;
#[cfg(test)]
mod oracle;
mod queue;
mod search;
mod set;
mod unordered;
mod witness;
mod zones;

pub use calls::{Interval, Judgement, check_calls};
pub(crate) use check::{Linearizability, check};
pub(crate) use object::whole;
pub(crate) use witness::known::noted_model;
pub(crate) use witness::{Effect, Traces};
