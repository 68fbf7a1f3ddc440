//! What ends a run from outside: SIGINT, SIGTERM, and the limit of its time.
//!
//! The first signal ends the run in good order, the second one at once. This has a thread of its own,
//! so that it works even where everything else hangs.

use std::thread;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Exit;

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
    loop {
        let exit = tokio::select! {
            _ = interrupts.recv() => Exit::Interrupted,
            _ = terminations.recv() => Exit::Terminated,
            () = &mut limit_reached => {
                anstream::eprintln!("error: the run hangs: this is a bug of whitewater");
                Exit::Internal
            }
        };
        if exit == Exit::Internal || seen.borrow().is_some() {
            // No more good order. The servers die with this process.
            std::process::exit(exit.code().into());
        }
        seen.send_replace(Some(exit));
    }
}
