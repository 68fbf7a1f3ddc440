//! Linearizability: is there one order of all operations, respecting real time, that gives every client the
//! answer it got?
//!
//! Keys are independent objects, so each is decided by itself (Herlihy and Wing's locality), in parallel.
//! Per key, the first method that applies decides:
//!
//! | objects | method | cost |
//! |---|---|---|
//! | registers, observed values written once | `object::register::zones` | O(n log n) |
//! | append lists, elements appended once | `object::append`, then zones | linear in the reads |
//! | sets | `object::set::elements`: element by element | O(n log n) |
//! | queues, distinct elements | `object::queue::order` | O(n log n) |
//! | queues without an order | `object::unordered_queue::counts` | O(n log n) |
//! | registers whose calls hardly overlap | `object::register::greedy`: a first guess, which may only say yes | linear |
//! | everything else | `search`: three searches in turns | exponential in the worst case, bounded |
//!
//! A violation is reported only with a witness that a second, tiny checker has confirmed (`witness`).
//! Whatever is not settled within the budget is undecided, never guessed.

mod calls;
mod check;
mod growth;
mod key;
pub(crate) mod machine;
pub(crate) mod object;
#[cfg(test)]
mod oracle;
pub(crate) mod search;
pub(crate) mod setting;
pub(crate) mod witness;

pub use calls::{Interval, Judgement, check_calls};
pub(crate) use check::{Linearizability, check};
pub(crate) use witness::known::noted_model;
pub(crate) use witness::{Effect, Traces};
