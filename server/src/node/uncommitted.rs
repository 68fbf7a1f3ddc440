//! How many bytes of clients' commands are in a leader's log and not applied yet.
//!
//! While a quorum is slow or away commands gather there, in memory, whether their clients still wait or
//! not. A number of clients does not bound that: one command can hold megabytes.

use std::collections::VecDeque;

use whitewater_raft::{Index, Position, Term};

/// See the module. `bytes` is the sum over `commands`, which are in the order of the log.
#[derive(Debug)]
pub(super) struct Uncommitted {
    commands: VecDeque<(Position, u64)>,
    bytes: u64,
    bytes_max: u64,
}

impl Uncommitted {
    pub(super) fn new(bytes_max: u64) -> Uncommitted {
        Uncommitted { commands: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Whether a command of so many bytes may follow. One always may: it would never fit otherwise.
    /// `term_at` looks into the log: what a later leader has removed from it no longer counts.
    pub(super) fn admits(&mut self, bytes: u64, term_at: impl Fn(Index) -> Option<Term>) -> bool {
        let is_gone =
            |(position, _): &mut (Position, u64)| term_at(position.index) != Some(position.term);
        // Logs lose entries at their end only.
        while let Some((_, bytes)) = self.commands.pop_back_if(is_gone) {
            self.bytes -= bytes;
        }
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= self.bytes_max
    }

    /// A command is in the log.
    pub(super) fn proposed(&mut self, position: Position, bytes: u64) {
        self.commands.push_back((position, bytes));
        self.bytes += bytes;
    }

    /// Everything up to here is applied.
    pub(super) fn applied(&mut self, index: Index) {
        while let Some((_, bytes)) =
            self.commands.pop_front_if(|(position, _)| position.index <= index)
        {
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: Index, term: Term) -> Position {
        Position { index, term }
    }

    #[test]
    fn what_is_applied_makes_room() {
        let mut uncommitted = Uncommitted::new(100);
        assert!(uncommitted.admits(1_000, |_| Some(1)), "one always goes");
        uncommitted.proposed(at(5, 1), 60);
        assert!(uncommitted.admits(40, |_| Some(1)));
        uncommitted.proposed(at(7, 1), 40);
        assert!(!uncommitted.admits(1, |_| Some(1)));
        uncommitted.applied(4);
        assert!(!uncommitted.admits(1, |_| Some(1)));
        uncommitted.applied(6);
        assert!(uncommitted.admits(60, |_| Some(1)) && !uncommitted.admits(61, |_| Some(1)));
    }

    #[test]
    fn what_another_leader_removed_makes_room() {
        let mut uncommitted = Uncommitted::new(100);
        uncommitted.proposed(at(5, 1), 50);
        uncommitted.proposed(at(6, 1), 50);
        // Entry 6 is another leader's now.
        assert!(uncommitted.admits(50, |index| Some(if index == 6 { 2 } else { 1 })));
        // The log ends before both.
        assert!(uncommitted.admits(100, |_| None));
        assert_eq!(uncommitted.bytes, 0);
    }
}
