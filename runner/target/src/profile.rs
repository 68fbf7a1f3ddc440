//! What a target can do and what it promises, as far as a run has to know it beforehand.

use std::time::Duration;

use nix::sys::signal::Signal;
use whitewater_checker::target::Promised;
use whitewater_client::Change;

/// What is known of a target before it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its ports, by name; clients use the first.
    pub ports: Vec<String>,
    /// Whether no port number may be used by two nodes: where a node may bind every address.
    pub ports_apart: bool,
    /// The changes that its clients can ask for.
    pub offers: Offers,
    /// What its nodes say of themselves.
    pub tells: Tells,
    /// What may be held against it.
    pub promised: Promised,
    /// How its nodes are started, awaited and stopped.
    pub manner: Manner,
    /// Whether its nodes write traces, by which the rules of the protocol are checked.
    pub traces: bool,
    /// Regular expressions of what a node logs only where it is broken.
    pub panics: Vec<String>,
}

/// The changes that clients can ask for, beside a write and a read, which every target has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// Set a value where another one is.
    pub cas: bool,
    /// Append to a value.
    pub append: bool,
}

/// What a node's status tells. Nothing of it: nodes have none, or are not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tells {
    /// Whether it leads.
    pub leads: bool,
    /// Which node it takes for the leader.
    pub leader: bool,
    /// Its term.
    pub term: bool,
    /// How far it has committed and applied its log.
    pub applied: bool,
}

/// How nodes are started, awaited and stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Nodes speak Maelstrom's protocol on their standard input and output: whoever starts them carries their messages,
    /// and they have no ports.
    pub is_wired: bool,
    /// Each node is started once the one before is ready.
    pub one_by_one: bool,
    /// When a node counts as ready.
    pub ready: Readiness,
    /// How long a node may take until then, and the cluster until it serves.
    pub ready_within: Duration,
    /// The signal by which a node is asked to stop.
    pub stop: Signal,
    /// How long it may take to stop.
    pub stop_within: Duration,
    /// How long the cluster usually takes to have a leader again.
    pub election: Duration,
    /// How often a node is asked for its status.
    pub poll_every: Duration,
}

/// When a node counts as ready. Whatever it is, a run begins with a first acknowledged write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// When its clients' port takes a connection.
    Listens,
    /// When its log has a line that this regular expression finds.
    Logs(String),
    /// When a request by HTTP for this path is answered with this status.
    Answers {
        /// `/health`.
        path: String,
        /// `200`.
        status: u16,
    },
}

impl Offers {
    /// Whether clients can ask for this.
    pub fn has(self, change: &Change) -> bool {
        match change {
            Change::Put(_) => true,
            Change::Cas { .. } => self.cas,
            Change::Append(_) => self.append,
            Change::Delete => false,
        }
    }
}

impl Tells {
    /// Nodes that tell all of it.
    pub const ALL: Tells = Tells { leads: true, leader: true, term: true, applied: true };

    /// Whether nodes tell anything.
    pub fn anything(self) -> bool {
        self != Tells::default()
    }
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            is_wired: false,
            one_by_one: false,
            ready: Readiness::Listens,
            ready_within: Duration::from_secs(30),
            stop: Signal::SIGTERM,
            stop_within: Duration::from_secs(10),
            election: Duration::from_secs(1),
            poll_every: Duration::from_millis(75),
        }
    }
}
