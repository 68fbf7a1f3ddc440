//! A client for people: finds the leader, follows redirects, retries within a session.
//!
//! A write opens a session first and repeats its sequence number with every try, so that a retry cannot
//! apply it twice. What is left when the time is over is told honestly: a definite failure if no try can
//! have reached a log, and otherwise that nobody knows.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use tonic::transport::{Channel, Endpoint};

use crate::{Answer, Answered, Change, Next, Node, NodeStatus, Request, Setback, Wish};

/// Longest time for a connection, and for a try before the next node is asked.
const TRY_TIME: Duration = Duration::from_millis(1_500);
/// Between two tries at a cluster without a leader.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It was refused, and trying again is no use. It did not take effect.
    #[error("{0}")]
    Refused(String),
    /// No node could take it. It did not and will not take effect.
    #[error("no node could take it within {within:?}: {last}")]
    Unreachable {
        /// How long it was tried.
        within: Duration,
        /// What the last try said.
        last: String,
    },
    /// It may have taken effect, or may still.
    #[error("outcome unknown, it may have taken effect: {0}")]
    Unknown(String),
}

/// What a write came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It took effect.
    Done,
    /// The cas found this instead, and changed nothing; `None`: the key was absent.
    Mismatch(Option<Bytes>),
}

/// How to reach `host:port`.
pub type Connect = dyn Fn(&str) -> Result<Endpoint, tonic::transport::Error> + Send + Sync;

/// A client of a whole cluster.
pub struct Caller {
    endpoints: Vec<String>,
    nodes: BTreeMap<String, Node<Channel>>,
    /// Whom to ask next.
    current: String,
    patience: Duration,
    connect: Box<Connect>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl Caller {
    /// A client that knows these nodes (`host:port`) and gives up after `patience`.
    pub fn new(endpoints: Vec<String>, patience: Duration) -> Caller {
        let current = endpoints.first().cloned().unwrap_or_default();
        let connect = Box::new(|address: &str| Endpoint::from_shared(format!("http://{address}")));
        Caller { endpoints, nodes: BTreeMap::new(), current, patience, connect }
    }

    /// The same, connected otherwise: over TLS.
    #[must_use]
    pub fn over(self, connect: Box<Connect>) -> Caller {
        Caller { connect, ..self }
    }

    /// A linearizable read.
    ///
    /// # Errors
    /// Where nobody answered.
    pub async fn get(&mut self, key: &str) -> Result<Option<Bytes>, CallError> {
        let request = Request::Get { key: key.to_owned(), leader_only: false };
        match self.ask(request).await?.result {
            Answered::Value(value) => Ok(value),
            other => Err(odd(&other)),
        }
    }

    /// Changes a key, once.
    ///
    /// # Errors
    /// Where nobody answered.
    pub async fn write(&mut self, key: &str, change: Change) -> Result<Written, CallError> {
        let session = match self.ask(Request::OpenSession).await?.result {
            Answered::Opened(session) => session,
            other => return Err(odd(&other)),
        };
        let request = Request::Write { key: key.to_owned(), change, command: (session, 1) };
        match self.ask(request).await?.result {
            Answered::Written => Ok(Written::Done),
            Answered::Mismatch(seen) => Ok(Written::Mismatch(seen)),
            other => Err(odd(&other)),
        }
    }

    async fn ask(&mut self, request: Request) -> Result<Answer, CallError> {
        self.persist(async |mut node, time| node.ask(request.clone(), Some(time)).await).await
    }

    /// Asks the leader for a change of who leads or who belongs. `address` is where a node that is added is reached.
    ///
    /// # Errors
    /// Where nobody said that it is done.
    pub async fn wish(&mut self, wish: Wish, address: &str) -> Result<(), CallError> {
        // The reply names the leader by number alone.
        let statuses = self.statuses().await.into_iter();
        let known = statuses.filter_map(|(endpoint, status)| Some((status.ok()?.node, endpoint)));
        let known: BTreeMap<u32, String> = known.collect();
        self.persist(async |mut node, time| {
            node.wish(wish, address, Some(time)).await.map_err(|setback| match setback.next {
                Next::Leader { node, .. } => {
                    let address = known.get(&node).cloned().unwrap_or_default();
                    Setback { next: Next::Leader { node, address }, ..setback }
                }
                _ => setback,
            })
        })
        .await
    }

    /// What each known node says of itself, or why it says nothing.
    pub async fn statuses(&mut self) -> Vec<(String, Result<NodeStatus, String>)> {
        let mut found = Vec::new();
        for endpoint in self.endpoints.clone() {
            let status = self.status(&endpoint).await.map_err(|setback| setback.reason);
            found.push((endpoint, status));
        }
        found
    }

    async fn status(&mut self, endpoint: &str) -> Result<NodeStatus, Setback> {
        let status = self.node(endpoint).await?.status(Some(TRY_TIME)).await;
        status.inspect_err(|_| drop(self.nodes.remove(endpoint)))
    }

    /// Tries until there is an answer, or the patience is over.
    async fn persist<T>(
        &mut self,
        mut ask: impl AsyncFnMut(Node<Channel>, Duration) -> Result<T, Setback>,
    ) -> Result<T, CallError> {
        let until = Instant::now() + self.patience;
        let mut unknown: Option<String> = None;
        loop {
            let time = until.saturating_duration_since(Instant::now()).min(TRY_TIME);
            let address = self.current.clone();
            let tried = match self.node(&address).await {
                Err(setback) => Err(setback),
                Ok(node) => ask(node, time).await,
            };
            let Setback { is_indefinite, next, reason } = match tried {
                Ok(answer) => return Ok(answer),
                Err(setback) => setback,
            };
            if is_indefinite {
                unknown.get_or_insert_with(|| reason.clone());
            }
            let is_over = Instant::now() + PAUSE >= until;
            match next {
                Next::GiveUp | Next::NewSession if unknown.is_none() => {
                    return Err(CallError::Refused(reason));
                }
                Next::Leader { address, .. } if !is_over && !address.is_empty() => {
                    self.current = address;
                }
                Next::Leader { .. } | Next::Later | Next::Elsewhere if !is_over => {
                    self.turn(&address).await;
                }
                _ => {
                    return Err(match unknown {
                        Some(reason) => CallError::Unknown(reason),
                        None => CallError::Unreachable { within: self.patience, last: reason },
                    });
                }
            }
        }
    }

    /// Goes on to the node after this one.
    async fn turn(&mut self, address: &str) {
        self.nodes.remove(address);
        let place = self.endpoints.iter().position(|endpoint| endpoint == address);
        let next = place.map_or(0, |place| (place + 1) % self.endpoints.len());
        if let Some(endpoint) = self.endpoints.get(next) {
            self.current.clone_from(endpoint);
        }
        sleep(PAUSE).await;
    }

    async fn node(&mut self, address: &str) -> Result<Node<Channel>, Setback> {
        if let Some(node) = self.nodes.get(address) {
            return Ok(node.clone());
        }
        let failed = |error: &tonic::transport::Error| {
            Setback::unreachable(false, format!("connect to {address}: {}", root_cause(error)))
        };
        let endpoint = (self.connect)(address)
            .map_err(|error| Setback { next: Next::GiveUp, ..failed(&error) })?;
        let endpoint = endpoint.connect_timeout(TRY_TIME).tcp_nodelay(true);
        let node = Node::new(endpoint.connect().await.map_err(|error| failed(&error))?);
        self.nodes.insert(address.to_owned(), node.clone());
        Ok(node)
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn odd(answered: &Answered) -> CallError {
    CallError::Unknown(format!("the node answered with something else: {answered:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cluster_that_is_not_there_is_a_definite_failure() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut caller = Caller::new(vec![address], Duration::from_millis(200));
        let error = caller.write("k", Change::Delete).await.unwrap_err();
        assert!(matches!(error, CallError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_refused() {
        let mut caller = Caller::new(vec!["not an address".into()], Duration::from_millis(200));
        assert!(matches!(caller.get("k").await, Err(CallError::Refused(_))));
    }
}
