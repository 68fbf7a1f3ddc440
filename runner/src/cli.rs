//! The command line: its subcommands. Each owns its flags; what several share is in [`crate::flags`].

use clap::{Parser, Subcommand};

use crate::command::bench::BenchArguments;
use crate::command::check::CheckArguments;
use crate::command::cluster::ClusterArguments;
use crate::command::doctor::DoctorArguments;
use crate::command::exec_node::ExecNodeArguments;
use crate::command::guard::GuardArguments;
use crate::command::init::InitArguments;
use crate::command::kv::KvArguments;
use crate::command::ls::LsArguments;
use crate::command::mutants::MutantsArguments;
use crate::command::replay_journal::ReplayJournalArguments;
use crate::command::report::ReportArguments;
use crate::command::run::RunArguments;
use crate::command::server::ServerArguments;
use crate::command::show::ShowArguments;
use crate::command::sim::SimArguments;
use crate::command::try_target::TryArguments;

/// Sends a Raft cluster of real processes through the rapids, and proves what came of it.
#[derive(Debug, Parser)]
#[command(name = "whitewater", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    pass, strong enough            5        pass, and an objective (--slo) was missed
  1    violation                      70       internal error
  2    usage or configuration         130/143  interrupted by SIGINT or SIGTERM; what was recorded is kept
  3    undecided
  4    environment: port, rights, disk, no healthy cluster

Start with `whitewater doctor`, then `whitewater run --time 20s`.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a cluster, break it while clients use it, and judge what they saw
    Run(Box<RunArguments>),
    /// Write a description of a server of yours to begin with
    Init(InitArguments),
    /// Try what a server's description may have wrong, before the first run
    Try(TryArguments),
    /// Judge a stored run or a history file again; no cluster is started
    Check(CheckArguments),
    /// Put nodes' journals through the protocol core again: the outputs must be the same
    ReplayJournal(ReplayJournalArguments),
    /// Write the report of a stored run again
    Report(ReportArguments),
    /// Say what this machine can do, and how to mend what it cannot
    Doctor(DoctorArguments),
    /// List the stored runs
    Ls(LsArguments),
    /// Print a stored run as text
    Show(ShowArguments),
    /// Start a cluster to play with, in the foreground
    Cluster(ClusterArguments),
    /// Talk to a cluster: put, get, cas and more
    Kv(KvArguments),
    /// Run one node of the bundled server
    Server(Box<ServerArguments>),
    /// Simulate whole runs on virtual time: thousands of cluster-seconds a second
    Sim(SimArguments),
    /// List the mutants, and which of them the simulator finds
    Mutants(MutantsArguments),
    /// Measure a cluster: operations a second, failover times
    Bench(BenchArguments),
    /// Become a program that dies with its parent
    #[command(hide = true)]
    ExecNode(ExecNodeArguments),
    /// Outlive the parent, and kill what its children had started
    #[command(hide = true)]
    Guard(GuardArguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
