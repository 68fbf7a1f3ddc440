//! The log after the last compaction, in memory.
//!
//! It knows entries, their terms and their chain hashes. What of it is durable, committed or applied
//! is the business of [`crate::Raft`]; so is every decision what may be appended or removed.

use std::collections::VecDeque;

use crate::message::{Chain, Entry, Index, Payload, Position, Term};

/// Consecutive entries that follow a base.
///
/// Invariants, asserted by the methods that could break them:
/// - entry `k` (from 0) has index `base.index + 1 + k`: there are no gaps;
/// - `slots[k].chain` is the chain over everything up to that entry;
/// - `runs` holds the first position of every stretch of one term, in order, and nothing else;
/// - nothing at or before the base is ever truncated.
///
/// That terms never fall and that committed entries stay are the protocol's properties, not this
/// type's: a mutant must be able to break them and leave a trace that shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Log {
    base: Position,
    base_chain: Chain,
    slots: VecDeque<Slot>,
    runs: VecDeque<Position>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Slot {
    entry: Entry,
    chain: Chain,
}

impl Log {
    /// A log that holds nothing after `base`.
    pub(crate) fn new(base: Position, base_chain: Chain) -> Self {
        Self { base, base_chain, slots: VecDeque::new(), runs: VecDeque::new() }
    }

    /// The place before the first entry held: a snapshot's last entry, or the beginning.
    pub(crate) fn base(&self) -> Position {
        self.base
    }

    /// The last entry, or the base where there is none.
    pub(crate) fn last(&self) -> Position {
        self.slots.back().map_or(self.base, |slot| slot.entry.position())
    }

    /// The term at an index; the base still has one, what is before it or beyond the end has none.
    pub(crate) fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.slot(index).map(|slot| slot.entry.term)
    }

    /// The chain at an index, where [`Log::term_at`] has a term.
    pub(crate) fn chain_at(&self, index: Index) -> Option<Chain> {
        if index == self.base.index {
            return Some(self.base_chain);
        }
        self.slot(index).map(|slot| slot.chain)
    }

    /// The name of the entry at an index.
    pub(crate) fn position_at(&self, index: Index) -> Option<Position> {
        self.term_at(index).map(|term| Position { index, term })
    }

    /// Adds the entry after the last one.
    pub(crate) fn append(&mut self, entry: Entry) {
        let last = self.last();
        assert_eq!(entry.index, last.index + 1, "an entry after {last:?} would leave a gap");
        let chain = self.slots.back().map_or(self.base_chain, |slot| slot.chain).next(&entry);
        if self.runs.back().is_none_or(|run| run.term != entry.term) {
            self.runs.push_back(entry.position());
        }
        self.slots.push_back(Slot { entry, chain });
    }

    /// Removes the entry at `from` and everything after it.
    pub(crate) fn truncate(&mut self, from: Index) {
        assert!(from > self.base.index, "truncating from {from} reaches the base {:?}", self.base);
        let kept = usize::try_from(from - self.base.index - 1).unwrap_or(usize::MAX);
        self.slots.truncate(kept);
        while self.runs.back().is_some_and(|run| run.index >= from) {
            self.runs.pop_back();
        }
    }

    /// Drops everything up to `to`, which becomes the base. Nothing happens where it is not held.
    pub(crate) fn compact(&mut self, to: Index) {
        if to <= self.base.index {
            return;
        }
        let Some(slot) = self.slot(to) else { return };
        let (base, base_chain) = (slot.entry.position(), slot.chain);
        let dropped = usize::try_from(to - self.base.index).unwrap_or(usize::MAX);
        self.slots.drain(..dropped);
        (self.base, self.base_chain) = (base, base_chain);
        while self.runs.get(1).is_some_and(|run| run.index <= to + 1) {
            self.runs.pop_front();
        }
        match (self.runs.front_mut(), self.slots.front()) {
            (Some(run), Some(first)) if run.index <= to => *run = first.entry.position(),
            (Some(_), None) => self.runs.clear(),
            _ => {}
        }
    }

    /// Clones entries from `from` on: at most `entries_max`, and after the first one no more than
    /// `bytes_max` payload bytes.
    pub(crate) fn read(&self, from: Index, entries_max: usize, bytes_max: usize) -> Vec<Entry> {
        assert!(from > self.base.index, "reading from {from} reaches the base {:?}", self.base);
        let start = usize::try_from(from - self.base.index - 1).unwrap_or(usize::MAX);
        let available = self.slots.len().saturating_sub(start).min(entries_max);
        let mut entries = Vec::with_capacity(available);
        let mut bytes = 0;
        for slot in self.slots.iter().skip(start).take(available) {
            bytes += payload_bytes(&slot.entry.payload);
            if !entries.is_empty() && bytes > bytes_max {
                break;
            }
            entries.push(slot.entry.clone());
        }
        entries
    }

    /// The first index held of the stretch of one term that `index` lies in.
    pub(crate) fn run_start(&self, index: Index) -> Option<Index> {
        let next = self.runs.partition_point(|run| run.index <= index);
        self.runs.get(next.checked_sub(1)?).map(|run| run.index)
    }

    /// The last index held of a term.
    pub(crate) fn last_of_term(&self, term: Term) -> Option<Index> {
        let at = self.runs.iter().rposition(|run| run.term == term)?;
        Some(self.runs.get(at + 1).map_or(self.last().index, |next| next.index - 1))
    }

    fn slot(&self, index: Index) -> Option<&Slot> {
        let offset = index.checked_sub(self.base.index + 1)?;
        self.slots.get(usize::try_from(offset).ok()?)
    }
}

/// What a payload counts towards the size of an append.
fn payload_bytes(payload: &Payload) -> usize {
    match payload {
        Payload::Command(bytes) => bytes.len(),
        Payload::Noop | Payload::Membership(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A log whose entries 1, 2, ... have these terms.
    fn log(terms: &[Term]) -> Log {
        let mut log = Log::new(Position::default(), Chain::default());
        for (index, term) in (1..).zip(terms) {
            let payload = Payload::Command(Arc::from([0; 10].as_slice()));
            log.append(Entry { index, term: *term, payload });
        }
        log
    }

    fn indexes(entries: &[Entry]) -> Vec<Index> {
        entries.iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn compaction_and_truncation_leave_what_a_shorter_history_would_have() {
        // Every cut of a log with runs of all lengths, against one built without the rest.
        let terms = [1, 1, 2, 4, 4, 4, 7];
        for end in 0..=terms.len() {
            for base in 0..=end {
                let mut cut = log(&terms);
                cut.compact(base as Index);
                if end < terms.len() {
                    cut.truncate(end as Index + 1);
                }
                let mut expected = log(&terms[..base]);
                expected = Log::new(expected.last(), expected.chain_at(base as Index).unwrap());
                for entry in log(&terms).read(1, end, usize::MAX).split_off(base) {
                    expected.append(entry);
                }
                assert_eq!(cut, expected, "entries {base} to {end} of {terms:?}");
            }
        }
    }

    #[test]
    fn terms_and_runs_are_found_by_index_and_by_term() {
        let mut log = log(&[1, 1, 2, 4, 4, 4, 7]);
        log.compact(1);
        assert_eq!(log.term_at(0), None);
        assert_eq!(log.term_at(1), Some(1), "the base has a term");
        assert_eq!(log.term_at(8), None);
        assert_eq!(
            (2..=7).map(|at| log.run_start(at)).collect::<Vec<_>>(),
            [Some(2), Some(3), Some(4), Some(4), Some(4), Some(7)]
        );
        assert_eq!(
            [1, 2, 4, 7].map(|term| log.last_of_term(term)),
            [Some(2), Some(3), Some(6), Some(7)]
        );
        assert_eq!(log.last_of_term(3), None);
    }

    #[test]
    fn a_read_is_bounded_but_never_empty() {
        let log = log(&[1; 6]);
        assert_eq!(indexes(&log.read(2, 3, usize::MAX)), [2, 3, 4]);
        assert_eq!(indexes(&log.read(2, 9, 25)), [2, 3], "two of ten bytes fit in 25");
        assert_eq!(indexes(&log.read(2, 9, 5)), [2], "one entry always goes");
        assert_eq!(indexes(&log.read(7, 9, 5)), [] as [Index; 0]);
    }

    #[test]
    #[should_panic(expected = "would leave a gap")]
    fn a_gap_is_refused() {
        log(&[1, 1]).append(Entry { index: 4, term: 1, payload: Payload::Noop });
    }

    #[test]
    #[should_panic(expected = "reaches the base")]
    fn what_is_compacted_cannot_be_truncated() {
        let mut log = log(&[1, 1, 1]);
        log.compact(2);
        log.truncate(2);
    }
}
