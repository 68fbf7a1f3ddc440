//! `whitewater doctor`: tries what a run needs, and says how to mend what does not work.
//!
//! Nothing is guessed from settings: every line is the result of doing the thing.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::cli::DoctorArguments;
use crate::environment;
use crate::exit::Exit;
use crate::plan::NODES_MAX;
use crate::progress::{print, print_json};
use whitewater_processes::{Launch, OWN_PROGRAM, Spawner};
use whitewater_processes::{PORT_DEFAULT, Reservation};

/// Descriptors of a run with the default settings, with room to spare.
const FILES_NEEDED: u64 = 1024;
/// Below this the servers and clients of a run wait for each other.
const CORES_ADVISED: u32 = 2;
/// Signals arrive within milliseconds.
const DEADLINE: Duration = Duration::from_secs(5);

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

/// Carries out `doctor`.
pub(crate) fn run(arguments: &DoctorArguments) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = [
        ("machine", machine()),
        ("addresses", addresses()),
        ("files", files()),
        ("folder of runs", runs_folder(arguments)),
        ("processes", runtime.block_on(processes(arguments))),
    ];
    let mut is_able = true;
    for (name, finding) in findings {
        let (word, text, mend) = match finding {
            Finding::Works(text) => ("ok", text, None),
            Finding::Limited(text) => ("limited", text, None),
            Finding::Broken { what, mend } => ("broken", what, Some(mend)),
        };
        is_able &= word != "broken";
        if arguments.json {
            print_json(&json!({"check": name, "result": word, "text": text, "mend": mend}));
            continue;
        }
        print(&format!("{word:8} {name}: {text}\n"));
        if let Some(mend) = mend {
            print(&format!("         to mend it: {mend}\n"));
        }
    }
    Ok(if is_able { Exit::Pass } else { Exit::Environment })
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
    match Reservation::take(None, std::process::id(), PORT_DEFAULT, nodes) {
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

/// Starts a process, stops it, continues it and kills it, as faults do.
async fn processes(arguments: &DoctorArguments) -> Finding {
    let log = arguments.store.runs_dir.join(format!(".doctor-{}.log", std::process::id()));
    let result = try_processes(&log).await;
    let _ = fs::remove_file(&log);
    match result {
        Ok(text) => Finding::Works(text),
        Err(what) => Finding::Broken {
            what,
            mend: "allow this user to start and signal processes, and mount /proc".into(),
        },
    }
}

async fn try_processes(log: &std::path::Path) -> Result<String, String> {
    let spawner = Spawner::new().map_err(|error| format!("start a thread: {error}"))?;
    // A process that waits until it is signalled: the hidden subcommand around `sleep` needs no other
    // program than one every machine has.
    let launch =
        Launch { program: "sleep".into(), arguments: vec!["60".into()], log: log.to_owned() };
    let child = spawner
        .spawn(&launch, |_, _| {})
        .map_err(|error| format!("start {OWN_PROGRAM}: {error}"))?;
    let start = Instant::now();
    let send = |signal| child.signal(signal).map_err(|error| format!("send {signal}: {error}"));
    send(Signal::SIGSTOP)?;
    let is_stopped = child.wait_stopped(true, DEADLINE).await;
    send(Signal::SIGCONT)?;
    let is_continued = child.wait_stopped(false, DEADLINE).await;
    send(Signal::SIGKILL)?;
    let how = child.wait_exit(DEADLINE).await;
    if !(is_stopped && is_continued && how.as_deref() == Some("signal 9")) {
        return Err(format!("stopped: {is_stopped}, continued: {is_continued}, ended: {how:?}"));
    }
    let took_ms = start.elapsed().as_secs_f64() * 1000.0;
    Ok(format!("can be started, stopped, continued and killed ({took_ms:.1} ms)"))
}
