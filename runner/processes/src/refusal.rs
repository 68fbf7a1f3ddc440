//! Errors that say whose they are.

/// An error that says whose it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The caller can mend it by calling differently.
    #[error("{0}")]
    Usage(String),
    /// The machine, or the server under test before the first fault, does not allow the run.
    #[error("{0}")]
    Environment(String),
}
