//! A node's log as far as its trace tells it: which term the entries of a stretch have.
//!
//! A trace names the first and the last entry of a batch. Where both have the same term, so has
//! everything between; where they have not, only the ends are known. That is enough for most
//! questions about a log, and takes memory by terms, not by entries.

use whitewater_raft::{Index, Position, Term};

/// Entries `first..=last`; all of `term` where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: Index,
    last: Index,
    term: Option<Term>,
}

/// Consecutive stretches after a base. The last stretch's term is always known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    base: Position,
    runs: Vec<Run>,
}

impl Runs {
    /// The last entry, or the base.
    pub(crate) fn last(&self) -> Position {
        self.runs.last().map_or(self.base, |run| Position {
            index: run.last,
            term: run.term.unwrap_or_default(),
        })
    }

    /// The term at an index, where that is known.
    pub(crate) fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        let at = self.runs.partition_point(|run| run.last < index);
        self.runs.get(at).filter(|run| run.first <= index).and_then(|run| run.term)
    }

    /// The log is what a snapshot left: nothing after this entry.
    pub(crate) fn reset(&mut self, base: Position) {
        self.base = base;
        self.runs.clear();
    }

    /// A batch stands in the log; whatever stood there or later does not any more.
    pub(crate) fn append(&mut self, first: Position, last: Position) {
        if last.index <= self.base.index || last.index < first.index {
            return;
        }
        self.cut(first.index.max(self.base.index + 1));
        self.fill(first.index);
        if first.term == last.term || first.index == last.index {
            self.push(first.index, last.index, Some(last.term));
        } else {
            self.push(first.index, first.index, Some(first.term));
            self.push(first.index + 1, last.index - 1, None);
            self.push(last.index, last.index, Some(last.term));
        }
    }

    /// Entries from here on are gone.
    pub(crate) fn cut(&mut self, from: Index) {
        while self.runs.last().is_some_and(|run| run.first >= from) {
            self.runs.pop();
        }
        if let Some(run) = self.runs.last_mut() {
            run.last = run.last.min(from.saturating_sub(1));
        }
    }

    /// The log is known to end here. Where lines in between may be missing, nothing beyond `sure` is
    /// taken for granted.
    pub(crate) fn ends(&mut self, last: Position, sure: Index) {
        if last.index <= self.base.index {
            self.reset(last);
            return;
        }
        if self.term_at(last.index) == Some(last.term) {
            // The same entry, therefore the same entries before it.
            self.cut(last.index + 1);
            return;
        }
        self.cut(sure.max(self.base.index) + 1);
        self.cut(last.index);
        self.append(last, last);
    }

    /// Something unknown stands between the end and `to`.
    fn fill(&mut self, to: Index) {
        let end = self.runs.last().map_or(self.base.index, |run| run.last);
        self.push(end + 1, to.saturating_sub(1), None);
    }

    fn push(&mut self, first: Index, last: Index, term: Option<Term>) {
        let first = first.max(self.base.index + 1);
        if first > last {
            return;
        }
        match self.runs.last_mut() {
            Some(run) if run.term == term && run.last + 1 == first => run.last = last,
            _ => self.runs.push(Run { first, last, term }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: Index, term: Term) -> Position {
        Position { index, term }
    }

    fn terms(runs: &Runs, to: Index) -> Vec<Option<Term>> {
        (0..=to).map(|index| runs.term_at(index)).collect()
    }

    #[test]
    fn batches_of_one_term_are_known_and_others_at_their_ends() {
        let mut runs = Runs::default();
        runs.append(at(1, 1), at(2, 1));
        runs.append(at(3, 1), at(6, 3));
        let expected = [Some(0), Some(1), Some(1), Some(1), None, None, Some(3), None];
        assert_eq!(terms(&runs, 7), expected);
        runs.append(at(5, 4), at(5, 4));
        assert_eq!(terms(&runs, 6), [Some(0), Some(1), Some(1), Some(1), None, Some(4), None]);
        assert_eq!(runs.last(), at(5, 4));
    }

    #[test]
    fn a_cut_takes_the_rest_and_a_reset_everything() {
        let mut runs = Runs::default();
        runs.append(at(1, 1), at(4, 1));
        runs.append(at(5, 2), at(8, 2));
        runs.cut(7);
        assert_eq!(runs.last(), at(6, 2));
        runs.cut(3);
        assert_eq!(runs.last(), at(2, 1));
        runs.reset(at(9, 2));
        assert_eq!(
            terms(&runs, 10)[2..],
            [None, None, None, None, None, None, None, Some(2), None]
        );
        runs.append(at(8, 2), at(10, 3));
        assert_eq!(terms(&runs, 10)[9..], [Some(2), Some(3)]);
        runs.append(at(2, 1), at(8, 1));
        assert_eq!(runs.last(), at(10, 3), "what a snapshot covers changes nothing");
    }

    #[test]
    fn an_end_that_does_not_fit_leaves_only_what_is_sure() {
        let mut runs = Runs::default();
        runs.append(at(1, 1), at(6, 1));
        let mut shorter = runs.clone();
        shorter.ends(at(4, 1), 2);
        assert_eq!(terms(&shorter, 5), [Some(0), Some(1), Some(1), Some(1), Some(1), None]);
        let mut longer = runs.clone();
        longer.ends(at(8, 3), 2);
        let unsure = [Some(0), Some(1), Some(1), None, None, None, None, None, Some(3)];
        assert_eq!(terms(&longer, 8), unsure);
        runs.ends(at(4, 2), 5);
        assert_eq!(terms(&runs, 5), [Some(0), Some(1), Some(1), Some(1), Some(2), None]);
    }
}
