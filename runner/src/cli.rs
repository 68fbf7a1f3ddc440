//! The command line: names, defaults, help. Nothing is done here.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand};
use whitewater_checker::objectives::Objective;
use whitewater_checker::options::{Format, ModelKind};
use whitewater_checker::run_folder::LATEST;
use whitewater_server::mutants::CATALOGUE;

use crate::command::bench::BenchArguments;
use crate::command::cluster::ClusterArguments;
use crate::command::exec_node::ExecNodeArguments;
use crate::command::kv::KvArguments;
use crate::command::mutants::MutantsArguments;
use crate::command::replay_journal::ReplayJournalArguments;
use crate::command::server::ServerArguments;
use crate::command::sim::SimArguments;
use crate::exit::Expectation;
use crate::plan::{CLIENTS_MAX, KEYS_MAX, NODES_MAX};
use crate::run::KeepData;
use crate::{nemesis, target, workload};
use whitewater_processes::{Block, PORT_DEFAULT};

/// The mutant that is no server's: the checker itself is made to report a violation.
pub(crate) const CANARY: &str = "canary";
/// The word for "no faults at all".
pub(crate) const NO_FAULTS: &str = "none";

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
    /// List the bugs that can be seeded, and which of them the simulator finds
    Mutants(MutantsArguments),
    /// Measure a cluster: operations a second, failover times
    Bench(BenchArguments),
    /// Become a program that dies with its parent
    #[command(hide = true)]
    ExecNode(ExecNodeArguments),
}

/// Where runs are stored.
#[derive(Clone, Debug, Args)]
pub(crate) struct StoreArguments {
    /// Folder in which every run gets a folder of its own
    #[arg(long, env = "WHITEWATER_RUNS_DIR", default_value = "runs", value_name = "DIR")]
    pub(crate) runs_dir: PathBuf,
}

/// `whitewater run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunArguments {
    /// Number of nodes
    #[arg(long, env = "WHITEWATER_NODES", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=NODES_MAX as i64))]
    pub(crate) nodes: u32,
    /// Length of the fault phase, such as 20s or 5m
    #[arg(long, env = "WHITEWATER_TIME", default_value = "60s", value_parser = duration, value_name = "DURATION")]
    pub(crate) time: Duration,
    /// Where everything random comes from; drawn and printed where not given
    #[arg(long, env = "WHITEWATER_SEED", value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// What clients do
    #[arg(long, env = "WHITEWATER_WORKLOAD", default_value = "register", value_parser = PossibleValuesParser::new(workload::NAMES))]
    pub(crate) workload: String,
    /// Fault families, separated by commas; `none` for a run without faults. `membership` and `transfer`
    /// need a target that can be asked for such changes
    #[arg(long, env = "WHITEWATER_FAULTS", value_delimiter = ',', default_value = "kill,pause,partition", value_parser = PossibleValuesParser::new(fault_names()), value_name = "FAMILIES")]
    pub(crate) faults: Vec<String>,
    /// Concurrent clients; every other one keeps to one node
    #[arg(long, env = "WHITEWATER_CLIENTS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX as i64))]
    pub(crate) clients: u32,
    /// Keys in use at a time; each is left for a new one after a few hundred operations
    #[arg(long, env = "WHITEWATER_KEYS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=KEYS_MAX as i64))]
    pub(crate) keys: u32,
    /// Operations a second, all clients together; 0: as fast as they are answered
    #[arg(long, env = "WHITEWATER_RATE", default_value_t = 1000, value_name = "N")]
    pub(crate) rate: u32,
    /// Entries after which a node takes a snapshot and drops its log; small, so that slow nodes have to
    /// be sent one. The server's own default where not given
    #[arg(long, env = "WHITEWATER_SNAPSHOT_ENTRIES", value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub(crate) snapshot_entries: Option<u64>,
    /// How long one operation may take before its outcome counts as unknown
    #[arg(long, env = "WHITEWATER_OPERATION_DEADLINE", default_value = "1s", value_parser = duration, value_name = "DURATION")]
    pub(crate) operation_deadline: Duration,
    /// Seed a bug into the bundled server: a positive control. `canary` makes the checker itself
    /// report a violation
    #[arg(long, env = "WHITEWATER_MUTANT", value_parser = PossibleValuesParser::new(mutant_names()), hide_possible_values = true, value_name = "NAME")]
    pub(crate) mutant: Option<String>,
    /// Another build of the server to test, instead of this executable
    #[arg(long, env = "WHITEWATER_SERVER", value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,
    /// An argument passed on to every server, such as --server-arg=--read-mode=lease (repeatable)
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(crate) server_arg: Vec<String>,
    /// The kind of server under test
    #[arg(long, env = "WHITEWATER_TARGET", default_value = "bundled", value_parser = PossibleValuesParser::new(target::NAMES))]
    pub(crate) target: String,
    /// Execute a stored plan (a run's plan.json) instead of drawing one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "faults", "time", "nodes", "workload", "clients", "keys", "rate", "operation_deadline", "snapshot_entries"])]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Keep the nodes' data folders
    #[arg(long, env = "WHITEWATER_KEEP_DATA", default_value = "failed", value_name = "WHEN")]
    pub(crate) keep_data: KeepData,
    /// Have every node note the inputs and outputs of its core in the run's folder, and replay them at the
    /// end by the paper's rules (bundled server only)
    #[arg(long, env = "WHITEWATER_JOURNAL")]
    pub(crate) journal: bool,
    /// First three numbers of the loopback addresses to use, such as 127.7.1; a free block is found
    /// where not given
    #[arg(long, env = "WHITEWATER_ADDRESS_BLOCK", value_name = "127.X.Y")]
    pub(crate) address_block: Option<Block>,
    /// Port of every node
    #[arg(long, env = "WHITEWATER_PORT", default_value_t = PORT_DEFAULT, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// How long the checker may search
    #[arg(long, env = "WHITEWATER_CHECK_BUDGET", default_value = "60s", value_parser = duration, value_name = "DURATION")]
    pub(crate) check_budget: Duration,
    /// What the run is to come to beside being right, such as 'failover_p95<3s' or 'served>=99%'
    /// (repeatable): a miss leaves the verdict and makes a pass exit 5
    #[arg(long, env = "WHITEWATER_SLO", value_delimiter = ',', value_name = "OBJECTIVE")]
    pub(crate) slo: Vec<Objective>,
    /// Expect a violation, of this check if one is named (a positive control): exit 0 where it is found, 3
    /// where it is not
    #[arg(long, value_name = "violation[:CHECK]")]
    pub(crate) expect: Option<Expectation>,
    /// Print one JSON object a line on stdout; the last one is the verdict
    #[arg(long)]
    pub(crate) json: bool,
    /// Tell people nothing but the verdict
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

const RUN_EXAMPLES: &str = "\
Examples:
  whitewater run --time 20s --seed 1                     a short run that can be repeated
  whitewater run --mutant leader-local-read --time 40s   a server with a seeded bug: must be caught
  whitewater run --faults partition --nodes 3            one kind of fault only
  whitewater run --plan runs/latest/plan.json            the same faults at the same times again";

/// `whitewater check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// A run (a folder, the beginning of its id, latest, last-failed), a history file, or - for
    /// standard input
    #[arg(value_name = "RUN|FILE")]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// How long the checker may search
    #[arg(long, env = "WHITEWATER_CHECK_BUDGET", default_value = "60s", value_parser = duration, value_name = "DURATION")]
    pub(crate) budget: Duration,
    /// How much memory the searches may take, for example 4GiB [default: 2GiB]
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    pub(crate) memory: Option<u64>,
    /// Worker threads; 0: one per core
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,
    /// How a history file is written; told by its content if not given
    #[arg(long, value_name = "FORMAT", value_parser = Format::ALL.map(Format::word))]
    pub(crate) format: Option<String>,
    /// What the objects are: register, append, set, counter, queue, unordered-queue, mutex,
    /// owner-aware-mutex, reentrant-mutex or semaphore=N (of N permits). Told by the operations if not given
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<ModelKind>,
    /// What every key holds before its first operation (JSON, or a word), or one key: KEY=VALUE.
    /// May be given several times; null if not given
    #[arg(long, value_name = "VALUE|KEY=VALUE")]
    pub(crate) initial: Vec<String>,
    /// What a cas says that failed without an error: the value was another (mismatch; JSON), or
    /// nothing (EDN, logs). Told by the format if not given
    #[arg(long, value_name = "MEANING", value_parser = ["mismatch", "nothing"])]
    pub(crate) failed_cas: Option<String>,
    /// Also write the report as one page
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Also write the checks as a JUnit file
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Also write the history as Jepsen's history.edn, for a second opinion
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// Write a made-up history to FILE instead, for example operations=1000000,keys=10000,seed=1
    #[arg(long, value_name = "SETTINGS")]
    pub(crate) generate: Option<whitewater_checker::generate::Generate>,
    /// Expect a violation, of this check if one is named (a positive control): exit 0 where it is found, 3
    /// where it is not
    #[arg(long, value_name = "violation[:CHECK]")]
    pub(crate) expect: Option<Expectation>,
    /// Of a run: replace the verdict in run.json by this one, and draw its reports and the index again
    #[arg(long)]
    pub(crate) write: bool,
    /// Tell of every check, every finding, and the lines that prove it
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// `whitewater report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// A run: a folder, the beginning of its id, latest, last-failed
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

/// `whitewater show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// A run: a folder, the beginning of its id, latest, last-failed
    #[arg(default_value = LATEST)]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Print the run's record as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `whitewater ls`.
#[derive(Debug, Args)]
pub(crate) struct LsArguments {
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Only runs that did not pass
    #[arg(long)]
    pub(crate) failed: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `whitewater doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads an amount of memory: `512MiB`, `4GiB`, or plain bytes.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
        .unwrap_or((text, 1));
    let number: u64 = number.trim().parse().map_err(|_| {
        format!("{text:?} is no amount of memory; write for example 512MiB or 4GiB")
    })?;
    number.checked_mul(unit).ok_or_else(|| format!("{text:?} is more than 64 bits of bytes"))
}

/// A length of time as people write it: 300ms, 20s, 5m, 1m30s.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "expected a length of time such as 300ms, 20s or 5m".to_owned())?;
    match Duration::try_from(parsed) {
        Ok(duration) if !duration.is_zero() => within_longest(duration),
        _ => Err("expected a length of time above zero".into()),
    }
}

/// Longer than anything here lasts; a plan of so many faults still fits into memory.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// Refuses a length of time that nobody means, and of which clocks would run over.
pub(crate) fn within_longest(duration: Duration) -> Result<Duration, String> {
    if duration > LONGEST {
        let hours = LONGEST.as_secs() / 3600;
        return Err(format!("expected a length of time of at most {hours}h"));
    }
    Ok(duration)
}

fn fault_names() -> Vec<PossibleValue> {
    nemesis::ALL_FAMILIES.iter().chain([&NO_FAULTS]).map(PossibleValue::new).collect()
}

fn mutant_names() -> Vec<PossibleValue> {
    let of_server = CATALOGUE.iter().map(|card| PossibleValue::new(card.name).help(card.broken));
    let canary = PossibleValue::new(CANARY).help("the checker is told to report a violation");
    of_server.chain([canary]).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        assert_eq!(duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "20", "-5s", "0s", "soon", "99999999999999h", "721h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(duration("720h").is_ok());
    }
}
