//! One small real trial of each family of faults: what it needs of this machine, tried as a run does it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use whitewater_checker::fault::Scope;
use whitewater_client::{Caller, NodeStatus, Wish};

use super::Finding;

use crate::dice::Dice;
use crate::nemesis::{FAMILIES, Needs};
use crate::proxy::{Network, Party, Rule};
use whitewater_processes::{Child, Launch, OWN_PROGRAM, PORT_DEFAULT, Ports, Reservation, Spawner};

/// Signals and bytes arrive within milliseconds, and a small cluster elects within a second.
const DEADLINE: Duration = Duration::from_secs(10);
/// What crosses a proxy in a trial.
const PIECE: [u8; 64] = [7; 64];
/// How late a slow link is in a trial.
const DELAY: Duration = Duration::from_millis(40);
/// How long a blocked piece is waited for.
const SILENCE: Duration = Duration::from_millis(100);
/// Between two looks at a cluster.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const CLIENT: Party = Party::Client(0);
const NODE: Party = Party::Node(1);

/// What a trial saw, or why it could not be done.
type Seen = Result<String, String>;

/// Tries every family. `folder` takes logs and disks.
pub(super) async fn families(folder: &Path) -> Vec<(&'static str, Finding)> {
    let mut found = Vec::new();
    let bench = Bench::new(folder);
    let mut cluster = None;
    for family in FAMILIES {
        let seen = match (&bench, family.scope) {
            (Err(error), _) => Err(error.clone()),
            (Ok(bench), Scope::ProcessDown) => bench.kill().await,
            (Ok(bench), Scope::ProcessPaused) => bench.pause().await,
            (Ok(_), Scope::LinksCut) => partition().await,
            (Ok(_), Scope::LinksDegraded) => link().await,
            (Ok(bench), _) => {
                // The families that ask a cluster for something share one.
                if cluster.is_none() {
                    cluster = Some(Trio::start(bench).await);
                }
                match (cluster.as_mut(), family.scope) {
                    (Some(Ok(trio)), Scope::Members) => trio.membership().await,
                    (Some(Ok(trio)), Scope::Leadership) => trio.transfer().await,
                    (Some(Err(error)), _) => Err(error.clone()),
                    _ => Err("no trial of it is known".to_owned()),
                }
            }
        };
        found.push((family.name, judged(family.needs, seen)));
    }
    if let Some(Ok(trio)) = cluster {
        trio.stop().await;
    }
    found
}

fn judged(needs: Needs, seen: Seen) -> Finding {
    match seen {
        Ok(text) => Finding::Works(text),
        Err(what) => Finding::Broken { what, mend: mend(needs).to_owned() },
    }
}

/// What a family needs of the machine.
fn mend(needs: Needs) -> &'static str {
    match needs {
        Needs::Signals => "allow this user to start and signal processes, and mount /proc",
        Needs::Proxies => "allow TCP connections between loopback addresses 127.x.y.z",
        Needs::Requests => {
            "`whitewater cluster --nodes 3` shows why three servers do not work here"
        }
    }
}

fn millis(since: Instant) -> String {
    format!("{:.1} ms", since.elapsed().as_secs_f64() * 1000.0)
}

/// Starts processes, which die with it.
struct Bench<'a> {
    spawner: Spawner,
    folder: &'a Path,
}

impl<'a> Bench<'a> {
    fn new(folder: &'a Path) -> Result<Self, String> {
        let spawner = Spawner::new().map_err(|error| format!("start a thread: {error}"))?;
        Ok(Self { spawner, folder })
    }

    fn start(&self, name: &str, program: &str, arguments: &[String]) -> Result<Child, String> {
        let launch = Launch {
            program: program.into(),
            arguments: arguments.iter().map(Into::into).collect(),
            ..Launch::into_log(&self.folder.join(format!("{name}.log")))
        };
        let child = self.spawner.spawn(&launch, |_, _| {});
        child.map_err(|error| format!("start a process: {error}"))
    }

    /// A process that waits until it is signalled, of a program that every machine has.
    fn sleeper(&self) -> Result<Child, String> {
        self.start("sleep", "sleep", &["60".to_owned()])
    }

    async fn kill(&self) -> Seen {
        let child = self.sleeper()?;
        let start = Instant::now();
        send(&child, Signal::SIGKILL)?;
        match child.wait_exit(DEADLINE).await.as_deref() {
            Some("signal 9") => Ok(format!("a process ended by signal 9 after {}", millis(start))),
            how => Err(format!(
                "a process that was sent SIGKILL ended with {}",
                how.unwrap_or("nothing")
            )),
        }
    }

    async fn pause(&self) -> Seen {
        let child = self.sleeper()?;
        let start = Instant::now();
        send(&child, Signal::SIGSTOP)?;
        let is_stopped = child.wait_stopped(true, DEADLINE).await;
        let stopped = millis(start);
        let start = Instant::now();
        send(&child, Signal::SIGCONT)?;
        let is_continued = child.wait_stopped(false, DEADLINE).await;
        let continued = millis(start);
        send(&child, Signal::SIGKILL)?;
        child.wait_exit(DEADLINE).await;
        match (is_stopped, is_continued) {
            (true, true) => Ok(format!(
                "a process was in state T of /proc after {stopped}, and went on after {continued}"
            )),
            (false, _) => {
                Err("a process that was sent SIGSTOP was never in state T of /proc".into())
            }
            (true, false) => Err("a process that was sent SIGCONT stayed in state T".into()),
        }
    }
}

fn send(child: &Child, signal: Signal) -> Result<(), String> {
    child.signal(signal).map(drop).map_err(|error| format!("send {signal}: {error}"))
}

/// A server that answers what it receives, behind a proxy of a run.
struct Echo {
    network: Network,
    stream: TcpStream,
}

impl Echo {
    async fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let nodes = BTreeMap::from([(1, vec![address])]);
        let network = Network::open(address.ip(), &nodes, 1, Dice::new(1, 0)).await?;
        let reached =
            network.address(CLIENT, 1).ok_or_else(|| std::io::Error::other("no proxy"))?;
        let stream = TcpStream::connect(reached).await?;
        Ok(Self { network, stream })
    }

    fn set(&self, rule: Rule) {
        if let Some(direction) = self.network.direction(CLIENT, NODE) {
            direction.set(rule);
        }
    }

    /// Sends a piece and waits for it to come back.
    async fn round(&mut self, deadline: Duration) -> std::io::Result<Duration> {
        let start = Instant::now();
        let both = async {
            self.stream.write_all(&PIECE).await?;
            let mut back = PIECE;
            self.stream.read_exact(&mut back).await.map(drop)
        };
        let timed = tokio::time::timeout(deadline, both).await;
        timed.map_err(std::io::Error::from)??;
        Ok(start.elapsed())
    }

    async fn reconnect(&mut self) -> std::io::Result<()> {
        if let Some(address) = self.network.address(CLIENT, 1) {
            self.stream = TcpStream::connect(address).await?;
        }
        Ok(())
    }
}

async fn partition() -> Seen {
    let attempt = async {
        let mut echo = Echo::open().await?;
        echo.round(DEADLINE).await?;
        echo.set(Rule::Block);
        if echo.round(SILENCE).await.is_ok() {
            return Err(std::io::Error::other("what a partition had to stop arrived"));
        }
        let counters = echo.network.direction(CLIENT, NODE).map(|it| it.counters());
        let blocked = counters.unwrap_or_default().bytes_blocked;
        if blocked == 0 {
            return Err(std::io::Error::other("no byte reached the proxy"));
        }
        echo.set(Rule::Pass);
        // What was open during a block is reset, so that nothing held back arrives late.
        echo.reconnect().await?;
        let healed = echo.round(DEADLINE).await?.as_secs_f64() * 1000.0;
        Ok(format!("{blocked} bytes were held back; healed, an answer took {healed:.1} ms"))
    };
    attempt.await.map_err(|error| error.to_string())
}

async fn link() -> Seen {
    let attempt = async {
        let mut echo = Echo::open().await?;
        let plain = echo.round(DEADLINE).await?;
        echo.set(Rule::late(DELAY, Duration::ZERO));
        let slow = echo.round(DEADLINE).await?;
        if slow < DELAY {
            return Err(std::io::Error::other("what a slow link had to hold up arrived at once"));
        }
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let (plain, slow, delay) = (ms(plain), ms(slow), DELAY.as_millis());
        Ok(format!("an answer took {plain:.1} ms, and {slow:.1} ms over a link {delay} ms slower"))
    };
    attempt.await.map_err(|error| error.to_string())
}

/// Three bundled servers.
struct Trio {
    children: Vec<Child>,
    caller: Caller,
    _addresses: Reservation,
}

impl Trio {
    async fn start(bench: &Bench<'_>) -> Result<Self, String> {
        let taken = Reservation::take(None, std::process::id(), Ports::same(PORT_DEFAULT), 3);
        let addresses = taken.map_err(|error| error.to_string())?;
        let listen: BTreeMap<u32, SocketAddr> =
            (1..=3).map(|node| (node, addresses.node(node))).collect();
        let mut children = Vec::new();
        for node in 1..=3 {
            let mut words = vec!["server".to_owned(), "--node-id".into(), node.to_string()];
            words.extend(["--listen".into(), listen[&node].to_string()]);
            let data = bench.folder.join(format!("n{node}"));
            words.extend(["--data-dir".into(), data.display().to_string()]);
            words.extend(["--cluster-id".into(), "doctor".into()]);
            for (peer, address) in listen.iter().filter(|(peer, _)| **peer != node) {
                words.extend(["--peer".into(), format!("{peer}={address}")]);
            }
            children.push(bench.start(&format!("n{node}"), OWN_PROGRAM, &words)?);
        }
        let endpoints = listen.values().map(ToString::to_string).collect();
        let caller = Caller::new(endpoints, DEADLINE);
        let mut trio = Self { children, caller, _addresses: addresses };
        trio.leader(|_, _| true).await?;
        Ok(trio)
    }

    /// Waits for a leader of which `is_wanted` says, by its number and its voters, that it is the one.
    async fn leader(
        &mut self,
        is_wanted: impl Fn(u32, &BTreeSet<u32>) -> bool,
    ) -> Result<u32, String> {
        let end = Instant::now() + DEADLINE;
        loop {
            let reports = self.caller.statuses().await.into_iter().filter_map(|(_, it)| it.ok());
            let newest = reports.filter(NodeStatus::is_leader).max_by_key(|it| it.term);
            match newest.filter(|it| is_wanted(it.node, &it.members.voters)) {
                Some(leader) => return Ok(leader.node),
                None if Instant::now() >= end => {
                    let s = DEADLINE.as_secs();
                    return Err(format!("three servers did not come to that within {s} s"));
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn transfer(&mut self) -> Seen {
        let old = self.leader(|_, _| true).await?;
        let start = Instant::now();
        let asked = self.caller.wish(Wish::Transfer(None), "").await;
        asked.map_err(|error| error.to_string())?;
        let new = self.leader(|leader, _| leader != old).await?;
        Ok(format!(
            "of three servers n{old} led, was asked, and n{new} led after {}",
            millis(start)
        ))
    }

    async fn membership(&mut self) -> Seen {
        let leader = self.leader(|_, _| true).await?;
        let leaving = if leader == 3 { 2 } else { 3 };
        let start = Instant::now();
        let asked = self.caller.wish(Wish::Remove(leaving), "").await;
        asked.map_err(|error| error.to_string())?;
        self.leader(|_, voters| !voters.contains(&leaving)).await?;
        Ok(format!(
            "of three servers n{leaving} was asked to leave, and had left after {}",
            millis(start)
        ))
    }

    async fn stop(self) {
        for child in &self.children {
            let _ = child.signal(Signal::SIGKILL);
        }
        for child in &self.children {
            child.wait_exit(DEADLINE).await;
        }
    }
}
