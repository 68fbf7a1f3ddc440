//! `whitewater bench`: measures the bundled server, and etcd beside it.
//!
//! This file is the command line and what is printed; the measuring is in `bench/`. With `--json` every
//! round or kill is one object on a line of stdout and the last line is the result; without, the table goes
//! to stdout and progress to stderr.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use whitewater_bench::failover::{self, Kill};
use whitewater_bench::server::{self, Operation, Round};
use whitewater_bench::{Clusters, Contender, soak, table};

/// Largest cluster: benchmarks share one machine, and more nodes only measure its scheduler.
const NODES_MAX: u64 = 9;

/// Largest number of clients: each has a socket at both ends, and 1,024 files is a usual limit.
const CLIENTS_MAX: u64 = 400;

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, clap::Subcommand)]
enum Benchmark {
    /// Throughput, latency, CPU and memory of a cluster under closed-loop load
    ///
    /// Starts a fresh cluster for each round, with fsync on, and drives its leader with one gRPC connection a
    /// client: 1,000 keys, one second of warm-up, then the measured window. CPU is that of all server processes.
    Server(ServerArguments),
    /// Time from kill -9 of the leader to the first acknowledged put, and from restart to the first read
    ///
    /// Sends one put every 10 ms to each survivor, with a deadline of 400 ms, and takes the first that is
    /// acknowledged. Then starts the killed node again and asks it until it answers a linearizable read.
    Failover(FailoverArguments),
    /// Whether memory, disk and speed stay what they are under a steady load, for as long as you like
    ///
    /// Sends operations at a fixed rate, half puts and half gets, to the leader; latency counts from when each
    /// was due. At the end of every interval each node is weighed: memory now and at its peak, bytes of its log
    /// on disk, and where the log begins and ends. Exit code 5 where an objective is missed.
    Soak(SoakArguments),
}

#[derive(Debug, clap::Args)]
struct ClusterArguments {
    /// What to measure; `both` alternates their rounds and prints ratios. etcd is looked for on PATH
    #[arg(long, value_enum, default_value_t = Target::Bundled)]
    target: Target,
    /// Another build of `whitewater` to measure as the bundled server
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Folder on a disk in which data folders are made; they are removed at the end
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs_dir: PathBuf,
    /// Print one JSON object a line, the last of which is the result
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ServerArguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Nodes of the cluster
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=NODES_MAX))]
    nodes: u64,
    /// Clients, each with a connection of its own and one operation at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=CLIENTS_MAX))]
    clients: u64,
    /// The measured window of each round, for example 10s or 1m
    #[arg(long, default_value = "10s", value_parser = parse_time)]
    time: Duration,
    /// What clients do
    #[arg(long = "op", value_enum, default_value_t = Operation::Put)]
    operation: Operation,
    /// Size of each value
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    value_bytes: u64,
    /// Rounds of each target, each on a fresh cluster
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
}

#[derive(Debug, clap::Args)]
struct FailoverArguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Nodes of the cluster; fewer than three do not survive a kill
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(3..=NODES_MAX))]
    nodes: u64,
    /// Kills of each target's leaders; every five get a fresh cluster
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=1000))]
    kills: u64,
}

#[derive(Debug, clap::Args)]
struct SoakArguments {
    /// What to soak
    #[arg(long, value_parser = ["bundled"], default_value = "bundled")]
    target: String,
    /// Another build of `whitewater` to soak as the bundled server
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Folder on a disk in which the data folder is made; it is removed at the end
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs_dir: PathBuf,
    /// Print one JSON object a line, the last of which is the result
    #[arg(long)]
    json: bool,
    /// Nodes of the cluster
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=NODES_MAX))]
    nodes: u64,
    /// Clients, each with a connection of its own
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=CLIENTS_MAX))]
    clients: u64,
    /// Operations a second, all clients together
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000), value_name = "N")]
    rate: u64,
    /// For how long, for example 20m
    #[arg(long, default_value = "20m", value_parser = parse_time)]
    time: Duration,
    /// Time between two weighings
    #[arg(long, default_value = "1m", value_parser = parse_time)]
    interval: Duration,
    /// Size of each value
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    value_bytes: u64,
    /// Stop one follower after the other with SIGSTOP, each for the first half of an interval
    #[arg(long)]
    pause_follower_half: bool,
    /// Objective: no node's memory is ever above this
    #[arg(long, default_value_t = 64, value_name = "MIB")]
    rss_mib_max: u64,
    /// Objective: no node's log takes more than this on disk. A node takes a snapshot and drops its log
    /// after 10,000 entries or 16 MiB of commands
    #[arg(long, default_value_t = 48, value_name = "MIB")]
    wal_mib_max: u64,
    /// Objective: the worst interval serves at least this share of the median one
    #[arg(long, default_value_t = 0.9, value_name = "SHARE")]
    worst_share_min: f64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Target {
    /// The server in this program
    Bundled,
    /// etcd, from PATH
    Etcd,
    /// Both, in turns
    Both,
}

impl ClusterArguments {
    fn clusters(&self, nodes: usize) -> Clusters {
        let contenders = match self.target {
            Target::Bundled => vec![Contender::Bundled],
            Target::Etcd => vec![Contender::Etcd],
            Target::Both => vec![Contender::Bundled, Contender::Etcd],
        };
        let server = self.server.clone();
        Clusters { contenders, nodes, server, folder: self.runs_dir.clone() }
    }
}

/// Measures until done or interrupted; an interrupted benchmark leaves no process and no data behind.
pub(crate) fn run(arguments: BenchArguments) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a runtime")?;
    runtime.block_on(async {
        let mut interrupts = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let mut terminations = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        tokio::select! {
            measured = measure(arguments.benchmark) => measured,
            _ = interrupts.recv() => Ok(Exit::Interrupted),
            _ = terminations.recv() => Ok(Exit::Terminated),
        }
    })
}

async fn measure(benchmark: Benchmark) -> Result<Exit> {
    match benchmark {
        Benchmark::Server(arguments) => measure_server(arguments).await.map(|()| Exit::Pass),
        Benchmark::Failover(arguments) => measure_failover(arguments).await.map(|()| Exit::Pass),
        Benchmark::Soak(arguments) => soak_through(arguments).await,
    }
}

async fn soak_through(arguments: SoakArguments) -> Result<Exit> {
    const MIB: u64 = 1 << 20;
    let output = Output { is_json: arguments.json };
    let nodes = count(arguments.nodes);
    let parameters = soak::Parameters {
        nodes,
        clients: count(arguments.clients),
        rate: arguments.rate,
        time: arguments.time,
        interval: arguments.interval,
        value_bytes: count(arguments.value_bytes),
        pauses_follower: arguments.pause_follower_half,
    };
    let objectives = soak::Objectives {
        rss_bytes_max: arguments.rss_mib_max * MIB,
        wal_bytes_max: arguments.wal_mib_max * MIB,
        worst_share_min: arguments.worst_share_min,
    };
    let contenders = vec![Contender::Bundled];
    let (server, folder) = (arguments.server, arguments.runs_dir);
    let clusters = Clusters { contenders, nodes, server, folder };
    let on_interval = |interval: &soak::Interval| {
        output.step("interval", interval, || table::of_interval(interval))
    };
    let summary = soak::run(clusters, parameters, objectives, on_interval).await?;
    output.result("soak", &summary, || table::of_soak(&summary))?;
    Ok(if summary.is_met() { Exit::Pass } else { Exit::Objective })
}

async fn measure_server(arguments: ServerArguments) -> Result<()> {
    let output = Output { is_json: arguments.cluster.json };
    let parameters = server::Parameters {
        nodes: count(arguments.nodes),
        clients: count(arguments.clients),
        time: arguments.time,
        operation: arguments.operation,
        value_bytes: count(arguments.value_bytes),
        rounds: count(arguments.rounds),
    };
    let on_round = |round: &Round| {
        output.step("round", round, || {
            let Round { target, round, operations_per_second, p50_us, p99_us, .. } = round;
            format!("round {round} of {target}: {operations_per_second:.0} op/s, p50 {p50_us} us, p99 {p99_us} us")
        })
    };
    let summary =
        server::run(arguments.cluster.clusters(parameters.nodes), parameters, on_round).await?;
    output.result("server", &summary, || table::of_server(&summary))
}

async fn measure_failover(arguments: FailoverArguments) -> Result<()> {
    let output = Output { is_json: arguments.cluster.json };
    let (nodes, kills) = (count(arguments.nodes), count(arguments.kills));
    let on_kill = |kill: &Kill| {
        output.step("kill", kill, || {
            let Kill { target, kill, victim, first_put_ms, first_get_ms } = kill;
            format!("kill {kill} of {target}: {victim}, put after {first_put_ms:.0} ms, get {first_get_ms:.0} ms after restart")
        })
    };
    let summary = failover::run(
        arguments.cluster.clusters(nodes),
        failover::Parameters { nodes, kills },
        on_kill,
    )
    .await?;
    output.result("failover", &summary, || table::of_failover(&summary))
}

/// Where lines go.
#[derive(Clone, Copy, Debug)]
struct Output {
    is_json: bool,
}

/// An object of the output: the event, and its own fields beside it.
#[derive(Serialize)]
struct Line<'a, T> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    benchmark: Option<&'static str>,
    #[serde(flatten)]
    body: &'a T,
}

impl Output {
    fn step<T: Serialize>(
        self,
        event: &'static str,
        body: &T,
        words: impl FnOnce() -> String,
    ) -> Result<()> {
        if self.is_json {
            return print_line(&Line { event, benchmark: None, body });
        }
        // Progress is for a person who may have closed the terminal; the result still counts.
        let _ = writeln!(anstream::stderr(), "{}", words());
        Ok(())
    }

    fn result<T: Serialize>(
        self,
        benchmark: &'static str,
        body: &T,
        table: impl FnOnce() -> String,
    ) -> Result<()> {
        if self.is_json {
            return print_line(&Line { event: "result", benchmark: Some(benchmark), body });
        }
        write!(anstream::stdout(), "{}", table()).context("write to stdout")
    }
}

fn print_line(line: &impl Serialize) -> Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, line).context("write to stdout")?;
    writeln!(stdout).context("write to stdout")
}

fn count(number: u64) -> usize {
    usize::try_from(number).expect("the argument's range fits")
}

/// `10s`, `1m 30s`, `500ms`.
fn parse_time(text: &str) -> Result<Duration, String> {
    let parsed =
        text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    match parsed {
        Some(time) if (Duration::from_millis(100)..=Duration::from_hours(1)).contains(&time) => {
            Ok(time)
        }
        Some(_) => Err("it must lie between 100ms and 1h".into()),
        None => Err("write a number and its unit, for example 10s or 500ms".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_a_range() {
        assert_eq!(parse_time("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_time("500ms"), Ok(Duration::from_millis(500)));
        assert!(parse_time("10").unwrap_err().contains("unit"));
        assert!(parse_time("0s").unwrap_err().contains("between"));
        assert!(parse_time("-3s").unwrap_err().contains("unit"));
        assert!(parse_time("2h").unwrap_err().contains("between"));
    }

    #[test]
    fn a_line_names_its_event_beside_its_fields() {
        #[derive(Serialize)]
        struct Body {
            operations: u64,
        }
        let line = |event, benchmark| {
            serde_json::to_string(&Line { event, benchmark, body: &Body { operations: 3 } })
        };
        assert_eq!(line("round", None).unwrap(), r#"{"event":"round","operations":3}"#);
        let result = r#"{"event":"result","benchmark":"server","operations":3}"#;
        assert_eq!(line("result", Some("server")).unwrap(), result);
    }
}
