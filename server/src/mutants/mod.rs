//! Seeded bugs: real mistakes of real Raft systems, one small override each.
//!
//! A mutant overrides one rule of [`Rules`], wraps the [`Disk`], or wraps the session table; the code
//! that asks them does not know that mutants exist. A server runs at most one, says so at its start,
//! in `status` and in the first line of its trace, and never does so by default. [`CATALOGUE`] tells
//! what each one breaks and how to make it show.

mod disk;
mod elections;
mod fsync;
mod machine;
mod reads;
mod replication;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use whitewater_raft::{Paper, ReadMode, Rules};

use crate::intake::{Direct, Intake};
use crate::session::{SessionTable, Sessions};
use crate::storage::{Disk, FileDisk};

/// A seeded bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "CATALOGUE describes each one")]
pub enum Mutant {
    VoteVolatile,
    TermVolatile,
    VoteErased,
    StaleVoteCounted,
    NoLogCheck,
    LengthBeforeTerm,
    QuorumOffByOne,
    TermRegress,
    CommitOldTerm,
    AckBeforeFlush,
    LeaderCountsUnsynced,
    TruncateAlways,
    NoTruncate,
    NoPrevCheck,
    AckBeyondMatch,
    CommitNoMin,
    CommitRegress,
    AckOnAppend,
    NoDedupe,
    SnapshotDropsSessions,
    AppliedOffByOne,
    CasAtPropose,
    LeaderLocalRead,
    ReadindexNoNoop,
    LeaseAcrossPause,
    LeaseNoVoteRefusal,
    SnapshotRegress,
    PurgeBeforeDurable,
    SnapshotInPlace,
    TornTailFatal,
    FsyncRetried,
    FixedTimeout,
    NoBacktrack,
    NoPreVoteCheckQuorum,
    JointOneMajority,
}

/// What is known of a mutant.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    /// The mutant.
    pub mutant: Mutant,
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does wrong.
    pub broken: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
    /// What makes it show.
    pub expose: &'static str,
    /// The checks that may lead the report of a run that found it, as the checker names them: what it
    /// breaks, not what comes of that.
    pub leads: &'static [&'static str],
}

const fn card(
    mutant: Mutant,
    name: &'static str,
    broken: &'static str,
    rule: &'static str,
    expose: &'static str,
    leads: &'static [&'static str],
) -> Card {
    Card { mutant, name, broken, rule, expose, leads }
}

/// All mutants, in the order of the enum.
#[rustfmt::skip]
pub const CATALOGUE: [Card; 35] = [
    card(Mutant::VoteVolatile, "vote-volatile", "a vote is not written to disk", "thesis 3.8", "kill -9 and restart voters at once during elections", &["boot-equals-disk", "vote-once"]),
    card(Mutant::TermVolatile, "term-volatile", "after a restart the term is the last entry's", "thesis 3.8", "kill -9 after an election without a new entry", &["boot-equals-disk"]),
    card(Mutant::VoteErased, "vote-erased", "a message of the leader clears the vote of the same term", "5.2", "delayed vote requests, split votes", &["vote-once", "boot-equals-disk"]),
    card(Mutant::StaleVoteCounted, "stale-vote-counted", "a vote of an earlier election counts for the running one", "5.2", "message delay over several elections", &["vote-once"]),
    card(Mutant::NoLogCheck, "no-log-check", "a vote goes to a candidate whose log is behind", "5.4.1", "partition leader and one follower off, kill the new leader", &["election-restriction"]),
    card(Mutant::LengthBeforeTerm, "length-before-term", "the longer log wins the vote, whatever its last term", "5.4.1", "isolate a leader that is written to, heal, kill the new leader", &["election-restriction"]),
    card(Mutant::QuorumOffByOne, "quorum-off-by-one", "half of the voters are enough", "5.2", "partition into minority and majority", &["election-quorum"]),
    card(Mutant::TermRegress, "term-regress", "a lower term is adopted as well", "5.1", "any delayed reply", &["monotonic"]),
    card(Mutant::CommitOldTerm, "commit-old-term", "a leader commits entries of earlier terms by counting, without a no-op", "5.4.2, Figure 8", "cut leaders off right after they appended, three times over", &["commit-rule", "read-index"]),
    card(Mutant::AckBeforeFlush, "ack-before-flush", "entries are acknowledged before they are on disk", "thesis 3.8", "kill -9 a majority at once", &["boot-equals-disk"]),
    card(Mutant::LeaderCountsUnsynced, "leader-counts-unsynced", "the leader counts its own entry before it is on disk", "thesis 10.2.1", "kill -9 the leader and a follower of three", &["commit-rule"]),
    card(Mutant::TruncateAlways, "truncate-always", "a follower drops everything behind the entries of a message", "5.3", "reordered or duplicated appends", &["append-entries"]),
    card(Mutant::NoTruncate, "no-truncate", "a conflicting entry stays in the log", "5.3", "isolate a leader that is written to, heal", &["log-matching"]),
    card(Mutant::NoPrevCheck, "no-prev-check", "entries are taken whatever stands before them", "5.3", "pause a follower over a change of leaders", &["log-matching"]),
    card(Mutant::AckBeyondMatch, "ack-beyond-match", "a follower reports its own last entry as matching", "5.3", "isolate a leader that is written to, heal", &["log-matching"]),
    card(Mutant::CommitNoMin, "commit-no-min", "a follower commits beyond what it was just sent", "Figure 2", "heal an old leader with entries of its own", &["append-entries"]),
    card(Mutant::CommitRegress, "commit-regress", "a follower's commit index goes back", "Figure 2", "reordered heartbeats", &["monotonic"]),
    card(Mutant::AckOnAppend, "ack-on-append", "the leader answers once its own log has the command", "8", "partition or kill the leader", &["answered-after-commit"]),
    card(Mutant::NoDedupe, "no-dedupe", "a retried command is applied again", "thesis 6.3", "kill the leader; append with retries", &["exactly-once"]),
    card(Mutant::SnapshotDropsSessions, "snapshot-drops-sessions", "a snapshot forgets what clients were answered", "thesis 6.3", "frequent snapshots; restart between try and retry", &["state-machine-safety"]),
    card(Mutant::AppliedOffByOne, "applied-off-by-one", "after a restart the first command behind the snapshot counts as applied", "thesis 5.1", "kill -9 any node once it has a snapshot", &["exactly-once"]),
    card(Mutant::CasAtPropose, "cas-at-propose", "a cas is decided when it is proposed, not when it is applied", "8", "several clients on one key, no fault", &["linearizability"]),
    card(Mutant::LeaderLocalRead, "leader-local-read", "a leader answers reads without asking whether it still leads", "thesis 6.2, 6.4", "partition the leader together with clients, write on the other side", &["read-index"]),
    card(Mutant::ReadindexNoNoop, "readindex-no-noop", "a new leader takes a read index before it committed in its term", "thesis 6.4", "kill the leader, read on all nodes with delays on the links", &["read-index"]),
    card(Mutant::LeaseAcrossPause, "lease-across-pause", "a read trusts a lease that a pause outlasted", "thesis 6.4.1", "SIGSTOP the leader with reads on their way", &["linearizability"]),
    card(Mutant::LeaseNoVoteRefusal, "lease-no-vote-refusal", "leases are trusted, and voters vote within them", "thesis 6.4.1", "leadership transfer and partition, reads at the old leader", &["linearizability"]),
    card(Mutant::SnapshotRegress, "snapshot-regress", "an older snapshot replaces newer state", "7", "pause a follower, delay snapshots", &["snapshot", "processes"]),
    card(Mutant::PurgeBeforeDurable, "purge-before-durable", "the log is dropped before the snapshot is on disk", "7", "kill -9 while a snapshot is written", &["processes"]),
    card(Mutant::SnapshotInPlace, "snapshot-in-place", "a snapshot is written under its final name", "7", "kill -9 while a snapshot is written", &["processes"]),
    card(Mutant::TornTailFatal, "torn-tail-fatal", "a half-written last frame stops the start for good", "thesis 3.8", "kill -9, cut the last bytes of the log", &["processes"]),
    card(Mutant::FsyncRetried, "fsync-retried", "a failed fsync is tried again, and its success is believed", "Rebello et al., ATC 2020", "a disk that fails an fsync, and a power loss later", &["processes", "boot-equals-disk"]),
    card(Mutant::FixedTimeout, "fixed-timeout", "all nodes have the same election timeout", "5.2", "kill the leader: split votes", &["liveness"]),
    card(Mutant::NoBacktrack, "no-backtrack", "a leader never goes back after a refusal", "5.3", "isolate a leader that is written to, heal", &["final-state", "recovery", "liveness"]),
    card(Mutant::NoPreVoteCheckQuorum, "no-pre-vote-check-quorum", "no trial elections, no stepping down, no lease", "thesis 6.2, 9.6", "a node whose links flap", &["undisturbed-leader"]),
    card(Mutant::JointOneMajority, "joint-one-majority", "one of a joint membership's two majorities is enough", "6", "remove members and add them, with elections and slow followers in between", &["election-quorum", "commit-rule"]),
];

impl Mutant {
    /// What is known of it.
    pub fn card(self) -> &'static Card {
        &CATALOGUE[self as usize]
    }

    /// The rules in force: the paper's, or one of them broken.
    pub fn rules(mutant: Option<Mutant>) -> Arc<dyn Rules> {
        match mutant {
            Some(Mutant::VoteErased) => Arc::new(elections::VoteErased),
            Some(Mutant::StaleVoteCounted) => Arc::new(elections::StaleVoteCounted),
            Some(Mutant::NoLogCheck) => Arc::new(elections::NoLogCheck),
            Some(Mutant::LengthBeforeTerm) => Arc::new(elections::LengthBeforeTerm),
            Some(Mutant::QuorumOffByOne) => Arc::new(elections::QuorumOffByOne),
            Some(Mutant::TermRegress) => Arc::new(elections::TermRegress),
            Some(Mutant::FixedTimeout) => Arc::new(elections::FixedTimeout),
            Some(Mutant::NoPreVoteCheckQuorum) => Arc::new(elections::NoPreVoteCheckQuorum),
            Some(Mutant::JointOneMajority) => Arc::new(elections::JointOneMajority),
            Some(Mutant::CommitOldTerm) => Arc::new(replication::CommitOldTerm),
            Some(Mutant::LeaderCountsUnsynced) => Arc::new(replication::LeaderCountsUnsynced),
            Some(Mutant::TruncateAlways) => Arc::new(replication::TruncateAlways),
            Some(Mutant::NoTruncate) => Arc::new(replication::NoTruncate),
            Some(Mutant::NoPrevCheck) => Arc::new(replication::NoPrevCheck),
            Some(Mutant::AckBeyondMatch) => Arc::new(replication::AckBeyondMatch),
            Some(Mutant::CommitNoMin) => Arc::new(replication::CommitNoMin),
            Some(Mutant::CommitRegress) => Arc::new(replication::CommitRegress),
            Some(Mutant::NoBacktrack) => Arc::new(replication::NoBacktrack),
            Some(Mutant::SnapshotRegress) => Arc::new(replication::SnapshotRegress),
            Some(Mutant::AckOnAppend) => Arc::new(replication::AckOnAppend),
            Some(Mutant::LeaderLocalRead) => Arc::new(reads::LeaderLocalRead),
            Some(Mutant::ReadindexNoNoop) => Arc::new(reads::ReadindexNoNoop),
            Some(Mutant::LeaseNoVoteRefusal) => Arc::new(reads::LeaseNoVoteRefusal),
            _ => Arc::new(Paper),
        }
    }

    /// The read mode in force: some bugs only exist where leases are trusted.
    pub fn read_mode(mutant: Option<Mutant>, configured: ReadMode) -> ReadMode {
        match mutant {
            Some(Mutant::LeaseAcrossPause | Mutant::LeaseNoVoteRefusal) => ReadMode::Lease,
            _ => configured,
        }
    }

    /// The session table in force.
    pub fn sessions(mutant: Option<Mutant>) -> Box<dyn Sessions> {
        let table = SessionTable::default();
        match mutant {
            Some(Mutant::NoDedupe) => Box::new(machine::NoDedupe(table)),
            Some(Mutant::SnapshotDropsSessions) => Box::new(machine::SnapshotDropsSessions(table)),
            Some(Mutant::AppliedOffByOne) => Box::<machine::AppliedOffByOne>::default(),
            _ => Box::new(table),
        }
    }

    /// What happens to a command before it is proposed.
    pub fn intake(mutant: Option<Mutant>) -> Box<dyn Intake> {
        match mutant {
            Some(Mutant::CasAtPropose) => Box::new(machine::CasAtPropose),
            _ => Box::new(Direct),
        }
    }

    /// The disk in force: `disk`, or a wrapper around it.
    pub fn disk(mutant: Option<Mutant>, disk: FileDisk) -> Box<dyn Disk> {
        match mutant {
            Some(Mutant::VoteVolatile) => Box::new(disk::VoteVolatile(disk)),
            Some(Mutant::TermVolatile) => Box::new(disk::TermVolatile(disk)),
            Some(Mutant::AckBeforeFlush) => Box::new(disk::AckBeforeFlush::new(disk)),
            Some(Mutant::PurgeBeforeDurable) => Box::new(disk::PurgeBeforeDurable(disk)),
            Some(Mutant::SnapshotInPlace) => Box::new(disk::SnapshotInPlace(disk)),
            Some(Mutant::TornTailFatal) => Box::new(disk::TornTailFatal(disk)),
            Some(Mutant::FsyncRetried) => {
                Box::new(disk.through(|volume| Arc::new(fsync::FsyncRetried(volume))))
            }
            _ => Box::new(disk),
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.card().name)
    }
}

/// A name that is no mutant's.
#[derive(Debug, thiserror::Error)]
#[error("no mutant is called {name:?}; known are {}", known_names())]
pub struct UnknownMutant {
    name: String,
}

impl FromStr for Mutant {
    type Err = UnknownMutant;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = CATALOGUE.iter().find(|card| card.name == name);
        found.map(|card| card.mutant).ok_or_else(|| UnknownMutant { name: name.to_owned() })
    }
}

fn known_names() -> String {
    CATALOGUE.map(|card| card.name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_stands_in_the_order_of_the_enum_and_names_are_unique() {
        for (place, card) in CATALOGUE.iter().enumerate() {
            assert_eq!(card.mutant as usize, place, "{}", card.name);
            assert_eq!(card.name.parse::<Mutant>().unwrap(), card.mutant);
            assert_eq!(card.mutant.to_string(), card.name);
        }
    }

    #[test]
    fn a_mistyped_name_lists_the_known_ones() {
        let error = "no-dedup".parse::<Mutant>().unwrap_err().to_string();
        assert!(error.contains("no mutant is called \"no-dedup\""), "{error}");
        assert!(error.contains("no-dedupe"), "{error}");
    }
}
