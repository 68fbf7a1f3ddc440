//! Mutants of linearizable reads. `lease-across-pause` has no rule of its own: it is the lease read
//! mode with its hazard.

use std::sync::Arc;

use whitewater_raft::{Rules, Term};

use super::{BLANK, Bug, Card, Real};

pub(super) const LEADER_LOCAL_READ: Card = Card {
    name: "leader-local-read",
    broken: "a leader answers reads without asking whether it still leads",
    rule: "thesis 6.2, 6.4",
    expose: "partition the leader together with clients, write on the other side",
    leads: &["read-index"],
    bug: Bug::Rules(|| Arc::new(LeaderLocalRead)),
    real: Real { workload: "register", faults: "partition", rate: 1_000, snapshot_entries: None },
    ..BLANK
};

/// A leader that never asks: neither before a read, nor whether it still leads at all. Stepping down
/// for want of a quorum would close the window of stale reads after a few hundred milliseconds.
#[derive(Debug)]
struct LeaderLocalRead;

impl Rules for LeaderLocalRead {
    fn serves_read(&self, _confirmed: bool) -> bool {
        true
    }
    fn checks_quorum(&self, _configured: bool) -> bool {
        false
    }
}

pub(super) const READINDEX_NO_NOOP: Card = Card {
    name: "readindex-no-noop",
    broken: "a new leader takes a read index before it committed in its term",
    rule: "thesis 6.4",
    expose: "kill the leader, read on all nodes with delays on the links",
    leads: &["read-index"],
    bug: Bug::Rules(|| Arc::new(ReadindexNoNoop)),
    real: Real { workload: "register", faults: "kill,link", rate: 1_000, snapshot_entries: None },
    ..BLANK
};

#[derive(Debug)]
struct ReadindexNoNoop;

impl Rules for ReadindexNoNoop {
    fn may_read(&self, _commit_term: Term, _current: Term) -> bool {
        true
    }
}

pub(super) const LEASE_ACROSS_PAUSE: Card = Card {
    name: "lease-across-pause",
    broken: "a read trusts a lease that a pause outlasted",
    rule: "thesis 6.4.1",
    expose: "SIGSTOP the leader with reads on their way",
    leads: &["linearizability"],
    bug: Bug::ReadMode,
    real: Real {
        workload: "register",
        faults: "pause,partition",
        rate: 1_000,
        snapshot_entries: None,
    },
    trusts_leases: true,
    ..BLANK
};

pub(super) const LEASE_NO_VOTE_REFUSAL: Card = Card {
    name: "lease-no-vote-refusal",
    broken: "leases are trusted, and voters vote within them",
    rule: "thesis 6.4.1",
    expose: "leadership transfer and partition, reads at the old leader",
    leads: &["linearizability"],
    bug: Bug::Rules(|| Arc::new(LeaseNoVoteRefusal)),
    real: Real {
        workload: "register",
        faults: "partition,transfer",
        rate: 1_000,
        snapshot_entries: None,
    },
    trusts_leases: true,
    ..BLANK
};

#[derive(Debug)]
struct LeaseNoVoteRefusal;

impl Rules for LeaseNoVoteRefusal {
    fn refuses_vote_within_lease(&self) -> bool {
        false
    }
}
