//! The descriptions that come with us, against the servers they describe, where these are installed.
//!
//! What is not installed is skipped, and said so.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use whitewater_processes::{Ports, Reservation};
use whitewater_target::{
    Answered, Build, Change, Client, LeaderSeen, NodeSetup, Place, Request, Target, by_name,
};

const TIME: Duration = Duration::from_secs(2);
/// A loaded machine starts three servers in this time.
const WITHIN: Duration = Duration::from_secs(40);

/// Nodes that are killed when the test is over.
struct Cluster {
    target: Arc<dyn Target>,
    setups: BTreeMap<u32, NodeSetup>,
    children: Vec<Child>,
    _reservation: Reservation,
    folder: tempfile::TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether a program is there and does this; else the test is skipped.
fn is_there(program: &str, arguments: &[&str]) -> bool {
    let ran =
        Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_there = ran.is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("skipped: `{program} {}` does not run here", arguments.join(" "));
    }
    is_there
}

impl Cluster {
    fn start(name: &str, nodes: u32) -> Self {
        let target = by_name(name, &Build::default()).unwrap();
        let names = target.profile().ports;
        let ports = Ports::apart(7_400, u16::try_from(names.len()).unwrap());
        let reservation = Reservation::take(None, std::process::id(), ports, nodes).unwrap();
        let place = |node: u32| {
            let ports = names.iter().cloned().zip(reservation.ports(node)).collect();
            (node, Place { host: reservation.node(node).ip(), ports })
        };
        let places: Arc<BTreeMap<u32, Place>> = Arc::new((1..=nodes).map(place).collect());
        let folder = tempfile::tempdir().unwrap();
        let setup = |number: u32| NodeSetup {
            number,
            cluster_id: "c".into(),
            places: places.clone(),
            peers: BTreeMap::new(),
            data_dir: folder.path().join(format!("n{number}")),
            trace: folder.path().join("trace"),
            log: folder.path().join(format!("n{number}.log")),
            journal: None,
            joins: false,
            is_first_start: true,
        };
        let setups = (1..=nodes).map(|number| (number, setup(number))).collect();
        let mut cluster =
            Self { target, setups, children: vec![], _reservation: reservation, folder };
        for setup in cluster.setups.values() {
            std::fs::create_dir_all(&setup.data_dir).unwrap();
            for (path, text) in cluster.target.prepare(setup).files {
                std::fs::write(path, text).unwrap();
            }
            let launch = cluster.target.launch(setup);
            let log = std::fs::File::create(&launch.log).unwrap();
            let mut command = Command::new(&launch.program);
            command.args(&launch.arguments).envs(launch.environment).stdin(Stdio::null());
            command.current_dir(launch.folder.as_deref().unwrap_or(Path::new(".")));
            let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
            cluster.children.push(child);
        }
        cluster
    }

    fn client(&self) -> Box<dyn Client> {
        let address = |(node, setup): (&u32, &NodeSetup)| (*node, setup.place().clients());
        self.target.client(self.setups.iter().map(address).collect(), LeaderSeen::default())
    }

    /// A change that is asked for until it is acknowledged.
    async fn change(&self, client: &mut dyn Client, change: Change) -> Answered {
        let until = Instant::now() + WITHIN;
        let mut node = 1;
        loop {
            let request =
                Request::Write { key: "k 1".into(), change: change.clone(), command: (0, 1) };
            match client.ask(node, request, TIME).await {
                Ok(answer) => return answer.result,
                Err(setback) if Instant::now() > until => panic!("{setback}\n{}", self.logs()),
                Err(_) => node = node % u32::try_from(self.setups.len()).unwrap() + 1,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn read(&self, client: &mut dyn Client, node: u32) -> Answered {
        let until = Instant::now() + WITHIN;
        loop {
            let request = Request::Get { key: "k 1".into(), leader_only: false };
            match client.ask(node, request, TIME).await {
                Ok(answer) => return answer.result,
                Err(setback) if Instant::now() > until => panic!("{setback}\n{}", self.logs()),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn logs(&self) -> String {
        let log = |setup: &NodeSetup| std::fs::read_to_string(&setup.log).unwrap_or_default();
        let all: Vec<String> = self.setups.values().map(log).collect();
        format!("{}\n{}", self.folder.path().display(), all.join("\n---\n"))
    }

    /// Everything that a client does, on every node, and who leads.
    async fn try_all(&self) {
        let mut client = self.client();
        assert_eq!(self.change(&mut *client, Change::Put("7".into())).await, Answered::Written);
        for node in self.setups.keys() {
            let value = self.read(&mut *client, *node).await;
            assert_eq!(value, Answered::Value(Some("7".into())), "n{node}");
        }
        let cas = |from: &'static str, to: &'static str| Change::Cas {
            expected: Some(from.into()),
            new: to.into(),
        };
        assert_eq!(self.change(&mut *client, cas("7", "8")).await, Answered::Written);
        let request = Request::Write { key: "k 1".into(), change: cas("7", "9"), command: (0, 1) };
        match client.ask(1, request, TIME).await {
            Ok(answer) => assert_eq!(answer.result, Answered::Mismatch(Some("8".into()))),
            Err(setback) => assert!(!setback.is_indefinite, "{setback}"),
        }
        assert_eq!(self.read(&mut *client, 1).await, Answered::Value(Some("8".into())));
        let absent = Request::Get { key: "none".into(), leader_only: false };
        assert_eq!(client.ask(1, absent, TIME).await.unwrap().result, Answered::Value(None));
        if self.target.profile().offers.append {
            let append = || Change::Append("x".into());
            assert_eq!(self.change(&mut *client, append()).await, Answered::Written);
            assert_eq!(self.read(&mut *client, 1).await, Answered::Value(Some("8x".into())));
        }
    }

    async fn leaders(&self) -> Vec<(u32, u64)> {
        let probe = self.target.probe(&self.setups).unwrap();
        let mut leaders = Vec::new();
        for node in self.setups.keys() {
            let status =
                probe.status(*node, TIME).await.unwrap_or_else(|error| panic!("n{node}: {error}"));
            assert!(status.term > 0, "{status:?}");
            if status.is_leader() {
                leaders.push((*node, status.term));
            }
        }
        leaders
    }
}

#[tokio::test]
async fn etcd_does_what_its_description_says() {
    if !is_there("etcd", &["--version"]) {
        return;
    }
    let cluster = Cluster::start("etcd", 3);
    cluster.try_all().await;
    assert_eq!(cluster.leaders().await.len(), 1);
}

#[tokio::test]
async fn pysyncobj_does_what_its_description_says() {
    if !is_there("python3", &["-c", "import pysyncobj"]) {
        return;
    }
    let cluster = Cluster::start("pysyncobj", 3);
    cluster.try_all().await;
    assert_eq!(cluster.leaders().await.len(), 1);
}

#[tokio::test]
async fn redis_does_what_its_description_says() {
    if is_there("redis-server", &["--version"]) {
        Cluster::start("redis", 1).try_all().await;
    }
}

#[tokio::test]
async fn the_server_of_the_tutorial_does_what_its_description_says() {
    if is_there("python3", &["--version"]) {
        Cluster::start("minimal", 3).try_all().await;
    }
}
