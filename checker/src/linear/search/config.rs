//! Configurations: what a half-built order has decided, and nothing else.
//!
//! A configuration belongs to a place in the sequence of events. It holds the state, what became of each
//! open call, and which indeterminate operations were used how often. Three facts keep them few:
//!
//! - An observation that holds is taken at once: it excludes nothing.
//! - A blind write that is open when another blind write happens may stand just before that one, unseen.
//!   It is *covered*: its return costs nothing, and it may still be used visibly up to then. So a write is
//!   made visible only when it returns uncovered, or when something open wants what it leaves.
//! - Indeterminate operations that are equal are interchangeable: only their number counts, and only on
//!   demand. A configuration that used more of them than an otherwise equal one is dropped.

use hashbrown::HashMap;

use crate::linear::growth::{table_bytes, vector_bytes};

/// What is decided so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Config {
    pub(super) state: u32,
    /// Number of the multiset of used indeterminate operations.
    pub(super) spent: u32,
    /// Open calls with a place in the order that they cannot leave.
    pub(super) used: u64,
    /// Open calls that need no place any more and may still take one: covered writes, and observations
    /// that were taken (those take none).
    pub(super) covered: u64,
}

impl Config {
    /// Whether the call in a slot has a place or needs none.
    #[inline]
    pub(super) fn has_place(&self, slot: u8) -> bool {
        (self.used | self.covered) >> slot & 1 == 1
    }

    /// The call in the slot has returned.
    #[inline]
    pub(super) fn close(&mut self, slot: u8) {
        self.used &= !(1 << slot);
        self.covered &= !(1 << slot);
    }

    /// Whether everything the other can do, this one can too, multisets aside.
    #[inline]
    pub(super) fn covers(&self, other: &Config) -> bool {
        // Covered is best; used and open are different things.
        self.state == other.state
            && other.covered & !self.covered == 0
            && (self.used ^ other.used) & !self.covered == 0
            && self.used & self.covered == 0
    }
}

/// The multisets of used indeterminate operations, each stored once. Number 0 is the empty one.
#[derive(Debug)]
pub(super) struct Multisets {
    /// (operation, count), ascending.
    all: Vec<Box<[(u32, u32)]>>,
    numbers: HashMap<Box<[(u32, u32)]>, u32>,
    with: HashMap<(u32, u32), u32>,
    /// What the multisets themselves take.
    heap_bytes: usize,
}

impl Default for Multisets {
    fn default() -> Self {
        let mut multisets = Multisets {
            all: Vec::new(),
            numbers: HashMap::new(),
            with: HashMap::new(),
            heap_bytes: 0,
        };
        multisets.number(Box::default());
        multisets
    }
}

impl Multisets {
    fn number(&mut self, multiset: Box<[(u32, u32)]>) -> u32 {
        if let Some(&number) = self.numbers.get(&multiset) {
            return number;
        }
        let number = self.all.len() as u32;
        // Twice: in the list and as a key; each piece of the heap has some bytes around it.
        self.heap_bytes += 2 * (multiset.len() * 8 + 16);
        self.all.push(multiset.clone());
        self.numbers.insert(multiset, number);
        number
    }

    /// How often an operation is in a multiset.
    pub(super) fn count(&self, multiset: u32, operation: u32) -> u32 {
        let members = &self.all[multiset as usize];
        members
            .binary_search_by_key(&operation, |member| member.0)
            .map_or(0, |place| members[place].1)
    }

    /// The multiset with one more of an operation.
    pub(super) fn with(&mut self, multiset: u32, operation: u32) -> u32 {
        if let Some(&number) = self.with.get(&(multiset, operation)) {
            return number;
        }
        let mut members = self.all[multiset as usize].to_vec();
        match members.binary_search_by_key(&operation, |member| member.0) {
            Ok(place) => members[place].1 += 1,
            Err(place) => members.insert(place, (operation, 1)),
        }
        let number = self.number(members.into_boxed_slice());
        self.with.insert((multiset, operation), number);
        number
    }

    /// The multiset without any of an operation.
    pub(super) fn without(&mut self, multiset: u32, operation: u32) -> u32 {
        if self.count(multiset, operation) == 0 {
            return multiset;
        }
        let members = &self.all[multiset as usize];
        let rest: Vec<_> = members.iter().filter(|member| member.0 != operation).copied().collect();
        self.number(rest.into_boxed_slice())
    }

    /// Whether each operation is in `less` at most as often as in `more`.
    pub(super) fn is_within(&self, less: u32, more: u32) -> bool {
        if less == more || less == 0 {
            return true;
        }
        let (less, more) = (&self.all[less as usize], &self.all[more as usize]);
        let mut others = more.iter();
        less.len() <= more.len()
            && less.iter().all(|&(operation, count)| {
                others
                    .by_ref()
                    .find(|other| other.0 >= operation)
                    .is_some_and(|&other| other.0 == operation && other.1 >= count)
            })
    }

    pub(super) fn bytes(&self) -> usize {
        let (numbers, with) = (&self.numbers, &self.with);
        self.heap_bytes
            + vector_bytes(&self.all)
            + table_bytes(numbers.allocation_size(), numbers.len(), numbers.capacity())
            + table_bytes(with.allocation_size(), with.len(), with.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multisets_are_compared_member_by_member() {
        let mut sets = Multisets::default();
        let a = sets.with(0, 5);
        let aa = sets.with(a, 5);
        let ab = sets.with(a, 3);
        assert!(sets.is_within(0, a));
        assert!(sets.is_within(a, aa));
        assert!(sets.is_within(a, ab));
        assert!(!sets.is_within(aa, ab));
        assert!(!sets.is_within(ab, aa));
        assert_eq!(sets.with(a, 3), ab);
        assert_eq!(sets.without(ab, 3), a);
        assert_eq!(sets.without(aa, 5), 0);
        assert_eq!(sets.count(aa, 5), 2);
    }

    #[test]
    fn covered_is_better_than_used_and_than_open() {
        let config = |used, covered| Config { state: 1, spent: 0, used, covered };
        assert!(config(0, 1).covers(&config(1, 0)));
        assert!(config(0, 1).covers(&config(0, 0)));
        assert!(!config(1, 0).covers(&config(0, 0)));
        assert!(!config(0, 0).covers(&config(1, 0)));
        assert!(!config(1, 0).covers(&config(0, 1)));
        assert!(config(2, 1).covers(&config(3, 0)));
        assert!(!config(0, 1).covers(&Config { state: 2, ..config(0, 1) }));
    }
}
