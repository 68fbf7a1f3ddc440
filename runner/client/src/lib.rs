//! Talks to the bundled server. Generated protocol types end here.
//!
//! A [`Node`] is one connection to one node: a call gives an [`Answer`] or a [`Setback`], which says whether the
//! request may have taken effect, and what to do next. It decides nothing more: retries and redirects are the
//! business of whoever calls. [`Caller`] does them for people; the chaos clients of the runner do theirs in a
//! state machine that records every attempt; benchmarks do none.

mod caller;
mod member;
mod node;
mod request;
mod status;

pub use caller::{CallError, Caller, Connect, Written};
pub use member::{EtcdMember, EtcdStatus};
pub use node::{ANSWER_GRACE, Node, Transport};
pub use request::{Answer, Answered, Change, Next, Request, Setback, Wish};
pub use status::{Members, NodeStatus, Peer};
