//! The clock of every recorded time, shared with the bundled server so that traces and histories
//! line up.

pub(crate) use whitewater_server::clock::monotonic_ns;
