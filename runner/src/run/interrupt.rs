//! What ends a run from outside: SIGINT, SIGTERM, and the limit of its time.
//!
//! The first signal ends the run in good order, one that comes later at once. Several within a second are
//! one request: `timeout` signals the process and then its whole group, a terminal and a supervisor may both
//! pass one on. This has a thread of its own, so that it works even where everything else hangs.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Exit;

/// Signals that come within this are one request.
const ONE_REQUEST: Duration = Duration::from_secs(1);

/// Listens for what ends a run.
pub(super) struct Interrupt {
    seen: watch::Receiver<Option<Exit>>,
}

impl Interrupt {
    /// Starts to listen. From here on the signals no longer end the process by themselves.
    pub(super) fn listen(limit: Duration) -> anyhow::Result<Self> {
        let (sender, seen) = watch::channel(None);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listen = move || {
            if let Err(error) = runtime.block_on(relay(&sender, limit)) {
                anstream::eprintln!(
                    "error: {error:#}: the run cannot be interrupted in good order"
                );
            }
        };
        thread::Builder::new().name("interrupt".into()).spawn(listen)?;
        Ok(Self { seen })
    }

    /// Waits for the first signal.
    pub(super) async fn wait(&self) -> Exit {
        let mut seen = self.seen.clone();
        match seen.wait_for(Option::is_some).await.map(|exit| *exit) {
            Ok(Some(exit)) => exit,
            // Nobody listens any more, and has said so.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

async fn relay(seen: &watch::Sender<Option<Exit>>, limit: Duration) -> anyhow::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminations = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let limit_reached = tokio::time::sleep(limit);
    tokio::pin!(limit_reached);
    let mut first: Option<Instant> = None;
    loop {
        let exit = tokio::select! {
            _ = interrupts.recv() => Exit::Interrupted,
            _ = terminations.recv() => Exit::Terminated,
            () = &mut limit_reached => {
                anstream::eprintln!("error: the run hangs: this is a bug of whitewater");
                Exit::Internal
            }
        };
        let since_first = first.map(|first| first.elapsed());
        match (exit, answer(since_first)) {
            // No more good order. The servers die with this process.
            (Exit::Internal, _) | (_, Answer::EndAtOnce) => std::process::exit(exit.code().into()),
            (_, Answer::EndInOrder) => {
                first = Some(Instant::now());
                seen.send_replace(Some(exit));
            }
            (_, Answer::Ignore) => {}
        }
    }
}

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    EndInOrder,
    /// It belongs to the request before.
    Ignore,
    EndAtOnce,
}

/// What a signal means that comes so long after the first one; `None`: it is the first.
fn answer(since_first: Option<Duration>) -> Answer {
    match since_first {
        None => Answer::EndInOrder,
        Some(since) if since < ONE_REQUEST => Answer::Ignore,
        Some(_) => Answer::EndAtOnce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_within_a_second_are_one_request_and_a_later_one_ends_at_once() {
        assert_eq!(answer(None), Answer::EndInOrder);
        assert_eq!(answer(Some(Duration::ZERO)), Answer::Ignore);
        assert_eq!(answer(Some(Duration::from_millis(999))), Answer::Ignore);
        assert_eq!(answer(Some(Duration::from_secs(1))), Answer::EndAtOnce);
    }
}
