//! A listener that hears nothing: how a connection attempt is lost as it is when packets are.
//!
//! Linux drops the SYN of a connection for which a listener's queue has no room, and the caller's kernel sends it again
//! after a second, and again. So a listener whose queue holds one connection, which nobody accepts, and has room
//! for no other, is as silent as a cut cable; and when the queue is emptied, attempts that wait get through by
//! themselves, by TCP's own repetition.

use std::io;
use std::time::Duration;

use nix::sys::socket::{Backlog, listen};
use tokio::net::{TcpListener, TcpStream};
use whitewater_redirect::connections_dropped;

use super::connection::{Path, reset};

/// Attempts that wait to be accepted while nothing is blocked; what the standard library asks for.
const QUEUE: i32 = 1024;
/// How often it is looked whether attempts were lost.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// On loopback a connection is there at once, unless somebody else's has filled the queue already.
const FILL_TIMEOUT: Duration = Duration::from_millis(20);

/// Hears nothing until the path is no longer blocked, and counts what was not heard.
pub(super) async fn until_healed(listener: &TcpListener, path: &Path) {
    set_queue(listener, 0);
    let filler = fill(listener).await;
    let mut heard_not = connections_dropped(listener).unwrap_or_default();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut is_healed = false;
    while !is_healed {
        let blocked = path.blocking();
        is_healed = tokio::select! {
            () = path.healed() => true,
            _ = looks.tick() => false,
        };
        let now = connections_dropped(listener).unwrap_or(heard_not);
        if let Some(blocked) = blocked {
            blocked.count_blocked_connections(now.wrapping_sub(heard_not).into());
        }
        heard_not = now;
    }
    drop(filler);
    // What was queued was connected against the block.
    while let Some(queued) = take_queued(listener).await {
        reset(queued);
    }
    set_queue(listener, QUEUE);
}

/// The kernel takes a new limit for a socket that listens already. Where it does not, connections made against a
/// block are accepted, and stall.
fn set_queue(listener: &TcpListener, limit: i32) {
    if let Ok(limit) = Backlog::new(limit) {
        let _ = listen(listener, limit);
    }
}

/// A queue of limit 0 has room for one.
async fn fill(listener: &TcpListener) -> io::Result<TcpStream> {
    let own = listener.local_addr()?;
    tokio::time::timeout(FILL_TIMEOUT, TcpStream::connect(own)).await?
}

/// One of those that wait; `None` where none does.
async fn take_queued(listener: &TcpListener) -> Option<TcpStream> {
    tokio::select! {
        biased;
        accepted = listener.accept() => accepted.ok().map(|(stream, _)| stream),
        () = std::future::ready(()) => None,
    }
}
