//! What can be tested: how to start a node of it, and how to talk to it.
//!
//! Nothing outside this module asks which target it is. A target says what an answer *means* (did the
//! command take effect, can it still?); retrying, redirecting and recording are the client's work.
//! The words for requests and answers are those of the bundled server's client library.

mod bundled;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use whitewater_checker::Promises;
pub use whitewater_client::{
    ANSWER_GRACE, Answer, Answered, Change, Members, Next, NodeStatus, Request, Setback, Wish,
};

use bundled::Bundled;
use whitewater_processes::Launch;

/// The names a user may ask for.
pub const NAMES: [&str; 1] = [bundled::NAME];

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
}

/// The target a user asks for.
///
/// # Errors
/// Where there is none of that name; in words.
pub fn by_name(name: &str, build: &Build) -> Result<Arc<dyn Target>, String> {
    match name {
        bundled::NAME => Ok(Arc::new(Bundled::new(build.clone()))),
        other => Err(format!("no target `{other}`: known are {}", NAMES.join(", "))),
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
pub struct NodeSetup {
    /// Its number, from 1.
    pub number: u32,
    /// The cluster's name, one per run: a stray node of another run is refused.
    pub cluster_id: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it reaches each other node.
    pub peers: BTreeMap<u32, SocketAddr>,
    /// Its data folder.
    pub data_dir: PathBuf,
    /// Its trace file.
    pub trace: PathBuf,
    /// Its log file.
    pub log: PathBuf,
    /// Its journals' file, where they are wanted and the server writes such; each start gets its own.
    pub journal: Option<PathBuf>,
    /// Start with no members, to be added to a running cluster: its disk was emptied.
    pub joins: bool,
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
