//! Runs the real binary in a folder of its own, with a deadline for everything.
//!
//! Clusters are started one at a time, across all test processes: five servers and ten clients are a
//! load that two cores carry once.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary under test.
pub(crate) const WHITEWATER: &str = env!("CARGO_BIN_EXE_whitewater");
/// Longer than any command of these tests takes on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(150);
/// Attempts at a run that must be decided; a busy machine spoils one now and then.
const ATTEMPTS: u32 = 3;

/// A folder of runs that is removed at the end.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What was called, to be pasted.
    pub(crate) line: String,
}

impl Outcome {
    /// The last JSON object on stdout.
    pub(crate) fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Fails the test unless the exit code is this one.
    pub(crate) fn expect(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{}\n{}\n{}", self.line, self.stdout, self.stderr);
        self
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command, with this folder of runs.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(WHITEWATER);
        command.args(arguments.split_whitespace());
        command.env("WHITEWATER_RUNS_DIR", self.path("runs")).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn call(&self, arguments: &str) -> Outcome {
        finish(self.command(arguments).spawn().unwrap(), arguments)
    }

    /// Runs a run until it is decided: neither undecided nor spoilt by the machine.
    pub(crate) fn run_decided(&self, arguments: &str) -> Outcome {
        let _turn = turn();
        let mut outcomes = Vec::new();
        for _ in 0..ATTEMPTS {
            let outcome = self.call(&format!("run --json {arguments}"));
            if !matches!(outcome.exit, 3 | 4) {
                return outcome;
            }
            outcomes.push(format!("exit {}: {}", outcome.exit, outcome.stdout));
        }
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        panic!(
            "environment too slow (load average {load}): {ATTEMPTS} runs undecided: {outcomes:#?}"
        )
    }

    /// The newest run's folder.
    pub(crate) fn latest(&self) -> PathBuf {
        self.path("runs/latest").canonicalize().unwrap()
    }
}

/// Waits for a process with a deadline, collecting what it says.
pub(crate) fn finish(mut child: Child, arguments: &str) -> Outcome {
    let collect = |stream: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut text = String::new();
            let _ = stream.map(|mut stream| stream.read_to_string(&mut text));
            text
        })
    };
    let stdout = collect(child.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>));
    let stderr = collect(child.stderr.take().map(|err| Box::new(err) as Box<dyn Read + Send>));
    let status = wait(&mut child);
    Outcome {
        exit: status.code().unwrap_or(-1),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
        line: format!("whitewater {arguments}"),
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("process {} did not end within {DEADLINE:?}", child.id());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until `fact` gives something.
pub(crate) fn until<T>(what: &str, deadline: Duration, mut fact: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(result) = fact() {
            return result;
        }
        assert!(Instant::now() < end, "awaited for {deadline:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Process ids of the servers whose command line contains `mark`, zombies left out.
pub(crate) fn servers(mark: &str) -> Vec<u32> {
    let mut found = processes(mark);
    found.retain(|pid| command_line(*pid).contains("server"));
    found
}

/// Those of all processes of which that is so.
pub(crate) fn processes(mark: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| command_line(*pid).contains(mark)).collect()
}

fn command_line(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// The state letter of a process.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Holds the one permission to run a cluster, until it is dropped.
pub(crate) fn turn() -> File {
    let path = std::env::temp_dir().join("whitewater-tests.lock");
    let file = File::create(path).unwrap();
    file.lock().unwrap();
    file
}
