//! Prepares the clusters of a benchmark: finds etcd, refuses folders in memory, reserves addresses and
//! builds command lines.
//!
//! Both servers run with their defaults, which is what people get; the bundled one without a trace,
//! because etcd writes none. What a running cluster can be asked and told is in `cluster.rs`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use super::cluster::{Cluster, Reserved};
use super::{Clusters, Contender, node_name};
use crate::etcd;
use whitewater_processes::{Launch, OWN_PROGRAM, Ports, Refusal, Reservation, Spawner};

/// Where clients connect on every node.
const CLIENT_PORT: u16 = 7301;

/// Where etcd's members talk to each other. The bundled server needs no second port.
const PEER_PORT: u16 = 7302;

/// Starts clusters; holds what they share.
#[derive(Debug)]
pub(super) struct Harness {
    clusters: Clusters,
    spawner: Arc<Spawner>,
    etcd: Option<PathBuf>,
}

impl Harness {
    /// Looks for what a round will need, so that a missing etcd or a data folder in memory is said
    /// before anything was measured.
    pub(super) fn new(clusters: Clusters) -> Result<Harness> {
        let etcd = match clusters.contenders.contains(&Contender::Etcd) {
            true => Some(etcd::program()?),
            false => None,
        };
        fs::create_dir_all(&clusters.folder)
            .with_context(|| format!("create {}", clusters.folder.display()))?;
        refuse_memory(&clusters.folder)?;
        Ok(Harness {
            clusters,
            spawner: Arc::new(Spawner::new().context("start the spawning thread")?),
            etcd,
        })
    }

    /// The etcd that will be measured.
    pub(super) fn etcd(&self) -> Option<&Path> {
        self.etcd.as_deref()
    }

    /// What was asked for.
    pub(super) fn clusters(&self) -> &Clusters {
        &self.clusters
    }

    /// A fresh cluster whose nodes agree on a leader.
    pub(super) async fn start(&self, contender: Contender) -> Result<Cluster> {
        let nodes = self.clusters.nodes;
        let parent = &self.clusters.folder;
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(parent);
        let folder =
            folder.with_context(|| format!("make a data folder in {}", parent.display()))?;
        let count = u32::try_from(nodes).context("count the nodes")?;
        let clients = Reservation::take(None, std::process::id(), Ports::same(CLIENT_PORT), count)?;
        let peers = Reservation::take(Some(clients.block), 0, Ports::same(PEER_PORT), count)?;
        let hosts: Vec<IpAddr> = (1..=count).map(|node| clients.block.node(node)).collect();
        let launch = |node| self.launch(contender, &hosts, node, folder.path());
        let launches =
            (0..nodes).map(|node| (SocketAddr::new(hosts[node], CLIENT_PORT), launch(node)));
        let launches = launches.collect();
        let reserved = Reserved { _addresses: [clients, peers], folder };
        Cluster::start(contender, launches, self.spawner.clone(), reserved).await
    }

    fn launch(&self, contender: Contender, hosts: &[IpAddr], node: usize, folder: &Path) -> Launch {
        let name = node_name(node + 1);
        let data_dir = folder.join(&name);
        let log = folder.join(format!("{name}.log"));
        let (program, arguments) = match (contender, &self.etcd) {
            (Contender::Etcd, Some(program)) => {
                let members = etcd::Members {
                    hosts: hosts.to_vec(),
                    client_port: CLIENT_PORT,
                    peer_port: PEER_PORT,
                };
                (program.clone(), members.arguments(node, &data_dir))
            }
            _ => {
                let own = || PathBuf::from(OWN_PROGRAM);
                (
                    self.clusters.server.clone().unwrap_or_else(own),
                    bundled_arguments(hosts, node, &data_dir),
                )
            }
        };
        Launch { program, arguments, ..Launch::into_log(&log) }
    }
}

/// The command line of a bundled server; its defaults are what is measured.
fn bundled_arguments(hosts: &[IpAddr], node: usize, data_dir: &Path) -> Vec<OsString> {
    let address = |node: usize| SocketAddr::new(hosts[node], CLIENT_PORT).to_string();
    let mut arguments: Vec<OsString> = vec!["server".into(), "--data-dir".into(), data_dir.into()];
    let mut option = |flag: &str, value: String| arguments.extend([flag.into(), value.into()]);
    option("--node-id", (node + 1).to_string());
    option("--cluster-id", "bench".into());
    option("--listen", address(node));
    for peer in (0..hosts.len()).filter(|peer| *peer != node) {
        option("--peer", format!("{}={}", peer + 1, address(peer)));
    }
    arguments
}

/// On tmpfs an fsync costs nothing, and a benchmark of a log says nothing.
fn refuse_memory(folder: &Path) -> Result<()> {
    let kind = statfs(folder).map_err(io::Error::from);
    let kind = kind.with_context(|| format!("ask for the file system of {}", folder.display()))?;
    if kind.filesystem_type() == TMPFS_MAGIC {
        bail!(Refusal::Environment(format!(
            "{} is on tmpfs, where fsync costs nothing: give --runs-dir a folder on a disk",
            folder.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundled_node_is_told_its_peers_but_not_itself() {
        let hosts = ["127.9.9.1", "127.9.9.2", "127.9.9.3"].map(|host| host.parse().unwrap());
        let arguments = bundled_arguments(&hosts, 1, Path::new("/data/n2"));
        let arguments: Vec<_> =
            arguments.iter().map(|argument| argument.to_str().unwrap()).collect();
        assert_eq!(
            arguments.join(" "),
            "server --data-dir /data/n2 --node-id 2 --cluster-id bench --listen 127.9.9.2:7301 \
             --peer 1=127.9.9.1:7301 --peer 3=127.9.9.3:7301"
        );
    }

    #[test]
    fn a_data_folder_in_memory_is_refused() {
        let memory = Path::new("/dev/shm");
        if statfs(memory).map_or(true, |kind| kind.filesystem_type() != TMPFS_MAGIC) {
            eprintln!("skipped: /dev/shm is not a tmpfs here");
            return;
        }
        let message = refuse_memory(memory).unwrap_err().to_string();
        assert!(message.contains("fsync costs nothing"), "{message}");
    }
}
