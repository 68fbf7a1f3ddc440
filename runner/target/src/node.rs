//! What a node has to know to start, and what must be done before its first start.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use whitewater_processes::Launch;

/// Where a node lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its address.
    pub host: IpAddr,
    /// Its ports, by name, in the order in which its target declares them: the first is the clients'.
    pub ports: Vec<(String, u16)>,
}

impl Place {
    /// Where clients reach it.
    pub fn clients(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.ports.first().map_or(0, |(_, port)| *port))
    }

    /// The port of a name.
    pub fn port(&self, name: &str) -> Option<u16> {
        self.ports.iter().find(|(own, _)| own == name).map(|(_, port)| *port)
    }
}

/// Everything a node has to know to start.
#[derive(Clone, Debug)]
pub struct NodeSetup {
    /// Its number, from 1.
    pub number: u32,
    /// The cluster's name, one per run: a stray node of another run is refused.
    pub cluster_id: String,
    /// Where every node lives, this one as well.
    pub places: Arc<BTreeMap<u32, Place>>,
    /// Where it reaches each other node's first port.
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
    /// It never ran before.
    pub is_first_start: bool,
}

impl NodeSetup {
    /// Where it lives itself.
    pub fn place(&self) -> &Place {
        self.places.get(&self.number).expect("every node of a cluster has its place")
    }
}

/// What is done before a node's first start.
#[derive(Clone, Debug, Default)]
pub struct Preparation {
    /// Files to write, each with what is in it.
    pub files: Vec<(PathBuf, String)>,
    /// Commands to run one after the other, each to its end.
    pub commands: Vec<Launch>,
}
