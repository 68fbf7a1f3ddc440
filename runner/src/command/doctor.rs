//! `whitewater doctor`: tries what a run needs, and says how to mend what does not work.
//!
//! Nothing is guessed from settings: every line is the result of doing the thing. The exit code is 0 where
//! everything works, with a limit or without, and 4 where something does not.

mod trials;

use std::fs;
use std::time::Instant;

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit};
use serde_json::json;

use crate::environment;
use crate::exit::Exit;
use crate::flags::StoreArguments;
use crate::plan::NODES_MAX;
use crate::progress::{print, print_json};
use crate::tier;
use clap::Args;
use whitewater_processes::{PORT_DEFAULT, Ports, Reservation};

/// Descriptors of a run with the default settings, with room to spare.
const FILES_NEEDED: u64 = 1024;
/// Below this the servers and clients of a run wait for each other.
const CORES_ADVISED: u32 = 2;

/// What one examination came to.
enum Finding {
    Works(String),
    /// A run is possible, with a limit.
    Limited(String),
    /// A run is not possible; how to mend it.
    Broken {
        what: String,
        mend: String,
    },
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

/// Carries out `doctor`.
pub(crate) fn run(arguments: &DoctorArguments) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut findings = vec![
        ("machine".to_owned(), None, machine()),
        ("addresses".to_owned(), None, addresses()),
        ("files".to_owned(), None, files()),
        ("folder of runs".to_owned(), None, runs_folder(arguments)),
    ];
    let folder = tempfile::Builder::new().prefix("whitewater-doctor-").tempdir();
    let folder = folder.context("make a folder for the trials of faults")?;
    for (tier, finding) in runtime.block_on(tiers()) {
        findings.push((format!("tier {tier}"), None, finding));
    }
    for (family, finding) in runtime.block_on(trials::families(folder.path())) {
        findings.push((format!("fault {family}"), Some(family), finding));
    }
    let mut is_able = true;
    for (name, family, finding) in findings {
        let (word, text, mend) = match finding {
            Finding::Works(text) => ("ok", text, None),
            Finding::Limited(text) => ("limited", text, None),
            Finding::Broken { what, mend } => ("broken", what, Some(mend)),
        };
        is_able &= word != "broken";
        if arguments.json {
            print_json(&json!({
                "check": name, "family": family, "result": word, "text": text, "mend": mend,
            }));
            continue;
        }
        print(&format!("{word:8} {name}: {text}\n"));
        if let Some(mend) = mend {
            print(&format!("         to mend it: {mend}\n"));
        }
    }
    Ok(if is_able { Exit::Pass } else { Exit::Environment })
}

/// What a run may work with, tried as a run tries it.
async fn tiers() -> [(&'static str, Finding); 2] {
    let redirect = match tier::trial().await {
        Ok(seen) => Finding::Works(seen),
        Err(why) => Finding::Limited(format!(
            "{why}; runs of servers that take an address for each peer use proxy, others cannot be partitioned here"
        )),
    };
    let proxy = Finding::Works("needs nothing but what a partition needs, see below".into());
    [("redirect", redirect), ("proxy", proxy)]
}

fn machine() -> Finding {
    let cores = environment::cores();
    let memory = environment::memory_mib().unwrap_or_default();
    let load = environment::load_average();
    let text = format!("{cores} cores, {memory} MiB, load average {load:.1}");
    if cores < CORES_ADVISED {
        return Finding::Limited(format!("{text}: one core makes elections slow; use --rate 200"));
    }
    if load > f64::from(cores) {
        return Finding::Limited(format!("{text}: busy, elections may be slow"));
    }
    Finding::Works(text)
}

fn addresses() -> Finding {
    let nodes = u32::try_from(NODES_MAX).expect("a small number");
    match Reservation::take(None, std::process::id(), Ports::same(PORT_DEFAULT), nodes) {
        Ok(reservation) => Finding::Works(format!(
            "every node can have its own loopback address, such as {}",
            reservation.node(1)
        )),
        Err(refusal) => Finding::Broken {
            what: refusal.to_string(),
            mend: "give another --port to `whitewater run`".into(),
        },
    }
}

fn files() -> Finding {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((_, hard)) if hard < FILES_NEEDED => Finding::Broken {
            what: format!("at most {hard} open files are allowed, {FILES_NEEDED} are needed"),
            mend: format!("raise the hard limit: `ulimit -Hn {FILES_NEEDED}` as root"),
        },
        Ok((soft, hard)) => {
            Finding::Works(format!("{soft} open files, raised to {hard} for a run"))
        }
        Err(error) => Finding::Limited(format!("the limit of open files is unknown: {error}")),
    }
}

fn runs_folder(arguments: &DoctorArguments) -> Finding {
    let root = &arguments.store.runs_dir;
    let probe = root.join(format!(".doctor-{}", std::process::id()));
    let attempt = || {
        fs::create_dir_all(root)?;
        let start = Instant::now();
        let file = fs::File::create(&probe)?;
        file.sync_all()?;
        let took = start.elapsed();
        fs::remove_file(&probe)?;
        Ok::<_, std::io::Error>(took)
    };
    match attempt() {
        Ok(took) => Finding::Works(format!(
            "{} is writable, {}, a file is made and synced in {:.1} ms",
            root.display(),
            environment::file_system(root).unwrap_or_else(|| "unknown file system".into()),
            took.as_secs_f64() * 1000.0
        )),
        Err(error) => Finding::Broken {
            what: format!("{}: {error}", root.display()),
            mend: "give a folder you can write to with --runs-dir".into(),
        },
    }
}
