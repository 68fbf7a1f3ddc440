//! How a queue without an order differs from one that has one.

use super::model::UnorderedQueue;
use crate::object::queue::{Kept, QueueModel, found_empty};

impl QueueModel for UnorderedQueue {
    const HAS_ORDER: bool = false;
    const PROMISE: &str = "";

    fn beginning_with(initial: Vec<u32>) -> Self {
        UnorderedQueue { initial }
    }

    /// Only who found the queue empty misses what it took.
    fn needs_unanswered(kept: &Kept<'_>) -> bool {
        kept.operations.iter().any(|&index| found_empty(&kept.history.operations[index as usize]))
    }
}
