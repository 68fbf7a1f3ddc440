//! What can be tested: how to start a node of it, and how to talk to it.
//!
//! Nothing outside this module asks which target it is. A target says what an answer *means* (did the
//! command take effect, can it still?); retrying, redirecting and recording are the client's work.
//! The words for requests and answers are those of the bundled server's client library.

mod built;
mod bundled;
pub mod description;
mod foreign;
mod found;
mod kinds;
mod node;
mod profile;
mod readiness;
pub mod template;
mod wire;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use whitewater_checker::Promises;
pub use whitewater_checker::target::{Promised, Reads};
pub use whitewater_client::{
    ANSWER_GRACE, Answer, Answered, Change, Members, Next, NodeStatus, Request, Setback, Wish,
};

use bundled::Bundled;
pub use description::EtcdReads;
pub use kinds::{beginning, kinds};
pub use node::{NodeSetup, Place, Preparation};
pub use profile::{Manner, Offers, Profile, Readiness, Tells};
use whitewater_processes::Launch;
pub use wire::{Unanswered, Wire};

/// The names a user may ask for, beside the path of a description.
pub fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(bundled::NAME).chain(found::names())
}

/// The one target that writes journals.
pub const BUNDLED: &str = bundled::NAME;

/// Which build of a server is tested, and how it is started.
#[derive(Clone, Debug, Default)]
pub struct Build {
    /// The executable; `None`: the one that belongs to the target.
    pub program: Option<PathBuf>,
    /// The bug seeded into it.
    pub mutant: Option<String>,
    /// Arguments passed on to every node.
    pub arguments: Vec<OsString>,
    /// What reads over etcd's own protocol ask for, instead of what a description says.
    pub etcd_reads: Option<EtcdReads>,
}

/// The target a user asks for.
///
/// # Errors
/// Where there is none of that name; in words.
pub fn by_name(name: &str, build: &Build) -> Result<Arc<dyn Target>, String> {
    match name {
        bundled::NAME => Ok(Arc::new(Bundled::new(build.clone()))),
        other => Ok(Arc::new(found::find(other, build)?)),
    }
}

/// What a target promises beyond safety, where that is known.
pub fn promises(name: &str, nodes: u32) -> Option<Promises> {
    (name == bundled::NAME).then(|| bundled::promises(nodes))
}

/// A future behind a trait object.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A kind of server under test.
pub trait Target: Send + Sync {
    /// The name a user asks for.
    fn name(&self) -> &str;

    /// What it can do, and what it promises.
    fn profile(&self) -> Profile;

    /// Where a key of its description stands, `store.toml, line 3`; `None` where it is not written, or nothing is.
    fn place_of(&self, _key: &str) -> Option<String> {
        None
    }

    /// The command line of a node.
    fn launch(&self, node: &NodeSetup) -> Launch;

    /// What is done before a node's first start.
    fn prepare(&self, _node: &NodeSetup) -> Preparation {
        Preparation::default()
    }

    /// Commands to run once, one after the other, when all nodes are ready for the first time.
    fn introduce(&self, _nodes: &BTreeMap<u32, NodeSetup>) -> Vec<Launch> {
        Vec::new()
    }

    /// A client of its own, with its own connections and session. `addresses`: how it reaches each node's first port.
    fn client(&self, addresses: BTreeMap<u32, SocketAddr>, leader: LeaderSeen) -> Box<dyn Client>;

    /// The same, of nodes that speak on their standard input and output; `None`: they do not.
    fn wired_client(&self, _wire: Box<dyn Wire>, _leader: LeaderSeen) -> Option<Box<dyn Client>> {
        None
    }

    /// Asks nodes about themselves; `None` where they do not tell.
    fn probe(&self, nodes: &BTreeMap<u32, NodeSetup>) -> Option<Arc<dyn Probe>>;

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

/// Who leads, as far as it was seen last: for clients that cannot be told by the node they ask.
#[derive(Clone, Debug, Default)]
pub struct LeaderSeen(Arc<AtomicU32>);

impl LeaderSeen {
    /// The node that was seen to lead last; `None`: nobody was.
    pub fn node(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|node| *node != 0)
    }

    /// Notes who leads.
    pub fn note(&self, node: u32) {
        self.0.store(node, Ordering::Relaxed);
    }
}

/// A client's connections to the cluster.
pub trait Client: Send {
    /// Sends a request to a node, which may take that long, and waits for its answer.
    fn ask(
        &mut self,
        node: u32,
        request: Request,
        deadline: Duration,
    ) -> Pending<'_, Result<Answer, Setback>>;
}

/// Asks nodes about themselves, past every proxy.
pub trait Probe: Send + Sync {
    /// One node's status; an error in words where it gives none.
    fn status(&self, node: u32, deadline: Duration) -> Pending<'_, Result<NodeStatus, String>>;
}

/// Asks nodes for changes, past every proxy.
pub trait Operator: Send + Sync {
    /// Asks a node; the reason in words where it did not say that it is done, which then may still
    /// happen.
    fn ask(&self, node: u32, wish: Wish, deadline: Duration) -> Pending<'_, Result<(), String>>;
}
