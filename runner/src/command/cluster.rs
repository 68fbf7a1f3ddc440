//! `whitewater cluster`: a cluster of the bundled server for a person to play with.
//!
//! Starts one process a node, merges their logs on stdout, and ends them all on Ctrl-C. Nothing is
//! restarted: a node that was killed from another terminal stays dead, as a person would expect. The
//! children die with this process, however it dies.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use whitewater_server::Mutant;

use super::server::Color;
use crate::exit::{Exit, Refusal};
use crate::invocation::program;
use whitewater_processes::OWN_PROGRAM;

/// Largest cluster. Nine nodes tolerate four failures; more only share one machine.
const NODES_MAX: u64 = 9;
/// How long nodes may take to stop before they are killed.
const STOP_TIME: Duration = Duration::from_secs(3);
/// Lines of all nodes that wait to be printed; nodes wait beyond it.
const LINES_MAX: usize = 1_024;

/// Arguments of `cluster`.
#[derive(Debug, clap::Args)]
pub(crate) struct ClusterArguments {
    /// Nodes to start
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=NODES_MAX))]
    nodes: u64,
    /// Port of the first node; the others follow it
    #[arg(long, default_value_t = 7101, value_name = "PORT")]
    base_port: u16,
    /// Where data lies, and stays; a temporary folder that is removed at the end if not given
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Break one rule on purpose in every node; `whitewater server --help` lists them
    #[arg(long, value_name = "NAME")]
    mutant: Option<Mutant>,
    /// Whether the logs are coloured
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// Tell votes and trials as well; twice: every event
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Flags for every `whitewater server`, after --
    #[arg(last = true, value_name = "FLAGS")]
    server_flags: Vec<String>,
}

/// Runs the cluster until Ctrl-C, or until no node is left.
pub(crate) fn run(arguments: ClusterArguments) -> Result<Exit> {
    let temporary;
    let data_dir = match &arguments.data_dir {
        Some(given) => given.clone(),
        None => {
            temporary = tempfile::Builder::new().prefix("whitewater-cluster-").tempdir()?;
            temporary.path().to_owned()
        }
    };
    // One thread, this one: a child dies with the thread that started it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(watch(&arguments, &data_dir))
}

async fn watch(arguments: &ClusterArguments, data_dir: &Path) -> Result<Exit> {
    let ports = ports(arguments)?;
    let mut interrupts = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminations = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let choice = match arguments.color {
        Color::Auto => anstream::AutoStream::choice(&std::io::stdout()),
        other => other.into(),
    };
    let is_colored = choice != anstream::ColorChoice::Never;
    let mut out = anstream::AutoStream::new(std::io::stdout(), choice);
    let (lines, mut printed) = mpsc::channel(LINES_MAX);
    let mut nodes = JoinSet::new();
    let mut pids = Vec::new();
    for (node, _) in &ports {
        let child = start(*node, arguments, &ports, data_dir, is_colored)
            .with_context(|| format!("start node {node}"))?;
        pids.push(child.id().context("a child that was just started has an id")?);
        nodes.spawn(follow(*node, child, lines.clone()));
    }
    drop(lines);
    introduce(&mut out, &ports, data_dir, arguments)?;
    let mut exit = Exit::Pass;
    loop {
        tokio::select! {
            Some(line) = printed.recv() => writeln!(out, "{line}")?,
            ended = nodes.join_next() => match ended {
                None => break,
                Some(how) if exit != Exit::Interrupted => {
                    writeln!(out, "{}", how.context("follow a node")?)?;
                    exit = Exit::Environment;
                }
                Some(_) => {}
            },
            _ = interrupts.recv() => { exit = Exit::Interrupted; stop(&pids, &mut nodes).await; }
            _ = terminations.recv() => { exit = Exit::Interrupted; stop(&pids, &mut nodes).await; }
        }
    }
    while let Some(line) = printed.recv().await {
        writeln!(out, "{line}")?;
    }
    // Ctrl-C is how this command ends.
    Ok(if exit == Exit::Interrupted { Exit::Pass } else { exit })
}

fn ports(arguments: &ClusterArguments) -> Result<Vec<(u64, u16)>> {
    let port = |node: u64| {
        let above = u16::try_from(node - 1).expect("the number of nodes is limited");
        arguments.base_port.checked_add(above)
    };
    let ports: Option<Vec<_>> =
        (1..=arguments.nodes).map(|node| Some((node, port(node)?))).collect();
    match ports {
        Some(ports) if arguments.base_port > 0 => Ok(ports),
        _ => Err(Refusal::Usage(format!(
            "--base-port {} leaves no room for {} nodes: choose one from 1 to {}",
            arguments.base_port,
            arguments.nodes,
            65_536 - arguments.nodes
        ))
        .into()),
    }
}

fn start(
    node: u64,
    arguments: &ClusterArguments,
    ports: &[(u64, u16)],
    data_dir: &Path,
    is_colored: bool,
) -> std::io::Result<Child> {
    let own = std::process::id().to_string();
    let mut command = Command::new(OWN_PROGRAM);
    command.args(["exec-node", "--parent", &own, "--", OWN_PROGRAM, "server"]);
    command.args(["--node-id", &node.to_string(), "--cluster-id", "playground"]);
    for (peer, port) in ports {
        match *peer == node {
            true => command.args(["--listen", &format!("127.0.0.1:{port}")]),
            false => command.args(["--peer", &format!("{peer}=127.0.0.1:{port}")]),
        };
    }
    command.arg("--data-dir").arg(data_dir.join(format!("n{node}")));
    command.args(["--color", if is_colored { "always" } else { "never" }]);
    if let Some(mutant) = arguments.mutant {
        command.args(["--mutant", &mutant.to_string()]);
    }
    command.args((0..arguments.verbose).map(|_| "-v")).args(&arguments.server_flags);
    // A group of its own: Ctrl-C reaches this process alone, which then stops the nodes in order.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.kill_on_drop(true).spawn()
}

/// Passes a node's lines on, and says how it ended.
async fn follow(node: u64, mut child: Child, lines: mpsc::Sender<String>) -> String {
    if let Some(errors) = child.stderr.take() {
        let mut reader = BufReader::new(errors).lines();
        while let Ok(Some(line)) = reader.next_line().await {
            if lines.send(line).await.is_err() {
                break;
            }
        }
    }
    match child.wait().await {
        Ok(status) => format!("n{node} ended: {status}"),
        Err(error) => format!("n{node} cannot be waited for: {error}"),
    }
}

fn introduce(
    out: &mut impl Write,
    ports: &[(u64, u16)],
    data_dir: &Path,
    arguments: &ClusterArguments,
) -> std::io::Result<()> {
    for (node, port) in ports {
        let style = whitewater_server::log::node_style(*node);
        let data = data_dir.join(format!("n{node}"));
        writeln!(out, "{style}n{node}{style:#}  127.0.0.1:{port}  {}", data.display())?;
    }
    let endpoints: Vec<_> = ports.iter().map(|(_, port)| format!("127.0.0.1:{port}")).collect();
    let flag = match arguments.base_port == 7101 && ports.len() <= 5 {
        true => String::new(),
        false => format!(" --endpoints {}", endpoints.join(",")),
    };
    writeln!(
        out,
        "\nin another terminal:\n  {program} kv{flag} put greeting hello\n  {program} kv{flag} \
         get greeting\n  {program} kv{flag} status\nCtrl-C stops all nodes\n",
        program = program()
    )
}

/// Asks all nodes to stop, and kills those that do not in time.
async fn stop(pids: &[u32], nodes: &mut JoinSet<String>) {
    for pid in pids {
        // One that has ended already is what is wanted.
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
    }
    let all = async { while nodes.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIME, all).await.is_err() {
        nodes.shutdown().await;
    }
}
