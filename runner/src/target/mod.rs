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
pub(crate) use whitewater_client::{
    ANSWER_GRACE, Answer, Answered, Change, Members, Next, NodeStatus, Request, Setback, Wish,
};

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

/// Asks nodes for changes, past every proxy.
pub(crate) trait Operator: Send + Sync {
    /// Asks a node; the reason in words where it did not say that it is done, which then may still
    /// happen.
    fn ask(&self, node: u32, wish: Wish, deadline: Duration) -> Pending<'_, Result<(), String>>;
}
