//! One listener in front of one server, for one party that calls it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::connection::{Path, carry};
use super::deaf;
use crate::dice::Dice;

/// Connections one link holds at a time. Far above what a client pool or a peer opens; a caller that
/// reconnects without end during a block is reset beyond it.
const CONNECTIONS_MAX: usize = 512;

/// A running listener; ends, with its connections, when dropped.
#[derive(Debug)]
pub(super) struct Link {
    address: SocketAddr,
    task: AbortHandle,
}

impl Link {
    /// Listens on a free port of `ip` and carries what connects there to where `path` leads.
    pub(super) async fn listen(ip: IpAddr, path: Path, dice: Dice) -> io::Result<Self> {
        let listener = TcpListener::bind((ip, 0)).await.map_err(|error| {
            io::Error::new(error.kind(), format!("listen on a free port of {ip}: {error}"))
        })?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, path, dice)).abort_handle();
        Ok(Self { address, task })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, path: Path, mut dice: Dice) {
    let mut connections = JoinSet::new();
    loop {
        let near = tokio::select! {
            biased;
            () = path.blocked() => {
                // The handshake of a new connection needs both directions.
                deaf::until_healed(&listener, &path).await;
                continue;
            }
            near = next(&listener, &mut connections) => near,
        };
        let Some(near) = near else { continue };
        if connections.len() >= CONNECTIONS_MAX {
            let _ = near.set_zero_linger();
            continue;
        }
        connections.spawn(carry(near, path.clone(), Dice::new(dice.draw(), 0)));
    }
}

/// The next connection; reaps ended ones meanwhile.
async fn next(listener: &TcpListener, connections: &mut JoinSet<()>) -> Option<TcpStream> {
    tokio::select! {
        accepted = listener.accept() => match accepted {
            Ok((stream, _)) => Some(stream),
            Err(_) => {
                // Out of file descriptors, or the caller is gone already: an accept loop without a
                // pause would eat a core.
                tokio::time::sleep(Duration::from_millis(10)).await;
                None
            }
        },
        Some(_) = connections.join_next() => None,
    }
}
