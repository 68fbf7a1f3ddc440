//! The server processes of a run: started, killed, paused, resumed, stopped, and watched.
//!
//! Signals are sent, and [`Cluster::process`] tells what is seen of a process: whoever sent one looks until its effect
//! is there. Which node is struck and when is the nemesis's business.

mod last_words;
mod preparation;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use whitewater_checker::observation::ProcessChange;

use crate::nemesis::ProcessState;
use crate::proxy::Router;
use crate::record::Recorder;
use crate::sentence::to_write;
use whitewater_processes::{Child, Spawner};
use whitewater_redirect::Dials;
use whitewater_target::{NodeSetup, Target};

/// The kernel delivers a signal within milliseconds; a loaded machine may take longer.
const SIGNAL_DEADLINE: Duration = Duration::from_secs(5);

/// All nodes.
pub(crate) struct Cluster {
    nodes: BTreeMap<u32, Node>,
    spawner: Spawner,
    /// Who answers each node's dials, where they are redirected.
    dials: BTreeMap<u32, Arc<dyn Dials>>,
    /// Who carries their messages, where they speak on their standard input and output.
    router: Option<Arc<Router>>,
    target: Arc<dyn Target>,
    recorder: Recorder,
}

struct Node {
    setup: Mutex<NodeSetup>,
    child: Mutex<Option<Child>>,
    /// Pauses and resumptions; odd while a fault has it paused.
    pauses: AtomicU64,
    /// It was told to go on, and is not yet seen to.
    is_resuming: AtomicBool,
}

impl Node {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn setup(&self) -> NodeSetup {
        self.setup.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A node's name in files and on screens.
pub(crate) fn node_name(number: u32) -> String {
    format!("n{number}")
}

impl Cluster {
    /// A cluster of which nothing runs yet.
    pub(crate) fn new(
        setups: Vec<NodeSetup>,
        target: Arc<dyn Target>,
        recorder: Recorder,
    ) -> io::Result<Self> {
        Ok(Self::spawned_by(Spawner::new()?, setups, target, recorder))
    }

    /// The same, whose processes are started by this.
    pub(crate) fn spawned_by(
        spawner: Spawner,
        setups: Vec<NodeSetup>,
        target: Arc<dyn Target>,
        recorder: Recorder,
    ) -> Self {
        let node = |setup: NodeSetup| {
            let number = setup.number;
            let (child, pauses) = (Mutex::new(None), AtomicU64::new(0));
            let (setup, is_resuming) = (Mutex::new(setup), AtomicBool::new(false));
            (number, Node { setup, child, pauses, is_resuming })
        };
        let nodes = setups.into_iter().map(node).collect();
        Self { nodes, spawner, dials: BTreeMap::new(), router: None, target, recorder }
    }

    /// From now on every node is started so that what `of` says of it answers its dials.
    pub(crate) fn redirect(&mut self, of: impl Fn(u32) -> Arc<dyn Dials>) {
        self.dials = self.numbers().map(|number| (number, of(number))).collect();
    }

    /// From now on nodes are started with pipes, of which this has the other ends.
    pub(crate) fn route(&mut self, router: Arc<Router>) {
        self.router = Some(router);
    }

    /// The nodes' numbers.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes.keys().copied()
    }

    /// The node's process, running or ended; `None` before its first start.
    pub(crate) fn child(&self, number: u32) -> Option<Child> {
        self.node(number).child().clone()
    }

    /// Starts a node; nothing is done where it runs already.
    pub(crate) fn start(&self, number: u32) -> io::Result<()> {
        let node = self.node(number);
        let mut child = node.child();
        if child.as_ref().is_some_and(Child::is_alive) {
            return Ok(());
        }
        let setup = node.setup();
        if setup.is_first_start {
            preparation::prepare(&self.spawner, &setup.data_dir, &self.target.prepare(&setup))?;
        }
        let launch = self.target.launch(&setup);
        let log_start = fs::metadata(&launch.log).map_or(0, |log| log.len());
        let (recorder, log, name) = (self.recorder.clone(), launch.log.clone(), node_name(number));
        let (told, pid) = std::sync::mpsc::channel();
        let on_exit = move |how: &str, is_expected| {
            let last_words = last_words::since(&log, log_start, is_expected);
            let exited =
                ProcessChange::Exited { how: how.into(), expected: is_expected, last_words };
            // Sent below, once the start is recorded: an exit is never recorded before its start.
            let pid = pid.recv().unwrap_or_default();
            recorder.process(&name, pid, exited);
        };
        let (started, pipes) = match &self.router {
            Some(_) => {
                let (started, pipes) = self.spawner.spawn_piped(&launch, on_exit)?;
                (started, Some(pipes))
            }
            None => {
                let dials = self.dials.get(&number).cloned();
                (self.spawner.spawn_redirected(&launch, dials, on_exit)?, None)
            }
        };
        // Whoever paused the last process has nothing to do with this one.
        node.is_resuming.store(false, Ordering::SeqCst);
        let even = |count: u64| Some(count.next_multiple_of(2));
        let _ = node.pauses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, even);
        self.recorder.process(&node_name(number), started.pid(), ProcessChange::Started);
        let _ = told.send(started.pid());
        *child = Some(started);
        if let (Some(router), Some(pipes)) = (&self.router, pipes) {
            router.attach(number, pipes, &launch.log)?;
        }
        node.setup.lock().unwrap_or_else(PoisonError::into_inner).is_first_start = false;
        Ok(())
    }

    /// What every node was told.
    pub(crate) fn setups(&self) -> BTreeMap<u32, NodeSetup> {
        self.nodes.iter().map(|(number, node)| (*number, node.setup())).collect()
    }

    /// Runs the commands that the target wants run once, when all nodes are ready for the first time.
    pub(crate) fn introduce(&self) -> io::Result<()> {
        let commands = self.target.introduce(&self.setups());
        commands.iter().try_for_each(|command| preparation::run_to_end(&self.spawner, command))
    }

    /// What became of the node's process.
    pub(crate) fn process(&self, number: u32) -> ProcessState {
        let Some(child) = self.child(number) else {
            return ProcessState::Down("no start at all".into());
        };
        if let Some(how) = child.exit() {
            return ProcessState::Down(how);
        }
        match child.state() {
            Some('T') => ProcessState::Stopped,
            state => {
                let node = self.node(number);
                if node.is_resuming.swap(false, Ordering::SeqCst) {
                    node.pauses.fetch_add(1, Ordering::SeqCst);
                }
                // One that is gone from /proc has ended, and its exit is about to be told.
                ProcessState::Runs(state.unwrap_or('Z'))
            }
        }
    }

    /// Sends a node SIGKILL.
    pub(crate) fn kill(&self, number: u32) -> Result<(), String> {
        let child = self.running(number)?;
        child.expect_exit();
        send(&child, Signal::SIGKILL)
    }

    /// Removes everything on the disk of a node that is down, which from then on is started to join: that it belongs,
    /// it knows from its log.
    pub(crate) fn wipe(&self, number: u32) -> Result<(), String> {
        let mut setup = self.node(number).setup.lock().unwrap_or_else(PoisonError::into_inner);
        (setup.joins, setup.is_first_start) = (true, true);
        // Boots are counted on the disk, so the new life's first journal needs another name.
        setup.journal = setup.journal.as_deref().map(journal_of_next_life);
        let wiped = fs::remove_dir_all(&setup.data_dir);
        wiped.map_err(|error| format!("remove {}: {error}", setup.data_dir.display()))
    }

    /// Sends a node SIGSTOP.
    pub(crate) fn pause(&self, number: u32) -> Result<(), String> {
        let child = self.running(number)?;
        self.node(number).pauses.fetch_or(1, Ordering::SeqCst);
        send(&child, Signal::SIGSTOP)
    }

    /// Sends a paused node SIGCONT.
    pub(crate) fn resume(&self, number: u32) -> Result<(), String> {
        let child = self.running(number)?;
        let node = self.node(number);
        node.is_resuming.store(node.pauses.load(Ordering::SeqCst) % 2 == 1, Ordering::SeqCst);
        send(&child, Signal::SIGCONT)
    }

    /// Whether the node's process is stopped (state `T`) though no fault has paused it; `None` where that
    /// cannot be told, because a fault has it paused or did so in this moment.
    pub(crate) fn is_stopped_from_outside(&self, number: u32) -> Option<bool> {
        let pauses = &self.node(number).pauses;
        let before = pauses.load(Ordering::SeqCst);
        let state = self.child(number)?.state();
        let is_told = before == pauses.load(Ordering::SeqCst) && before.is_multiple_of(2);
        is_told.then_some(state == Some('T'))
    }

    /// Continues every node without waiting; for paths that cannot wait.
    pub(crate) fn resume_all_now(&self) {
        for number in self.numbers() {
            if let Some(child) = self.child(number) {
                let _ = child.signal(Signal::SIGCONT);
            }
        }
    }

    /// Stops all nodes as their target is asked to, and by SIGKILL those that do not heed it. Returns the latter.
    pub(crate) async fn stop(&self) -> Vec<u32> {
        let manner = self.target.profile().manner;
        let running: Vec<(u32, Child)> = self
            .numbers()
            .filter_map(|number| Some((number, self.child(number)?)))
            .filter(|(_, child)| child.is_alive())
            .collect();
        for (_, child) in &running {
            child.expect_exit();
            let _ = child.signal(Signal::SIGCONT);
            let _ = child.signal(manner.stop);
        }
        let end = Instant::now() + manner.stop_within;
        let mut stubborn = Vec::new();
        for (number, child) in running {
            let left = end.saturating_duration_since(Instant::now());
            if child.wait_exit(left).await.is_none() {
                stubborn.push(number);
                let _ = child.signal(Signal::SIGKILL);
                child.wait_exit(SIGNAL_DEADLINE).await;
            }
        }
        stubborn
    }

    /// The nodes that are not running, with how they ended and the end of their logs; to explain a
    /// cluster that does not come up.
    pub(crate) fn obituary(&self) -> Option<String> {
        self.numbers().find_map(|number| {
            let how = self.child(number)?.exit()?;
            let log = self.node(number).setup().log;
            let said = last_words::since(&log, 0, false);
            let said = match said.first() {
                None => format!("it said nothing, and {} is empty", log.display()),
                Some(words) => {
                    let words = words.trim_start_matches(last_words::ERROR).trim();
                    format!("it said “{words}”, and {} has the rest", log.display())
                }
            };
            let stays = how.starts_with("exit code 0");
            let what = match stays {
                true => "the flag that keeps it in the foreground",
                false => "its arguments: {host} and the declared ports are each node's own",
            };
            let write = to_write(self.target.place_of("command"), "command", what);
            Some(format!("n{number} ended at once with {how}: {said}{write}"))
        })
    }

    fn node(&self, number: u32) -> &Node {
        self.nodes.get(&number).expect("node numbers come from this cluster")
    }

    fn running(&self, number: u32) -> Result<Child, String> {
        let child = self.child(number).ok_or_else(|| format!("n{number} was never started"))?;
        match child.exit() {
            None => Ok(child),
            Some(how) => Err(format!("n{number} had already ended with {how}")),
        }
    }
}

/// `n3.journal`, `n3-again.journal`, `n3-again-again.journal`.
fn journal_of_next_life(journal: &Path) -> PathBuf {
    let mut stem = journal.file_stem().unwrap_or_default().to_owned();
    stem.push("-again");
    let extension = journal.extension().unwrap_or_default();
    journal.with_file_name(stem).with_extension(extension)
}

fn send(child: &Child, signal: Signal) -> Result<(), String> {
    match child.signal(signal) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("process {} has already ended", child.pid())),
        Err(error) => Err(format!("{signal} to process {}: {error}", child.pid())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_node_never_writes_over_the_journals_of_its_first_life() {
        let first = Path::new("journal/n3.journal");
        let second = journal_of_next_life(first);
        assert_eq!(second, Path::new("journal/n3-again.journal"));
        assert_eq!(journal_of_next_life(&second), Path::new("journal/n3-again-again.journal"));
    }
}
