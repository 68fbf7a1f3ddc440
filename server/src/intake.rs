//! What a leader does with a command before it proposes it: nothing.
//!
//! A seam for one class of bugs, deciding a command before its turn. The correct server uses [`Direct`].

use std::fmt::Debug;

use crate::command::Command;
use crate::machine::{Machine, Reply};

/// The step between a client's command and the log.
pub trait Intake: Debug + Send {
    /// The command to propose, or an answer instead.
    fn admit(&self, command: Command, machine: &Machine) -> Result<Command, Reply>;
}

/// Proposes every command as it is: it is decided when it is applied, in log order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct;

impl Intake for Direct {
    fn admit(&self, command: Command, _machine: &Machine) -> Result<Command, Reply> {
        Ok(command)
    }
}
