//! Processes of one machine: started so that none outlives its parent, signalled with all
//! that they started, watched, on loopback addresses
//! of their own.
//!
//! What this does not know: what a node is, why a process is killed, and when it is healthy.

mod addresses;
mod kin;
mod process;
mod refusal;

pub use addresses::{Block, PORT_DEFAULT, Ports, Reservation};
pub use kin::guard;
pub use process::{Child, Launch, OWN_PROGRAM, Pipes, Spawner};
pub use refusal::Refusal;
