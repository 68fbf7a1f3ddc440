//! Where a recorded node and the reference core part.

/// A step that came out differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Its number, from 1; 0: the core could not even begin.
    pub step: u64,
    /// In one sentence.
    pub headline: String,
    /// The inputs that led to it, in order, the last one being the step's own; those before it are the ones
    /// since the last output that went out.
    pub inputs: Vec<String>,
    /// What only the recorded node did.
    pub recorded: Vec<String>,
    /// What only the replayed core did.
    pub replayed: Vec<String>,
    /// What both did, as a number of lines.
    pub alike: usize,
}
