//! Child processes that never outlive the runner.
//!
//! One [`Spawner`] thread starts every child, because the parent-death signal fires when the
//! *thread* that spawned ends, not when the process does: a child of a pool thread would die with
//! that thread. A waiter thread per child records the exit. Signals are sent under the lock that
//! reaping takes, so that a recycled process id is never hit.
//!
//! Output goes to files, never to pipes: a full pipe would block the server under test.
//! What this module does not know: what a node is, why a process is killed, and when it is healthy.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use tokio::sync::watch;
use whitewater_redirect::Dials;

/// Names this very executable even after the file was replaced by a new build.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// What `ps` calls a child.
const NAME: &str = "whitewater";

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What is set in its environment beside what there is.
    pub environment: Vec<(OsString, OsString)>,
    /// Its working folder; `None`: this process's.
    pub folder: Option<PathBuf>,
    /// Where stdout and stderr go; appended to.
    pub log: PathBuf,
}

impl Launch {
    /// One whose output goes there, of which nothing else is said yet.
    pub fn into_log(log: &Path) -> Self {
        Self { log: log.to_owned(), ..Self::default() }
    }
}

/// Starts processes from one thread that lives as long as the runner.
#[derive(Debug)]
pub struct Spawner {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    command: Command,
    reply: mpsc::Sender<io::Result<u32>>,
}

impl Spawner {
    /// Starts the spawning thread.
    pub fn new() -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel::<Request>();
        thread::Builder::new().name("spawner".into()).spawn(move || {
            for mut request in inbox {
                // The child is waited for by its id, so the handle is not kept.
                let result = request.command.spawn().map(|child| child.id());
                let _ = request.reply.send(result);
            }
        })?;
        Ok(Self { requests })
    }

    /// Starts a process that dies with the runner. `on_exit` is called once, from the waiter's
    /// thread, after the process was reaped.
    pub fn spawn(
        &self,
        launch: &Launch,
        on_exit: impl FnOnce(&str, bool) + Send + 'static,
    ) -> io::Result<Child> {
        self.spawn_redirected(launch, None, on_exit)
    }

    /// The same; its dials, and those of all it starts, are answered by `dials`.
    pub fn spawn_redirected(
        &self,
        launch: &Launch,
        dials: Option<Arc<dyn Dials>>,
        on_exit: impl FnOnce(&str, bool) + Send + 'static,
    ) -> io::Result<Child> {
        let mut command = Command::new(OWN_PROGRAM);
        command.arg0(NAME);
        command.args(["exec-node", "--parent", &std::process::id().to_string()]);
        command.stdin(Stdio::null());
        if let Some(dials) = dials {
            let (ours, theirs) = whitewater_redirect::pair()?;
            whitewater_redirect::supervise(ours, dials)?;
            command.arg("--redirect").stdin(theirs);
        }
        command.arg("--").arg(&launch.program).args(&launch.arguments);
        command.envs(launch.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &launch.folder {
            command.current_dir(folder);
        }
        self.spawn_command(command, &launch.log, on_exit)
    }

    fn spawn_command(
        &self,
        mut command: Command,
        log: &Path,
        on_exit: impl FnOnce(&str, bool) + Send + 'static,
    ) -> io::Result<Child> {
        let out = open_log(log)?;
        let errors = out.try_clone()?;
        command.stdout(out).stderr(errors).process_group(0);
        let (reply, answer) = mpsc::channel();
        let gone = || io::Error::other("the spawning thread has ended");
        self.requests.send(Request { command, reply }).map_err(|_| gone())?;
        let pid = answer.recv().map_err(|_| gone())??;
        Child::watch(pid, on_exit)
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("open {}: {error}", path.display())))
}

/// A running or ended child.
#[derive(Clone, Debug)]
pub struct Child {
    pid: u32,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    life: Mutex<Life>,
    exit: watch::Sender<Option<String>>,
}

#[derive(Debug, Default)]
struct Life {
    is_reaped: bool,
    is_exit_expected: bool,
}

impl Child {
    fn watch(pid: u32, on_exit: impl FnOnce(&str, bool) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared { life: Mutex::default(), exit: watch::Sender::new(None) });
        let child = Self { pid, shared: shared.clone() };
        thread::Builder::new().name(format!("waiter-{pid}")).spawn(move || {
            let (how, is_expected) = reap(pid, &shared);
            on_exit(&how, is_expected);
            shared.exit.send_replace(Some(how));
        })?;
        Ok(child)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has not ended, as far as known.
    pub fn is_alive(&self) -> bool {
        self.shared.exit.borrow().is_none()
    }

    /// How it ended: `exit code 0`, `signal 9`.
    pub fn exit(&self) -> Option<String> {
        self.shared.exit.borrow().clone()
    }

    /// From now on its end is the runner's doing.
    pub fn expect_exit(&self) {
        self.life().is_exit_expected = true;
    }

    /// Sends a signal; `false` where the process has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        let life = self.life();
        if life.is_reaped {
            return Ok(false);
        }
        kill(pid_of(self.pid), signal)?;
        Ok(true)
    }

    /// Waits for the end; `None` where the deadline passed first.
    pub async fn wait_exit(&self, deadline: Duration) -> Option<String> {
        let mut exit = self.shared.exit.subscribe();
        let ended = exit.wait_for(Option::is_some);
        let ended = tokio::time::timeout(deadline, ended).await.ok()?.ok()?;
        ended.clone()
    }

    /// The process state letter of /proc: `R`, `S`, `T` (stopped), `Z`, …; `None` once it is gone.
    pub fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The name in brackets may itself hold brackets, so the last one counts.
        stat.rsplit_once(')')?.1.trim_start().chars().next()
    }

    /// Waits until it is stopped (`T`), or is no longer.
    pub async fn wait_stopped(&self, is_stopped: bool, deadline: Duration) -> bool {
        let end = tokio::time::Instant::now() + deadline;
        loop {
            let reached = match self.state() {
                Some('T') => is_stopped,
                Some(_) => !is_stopped,
                None => return false,
            };
            if reached {
                return true;
            }
            if tokio::time::Instant::now() >= end {
                return false;
            }
            // Signals arrive within a millisecond; /proc offers nothing to wait on.
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.shared.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Blocks until the process ends, and reaps it under the lock that signals take.
fn reap(pid: u32, shared: &Shared) -> (String, bool) {
    let watch_only = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(pid_of(pid)), watch_only) {}
    let mut life = shared.life.lock().unwrap_or_else(PoisonError::into_inner);
    let how = match waitpid(pid_of(pid), None) {
        Ok(WaitStatus::Exited(_, code)) => format!("exit code {code}"),
        Ok(WaitStatus::Signaled(_, signal, _)) => format!("signal {}", signal as i32),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("unknown ({error})"),
    };
    life.is_reaped = true;
    (how, life.is_exit_expected)
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("process ids fit into 31 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(5);

    /// Without the parent-death wrapper: in unit tests this executable is the test harness.
    fn spawn(arguments: &[&str]) -> (Child, mpsc::Receiver<(String, bool)>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (sender, exits) = mpsc::channel();
        let mut command = Command::new(arguments[0]);
        command.args(&arguments[1..]);
        let child = Spawner::new()
            .unwrap()
            .spawn_command(command, &folder.path().join("log"), move |how, expected| {
                let _ = sender.send((how.to_owned(), expected));
            })
            .unwrap();
        (child, exits, folder)
    }

    #[tokio::test]
    async fn an_exit_is_reported_with_its_code_and_output_goes_to_the_log() {
        let (child, exits, folder) = spawn(&["sh", "-c", "echo hello; exit 3"]);
        assert_eq!(child.wait_exit(DEADLINE).await.as_deref(), Some("exit code 3"));
        assert_eq!(exits.recv_timeout(DEADLINE).unwrap(), ("exit code 3".into(), false));
        assert_eq!(fs::read_to_string(folder.path().join("log")).unwrap(), "hello\n");
        assert!(!child.signal(Signal::SIGKILL).unwrap(), "nothing is left to be signalled");
    }

    #[tokio::test]
    async fn a_killed_process_ends_as_expected_even_while_stopped() {
        let (child, exits, _folder) = spawn(&["sleep", "60"]);
        assert!(child.signal(Signal::SIGSTOP).unwrap());
        assert!(child.wait_stopped(true, DEADLINE).await, "state T was awaited");
        child.expect_exit();
        child.signal(Signal::SIGKILL).unwrap();
        assert_eq!(child.wait_exit(DEADLINE).await.as_deref(), Some("signal 9"));
        assert_eq!(exits.recv_timeout(DEADLINE).unwrap(), ("signal 9".into(), true));
    }

    #[tokio::test]
    async fn stopping_and_continuing_is_seen_in_proc() {
        let (child, _exits, _folder) = spawn(&["sleep", "60"]);
        child.signal(Signal::SIGSTOP).unwrap();
        assert!(child.wait_stopped(true, DEADLINE).await);
        child.signal(Signal::SIGCONT).unwrap();
        assert!(child.wait_stopped(false, DEADLINE).await);
        child.signal(Signal::SIGKILL).unwrap();
        assert!(child.wait_exit(DEADLINE).await.is_some());
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let command = Command::new("/nowhere/server");
        let error = Spawner::new()
            .unwrap()
            .spawn_command(command, &folder.path().join("log"), |_, _| {})
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
