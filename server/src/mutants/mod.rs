//! Mutants: real mistakes of real Raft systems, one small override each.
//!
//! A mutant overrides one rule of [`Rules`], wraps the [`Disk`], or wraps the session table; the code
//! that asks them does not know that mutants exist. A server runs at most one, says so at its start,
//! in `status` and in the first line of its trace, and never does so by default.
//!
//! Each has a [`Card`] beside its override: what it breaks, how to make it show, what is put in. To add one, write
//! both into the file of its kind and name the card in [`CATALOGUE`].

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
use crate::storage::{Disk, FileDisk, Volume};

/// What is known of a mutant, and what it overrides: all that anybody asks of one.
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
    /// What is put in the place of what is right.
    pub bug: Bug,
    /// What a real run needs to show it: `expose` for a machine.
    pub real: Real,
    /// It only exists where reads trust leases.
    pub trusts_leases: bool,
    /// The model checker of the core (`server/raft/tests/model`) finds it.
    pub is_model_checked: bool,
}

/// The layer that a bug is put into, and how to make the broken thing.
#[derive(Clone, Copy, Debug)]
pub enum Bug {
    /// One rule of the paper.
    Rules(fn() -> Arc<dyn Rules>),
    /// The session table.
    Sessions(fn() -> Box<dyn Sessions>),
    /// What happens to a command before it is proposed.
    Intake(fn() -> Box<dyn Intake>),
    /// The disk.
    Disk(fn(FileDisk) -> Box<dyn Disk>),
    /// The directory that the disk lies on.
    Volume(fn(Arc<dyn Volume>) -> Arc<dyn Volume>),
    /// Nothing: the lease read mode as it is, with its hazard.
    ReadMode,
}

/// What a real run needs to show a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Real {
    /// What clients do.
    pub workload: &'static str,
    /// The fault families, separated by commas.
    pub faults: &'static str,
    /// Operations a second: many where an old leader has to be left with entries of its own.
    pub rate: u32,
    /// A snapshot after so many entries, where snapshots are what is broken.
    pub snapshot_entries: Option<u64>,
}

/// So few entries that every node takes a snapshot, and a late follower is sent one, many times a run.
const SNAPSHOT_ENTRIES: u64 = 100;

/// What few cards say; the list in [`CATALOGUE`] fills in the mutant.
const BLANK: Card = Card {
    mutant: Mutant::VoteVolatile,
    name: "",
    broken: "",
    rule: "",
    expose: "",
    leads: &[],
    bug: Bug::ReadMode,
    real: Real { workload: "register", faults: "", rate: 1_000, snapshot_entries: None },
    trusts_leases: false,
    is_model_checked: false,
};

/// Makes the enum and the list of cards from one list, so that neither can lack a mutant.
macro_rules! catalogue {
    ($($mutant:ident => $card:path,)*) => {
        /// A mutant: the server with one bug put in on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "CATALOGUE describes each one")]
        pub enum Mutant {
            $($mutant,)*
        }

        /// All mutants, in the order of the enum.
        pub const CATALOGUE: [Card; [$(Mutant::$mutant),*].len()] =
            [$(Card { mutant: Mutant::$mutant, ..$card }),*];
    };
}

catalogue! {
    VoteVolatile => disk::VOTE_VOLATILE,
    TermVolatile => disk::TERM_VOLATILE,
    VoteErased => elections::VOTE_ERASED,
    StaleVoteCounted => elections::STALE_VOTE_COUNTED,
    NoLogCheck => elections::NO_LOG_CHECK,
    LengthBeforeTerm => elections::LENGTH_BEFORE_TERM,
    QuorumOffByOne => elections::QUORUM_OFF_BY_ONE,
    TermRegress => elections::TERM_REGRESS,
    CommitOldTerm => replication::COMMIT_OLD_TERM,
    AckBeforeFlush => disk::ACK_BEFORE_FLUSH,
    LeaderCountsUnsynced => replication::LEADER_COUNTS_UNSYNCED,
    TruncateAlways => replication::TRUNCATE_ALWAYS,
    NoTruncate => replication::NO_TRUNCATE,
    NoPrevCheck => replication::NO_PREV_CHECK,
    AckBeyondMatch => replication::ACK_BEYOND_MATCH,
    CommitNoMin => replication::COMMIT_NO_MIN,
    CommitRegress => replication::COMMIT_REGRESS,
    AckOnAppend => replication::ACK_ON_APPEND,
    NoDedupe => machine::NO_DEDUPE,
    SnapshotDropsSessions => machine::SNAPSHOT_DROPS_SESSIONS,
    AppliedOffByOne => machine::APPLIED_OFF_BY_ONE,
    CasAtPropose => machine::CAS_AT_PROPOSE,
    LeaderLocalRead => reads::LEADER_LOCAL_READ,
    ReadindexNoNoop => reads::READINDEX_NO_NOOP,
    LeaseAcrossPause => reads::LEASE_ACROSS_PAUSE,
    LeaseNoVoteRefusal => reads::LEASE_NO_VOTE_REFUSAL,
    SnapshotRegress => replication::SNAPSHOT_REGRESS,
    PurgeBeforeDurable => disk::PURGE_BEFORE_DURABLE,
    SnapshotInPlace => disk::SNAPSHOT_IN_PLACE,
    TornTailFatal => disk::TORN_TAIL_FATAL,
    FsyncRetried => fsync::FSYNC_RETRIED,
    FixedTimeout => elections::FIXED_TIMEOUT,
    NoBacktrack => replication::NO_BACKTRACK,
    NoPreVoteCheckQuorum => elections::NO_PRE_VOTE_CHECK_QUORUM,
    JointOneMajority => elections::JOINT_ONE_MAJORITY,
}

impl Mutant {
    /// What is known of it.
    pub fn card(self) -> &'static Card {
        &CATALOGUE[self as usize]
    }

    /// The rules in force: the paper's, or one of them broken.
    pub fn rules(mutant: Option<Mutant>) -> Arc<dyn Rules> {
        match bug(mutant) {
            Some(Bug::Rules(make)) => make(),
            _ => Arc::new(Paper),
        }
    }

    /// The read mode in force: some bugs only exist where leases are trusted.
    pub fn read_mode(mutant: Option<Mutant>, configured: ReadMode) -> ReadMode {
        match mutant.is_some_and(|mutant| mutant.card().trusts_leases) {
            true => ReadMode::Lease,
            false => configured,
        }
    }

    /// The session table in force.
    pub fn sessions(mutant: Option<Mutant>) -> Box<dyn Sessions> {
        match bug(mutant) {
            Some(Bug::Sessions(make)) => make(),
            _ => Box::new(SessionTable::default()),
        }
    }

    /// What happens to a command before it is proposed.
    pub fn intake(mutant: Option<Mutant>) -> Box<dyn Intake> {
        match bug(mutant) {
            Some(Bug::Intake(make)) => make(),
            _ => Box::new(Direct),
        }
    }

    /// The disk in force: `disk`, or a wrapper around it.
    pub fn disk(mutant: Option<Mutant>, disk: FileDisk) -> Box<dyn Disk> {
        match bug(mutant) {
            Some(Bug::Disk(wrap)) => wrap(disk),
            Some(Bug::Volume(wrap)) => Box::new(disk.through(wrap)),
            _ => Box::new(disk),
        }
    }
}

fn bug(mutant: Option<Mutant>) -> Option<Bug> {
    mutant.map(|mutant| mutant.card().bug)
}

impl Bug {
    /// Where it is put in, as docs/mutants.md calls it.
    pub fn seam(&self) -> &'static str {
        match self {
            Bug::Rules(_) => "`Rules`",
            Bug::Sessions(_) => "`Sessions`",
            Bug::Intake(_) => "`Intake`",
            Bug::Disk(_) => "`Disk`",
            Bug::Volume(_) => "`Volume`",
            Bug::ReadMode => "read mode",
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
