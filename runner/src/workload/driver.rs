//! Does on a real cluster what clients want: asks over the target's connections, sleeps, and feeds back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use whitewater_server::clock::monotonic_ns;

use super::{Client, Input, Operation, Shared, Step, Tally, Work};
use crate::record::Recorder;

/// A client with what it acts through.
pub(crate) struct Worker {
    /// What decides.
    pub(crate) client: Client,
    /// Its connections.
    pub(crate) connections: Box<dyn whitewater_target::Client>,
    /// Where the history goes.
    pub(crate) recorder: Recorder,
}

/// The clients of a run and what they share. Those at work end when this is dropped.
pub(crate) struct Crew {
    /// Whoever waits for a count waits here: every operation that ends is told.
    shared: Arc<watch::Sender<Shared>>,
    idle: Vec<Worker>,
    busy: JoinSet<Worker>,
}

impl Crew {
    /// Clients with nothing to do yet.
    pub(crate) fn new(workers: Vec<Worker>, shared: Shared) -> Self {
        Self { shared: Arc::new(watch::Sender::new(shared)), idle: workers, busy: JoinSet::new() }
    }

    /// What clients got so far.
    pub(crate) fn tally(&self) -> Tally {
        self.shared.borrow().tally.clone()
    }

    /// Waits until each of `kinds` was ok `least` times more than at `since`; `false` where the deadline
    /// passed first.
    pub(crate) async fn has_served(
        &self,
        kinds: &[(&'static str, u32)],
        since: &Tally,
        least: u64,
        deadline: Duration,
    ) -> bool {
        let mut shared = self.shared.subscribe();
        let enough = shared.wait_for(|shared| shared.tally.has_served(kinds, since, least));
        timeout(deadline, enough).await.is_ok()
    }

    /// Sets every client to work on whatever the workload says.
    pub(crate) fn load(&mut self) {
        self.begin(Work::Load);
    }

    /// Lets every client finish its operation. Who does not do so within the deadline is cut off: its
    /// operation has no completion, so that its outcome is unknown.
    pub(crate) async fn stop(&mut self, deadline: Duration) {
        self.begin(Work::Nothing);
        let _ = timeout(deadline, self.rest()).await;
        self.busy.shutdown().await;
    }

    /// Has all clients together perform a list of operations, each of which may take that long, and returns the
    /// operations that are known to have ended and how many were not answered.
    pub(crate) async fn sweep(&mut self, operations: Vec<Operation>, each: Duration) -> usize {
        let deadline_ns = u64::try_from(each.as_nanos()).unwrap_or(u64::MAX);
        self.idle.iter_mut().for_each(|worker| worker.client.set_deadline(deadline_ns));
        self.shared.send_modify(|shared| shared.unanswered = 0);
        self.begin(Work::list(operations));
        self.rest().await;
        // Where no client is left, all of it is.
        let shared = self.shared.borrow();
        let left = if let Work::List(list) = &shared.work { list.len() } else { 0 };
        shared.unanswered + left
    }

    /// How the workload ends: the operations of the final list.
    pub(crate) fn final_operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        self.shared.send_modify(|shared| operations = shared.generator.final_operations());
        operations
    }

    fn begin(&mut self, work: Work) {
        self.shared.send_modify(|shared| shared.work = work);
        for worker in self.idle.drain(..) {
            self.busy.spawn(drive(worker, self.shared.clone()));
        }
    }

    /// Until every client has nothing left to do.
    async fn rest(&mut self) {
        while let Some(worker) = self.busy.join_next().await {
            // A client that panicked is told by the panic hook and missed from then on.
            self.idle.extend(worker.ok());
        }
    }
}

/// Does what a client wants until it wants nothing.
async fn drive(mut worker: Worker, shared: Arc<watch::Sender<Shared>>) -> Worker {
    let mut input = Input::Woken;
    loop {
        input = match worker.step(input, &shared) {
            Step::Rest => return worker,
            Step::Wait { until_ns } => {
                match time_until(until_ns) {
                    Duration::ZERO => tokio::task::yield_now().await,
                    time => sleep(time).await,
                }
                Input::Woken
            }
            Step::Ask { node, request, deadline_ns } => {
                let ask = worker.connections.ask(node, request, time_until(deadline_ns));
                Input::Settled(ask.await)
            }
        };
    }
}

impl Worker {
    /// One client at a time has what they share.
    fn step(&mut self, input: Input, shared: &watch::Sender<Shared>) -> Step {
        let mut step = Step::Rest;
        shared.send_if_modified(|shared| {
            let before = shared.tally.total();
            step = self.client.step(monotonic_ns(), input, shared, &mut self.recorder);
            shared.tally.total() != before
        });
        step
    }
}

fn time_until(at_ns: u64) -> Duration {
    Duration::from_nanos(at_ns.saturating_sub(monotonic_ns()))
}
