//! The load generator: closed-loop clients, one connection each, all on one node.
//!
//! Every contender is driven by this same code. It runs on one thread of its own, so that what it costs
//! is one core at most, known, and the same for all; a client sends its next operation when the last one
//! was answered. Reads are compared with what was written: a fast wrong answer is an error.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use hdrhistogram::Histogram;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::direct::{DirectClient, Protocol, Refused};
use whitewater_server::clock::monotonic_ns;

/// Keys that operations choose from, uniformly.
const KEYS: usize = 1000;

/// Operations before the measured ones: connections, caches and batch sizes settle.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long connecting and writing all keys once may take.
const PREPARATION_DEADLINE: Duration = Duration::from_secs(60);

/// How long the last operations may take after the window; unanswered ones are abandoned and not counted.
const LAST_ANSWERS_DEADLINE: Duration = Duration::from_secs(10);

/// A client whose operation failed waits this long: a dead node must not turn the loop into a storm.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(10);

/// The longest latency the histogram can hold; longer ones count as this.
const LATENCY_US_MAX: u64 = 60_000_000;

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Writes of a value of the given size.
    Put,
    /// Linearizable reads.
    Get,
}

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) protocol: Protocol,
    pub(super) address: SocketAddr,
    pub(super) clients: usize,
    pub(super) operation: Operation,
    pub(super) value_bytes: usize,
    pub(super) time: Duration,
}

/// When operations count: those that were answered from `begin_ns` until `end_ns`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) begin_ns: u64,
    pub(super) end_ns: u64,
}

impl Window {
    fn after_warm_up(now_ns: u64, time: Duration) -> Window {
        let begin_ns = now_ns + nanoseconds(WARM_UP);
        Window { begin_ns, end_ns: begin_ns + nanoseconds(time) }
    }

    fn holds(self, time_ns: u64) -> bool {
        (self.begin_ns..self.end_ns).contains(&time_ns)
    }
}

/// What was counted inside the window.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Of acknowledged operations, in microseconds.
    pub(super) latencies_us: Histogram<u64>,
    /// Operations that failed or read something else than was written.
    pub(super) errors: u64,
    /// What the first of them said.
    pub(super) first_error: Option<String>,
}

impl Tally {
    pub(super) fn new() -> Tally {
        let latencies_us =
            Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("these bounds are valid");
        Tally { latencies_us, errors: 0, first_error: None }
    }

    pub(super) fn count(&mut self, latency_ns: u64, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.latencies_us.saturating_record((latency_ns / 1000).max(1)),
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert(error);
            }
        }
    }
}

/// A generator at work.
#[derive(Debug)]
pub(super) struct Running {
    window: oneshot::Receiver<Window>,
    tally: oneshot::Receiver<Result<Tally>>,
}

impl Running {
    /// Waits until all clients are connected and all keys written.
    pub(super) async fn window(&mut self) -> Option<Window> {
        (&mut self.window).await.ok()
    }

    /// Waits for the end; call it after the window, or when there was none.
    pub(super) async fn tally(self) -> Result<Tally> {
        self.tally.await.map_err(|_| anyhow!("the load generator panicked"))?
    }
}

/// Starts generating. The window begins a second after the last key was written.
pub(super) fn start(load: Load) -> Result<Running> {
    let (announce, window) = oneshot::channel();
    let (finish, tally) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a runtime")?;
    let work = move || {
        // An interrupted benchmark does not wait for the tally.
        let _ = finish.send(runtime.block_on(generate(load, announce)));
    };
    thread::Builder::new()
        .name("load".into())
        .spawn(work)
        .context("start the load generator's thread")?;
    Ok(Running { window, tally })
}

async fn generate(load: Load, announce: oneshot::Sender<Window>) -> Result<Tally> {
    let script = Arc::new(Script::new(load.operation, load.value_bytes));
    let prepared = tokio::time::timeout(PREPARATION_DEADLINE, prepare(load, &script)).await;
    let clients = prepared.map_err(|_| {
        anyhow!(
            "{} clients did not connect and write {KEYS} keys within {PREPARATION_DEADLINE:?}",
            load.clients
        )
    })??;
    let window = Window::after_warm_up(monotonic_ns(), load.time);
    // Whoever started this may have given up; then nobody asks for the tally either.
    let _ = announce.send(window);
    let tally = Arc::new(Mutex::new(Tally::new()));
    let mut loops = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        loops.spawn(closed_loop(number as u64, client, script.clone(), window, tally.clone()));
    }
    let all_ended = async { while loops.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(WARM_UP + load.time + LAST_ANSWERS_DEADLINE, all_ended).await;
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if tally.latencies_us.is_empty() {
        let why = tally.first_error.as_deref().unwrap_or("no operation was answered");
        bail!("no operation of {} clients succeeded within {:?}: {why}", load.clients, load.time);
    }
    Ok(tally)
}

/// Connects every client, and has the first ones write all keys, so that reads find something.
async fn prepare(load: Load, script: &Arc<Script>) -> Result<Vec<DirectClient>> {
    let mut clients = Vec::with_capacity(load.clients);
    for number in 1..=load.clients {
        let client = DirectClient::connect(load.protocol, load.address, PREPARATION_DEADLINE).await;
        clients
            .push(client.with_context(|| format!("connect client {number} of {}", load.clients))?);
    }
    let mut writers = JoinSet::new();
    for (number, mut client) in clients.iter().cloned().enumerate() {
        let script = script.clone();
        let step = load.clients;
        writers.spawn(async move {
            for key in script.keys.iter().skip(number).step_by(step) {
                client
                    .put(key, script.value.clone())
                    .await
                    .with_context(|| format!("write key {key}"))?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written.context("write all keys")??;
    }
    Ok(clients)
}

async fn closed_loop(
    number: u64,
    mut client: DirectClient,
    script: Arc<Script>,
    window: Window,
    tally: Arc<Mutex<Tally>>,
) {
    let mut dice = ChaCha8Rng::seed_from_u64(number);
    loop {
        let invoked_ns = monotonic_ns();
        if invoked_ns >= window.end_ns {
            return;
        }
        let key = &script.keys[dice.random_range(0..KEYS)];
        let outcome = script.carry_out(&mut client, key).await;
        let answered_ns = monotonic_ns();
        let has_failed = outcome.is_err();
        if window.holds(answered_ns) {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.count(answered_ns - invoked_ns, outcome);
        }
        if has_failed {
            tokio::time::sleep(PAUSE_AFTER_ERROR).await;
        }
    }
}

/// The keys, the value and the operation: the same for every client.
#[derive(Debug)]
struct Script {
    operation: Operation,
    keys: Vec<String>,
    value: Bytes,
}

impl Script {
    fn new(operation: Operation, value_bytes: usize) -> Script {
        let mut value = vec![0; value_bytes];
        ChaCha8Rng::seed_from_u64(0).fill_bytes(&mut value);
        Script {
            operation,
            keys: (0..KEYS).map(|key| format!("key-{key:04}")).collect(),
            value: value.into(),
        }
    }

    async fn carry_out(&self, client: &mut DirectClient, key: &str) -> Result<(), String> {
        match self.operation {
            Operation::Put => client.put(key, self.value.clone()).await.map_err(in_words),
            Operation::Get => self.compare(key, client.get(key).await.map_err(in_words)?.as_ref()),
        }
    }

    /// A read that does not find what was written is no answer, however fast it came.
    fn compare(&self, key: &str, read: Option<&Bytes>) -> Result<(), String> {
        match read {
            Some(value) if *value == self.value => Ok(()),
            Some(_) => Err(format!("{key} holds another value than was written")),
            None => Err(format!("{key} is absent though it was written")),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is a function for map_err")]
fn in_words(refused: Refused) -> String {
    refused.to_string()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("run times are far below 500 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_inside_the_window_count() {
        let window = Window::after_warm_up(500, Duration::from_secs(2));
        assert_eq!((window.begin_ns, window.end_ns), (1_000_000_500, 3_000_000_500));
        assert!(!window.holds(1_000_000_499));
        assert!(window.holds(1_000_000_500));
        assert!(!window.holds(3_000_000_500));
    }

    #[test]
    fn failures_are_counted_apart_and_the_first_is_kept() {
        let mut tally = Tally::new();
        tally.count(1_500, Ok(()));
        tally.count(400, Ok(()));
        tally.count(u64::MAX, Ok(()));
        tally.count(1, Err("first".into()));
        tally.count(1, Err("second".into()));
        assert_eq!((tally.latencies_us.len(), tally.errors), (3, 2));
        assert_eq!(tally.latencies_us.min(), 1, "less than a microsecond counts as one");
        assert_eq!(tally.first_error.as_deref(), Some("first"));
    }

    #[test]
    fn a_read_of_something_else_than_was_written_is_an_error() {
        let script = Script::new(Operation::Get, 16);
        assert_eq!(script.compare("k", Some(&script.value)), Ok(()));
        assert!(
            script.compare("k", Some(&Bytes::from_static(b"x"))).unwrap_err().contains("another")
        );
        assert!(script.compare("k", None).unwrap_err().contains("k is absent"));
    }

    #[tokio::test]
    async fn a_generator_without_a_server_says_what_it_could_not_reach() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let load = Load {
            protocol: Protocol::Etcd,
            address: port,
            clients: 2,
            operation: Operation::Get,
            value_bytes: 8,
            time: Duration::from_millis(1),
        };
        let mut running = start(load).unwrap();
        assert!(running.window().await.is_none(), "there is no window without a connection");
        let message = format!("{:#}", running.tally().await.unwrap_err());
        assert!(
            message.contains("connect client 1 of 2") && message.contains(&port.to_string()),
            "{message}"
        );
    }
}
