//! Mutants of replication, commit and acknowledgement.

use std::sync::Arc;

use whitewater_raft::{Index, Position, Rules, Term};

use super::{BLANK, Bug, Card, Real, SNAPSHOT_ENTRIES};

pub(super) const COMMIT_OLD_TERM: Card = Card {
    name: "commit-old-term",
    broken: "a leader commits entries of earlier terms by counting, without a no-op",
    rule: "5.4.2, Figure 8",
    expose: "cut leaders off right after they appended, three times over",
    leads: &["commit-rule", "read-index"],
    bug: Bug::Rules(|| Arc::new(CommitOldTerm)),
    real: Real { workload: "register", faults: "partition", rate: 2_000, snapshot_entries: None },
    is_model_checked: true,
    ..BLANK
};

#[derive(Debug)]
struct CommitOldTerm;

impl Rules for CommitOldTerm {
    fn commits(&self, _entry: Term, _current: Term) -> bool {
        true
    }
    fn appends_noop(&self) -> bool {
        false
    }
    // Without a no-op a new leader could serve no read at all, which would hide the bug.
    fn may_read(&self, _commit_term: Term, _current: Term) -> bool {
        true
    }
}

pub(super) const LEADER_COUNTS_UNSYNCED: Card = Card {
    name: "leader-counts-unsynced",
    broken: "the leader counts its own entry before it is on disk",
    rule: "thesis 10.2.1",
    expose: "kill -9 the leader and a follower of three",
    leads: &["commit-rule"],
    bug: Bug::Rules(|| Arc::new(LeaderCountsUnsynced)),
    real: Real {
        workload: "register",
        faults: "kill,partition",
        rate: 2_000,
        snapshot_entries: None,
    },
    ..BLANK
};

#[derive(Debug)]
struct LeaderCountsUnsynced;

impl Rules for LeaderCountsUnsynced {
    fn leader_match(&self, _durable: Index, last: Index) -> Index {
        last
    }
}

pub(super) const TRUNCATE_ALWAYS: Card = Card {
    name: "truncate-always",
    broken: "a follower drops everything behind the entries of a message",
    rule: "5.3",
    expose: "reordered or duplicated appends",
    leads: &["append-entries"],
    bug: Bug::Rules(|| Arc::new(TruncateAlways)),
    real: Real {
        workload: "register",
        faults: "partition,link",
        rate: 1_000,
        snapshot_entries: None,
    },
    ..BLANK
};

#[derive(Debug)]
struct TruncateAlways;

impl Rules for TruncateAlways {
    fn truncates(&self, _own: Term, _leader: Term) -> bool {
        true
    }
}

pub(super) const NO_TRUNCATE: Card = Card {
    name: "no-truncate",
    broken: "a conflicting entry stays in the log",
    rule: "5.3",
    expose: "isolate a leader that is written to, heal",
    leads: &["log-matching"],
    bug: Bug::Rules(|| Arc::new(NoTruncate)),
    real: Real { workload: "register", faults: "partition", rate: 2_000, snapshot_entries: None },
    ..BLANK
};

#[derive(Debug)]
struct NoTruncate;

impl Rules for NoTruncate {
    fn truncates(&self, _own: Term, _leader: Term) -> bool {
        false
    }
}

pub(super) const NO_PREV_CHECK: Card = Card {
    name: "no-prev-check",
    broken: "entries are taken whatever stands before them",
    rule: "5.3",
    expose: "pause a follower over a change of leaders",
    leads: &["log-matching"],
    bug: Bug::Rules(|| Arc::new(NoPrevCheck)),
    real: Real {
        workload: "register",
        faults: "pause,partition",
        rate: 1_000,
        snapshot_entries: None,
    },
    ..BLANK
};

#[derive(Debug)]
struct NoPrevCheck;

impl Rules for NoPrevCheck {
    fn accepts_append(&self, _prev: Position, _own: Option<Term>) -> bool {
        true
    }
}

pub(super) const ACK_BEYOND_MATCH: Card = Card {
    name: "ack-beyond-match",
    broken: "a follower reports its own last entry as matching",
    rule: "5.3",
    expose: "isolate a leader that is written to, heal",
    leads: &["log-matching"],
    bug: Bug::Rules(|| Arc::new(AckBeyondMatch)),
    real: Real { workload: "register", faults: "partition", rate: 2_000, snapshot_entries: None },
    ..BLANK
};

#[derive(Debug)]
struct AckBeyondMatch;

impl Rules for AckBeyondMatch {
    fn acked(&self, _last_in_message: Index, own_last: Index) -> Index {
        own_last
    }
}

pub(super) const COMMIT_NO_MIN: Card = Card {
    name: "commit-no-min",
    broken: "a follower commits beyond what it was just sent",
    rule: "Figure 2",
    expose: "heal an old leader with entries of its own",
    leads: &["append-entries"],
    bug: Bug::Rules(|| Arc::new(CommitNoMin)),
    real: Real { workload: "register", faults: "partition", rate: 2_000, snapshot_entries: None },
    ..BLANK
};

#[derive(Debug)]
struct CommitNoMin;

impl Rules for CommitNoMin {
    fn follower_commit(&self, own: Index, leader: Index, _last_in_message: Index) -> Index {
        own.max(leader)
    }
}

pub(super) const COMMIT_REGRESS: Card = Card {
    name: "commit-regress",
    broken: "a follower's commit index goes back",
    rule: "Figure 2",
    expose: "reordered heartbeats",
    leads: &["monotonic"],
    bug: Bug::Rules(|| Arc::new(CommitRegress)),
    real: Real {
        workload: "register",
        faults: "partition,link",
        rate: 1_000,
        snapshot_entries: None,
    },
    ..BLANK
};

#[derive(Debug)]
struct CommitRegress;

impl Rules for CommitRegress {
    fn follower_commit(&self, _own: Index, leader: Index, last_in_message: Index) -> Index {
        leader.min(last_in_message)
    }
}

pub(super) const NO_BACKTRACK: Card = Card {
    name: "no-backtrack",
    broken: "a leader never goes back after a refusal",
    rule: "5.3",
    expose: "isolate a leader that is written to, heal",
    leads: &["final-state", "recovery", "liveness"],
    bug: Bug::Rules(|| Arc::new(NoBacktrack)),
    real: Real { workload: "register", faults: "partition", rate: 2_000, snapshot_entries: None },
    ..BLANK
};

#[derive(Debug)]
struct NoBacktrack;

impl Rules for NoBacktrack {
    fn next_after_conflict(&self, next: Index, _hint: Index) -> Index {
        next
    }
}

pub(super) const SNAPSHOT_REGRESS: Card = Card {
    name: "snapshot-regress",
    broken: "an older snapshot replaces newer state",
    rule: "7",
    expose: "pause a follower, delay snapshots",
    leads: &["snapshot", "processes"],
    bug: Bug::Rules(|| Arc::new(SnapshotRegress)),
    real: Real {
        workload: "register",
        faults: "pause,partition",
        rate: 1_000,
        snapshot_entries: Some(SNAPSHOT_ENTRIES),
    },
    ..BLANK
};

#[derive(Debug)]
struct SnapshotRegress;

impl Rules for SnapshotRegress {
    fn installs_snapshot(&self, _snapshot: Index, _commit: Index) -> bool {
        true
    }
}

pub(super) const ACK_ON_APPEND: Card = Card {
    name: "ack-on-append",
    broken: "the leader answers once its own log has the command",
    rule: "8",
    expose: "partition or kill the leader",
    leads: &["answered-after-commit"],
    bug: Bug::Rules(|| Arc::new(AckOnAppend)),
    real: Real { workload: "register", faults: "partition", rate: 2_000, snapshot_entries: None },
    ..BLANK
};

#[derive(Debug)]
struct AckOnAppend;

impl Rules for AckOnAppend {
    fn acknowledges(&self, _index: Index, _commit: Index) -> bool {
        true
    }
}
