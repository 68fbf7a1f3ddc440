//! Checks of what anyone can see from outside: exits, recovery, and what is there at the end.
//!
//! They need no trace, so they hold for every target. Each looks at one of the runner's files and at
//! the phases in the history; where its file is missing it says that it did not look.

mod acknowledged;
mod agreement;
mod conformance;
mod ending;
mod final_state;
mod liveness;
mod outside;
mod phases;
mod processes;
mod recovery;
mod terms;

pub(crate) use acknowledged::acknowledged;
pub(crate) use agreement::agreement;
pub(crate) use conformance::{Journals, conformance};
pub(crate) use ending::{Ending, facts_of_record};
pub(crate) use final_state::{CatchingUp, final_state};
pub(crate) use liveness::{ASKED_MIN, MembershipTold, Observed, Stretches, begun, gaps, liveness};
pub(crate) use outside::{excuse, outside};
pub(crate) use phases::Phases;
pub(crate) use processes::processes;
pub(crate) use recovery::recovery;
pub(crate) use terms::terms;
