//! A connection to a node, within the time that there is.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// A connection that is not made by then is not going to be.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Connects, or says why there is no connection; nothing was sent then.
pub(super) async fn connected(address: SocketAddr, until: Instant) -> Result<TcpStream, String> {
    let until = until.min(Instant::now() + CONNECT_TIMEOUT);
    let refused = |error: &dyn Display| format!("connect to {address}: {error}");
    let stream = match timeout_at(until, TcpStream::connect(address)).await {
        Ok(stream) => stream.map_err(|error| refused(&error))?,
        Err(_) => return Err(refused(&"no answer")),
    };
    stream.set_nodelay(true).map_err(|error| refused(&error))?;
    Ok(stream)
}
