//! The bundled server: a key-value store on Raft, made to be tested against.
//!
//! A request's way through the crate, from the outside in:
//!
//! - `rpc` takes gRPC apart, for clients (`kv`), peers (`raft`) and operators (`admin`), all on one
//!   port. Generated types appear nowhere else.
//! - `run` is the loop that owns everything: it takes inputs in batches, ticks, and gives a node its
//!   sockets, disk and trace.
//! - [`node`] is that node without I/O: the protocol core ([`whitewater_raft`]), the state machine
//!   ([`machine`], on [`kv`] and [`session`]), and who waits for what.
//! - [`journal`] notes what the core is told and answers, and replays it.
//! - [`storage`] keeps term, vote, log and snapshots, on a thread of its own.
//! - [`mutants`] breaks one rule at a time.
//!
//! What is not here: the protocol itself (`whitewater-raft`), starting and killing processes (the
//! runner), and judging what happened (`whitewater-checker`).

pub mod answer;
pub mod chunks;
pub mod clock;
pub mod command;
mod config;
mod event_loop;
mod inbox;
pub mod intake;
pub mod journal;
pub mod kv;
pub mod log;
pub mod machine;
mod metrics;
pub mod mutants;
pub mod node;
mod rpc;
pub mod session;
pub mod storage;
mod tls_files;
pub mod trace;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

pub use config::Config;
pub use mutants::Mutant;
pub use rpc::Tls;
pub use tls_files::TlsFiles;

/// Why a server could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings make no sense.
    #[error("{0}")]
    Config(String),
    /// The disk cannot be used, or can no longer be trusted.
    #[error(transparent)]
    Storage(#[from] storage::StorageError),
    /// What the disk holds is not readable.
    #[error(transparent)]
    SnapshotData(#[from] machine::SnapshotDataError),
    /// The port is taken, or may not be used.
    #[error("listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The trace cannot be written, so the node must not act any more.
    #[error("write trace {}: {source}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The journal cannot be written, and it was asked for.
    #[error("write journal {}: {source}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The gRPC server or a thread failed.
    #[error("run the server: {0}")]
    Internal(String),
}

impl ServeError {
    /// The process's exit code: 2 settings, 4 environment, 70 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            ServeError::Config(_) => 2,
            ServeError::Storage(_)
            | ServeError::Listen { .. }
            | ServeError::Trace { .. }
            | ServeError::Journal { .. } => 4,
            ServeError::SnapshotData(_) | ServeError::Internal(_) => 70,
        }
    }
}

/// Runs a server until `stop` is ready. A leader hands its leadership over first.
pub async fn serve(config: Config, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    let address = config.listen;
    let listener =
        TcpListener::bind(address).map_err(|source| ServeError::Listen { address, source })?;
    serve_on(config, listener, stop).await
}

/// Runs a server on a listener that is already bound.
pub async fn serve_on(
    config: Config,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    config.check()?;
    event_loop::serve(config, listener, stop).await
}
