//! The virtual clock: what happens next, and when.
//!
//! Happenings at one moment come in the order in which they were scheduled, so a run is a function of
//! its seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Happenings in order of time.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// Time, order of scheduling, place in `slots`.
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    slots: Vec<Option<T>>,
    free: Vec<u32>,
    scheduled: u64,
}

impl<T> Queue<T> {
    /// Nothing to come.
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), scheduled: 0 }
    }

    /// Lets something happen at a time.
    pub(super) fn push(&mut self, at_ns: u64, happening: T) {
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(happening);
            slot
        } else {
            self.slots.push(Some(happening));
            u32::try_from(self.slots.len() - 1).expect("a few thousand happenings at most")
        };
        self.scheduled += 1;
        self.heap.push(Reverse((at_ns, self.scheduled, slot)));
    }

    /// What happens next, and when.
    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        let Reverse((at_ns, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        let happening = self.slots[slot as usize].take();
        Some((at_ns, happening.expect("a slot in the heap is filled")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_in_order_of_time_and_then_of_scheduling() {
        let mut queue = Queue::new();
        for (at_ns, name) in [(5, "b"), (3, "a"), (5, "c"), (9, "d")] {
            queue.push(at_ns, name);
        }
        assert_eq!(queue.pop(), Some((3, "a")));
        queue.push(5, "later, at the same time");
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, name)| name).collect();
        assert_eq!(rest, ["b", "c", "later, at the same time", "d"]);
        assert!(queue.slots.len() <= 4);
    }
}
