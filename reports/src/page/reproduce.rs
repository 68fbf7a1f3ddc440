//! How to run it again, and where and with what it ran.

use askama::Template;
use whitewater_checker::run_folder::{
    FAULTS, HISTORY, PLAN, PROCESSES, RUN, STATUS, WITNESS, log, trace,
};

use super::section::{Drawn, Fact, View, drawn};
use crate::clock::{counted, thousands};
use crate::load::Run;
use crate::story::Command;

#[derive(Template)]
#[template(path = "parts/reproduce.html")]
struct Reproduce<'a> {
    commands: &'a [Command],
    is_history: bool,
    environment: Vec<Fact>,
    files: Vec<String>,
    remarks: &'a [String],
}

pub(super) fn section(view: &View<'_>) -> Drawn {
    let reproduce = Reproduce {
        commands: &view.story.commands,
        is_history: view.run.is_history(),
        environment: environment(view.run),
        files: if view.extra.has_folder { files(view.run) } else { Vec::new() },
        remarks: &view.run.recording.remarks,
    };
    drawn(&reproduce, &[("reproduce", "Reproduce"), ("environment", "Environment")])
}

fn environment(run: &Run) -> Vec<Fact> {
    let (record, environment) = (&run.record, &run.record.environment);
    let settings = &record.settings;
    let joined = |parts: &[&str]| {
        let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    };
    let digest = match environment.server_digest.as_str() {
        "" => String::new(),
        digest => format!("(digest {digest})"),
    };
    let snapshots = match settings.snapshot_entries {
        Some(entries) => format!(", a snapshot every {} entries", thousands(entries)),
        None => String::new(),
    };
    let cluster = format!(
        "{}, {}, {}, workload {}{snapshots}",
        counted(u64::from(settings.nodes), "node"),
        counted(u64::from(settings.clients), "client"),
        counted(u64::from(settings.keys), "key"),
        settings.workload
    );
    let host = format!(
        "{} {}, {}, {} MiB, {}",
        environment.host,
        environment.system,
        counted(u64::from(environment.cores), "core"),
        thousands(environment.memory_mib),
        environment.file_system
    );
    let load = format!(
        "{:.2} at the start, {:.2} at the end",
        environment.load_average.0, environment.load_average.1
    );
    let tool = match environment.tool_version.as_str() {
        "" => String::new(),
        version => joined(&["whitewater", version, &environment.tool_commit]),
    };
    let facts = [
        ("server", joined(&[&environment.server_version, &digest])),
        ("executable", settings.server.clone().unwrap_or_default()),
        ("mutant", settings.mutant.clone().unwrap_or_default()),
        ("tool", tool),
        ("seed", record.known_seed().map(|seed| seed.to_string()).unwrap_or_default()),
        ("target", settings.target.clone()),
        ("cluster", if settings.nodes > 0 { cluster } else { String::new() }),
        ("faults", settings.faults.join(", ")),
        ("fault tier", environment.fault_tier.clone()),
        ("host", if environment.host.is_empty() { String::new() } else { host }),
        ("load average", if environment.host.is_empty() { String::new() } else { load }),
        ("CI", environment.ci.clone().unwrap_or_default()),
        ("began", record.started_at.clone()),
        ("state hashes", state_hashes(run)),
    ];
    let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| Fact::new(name, value)).collect()
}

/// The nodes' final states in a line: one hash when all agree.
fn state_hashes(run: &Run) -> String {
    let nodes = &run.record.final_status;
    let Some(first) = nodes.values().next() else { return String::new() };
    if nodes
        .values()
        .all(|node| (node.applied, &node.state_hash) == (first.applied, &first.state_hash))
    {
        return format!(
            "{} on {} at index {}",
            first.state_hash,
            counted(nodes.len() as u64, "node"),
            first.applied
        );
    }
    let parts: Vec<String> = nodes
        .iter()
        .map(|(name, node)| format!("{name} {} at index {}", node.state_hash, node.applied))
        .collect();
    parts.join("; ")
}

/// Files of the run folder that a reader may want to open, the logs first.
fn files(run: &Run) -> Vec<String> {
    if run.is_history() {
        return Vec::new();
    }
    let nodes = run.statistics.nodes.iter().map(|node| node.node.as_str());
    // A name read from a record must not lead out of the folder.
    let plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let nodes: Vec<&str> = nodes.filter(plain).collect();
    let logs = nodes.iter().map(|node| log(node));
    let traces = nodes.iter().map(|node| trace(node).to_string());
    let streams =
        [HISTORY.to_string(), FAULTS.to_string(), STATUS.to_string(), PROCESSES.to_string()];
    let named = streams.into_iter().chain([PLAN.to_owned(), RUN.to_owned(), WITNESS.to_string()]);
    logs.chain(traces).chain(named).filter(|name| run.folder.join(name).is_file()).collect()
}
