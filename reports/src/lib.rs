//! Draws what the checker found (tour to be written by the crate's author).

pub mod run;
