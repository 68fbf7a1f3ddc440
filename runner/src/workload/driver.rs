//! Keeps clients busy: at a rate while the run lasts, and once through a list at its end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Client, Generator, Operation, Outcome, Tally};

/// A client that fell further behind than this does not make up for it: the rate is a limit, and a
/// burst after every fault would be a load of its own.
const LAG_MAX: Duration = Duration::from_millis(100);
/// Attempts at one operation of the final list. Each is an operation of its own.
const SWEEP_ATTEMPTS: u32 = 3;

/// Clients at work; they end when this is dropped.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    clients: JoinSet<Client>,
}

impl Load {
    /// Sets clients to work, `rate` operations a second all together (0: no limit).
    pub(crate) fn start(
        clients: Vec<Client>,
        generator: &Arc<Mutex<Generator>>,
        tally: &Arc<Tally>,
        rate: u32,
    ) -> Self {
        let stop = watch::Sender::new(false);
        let pause = match rate {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64(clients.len() as f64 / f64::from(rate)),
        };
        let mut tasks = JoinSet::new();
        for (position, client) in clients.into_iter().enumerate() {
            let (generator, tally) = (generator.clone(), tally.clone());
            let stopped = stop.subscribe();
            // Spread over one pause, so that clients do not march in step.
            let first = Instant::now() + pause.mul_f64(0.1 * (position % 10) as f64);
            tasks.spawn(work(client, generator, tally, stopped, first, pause));
        }
        Self { stop, clients: tasks }
    }

    /// Lets every client finish its operation, and returns those that did so within the deadline.
    /// An operation that is cut off has no completion: its outcome is unknown.
    pub(crate) async fn stop(mut self, deadline: Duration) -> Vec<Client> {
        self.stop.send_replace(true);
        let mut clients = Vec::new();
        let join = async {
            while let Some(client) = self.clients.join_next().await {
                // A client that panicked is told by the panic hook and missed below.
                clients.extend(client.ok());
            }
        };
        let _ = tokio::time::timeout(deadline, join).await;
        clients
    }
}

async fn work(
    mut client: Client,
    generator: Arc<Mutex<Generator>>,
    tally: Arc<Tally>,
    stopped: watch::Receiver<bool>,
    first: Instant,
    pause: Duration,
) -> Client {
    let mut due = first;
    while !*stopped.borrow() {
        tokio::time::sleep_until(due).await;
        let may_change = client.may_change().await;
        let operation = lock(&generator).next(may_change, client.dice());
        let outcome = client.perform(&operation).await;
        lock(&generator).learn(&operation, &outcome);
        tally.count(operation.action.f(), &outcome);
        let now = Instant::now();
        due += pause;
        if due + LAG_MAX < now {
            due = now;
        }
        if pause.is_zero() {
            tokio::task::yield_now().await;
        }
    }
    client
}

fn lock(generator: &Mutex<Generator>) -> std::sync::MutexGuard<'_, Generator> {
    generator.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Performs a list of operations, divided among the clients. Returns how many were not answered.
pub(crate) async fn sweep(
    clients: Vec<Client>,
    operations: Vec<Operation>,
    tally: &Arc<Tally>,
) -> (Vec<Client>, usize) {
    let lists = clients.len().max(1);
    let mut shares: Vec<Vec<Operation>> = vec![Vec::new(); lists];
    for (position, operation) in operations.into_iter().enumerate() {
        shares[position % lists].push(operation);
    }
    let mut tasks = JoinSet::new();
    for (client, share) in clients.into_iter().zip(shares) {
        tasks.spawn(sweep_share(client, share, tally.clone()));
    }
    let (mut back, mut unanswered) = (Vec::new(), 0);
    while let Some(result) = tasks.join_next().await {
        if let Ok((client, missing)) = result {
            back.push(client);
            unanswered += missing;
        }
    }
    (back, unanswered)
}

async fn sweep_share(
    mut client: Client,
    share: Vec<Operation>,
    tally: Arc<Tally>,
) -> (Client, usize) {
    let mut unanswered = 0;
    for operation in share {
        let mut is_answered = false;
        for _ in 0..SWEEP_ATTEMPTS {
            client.ensure_session().await;
            let outcome = client.perform(&operation).await;
            tally.count(operation.action.f(), &outcome);
            is_answered = matches!(outcome, Outcome::Ok(_));
            // A change may not be repeated as a new operation: its value would not be unique.
            if is_answered || outcome == Outcome::Info {
                break;
            }
        }
        unanswered += usize::from(!is_answered);
    }
    (client, unanswered)
}
