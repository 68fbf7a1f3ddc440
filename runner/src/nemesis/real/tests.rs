//! Nothing stays in force, whatever becomes of those who put it there: on real processes and proxies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;
use whitewater_processes::{Launch, Spawner};
use whitewater_target::{
    BUNDLED, Build, Client, LeaderSeen, NodeSetup, NodeStatus, Pending, Probe, Profile, Target,
    by_name,
};

use super::super::{PlannedFault, ProcessState};
use super::*;
use crate::dice::Dice;
use crate::observe::{Pace, Watch};
use crate::proxy::Party;

const DEADLINE: Duration = Duration::from_secs(10);
/// As long as nobody ends it.
const LONG_MS: u64 = 600_000;

/// Nodes that sleep, of which the first says that it leads.
struct Sleepers {
    bundled: Arc<dyn Target>,
    /// The next start panics.
    panics: AtomicBool,
}

impl Target for Sleepers {
    fn name(&self) -> &'static str {
        "sleepers"
    }

    fn profile(&self) -> Profile {
        self.bundled.profile()
    }

    fn launch(&self, node: &NodeSetup) -> Launch {
        assert!(!self.panics.swap(false, Ordering::SeqCst), "a bug, for this test");
        let arguments = vec!["600".into()];
        Launch { program: "sleep".into(), arguments, ..Launch::into_log(&node.log) }
    }

    fn client(&self, nodes: BTreeMap<u32, SocketAddr>, leader: LeaderSeen) -> Box<dyn Client> {
        self.bundled.client(nodes, leader)
    }

    fn probe(&self, _nodes: &BTreeMap<u32, NodeSetup>) -> Option<Arc<dyn Probe>> {
        Some(Arc::new(FirstLeads))
    }
}

struct FirstLeads;

impl Probe for FirstLeads {
    fn status(&self, node: u32, _deadline: Duration) -> Pending<'_, Result<NodeStatus, String>> {
        let role = if node == 1 { "leader" } else { "follower" }.to_owned();
        Box::pin(async { Ok(NodeStatus { role, term: 1, ..NodeStatus::default() }) })
    }
}

struct Bench {
    target: Arc<Sleepers>,
    cluster: Arc<Cluster>,
    network: Arc<Network>,
    recorder: Recorder,
    folder: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        for node in self.cluster.numbers() {
            let _ = self.cluster.kill(node);
        }
    }
}

impl Bench {
    async fn new() -> (Self, Arc<Field>) {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(folder.path()).unwrap();
        let bundled = by_name(BUNDLED, &Build::default()).unwrap();
        let target = Arc::new(Sleepers { bundled, panics: AtomicBool::new(false) });
        let setup = |number: u32| NodeSetup {
            number,
            cluster_id: "test".into(),
            places: Arc::default(),
            peers: BTreeMap::new(),
            data_dir: folder.path().join("data"),
            trace: folder.path().join("trace"),
            log: folder.path().join("log"),
            journal: None,
            joins: false,
            is_first_start: false,
        };
        let setups = (1..=3).map(setup).collect();
        // This program is a test: a shell becomes the node in its place.
        let spawner = Spawner::through(&["sh", "-c", "shift 3; exec \"$@\""]).unwrap();
        let cluster = Cluster::spawned_by(spawner, setups, target.clone(), recorder.clone());
        let cluster = Arc::new(cluster);
        (1..=3).for_each(|node| cluster.start(node).unwrap());
        let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let nodes = (1..=3).map(|node| (node, vec![nowhere])).collect();
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let network = Arc::new(Network::open(ip, &nodes, 1, Dice::new(1, 0)).await.unwrap());
        let probe = target.probe(&BTreeMap::new());
        let watch = Watch { probe, pace: Pace::default(), leader: LeaderSeen::default() };
        let observer = Arc::new(Observer::start(cluster.clone(), watch, recorder.clone()));
        let field = Arc::new(Field::new(cluster.clone(), network.clone(), None, observer));
        (Self { target, cluster, network, recorder, folder }, field)
    }

    /// Lets the nemesis carry these out, all at once, each for so long.
    fn unleash(&self, field: &Arc<Field>, faults: &[(&str, u64)]) -> JoinHandle<()> {
        let planned = faults.iter().zip(1..).map(|((fault, duration_ms), id)| PlannedFault {
            id,
            fault: (*fault).to_owned(),
            at_ms: 0,
            duration_ms: *duration_ms,
            pick: 1,
            trigger: None,
        });
        let planned: Vec<PlannedFault> = planned.collect();
        let injector = Injector::new(&planned, 1, monotonic_ns());
        let (field, recorder) = (field.clone(), self.recorder.clone());
        let traces = self.folder.path().to_owned();
        let (news, _) = mpsc::unbounded_channel();
        tokio::spawn(async move { field.work(injector, &recorder, &traces, &news).await })
    }

    fn rule(&self) -> Rule {
        self.network.direction(Party::Node(1), Party::Node(2)).unwrap().current()
    }

    fn is_stopped(&self) -> bool {
        self.cluster.process(1) == ProcessState::Stopped
    }

    async fn until(&self, what: &str, fact: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !fact(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let seen = tokio::time::timeout(DEADLINE, waiting).await;
        assert!(seen.is_ok(), "{what}: n1 {:?}, {:?}", self.cluster.process(1), self.rule());
    }

    /// A leader that stands still, and nobody who hears of it; whoever did that is gone.
    async fn struck_and_left_alone(&self, field: &Arc<Field>) {
        let faults = [("pause-leader", LONG_MS), ("partition-isolate-leader", LONG_MS)];
        let work = self.unleash(field, &faults);
        self.until("both in force", |it| it.is_stopped() && it.rule() == Rule::Block).await;
        work.abort();
        assert!(work.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn what_a_dropped_nemesis_left_in_force_is_lifted_by_healing() {
    let (bench, field) = Bench::new().await;
    bench.struck_and_left_alone(&field).await;
    assert!(bench.is_stopped() && bench.rule() == Rule::Block, "nobody lifted it yet");
    assert_eq!(field.heal().await, Vec::<String>::new());
    assert!(!bench.is_stopped());
    assert_eq!(bench.rule(), Rule::Pass);
    assert!(field.in_force().entries().is_empty());
    assert_eq!(field.heal().await, Vec::<String>::new(), "a second time is harmless");
}

#[tokio::test]
async fn what_is_in_force_is_lifted_when_the_field_is_dropped() {
    let (bench, field) = Bench::new().await;
    bench.struck_and_left_alone(&field).await;
    drop(field);
    assert_eq!(bench.rule(), Rule::Pass);
    bench.until("the leader runs", |it| !it.is_stopped()).await;
}

#[tokio::test]
async fn a_panic_in_the_midst_of_a_deed_leaves_nothing_in_force_after_healing() {
    let (bench, field) = Bench::new().await;
    let work =
        bench.unleash(&field, &[("kill-leader", 300), ("partition-isolate-leader", LONG_MS)]);
    bench.until("the links are cut", |it| it.rule() == Rule::Block).await;
    // The killed node is started again at its fault's end.
    bench.target.panics.store(true, Ordering::SeqCst);
    assert!(work.await.unwrap_err().is_panic());
    assert!(matches!(bench.cluster.process(1), ProcessState::Down(_)));
    assert_eq!(field.heal().await, Vec::<String>::new());
    bench
        .until("the leader runs", |it| matches!(it.cluster.process(1), ProcessState::Runs(_)))
        .await;
    assert_eq!(bench.rule(), Rule::Pass);
    assert!(field.in_force().entries().is_empty());
}
