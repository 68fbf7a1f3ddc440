//! What is seen of a node's process, whoever looks.

/// What a node's process is seen to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProcessState {
    /// It ended, so.
    Down(String),
    /// It stands still: state `T`.
    Stopped,
    /// It runs, in this state.
    Runs(char),
}
