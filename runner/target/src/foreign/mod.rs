//! A server that is not ours, as a description says: how its nodes are started, its clients, its status.

mod client;
mod connected;
mod http;
mod json;
mod maelstrom;
mod meaning;
mod program;
mod resp;
mod shim;
mod status;
mod target;

pub(crate) use program::Programs;
pub(crate) use target::Foreign;
