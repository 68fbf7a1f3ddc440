//! `whitewater run`: from the command line, or a stored plan, to an order.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use whitewater_checker::fault::Scope;
use whitewater_checker::objectives::Objective;
use whitewater_checker::run_folder::{LATEST, PLAN};
use whitewater_checker::target::TargetOutline;
use whitewater_processes::{Block, PORT_DEFAULT};
use whitewater_server::mutants::CATALOGUE;
use whitewater_target::{BUNDLED, Build, EtcdReads, Target, by_name};

use crate::exit::{Exit, Expectation, Refusal};
use crate::flags::{CANARY, NO_FAULTS, StoreArguments, duration};
use crate::invocation::{command, program, quoted};
use crate::nemesis::{self, Needs, family};
use crate::plan::{CLIENTS_MAX, KEYS_MAX, NODES_MAX, Plan, PlanSettings, WorkloadPlan};
use crate::progress::Loudness;
use crate::run::{KeepData, Order, execute, seen_from_here};
use crate::sentence::{failed, reason};
use crate::store::Store;
use crate::tier::Tier;
use crate::workload;

/// A key of our workloads is checked in microseconds up to here, and a report can still show it.
const OPERATIONS_PER_KEY: u32 = 300;
/// The general search doubles with each; the path for unique values does not mind.
const UNKNOWN_PER_KEY: u32 = 20;

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
    /// need a target that can be asked for such changes [default: those of kill,pause,partition that the target can]
    #[arg(long, env = "WHITEWATER_FAULTS", value_delimiter = ',', value_parser = PossibleValuesParser::new(fault_names()), value_name = "FAMILIES")]
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
    /// Run a mutant, a server with a bug put in on purpose: a positive control. `canary` makes the checker itself
    /// report a violation
    #[arg(long, env = "WHITEWATER_MUTANT", value_parser = PossibleValuesParser::new(mutant_names()), hide_possible_values = true, value_name = "NAME")]
    pub(crate) mutant: Option<String>,
    /// Another build of the server to test, instead of this executable
    #[arg(long, env = "WHITEWATER_SERVER", value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,
    /// An argument passed on to every server, such as --server-arg=--read-mode=lease (repeatable)
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(crate) server_arg: Vec<String>,
    /// The kind of server under test: bundled, etcd, pysyncobj, nats, redis, minimal, or a description, FILE.toml
    #[arg(long, env = "WHITEWATER_TARGET", default_value = "bundled", value_name = "NAME")]
    pub(crate) target: String,
    /// How etcd's own protocol reads, instead of what the description says; `serializable` must be caught
    #[arg(long, value_parser = PossibleValuesParser::new(EtcdReads::NAMES), value_name = "READS")]
    pub(crate) etcd_reads: Option<String>,
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
    /// How nodes' connections come to the proxies that partitions are made of
    #[arg(long, env = "WHITEWATER_TIER", value_enum, default_value = "auto")]
    pub(crate) tier: Tier,
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
  whitewater run --mutant leader-local-read --time 40s   a mutant, a server with a bug put in on purpose: must be caught
  whitewater run --faults partition --nodes 3            one kind of fault only
  whitewater run --plan runs/latest/plan.json            the same faults at the same times again";

fn fault_names() -> Vec<PossibleValue> {
    nemesis::family_names().into_iter().chain([NO_FAULTS]).map(PossibleValue::new).collect()
}

fn mutant_names() -> Vec<PossibleValue> {
    let of_server = CATALOGUE.iter().map(|card| PossibleValue::new(card.name).help(card.broken));
    let canary = PossibleValue::new(CANARY).help("the checker is told to report a violation");
    of_server.chain([canary]).collect()
}

/// Carries out `run`.
pub(crate) fn run(arguments: RunArguments) -> anyhow::Result<Exit> {
    let order = order(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let result = runtime.block_on(execute(order));
    // Whatever still hangs must not hold the process: the servers are stopped, and die with it.
    runtime.shutdown_background();
    result
}

fn order(arguments: RunArguments) -> anyhow::Result<Order> {
    let target = target_of(&arguments.target, &Build::default())?;
    let plan = match &arguments.plan {
        Some(path) => read_plan(path)?,
        None => draw_plan(&arguments, &*target)?,
    };
    let plan = fitted(plan, &arguments, &*target)?.aiming_at(&arguments.slo);
    if let Some(server) = &arguments.server {
        check_executable(server)?;
    }
    if arguments.etcd_reads.is_some() && arguments.target == BUNDLED {
        let text =
            "--etcd-reads needs a --target whose description has [client.etcd], such as etcd";
        return Err(Refusal::Usage(text.into()).into());
    }
    if arguments.journal && arguments.target != BUNDLED {
        let text = format!("--journal needs --target {BUNDLED}: no other server writes journals");
        return Err(Refusal::Usage(text).into());
    }
    let command = format!("{} {}", program(), command_line(&arguments, &plan));
    let mut server_arguments: Vec<_> = arguments.server_arg.into_iter().map(Into::into).collect();
    check_fits(&plan, &*target)?;
    if let Some(entries) = plan.snapshot_entries {
        server_arguments.extend(target.snapshot_arguments(entries).unwrap_or_default());
    }
    let canary = arguments.mutant.as_deref() == Some(CANARY);
    let build = Build {
        program: arguments.server,
        mutant: arguments.mutant.filter(|_| !canary),
        arguments: server_arguments,
        etcd_reads: arguments.etcd_reads.as_deref().and_then(EtcdReads::named),
    };
    Ok(Order {
        plan,
        target: target_of(&arguments.target, &build)?,
        build,
        canary,
        journal: arguments.journal,
        store: Store::new(arguments.store.runs_dir),
        keep_data: arguments.keep_data,
        address_block: arguments.address_block,
        port: arguments.port,
        tier: arguments.tier,
        check_budget: arguments.check_budget,
        expect: arguments.expect,
        loudness: Loudness { json: arguments.json, quiet: arguments.quiet },
        command,
    })
}

pub(super) fn target_of(name: &str, build: &Build) -> Result<Arc<dyn Target>, Refusal> {
    by_name(name, build).map_err(Refusal::Usage)
}

fn draw_plan(arguments: &RunArguments, target: &dyn Target) -> anyhow::Result<Plan> {
    let profile = target.profile();
    let mut families: Vec<String> =
        arguments.faults.iter().filter(|family| *family != NO_FAULTS).cloned().collect();
    if arguments.faults.is_empty() {
        families = nemesis::default_families();
        families.retain(|name| lacking(name, target).is_none());
    }
    families.sort_unstable();
    families.dedup();
    if families.len() < arguments.faults.len()
        && arguments.faults.iter().any(|name| name == NO_FAULTS)
        && !families.is_empty()
    {
        return Err(Refusal::Usage(format!(
            "--faults {NO_FAULTS} stands alone: leave the others out, or it"
        ))
        .into());
    }
    let workload = WorkloadPlan {
        name: arguments.workload.clone(),
        clients: arguments.clients,
        keys: arguments.keys,
        rate: arguments.rate,
        operation_deadline_ms: u64::try_from(arguments.operation_deadline.as_millis())
            .context("--operation-deadline is too long")?,
        operations_per_key: OPERATIONS_PER_KEY,
        unknown_per_key: UNKNOWN_PER_KEY,
        without: Vec::new(),
        // Nodes that write traces tell of every entry.
        reads_at_every_node: !profile.traces,
    };
    let plan = Plan::new(PlanSettings {
        seed: arguments.seed.unwrap_or_else(drawn_seed),
        nodes: arguments.nodes,
        time_ms: u64::try_from(arguments.time.as_millis()).context("--time is too long")?,
        workload: workload::offered(workload, profile.offers).map_err(Refusal::Usage)?,
        families,
        snapshot_entries: arguments.snapshot_entries,
        is_led: profile.tells.leads,
    });
    let bounds = whitewater_target::promises(target.name(), arguments.nodes)
        // Whoever passes arguments on may have changed what is promised.
        .filter(|_| arguments.server_arg.is_empty());
    Ok(plan.map_err(Refusal::Usage)?.within(bounds))
}

/// The plan for another target than the bundled server: with what that one offers and promises, whomever it was
/// written for.
fn fitted(plan: Plan, arguments: &RunArguments, target: &dyn Target) -> Result<Plan, Refusal> {
    if target.name() == BUNDLED {
        return Ok(plan);
    }
    let (profile, name) = (target.profile(), target.name().to_owned());
    let workload = workload::offered(plan.workload.clone(), profile.offers);
    let mut plan = Plan { workload: workload.map_err(Refusal::Usage)?, ..plan };
    plan.workload.reads_at_every_node |= !profile.traces;
    let without = &plan.workload.without;
    plan.requirements.operations_ok_min.retain(|kind, _| !without.contains(kind));
    let bounds = whitewater_target::promises(&name, arguments.nodes);
    Ok(plan.within(bounds).against(TargetOutline {
        name,
        promises: profile.promised,
        tells_leader: profile.tells.leads,
        tells_term: profile.tells.term,
    }))
}

/// Refuses a plan that asks a target for what it does not have.
fn check_fits(plan: &Plan, target: &dyn Target) -> Result<(), Refusal> {
    let name = target.name();
    let cannot = plan.families.iter().find_map(|it| Some((it, lacking(it, target)?)));
    if let Some((family, why)) = cannot {
        return Err(Refusal::Usage(format!("--faults {family}: `{name}` {why}")));
    }
    let is_settable = |entries| target.snapshot_arguments(entries).is_some();
    if plan.snapshot_entries.is_some_and(|entries| !is_settable(entries)) {
        let text = format!("--snapshot-entries: `{name}` has no such setting");
        return Err(Refusal::Usage(text));
    }
    Ok(())
}

/// What a target lacks for a family's faults; `None`: nothing.
fn lacking(name: &str, target: &dyn Target) -> Option<&'static str> {
    let family = family(name)?;
    if family.needs == Needs::Requests && target.operator(BTreeMap::new()).is_none() {
        return Some("cannot be asked for this");
    }
    if family.scope == Scope::ProcessDown && !target.profile().promised.persistent {
        return Some("keeps nothing on a disk, so that a kill loses data by design");
    }
    None
}

/// A seed short enough to be typed again.
fn drawn_seed() -> u64 {
    RandomState::new().hash_one(std::process::id()) % 1_000_000
}

/// The plan of a file.
pub(super) fn read_plan(path: &Path) -> anyhow::Result<Plan> {
    let shown = path.display();
    let bytes = fs::read(path)
        .map_err(|error| Refusal::Usage(failed(&format!("read the plan {shown}"), &error)))?;
    let wrong = |error: String| {
        let again = command(["run", "--plan", &format!("runs/{LATEST}/{PLAN}")]);
        Refusal::Usage(format!("{shown} is no plan: {error}; a run's {PLAN} is one: `{again}`"))
    };
    let plan = Plan::of_json(&bytes).map_err(wrong)?;
    plan.validate().map_err(wrong)?;
    Ok(plan.judged_by_its_families().map_err(wrong)?)
}

fn check_executable(server: &Path) -> Result<(), Refusal> {
    let wrong = |why: &str| Err(Refusal::Usage(format!("--server {}: {why}", server.display())));
    match fs::metadata(server) {
        Err(error) => wrong(&format!("{}; name the server's program", reason(&error))),
        Ok(metadata) if !metadata.is_file() => wrong("not a file; name the server's program"),
        Ok(_) => match nix::unistd::access(server, nix::unistd::AccessFlags::X_OK) {
            Ok(()) => Ok(()),
            Err(_) => wrong("not executable; try `chmod +x`"),
        },
    }
}

/// What follows the program's name to repeat the run: what was given, and the seed in any case.
fn command_line(arguments: &RunArguments, plan: &Plan) -> String {
    let mut words = vec!["run".to_owned()];
    let mut flag = |name: &str, value: String| words.extend([format!("--{name}"), quoted(&value)]);
    if let Some(file) = &arguments.plan {
        // `latest` will mean another run by then.
        let path = file.canonicalize().unwrap_or_else(|_| file.clone());
        flag("plan", seen_from_here(&path).display().to_string());
    } else {
        flag("nodes", arguments.nodes.to_string());
        flag("time", in_words(arguments.time));
        flag("seed", plan.seed.to_string());
        flag("workload", arguments.workload.clone());
        let families = match plan.families.is_empty() {
            true => NO_FAULTS.to_owned(),
            false => plan.families.join(","),
        };
        flag("faults", families);
        flag("clients", arguments.clients.to_string());
        flag("keys", arguments.keys.to_string());
        flag("rate", arguments.rate.to_string());
        flag("operation-deadline", in_words(arguments.operation_deadline));
        if let Some(entries) = arguments.snapshot_entries {
            flag("snapshot-entries", entries.to_string());
        }
    }
    if let Some(mutant) = &arguments.mutant {
        flag("mutant", mutant.clone());
    }
    if arguments.target != BUNDLED {
        flag("target", arguments.target.clone());
    }
    if let Some(reads) = &arguments.etcd_reads {
        flag("etcd-reads", reads.clone());
    }
    if let Some(server) = &arguments.server {
        flag("server", server.display().to_string());
    }
    if arguments.journal {
        words.push("--journal".into());
    }
    if arguments.tier != Tier::Auto {
        words.push(format!("--tier={}", arguments.tier));
    }
    for objective in &arguments.slo {
        words.extend(["--slo".into(), quoted(&objective.to_string())]);
    }
    if let Some(expect) = &arguments.expect {
        words.extend(["--expect".into(), quoted(&expect.to_string())]);
    }
    for argument in &arguments.server_arg {
        words.push(quoted(&format!("--server-arg={argument}")));
    }
    words.join(" ")
}

/// `1m30s`, as [`crate::flags::duration`] reads it.
pub(super) fn in_words(time: Duration) -> String {
    let time = jiff::SignedDuration::try_from(time).unwrap_or_default();
    format!("{time:#}").replace(' ', "")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use whitewater_target::{
        Client, LeaderSeen, Manner, NodeSetup, Offers, Probe, Profile, Promised, Tells,
    };

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::nemesis::{Aim, find};

    fn parse(line: &str) -> RunArguments {
        match Cli::try_parse_from(line.split_whitespace()).unwrap().command {
            Command::Run(arguments) => *arguments,
            other => panic!("{other:?}"),
        }
    }

    fn draw(arguments: &RunArguments) -> anyhow::Result<Plan> {
        draw_plan(arguments, &*by_name(BUNDLED, &Build::default()).unwrap())
    }

    #[test]
    fn the_printed_command_repeats_the_plan() {
        let arguments = parse(
            "whitewater run --time 20s --seed 7 --faults kill --clients 4 --journal \
             --snapshot-entries 100 --operation-deadline 1500ms --rate 0 --slo p99<50ms,served>=99%",
        );
        let command = command_line(&arguments, &draw(&arguments).unwrap());
        assert!(command.contains("--slo 'p99<50ms' --slo 'served>=99%'"), "{command}");
        let again = parse(&format!("whitewater {}", command.replace('\'', "")));
        assert!(again.journal, "{command}");
        assert_eq!(again.slo, arguments.slo);
        assert_eq!(draw(&arguments).unwrap(), draw(&again).unwrap(), "{command}");
    }

    /// A target that can be started and talked to, and nothing else.
    struct Plain;

    impl Target for Plain {
        fn name(&self) -> &str {
            "plain"
        }

        fn profile(&self) -> Profile {
            Profile {
                ports: vec!["http".into()],
                ports_apart: true,
                offers: Offers::default(),
                tells: Tells::default(),
                promised: Promised { persistent: false, ..Promised::default() },
                manner: Manner::default(),
                traces: false,
                panics: Vec::new(),
            }
        }

        fn launch(&self, _: &NodeSetup) -> whitewater_processes::Launch {
            unreachable!("nothing is started")
        }

        fn client(&self, _: BTreeMap<u32, std::net::SocketAddr>, _: LeaderSeen) -> Box<dyn Client> {
            unreachable!("nobody is talked to")
        }

        fn probe(&self, _: &BTreeMap<u32, NodeSetup>) -> Option<Arc<dyn Probe>> {
            unreachable!("nobody is asked")
        }
    }

    #[test]
    fn what_a_target_cannot_do_is_refused_before_anything_is_started() {
        let bundled = by_name("bundled", &Build::default()).unwrap();
        let cases = [
            ("--faults membership", "--faults membership: `plain` cannot be asked for this"),
            (
                "--faults kill",
                "--faults kill: `plain` keeps nothing on a disk, so that a kill loses data by design",
            ),
            ("--faults transfer", "--faults transfer: `plain` cannot be asked for this"),
            (
                "--faults none --snapshot-entries 100",
                "--snapshot-entries: `plain` has no such setting",
            ),
        ];
        for (flags, expected) in cases {
            let plan = draw(&parse(&format!("whitewater run {flags}"))).unwrap();
            assert_eq!(check_fits(&plan, &Plain), Err(Refusal::Usage(expected.into())));
            assert_eq!(check_fits(&plan, &*bundled), Ok(()));
        }
        let plan = draw_plan(&parse("whitewater run --time 20s"), &Plain).unwrap();
        assert_eq!(plan.families, ["partition", "pause"]);
        assert_eq!(plan.workload.without, ["cas"]);
        assert!(plan.faults.iter().all(|it| find(&it.fault).unwrap().1.aim == Aim::AtAnybody));
        assert_eq!(check_fits(&plan, &Plain), Ok(()));
        let append = parse("whitewater run --workload append");
        let refused = draw_plan(&append, &Plain).unwrap_err().to_string();
        assert!(refused.contains("needs a target whose clients can append"), "{refused}");
    }

    #[test]
    fn none_means_no_faults_and_stands_alone() {
        assert!(draw(&parse("whitewater run --faults none")).unwrap().faults.is_empty());
        let mixed = draw(&parse("whitewater run --faults none,kill")).unwrap_err();
        assert!(mixed.to_string().contains("stands alone"), "{mixed}");
    }
}
