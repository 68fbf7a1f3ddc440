//! What can be tested: how to start a node of it, and how to talk to it.
//!
//! Nothing outside this module asks which target it is. A target says what an answer *means* (did the
//! command take effect, can it still?); retrying, redirecting and recording are the client's work.
//! Generated protocol types stop here.

mod bundled;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use whitewater_checker::Promises;

use crate::exit::Refusal;
use bundled::Bundled;
use whitewater_processes::Launch;

/// The names a user may ask for.
pub(crate) const NAMES: [&str; 1] = [bundled::NAME];

/// The one target that writes journals.
pub(crate) const BUNDLED: &str = bundled::NAME;

/// Which build of a server is tested, and how it is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Build {
    /// The executable; `None`: the one that belongs to the target.
    pub(crate) program: Option<PathBuf>,
    /// The bug seeded into it.
    pub(crate) mutant: Option<String>,
    /// Arguments passed on to every node.
    pub(crate) arguments: Vec<OsString>,
}

/// The target a user asks for.
pub(crate) fn by_name(name: &str, build: &Build) -> Result<Arc<dyn Target>, Refusal> {
    match name {
        bundled::NAME => Ok(Arc::new(Bundled::new(build.clone()))),
        other => {
            Err(Refusal::Usage(format!("no target `{other}`: known are {}", NAMES.join(", "))))
        }
    }
}

/// What a target promises beyond safety, where that is known.
pub(crate) fn promises(name: &str, nodes: u32) -> Option<Promises> {
    (name == bundled::NAME).then(|| bundled::promises(nodes))
}

/// A future behind a trait object.
pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A kind of server under test.
pub(crate) trait Target: Send + Sync {
    /// The name a user asks for.
    fn name(&self) -> &'static str;

    /// The command line of a node.
    fn launch(&self, node: &NodeSetup) -> Launch;

    /// A client of its own, with its own connections and session.
    fn client(&self, addresses: BTreeMap<u32, SocketAddr>) -> Box<dyn Client>;

    /// Asks nodes about themselves.
    fn probe(&self, addresses: BTreeMap<u32, SocketAddr>) -> Arc<dyn Probe>;

    /// The arguments that make a node take a snapshot every so many entries; `None` where that cannot
    /// be set.
    fn snapshot_arguments(&self, _entries: u64) -> Option<Vec<OsString>> {
        None
    }

    /// Asks nodes for changes of who leads and who belongs; `None` where the target has no such
    /// requests, so that faults made of them cannot be asked for.
    fn operator(&self, _addresses: BTreeMap<u32, SocketAddr>) -> Option<Arc<dyn Operator>> {
        None
    }
}

/// Everything a node has to know to start.
#[derive(Clone, Debug)]
pub(crate) struct NodeSetup {
    /// Its number, from 1.
    pub(crate) number: u32,
    /// The cluster's name, one per run: a stray node of another run is refused.
    pub(crate) cluster_id: String,
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where it reaches each other node.
    pub(crate) peers: BTreeMap<u32, SocketAddr>,
    /// Its data folder.
    pub(crate) data_dir: PathBuf,
    /// Its trace file.
    pub(crate) trace: PathBuf,
    /// Its log file.
    pub(crate) log: PathBuf,
    /// Its journals' file, where they are wanted and the server writes such; each start gets its own.
    pub(crate) journal: Option<PathBuf>,
    /// Start with no members, to be added to a running cluster: its disk was emptied.
    pub(crate) joins: bool,
}

/// What a client asks of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A new session, in which a change that is sent again is applied once.
    OpenSession,
    /// The value of a key, linearizably.
    Get {
        /// The key.
        key: String,
        /// Only where the asked node leads; other nodes refuse.
        leader_only: bool,
    },
    /// A change of a key.
    Write {
        /// The key.
        key: String,
        /// The change.
        change: Change,
        /// The session, and the change's number in it, from 1.
        command: (u64, u64),
    },
}

/// What to do with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Set it.
    Put(Bytes),
    /// Set it to `new` where it holds `expected`.
    Cas {
        /// What it must hold; `None`: absent.
        expected: Option<Bytes>,
        /// What it is to hold.
        new: Bytes,
    },
    /// Append to it.
    Append(Bytes),
}

/// A definite answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What it says.
    pub(crate) result: Answered,
    /// The node that answered.
    pub(crate) node: u32,
    /// The term that node said it was in.
    pub(crate) term: Option<u64>,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The new session's id.
    Opened(u64),
    /// The value read; `None`: absent.
    Value(Option<Bytes>),
    /// The change took effect.
    Written,
    /// The cas found another value and changed nothing.
    Mismatch(Option<Bytes>),
}

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setback {
    /// True: the command may have taken effect, or may still. False: this request never will.
    pub(crate) is_indefinite: bool,
    /// What to do about it.
    pub(crate) kind: SetbackKind,
    /// In words, for the history.
    pub(crate) reason: String,
}

impl Setback {
    /// The node was not reached, or has not answered.
    pub(crate) fn unreachable(is_indefinite: bool, reason: impl Into<String>) -> Self {
        Self { is_indefinite, kind: SetbackKind::Unreachable, reason: reason.into() }
    }

    /// Nothing came back for so long.
    pub(crate) fn silence(deadline: Duration) -> Self {
        Self::unreachable(true, format!("no answer within {} ms", deadline.as_millis()))
    }
}

/// What a setback asks of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetbackKind {
    /// Ask this node instead.
    Redirect(u32),
    /// Try again a little later: no leader, overloaded.
    Later,
    /// The node cannot be reached, or does not answer: try another one.
    Unreachable,
    /// The session is gone: open a new one.
    SessionLost,
    /// The request is wrong; trying again is no use.
    Hopeless,
}

/// A node answers at a request's deadline with what it knows; this is the way back.
pub(crate) const ANSWER_GRACE: Duration = Duration::from_millis(30);

/// A client's connections to the cluster.
pub(crate) trait Client: Send {
    /// Sends a request to a node, which may take that long, and waits for its answer.
    fn ask(
        &mut self,
        node: u32,
        request: Request,
        deadline: Duration,
    ) -> Pending<'_, Result<Answer, Setback>>;
}

/// Asks nodes about themselves, past every proxy.
pub(crate) trait Probe: Send + Sync {
    /// One node's status; an error in words where it gives none.
    fn status(&self, node: u32, deadline: Duration) -> Pending<'_, Result<NodeStatus, String>>;
}

/// What an operator wishes of a leader. Nodes reach a node that is added as they were told at their
/// start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Hand over, to this node or to whom you like.
    Transfer(Option<u32>),
    /// Add a node that receives the log and has no vote.
    AddLearner(u32),
    /// Give it a vote.
    Promote(u32),
    /// Remove it.
    Remove(u32),
}

/// Asks nodes for changes, past every proxy.
pub(crate) trait Operator: Send + Sync {
    /// Asks a node; the reason in words where it did not say that it is done, which then may still
    /// happen.
    fn ask(&self, node: u32, wish: Wish, deadline: Duration) -> Pending<'_, Result<(), String>>;
}

/// Who belongs to a cluster, as a node has it in its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    /// Those who vote; empty where the target does not tell.
    pub(crate) voters: BTreeSet<u32>,
    /// Those who vote beside them until a joint membership ends.
    pub(crate) outgoing: BTreeSet<u32>,
    /// Those who only receive the log.
    pub(crate) learners: BTreeSet<u32>,
    /// The entry that made it so.
    pub(crate) index: u64,
}

impl Members {
    /// Whether no change is under way.
    pub(crate) fn is_settled(&self, commit: u64) -> bool {
        self.outgoing.is_empty() && self.index <= commit
    }

    /// Whether a node belongs, in whatever way.
    pub(crate) fn contains(&self, node: u32) -> bool {
        [&self.voters, &self.outgoing, &self.learners].iter().any(|set| set.contains(&node))
    }

    /// `n1 n2 n3`.
    pub(crate) fn voters_words(&self) -> String {
        let names: Vec<String> = self.voters.iter().map(|node| format!("n{node}")).collect();
        names.join(" ")
    }
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeStatus {
    /// `follower`, `pre_candidate`, `candidate`, `leader`, `learner`.
    pub(crate) role: String,
    /// Its term.
    pub(crate) term: u64,
    /// The leader it knows.
    pub(crate) leader: Option<u32>,
    /// Its commit index.
    pub(crate) commit: u64,
    /// Its applied index.
    pub(crate) applied: u64,
    /// Hash of its state, 16 hex digits.
    pub(crate) state_hash: Option<String>,
    /// Chain hash of its log at `applied`, 16 hex digits.
    pub(crate) chain: Option<String>,
    /// Its version.
    pub(crate) version: String,
    /// Who belongs to the cluster.
    pub(crate) members: Members,
    /// On a leader that is handing over: to whom.
    pub(crate) transfer: Option<u32>,
}

impl NodeStatus {
    /// Whether it leads.
    pub(crate) fn is_leader(&self) -> bool {
        self.role == "leader"
    }
}
