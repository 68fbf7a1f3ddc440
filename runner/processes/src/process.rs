//! Child processes that never outlive the runner.
//!
//! One [`Spawner`] thread starts every child, because the parent-death signal fires when the
//! *thread* that spawned ends, not when the process does: a child of a pool thread would die with
//! that thread. A waiter thread per child records the exit. Signals are sent under the lock that
//! reaping takes, so that a recycled process id is never hit.
//!
//! What is done to a child is done to all of its kin, and it has ended when the last of them has:
//! whoever is left when the child itself ends is killed. Should this process be killed, the parent-death
//! signal ends the children, and a guard, a process of its own, ends what they had started.
//!
//! Output goes to files and not to pipes, as a full pipe would block the server under test; only where a node speaks on its
//! standard output is that a pipe, which whoever asked for it reads until its end.
//! What this module does not know: what a node is, why a process is killed, and when it is healthy.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use tokio::sync::watch;
use whitewater_redirect::Dials;

use crate::kin::{self, Kin, MARK};

/// Names this very executable even after the file was replaced by a new build.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// A script that is told to stop ends before the server that it started, which has work to finish.
const STOP_GRACE: Duration = Duration::from_secs(3);

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

/// Our ends of a child's pipes.
#[derive(Debug)]
pub struct Pipes {
    /// What is written here, it reads.
    pub stdin: PipeWriter,
    /// What it prints; to be read until its end.
    pub stdout: PipeReader,
}

/// Starts processes from one thread that lives as long as the runner.
#[derive(Debug)]
pub struct Spawner {
    own: Vec<OsString>,
    requests: mpsc::Sender<Request>,
    /// How the marks of all its children begin: nobody else's do.
    marks: String,
    spawned: AtomicU64,
    /// Closed when this process ends.
    guarded: Mutex<Option<ChildStdin>>,
}

#[derive(Debug)]
struct Request {
    command: Command,
    reply: mpsc::Sender<io::Result<u32>>,
}

impl Spawner {
    /// Starts the spawning thread.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn new() -> io::Result<Self> {
        Self::through(&[OWN_PROGRAM])
    }

    /// The same, with another command in the place of this program: it is given what `exec-node` is.
    ///
    /// # Errors
    /// See [`Spawner::new`].
    pub fn through(own: &[&str]) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel::<Request>();
        thread::Builder::new().name("spawner".into()).spawn(move || {
            for mut request in inbox {
                // The child is waited for by its id, so the handle is not kept.
                let result = request.command.spawn().map(|child| child.id());
                let _ = request.reply.send(result);
            }
        })?;
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let marks = format!("{}-{nanos}-", std::process::id());
        let own = own.iter().map(OsString::from).collect();
        Ok(Self { own, requests, marks, spawned: AtomicU64::new(0), guarded: Mutex::default() })
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
        let mut command = self.tied_command()?;
        command.stdin(Stdio::null());
        if let Some(dials) = dials {
            let (ours, theirs) = whitewater_redirect::pair()?;
            whitewater_redirect::supervise(ours, dials)?;
            command.arg("--redirect").stdin(theirs);
        }
        fill(&mut command, launch);
        self.spawn_command(command, &launch.log, None, on_exit)
    }

    /// The same, with pipes in the place of its standard input and output; the log has what it prints to stderr.
    pub fn spawn_piped(
        &self,
        launch: &Launch,
        on_exit: impl FnOnce(&str, bool) + Send + 'static,
    ) -> io::Result<(Child, Pipes)> {
        let mut command = self.tied_command()?;
        let (theirs, stdin) = io::pipe()?;
        let (stdout, out) = io::pipe()?;
        command.stdin(theirs);
        fill(&mut command, launch);
        let child = self.spawn_command(command, &launch.log, Some(out.into()), on_exit)?;
        Ok((child, Pipes { stdin, stdout }))
    }

    /// What ties a program to this process's life, as far as to its name.
    fn tied_command(&self) -> io::Result<Command> {
        self.have_guard()?;
        let mut command = self.own_command();
        command.args(["exec-node", "--parent", &std::process::id().to_string()]);
        Ok(command)
    }

    fn own_command(&self) -> Command {
        let mut command = Command::new(&self.own[0]);
        command.arg0(NAME).args(&self.own[1..]);
        command
    }

    /// Starts the guard, once.
    fn have_guard(&self) -> io::Result<()> {
        let mut guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        if guarded.is_none() {
            let mut command = self.own_command();
            command.args(["guard", &self.marks]).process_group(0);
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut guard = command.spawn()?;
            *guarded = guard.stdin.take();
            thread::Builder::new().name("guard".into()).spawn(move || guard.wait())?;
        }
        Ok(())
    }

    fn spawn_command(
        &self,
        mut command: Command,
        log: &Path,
        out: Option<Stdio>,
        on_exit: impl FnOnce(&str, bool) + Send + 'static,
    ) -> io::Result<Child> {
        let errors = open_log(log)?;
        let out = out.map_or_else(|| errors.try_clone().map(Stdio::from), Ok)?;
        command.stdout(out).stderr(errors).process_group(0);
        let mark = format!("{}{}", self.marks, self.spawned.fetch_add(1, Ordering::Relaxed));
        command.env(MARK, &mark);
        let (reply, answer) = mpsc::channel();
        let gone = || io::Error::other("the spawning thread has ended");
        self.requests.send(Request { command, reply }).map_err(|_| gone())?;
        let pid = answer.recv().map_err(|_| gone())??;
        Child::watch(Kin { first: pid, mark }, on_exit)
    }
}

/// Names the program behind what ties it.
fn fill(command: &mut Command, launch: &Launch) {
    command.arg("--").arg(&launch.program).args(&launch.arguments);
    command.envs(launch.environment.iter().map(|(name, value)| (name, value)));
    if let Some(folder) = &launch.folder {
        command.current_dir(folder);
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
    kin: Kin,
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
    fn watch(kin: Kin, on_exit: impl FnOnce(&str, bool) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared { life: Mutex::default(), exit: watch::Sender::new(None) });
        let child = Self { kin: kin.clone(), shared: shared.clone() };
        thread::Builder::new().name(format!("waiter-{}", kin.first)).spawn(move || {
            let (mut how, is_expected) = reap(kin.first, &shared);
            let is_stopping = is_expected && how != "signal 9";
            let left = kin.kill_survivors(if is_stopping { STOP_GRACE } else { Duration::ZERO });
            if left > 0 && !is_expected {
                how += &format!(", and {left} of its processes that were left were killed");
            }
            on_exit(&how, is_expected);
            shared.exit.send_replace(Some(how));
        })?;
        Ok(child)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.kin.first
    }

    /// Whether it, or any of its kin, has not ended, as far as known.
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

    /// Sends a signal to it and its kin; `false` where the process has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        let life = self.life();
        if life.is_reaped {
            return Ok(false);
        }
        self.kin.signal(signal)?;
        Ok(true)
    }

    /// Waits for the end; `None` where the deadline passed first.
    pub async fn wait_exit(&self, deadline: Duration) -> Option<String> {
        let mut exit = self.shared.exit.subscribe();
        let ended = exit.wait_for(Option::is_some);
        let ended = tokio::time::timeout(deadline, ended).await.ok()?.ok()?;
        ended.clone()
    }

    /// The process state letter of /proc: `R`, `S`, `T` (stopped), `Z`, …; `None` once it is gone. Stopped is who is so with all
    /// his kin; where one of them is not, it is that one's state.
    pub fn state(&self) -> Option<char> {
        let own = kin::state(self.kin.first)?;
        if own != 'T' {
            return Some(own);
        }
        let others = self.kin.living(false).into_values();
        Some(others.into_iter().find(|state| *state != 'T').unwrap_or(own))
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
    use std::fs;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(5);

    /// Without the parent-death wrapper: in unit tests this executable is the test harness.
    fn spawn(arguments: &[&str]) -> (Child, mpsc::Receiver<(String, bool)>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (sender, exits) = mpsc::channel();
        let mut command = Command::new(arguments[0]);
        command.args(&arguments[1..]).stdin(Stdio::null());
        let child = Spawner::new()
            .unwrap()
            .spawn_command(command, &folder.path().join("log"), None, move |how, expected| {
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

    /// Where each process of a family writes that it lives: the wrapper, its child, one that left the group, and one that
    /// was orphaned as well.
    const FAMILY: &str =
        "setsid sleep 60 & (sleep 60 & setsid sh -c 'sleep 60 & wait' & sleep 60); true";

    async fn until_kin(child: &Child, count: usize) -> Vec<u32> {
        let waiting = async {
            loop {
                let living = child.kin.living(child.exit().is_some());
                if living.len() >= count {
                    return living.into_keys().collect();
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.expect("all processes were awaited")
    }

    #[tokio::test]
    async fn a_wrapper_is_no_hiding_place_from_signals() {
        let (child, exits, _folder) = spawn(&["sh", "-c", FAMILY]);
        let kin = until_kin(&child, 6).await;
        let states = |wanted: char| {
            let states = kin.iter().map(|pid| kin::state(*pid));
            states.filter(|state| *state == Some(wanted)).count()
        };
        child.signal(Signal::SIGSTOP).unwrap();
        assert!(child.wait_stopped(true, DEADLINE).await);
        assert_eq!(states('T'), kin.len(), "stopped is who is so with all his kin");
        child.signal(Signal::SIGCONT).unwrap();
        assert!(child.wait_stopped(false, DEADLINE).await);
        assert_eq!(states('T'), 0);
        child.expect_exit();
        child.signal(Signal::SIGKILL).unwrap();
        assert_eq!(child.wait_exit(DEADLINE).await.as_deref(), Some("signal 9"));
        let is_alive = |pid: &u32| !matches!(kin::state(*pid), None | Some('Z'));
        assert_eq!(kin.iter().filter(|pid| is_alive(pid)).count(), 0);
        assert_eq!(exits.recv_timeout(DEADLINE).unwrap(), ("signal 9".into(), true));
    }

    #[tokio::test]
    async fn one_that_runs_on_keeps_a_child_from_counting_as_stopped() {
        let (child, _exits, _folder) = spawn(&["sh", "-c", "sleep 60; true"]);
        let kin = until_kin(&child, 2).await;
        nix::sys::signal::kill(pid_of(child.pid()), Signal::SIGSTOP).unwrap();
        let own = async {
            while kin::state(kin[0]) != Some('T') {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, own).await.unwrap();
        assert_eq!(child.state(), Some('S'), "the sleep goes on");
        child.signal(Signal::SIGKILL).unwrap();
        assert!(child.wait_exit(DEADLINE).await.is_some());
    }

    #[tokio::test]
    async fn whoever_is_left_behind_is_killed_and_told_of() {
        let (child, exits, _folder) = spawn(&["sh", "-c", "setsid sleep 60 & exit 0"]);
        let how = "exit code 0, and 1 of its processes that were left were killed";
        assert_eq!(child.wait_exit(DEADLINE).await.as_deref(), Some(how));
        assert_eq!(exits.recv_timeout(DEADLINE).unwrap(), (how.into(), false));
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let command = Command::new("/nowhere/server");
        let error = Spawner::new()
            .unwrap()
            .spawn_command(command, &folder.path().join("log"), None, |_, _| {})
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
