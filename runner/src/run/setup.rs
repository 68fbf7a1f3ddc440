//! Makes everything a run needs, in the order in which each part needs the one before.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use whitewater_checker::fact::Fact;
use whitewater_checker::run_folder::{
    Environment, JOURNALS, PLAN, SCHEMA_VERSION, data, log, trace,
};
use whitewater_server::journal::EXTENSION;

use super::{CURRENT_RUN, Order};
use crate::cluster::{Cluster, node_name};
use crate::dice::Dice;
use crate::environment;
use crate::nemesis::Field;
use crate::observe::{Observer, Pace, Watch};
use crate::plan::Plan;
use crate::proxy::{Dialled, Network, Party, Router};
use crate::record::Recorder;
use crate::store::RunFolder;
use crate::tier;
use crate::workload::{Client, ClientSetup, Crew, Shared, Worker};
use whitewater_processes::{Ports, Reservation};
use whitewater_server::clock::monotonic_ns;
use whitewater_target::{LeaderSeen, NodeSetup, Place, Profile, Target};

/// Separates the draws of the proxies from the plan's.
const PROXY_PURPOSE: u64 = 2;

/// A run that is ready to begin. Dropping it lifts all faults; the servers die with this process.
pub(super) struct Stage {
    pub(super) folder: RunFolder,
    pub(super) started: jiff::Timestamp,
    pub(super) origin_ns: u64,
    pub(super) environment: Environment,
    pub(super) recorder: Recorder,
    pub(super) cluster: Arc<Cluster>,
    pub(super) network: Arc<Network>,
    pub(super) field: Arc<Field>,
    pub(super) observer: Arc<Observer>,
    pub(super) target: Arc<dyn Target>,
    pub(super) profile: Profile,
    /// Who carries messages, where nodes speak on their standard input and output.
    pub(super) router: Option<Arc<Router>>,
    /// Who dialled whom, where dials are redirected.
    pub(super) dialled: Option<Arc<Dialled>>,
    leader: LeaderSeen,
    nodes: Vec<u32>,
    _reservation: Reservation,
}

impl Stage {
    /// Sets it.
    pub(super) async fn set(order: &Order) -> anyhow::Result<Self> {
        raise_file_limit();
        let plan = &order.plan;
        let started = jiff::Timestamp::now();
        let origin_ns = monotonic_ns();
        let start = std::process::id().wrapping_mul(7);
        let target = order.target.clone();
        let profile = target.profile();
        let ports = ports(&profile, order.port);
        let reservation = Reservation::take(order.address_block, start, ports, plan.nodes)?;
        let folder = order.store.create(started, plan.nodes)?;
        let _ = CURRENT_RUN.set(folder.path.clone());
        folder.write_json(PLAN, plan)?;
        let mut environment = environment::collect(&folder.path, order.build.program.as_deref());
        let recorder = Recorder::create(&folder.path).context("create the history")?;
        let recording = Fact::Recording { schema_version: SCHEMA_VERSION, canary: order.canary };
        recorder.event(recording.event());
        let nodes: Vec<u32> = (1..=plan.nodes).collect();
        let addresses: BTreeMap<u32, SocketAddr> =
            nodes.iter().map(|node| (*node, reservation.node(*node))).collect();
        let Ways { network, router, is_redirect, description } =
            ways(order, profile.manner.is_wired, &reservation, &nodes).await?;
        environment.fault_tier = description;
        let place = |node: &u32| (*node, place(&profile, &reservation, *node));
        let places = Arc::new(nodes.iter().map(place).collect());
        let journals = order.journal.then(|| folder.join(JOURNALS));
        if let Some(journals) = &journals {
            std::fs::create_dir(journals).context("make the folder of journals")?;
        }
        let setups = nodes.iter().map(|node| NodeSetup {
            journal: journals.as_ref().map(|it| it.join(format!("n{node}.{EXTENSION}"))),
            peers: peers(*node, &addresses, (!is_redirect).then_some(&*network)),
            ..node_setup(*node, &folder, &places)
        });
        let dialled = is_redirect.then(Arc::<Dialled>::default);
        let mut cluster = Cluster::new(setups.collect(), target.clone(), recorder.clone())
            .context("start the spawning thread")?;
        if let Some(dialled) = &dialled {
            cluster.redirect(|node| dialled.of(node, &network));
        }
        router.iter().for_each(|router| cluster.route(router.clone()));
        let cluster = Arc::new(cluster);
        let operator = target.operator(addresses.clone());
        let probe = target.probe(&cluster.setups());
        let leader = LeaderSeen::default();
        let watch =
            Watch { probe, pace: Pace::every(profile.manner.poll_every), leader: leader.clone() };
        let observer = Arc::new(Observer::start(cluster.clone(), watch, recorder.clone()));
        let field = Field::new(cluster.clone(), network.clone(), operator, observer.clone());
        Ok(Self {
            folder,
            started,
            origin_ns,
            environment,
            recorder,
            cluster,
            network,
            field: Arc::new(field),
            observer,
            router,
            dialled,
            target,
            profile,
            leader,
            nodes,
            _reservation: reservation,
        })
    }

    /// A client's connections to the nodes, under the rules of its number.
    pub(super) fn connections(&self, number: u32) -> Box<dyn whitewater_target::Client> {
        let wired = self.router.as_ref().and_then(|router| {
            self.target.wired_client(router.caller(number), self.leader.clone())
        });
        wired.unwrap_or_else(|| {
            let reach =
                |node: &u32| Some((*node, self.network.address(Party::Client(number), *node)?));
            let reached = self.nodes.iter().filter_map(reach).collect();
            self.target.client(reached, self.leader.clone())
        })
    }

    /// The clients of a plan, with nothing done yet.
    pub(super) fn crew(&self, plan: &Plan) -> Crew {
        let workers = (0..plan.workload.clients).map(|number| Worker {
            client: Client::new(ClientSetup::of(plan, number)),
            connections: self.connections(number),
            recorder: self.recorder.clone(),
        });
        Crew::new(workers.collect(), Shared::new(&plan.workload, plan.nodes))
    }
}

/// How what nodes say comes to other nodes.
struct Ways {
    network: Arc<Network>,
    router: Option<Arc<Router>>,
    is_redirect: bool,
    /// What it is, and what it cannot do.
    description: String,
}

async fn ways(
    order: &Order,
    is_wired: bool,
    reservation: &Reservation,
    nodes: &[u32],
) -> anyhow::Result<Ways> {
    let plan = &order.plan;
    if !is_wired {
        let tier = tier::choose(order.tier).await?;
        let network = open_network(plan, reservation, nodes).await?;
        let (is_redirect, description) = (tier.is_redirect, tier.description);
        return Ok(Ways { network, router: None, is_redirect, description });
    }
    let description = tier::router(order.tier)?.to_owned();
    let network = Arc::new(Network::of_messages(plan.nodes, plan.workload.clients));
    let dice = Dice::new(plan.seed, PROXY_PURPOSE);
    let router = Some(Arc::new(Router::new(network.clone(), plan.nodes, dice)));
    Ok(Ways { network, router, is_redirect: false, description })
}

async fn open_network(
    plan: &Plan,
    reservation: &Reservation,
    nodes: &[u32],
) -> anyhow::Result<Arc<Network>> {
    let dice = Dice::new(plan.seed, PROXY_PURPOSE);
    let all = |node: u32| {
        let ports = reservation.ports(node).into_iter();
        ports.map(|port| SocketAddr::new(reservation.block.node(node), port)).collect()
    };
    let addresses = nodes.iter().map(|node| (*node, all(*node))).collect();
    let ip = reservation.block.proxies();
    let network = Network::open(ip, &addresses, plan.workload.clients, dice).await;
    Ok(Arc::new(network.context("open the proxies")?))
}

/// Where a node is told to reach the others: at their own addresses, or at those of its proxies where there is nobody to
/// redirect what it dials.
fn peers(
    number: u32,
    addresses: &BTreeMap<u32, SocketAddr>,
    proxies: Option<&Network>,
) -> BTreeMap<u32, SocketAddr> {
    let others = addresses.iter().filter(|(peer, _)| **peer != number);
    let told = others.filter_map(|(peer, address)| match proxies {
        Some(network) => Some((*peer, network.address(Party::Node(number), *peer)?)),
        None => Some((*peer, *address)),
    });
    told.collect()
}

fn node_setup(number: u32, folder: &RunFolder, places: &Arc<BTreeMap<u32, Place>>) -> NodeSetup {
    let name = node_name(number);
    NodeSetup {
        number,
        cluster_id: folder.id.clone(),
        places: places.clone(),
        peers: BTreeMap::new(),
        data_dir: folder.join(data(&name)),
        trace: trace(&name).path(&folder.path),
        log: folder.join(log(&name)),
        journal: None,
        joins: false,
        is_first_start: true,
    }
}

/// A target that binds one port of its own address shares its number with all others.
fn ports(profile: &Profile, first: u16) -> Ports {
    match (profile.ports_apart, u16::try_from(profile.ports.len())) {
        (false, _) => Ports::same(first),
        (true, count) => Ports::apart(first, count.unwrap_or(u16::MAX)),
    }
}

fn place(profile: &Profile, reservation: &Reservation, node: u32) -> Place {
    let ports = profile.ports.iter().cloned().zip(reservation.ports(node)).collect();
    Place { host: reservation.block.node(node), ports }
}

/// Every proxied connection takes two descriptors here. What cannot be raised is left as it is.
fn raise_file_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
