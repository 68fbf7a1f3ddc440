//! All small histories, one of each kind.
//!
//! Two histories that differ only in the following have the same verdict, so one of them is enough.
//!
//! - **Real time.** Whether an order is allowed depends on nothing but which operations returned before which
//!   others began. Take the history's events in turns, each a run of invocations and then a run of returns.
//!   Exchanging two events within a run changes no "returned before it began". So an operation is
//!   told by the turn it begins in and the turn it returns in (or that it never returns), and it returned
//!   before another began exactly if its last turn is before the other's first. In every turn something begins
//!   and something returns, else two turns would be one; behind the last return, only what never
//!   returns can begin. What begins there is left out: nothing returns after it, so no answer depends on it.
//! - **Processes.** No step but those of a lock that knows its holder has a process in it, and the order of one process is
//!   part of real time: who did an operation does not matter, only that no more than three are open at a time. A client whose
//!   operation never returned begins no other. Where processes matter they are values, and histories in which one process
//!   would have two operations open are passed over.
//! - **Names of values.** No step but the counter's does more with values than compare them for equality, so a
//!   permutation of the values in all operations changes no step.
//! - **Equal intervals.** Operations with the same turns are interchangeable: their words are a multiset.
//!
//! A [`Shape`] is a sequence of intervals in ascending order. Words are given to it in all ways that are the least of their class.

use super::word::{Ending, Word};

/// The turn of an operation that never returns.
pub(super) const NEVER_RETURNS: u8 = u8::MAX;

/// Operations open at a time.
pub(super) const PROCESSES: usize = 3;

/// The turns in which operations begin and return, ascending.
pub(super) type Shape = Vec<(u8, u8)>;

/// An operation of a shape: its word and how it ended.
pub(super) type Labels = Vec<(Word, Ending)>;

/// All shapes of so many operations.
pub(super) fn shapes(operations: usize) -> Vec<Shape> {
    let mut all = Vec::new();
    for turns in 1..=operations as u8 {
        let returning = |begin: u8| (begin..turns).chain([NEVER_RETURNS]);
        let intervals: Vec<(u8, u8)> =
            (0..turns).flat_map(|begin| returning(begin).map(move |end| (begin, end))).collect();
        extend(&mut Vec::new(), &intervals, operations, &mut |shape| {
            if is_canonical(shape, turns) {
                all.push(shape.to_vec());
            }
        });
    }
    all
}

fn extend(
    shape: &mut Shape,
    intervals: &[(u8, u8)],
    operations: usize,
    see: &mut impl FnMut(&[(u8, u8)]),
) {
    if shape.len() == operations {
        see(shape);
        return;
    }
    for (place, &interval) in intervals.iter().enumerate() {
        shape.push(interval);
        extend(shape, &intervals[place..], operations, see);
        shape.pop();
    }
}

fn is_canonical(shape: &[(u8, u8)], turns: u8) -> bool {
    (0..turns).all(|turn| {
        let is_open = |&&(begin, end): &&(u8, u8)| begin <= turn && turn <= end;
        shape.iter().any(|&(begin, _)| begin == turn)
            && shape.iter().any(|&(_, end)| end == turn)
            && shape.iter().filter(is_open).count() <= PROCESSES
    })
}

/// The labels that operations may have.
pub(super) struct Choice {
    /// Of operations that return.
    pub(super) returning: Labels,
    /// Of those that never do.
    pub(super) never: Labels,
    /// Ways to rename values.
    pub(super) renamings: Vec<Vec<u8>>,
}

impl Choice {
    /// The labels for a place in a shape.
    pub(super) fn at(&self, interval: (u8, u8)) -> &[(Word, Ending)] {
        if interval.1 == NEVER_RETURNS { &self.never } else { &self.returning }
    }

    /// Completes labels in all ways that are the least of their class.
    pub(super) fn each(
        &self,
        shape: &[(u8, u8)],
        labels: &mut Labels,
        see: &mut impl FnMut(&[(Word, Ending)]),
    ) {
        let place = labels.len();
        if place == shape.len() {
            if self.is_least(shape, labels) {
                see(labels);
            }
            return;
        }
        for &label in self.at(shape[place]) {
            // Equal intervals: ascending, because they are a multiset.
            if place > 0 && shape[place] == shape[place - 1] && label < labels[place - 1] {
                continue;
            }
            labels.push(label);
            self.each(shape, labels, see);
            labels.pop();
        }
    }

    fn is_least(&self, shape: &[(u8, u8)], labels: &[(Word, Ending)]) -> bool {
        self.renamings.iter().all(|values| {
            let mut renamed: Labels =
                labels.iter().map(|&(word, ending)| (word.renamed(values), ending)).collect();
            let mut start = 0;
            while start < shape.len() {
                let length = shape[start..].iter().take_while(|one| **one == shape[start]).count();
                renamed[start..start + length].sort_unstable();
                start += length;
            }
            labels <= renamed.as_slice()
        })
    }
}
