//! Does on a real cluster what clients want: asks over the target's connections, sleeps, and feeds back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use whitewater_server::clock::monotonic_ns;

use super::{Client, Input, Shared, Step};
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
    shared: Arc<Mutex<Shared>>,
    idle: Vec<Worker>,
    busy: JoinSet<Worker>,
}

impl Crew {
    /// Clients with nothing to do yet.
    pub(crate) fn new(workers: Vec<Worker>, shared: Shared) -> Self {
        Self { shared: Arc::new(Mutex::new(shared)), idle: workers, busy: JoinSet::new() }
    }

    /// Has somebody look at what clients share, and decide what there is to do.
    pub(crate) fn decide<R>(&self, decide: impl FnOnce(&mut Shared) -> R) -> R {
        decide(&mut locked(&self.shared))
    }

    /// Whether every client found nothing left to do.
    pub(crate) fn is_idle(&mut self) -> bool {
        while let Some(worker) = self.busy.try_join_next() {
            // A client that panicked is told by the panic hook and missed from then on.
            self.idle.extend(worker.ok());
        }
        self.busy.is_empty()
    }

    /// Sets every client to work on what there is to do, each operation within `each_ns` where that is new.
    pub(crate) fn work(&mut self, each_ns: Option<u64>) {
        for mut worker in self.idle.drain(..) {
            each_ns.into_iter().for_each(|each_ns| worker.client.set_deadline(each_ns));
            self.busy.spawn(drive(worker, self.shared.clone()));
        }
    }

    /// Cuts off whoever is at work.
    pub(crate) async fn dismiss(&mut self) {
        self.is_idle();
        self.busy.shutdown().await;
    }
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does what a client wants until it wants nothing.
async fn drive(mut worker: Worker, shared: Arc<Mutex<Shared>>) -> Worker {
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
    fn step(&mut self, input: Input, shared: &Mutex<Shared>) -> Step {
        self.client.step(monotonic_ns(), input, &mut locked(shared), &mut self.recorder)
    }
}

fn time_until(at_ns: u64) -> Duration {
    Duration::from_nanos(at_ns.saturating_sub(monotonic_ns()))
}
