//! A cluster of servers in one process, each in a runtime of its own, over real gRPC on real ports.
//!
//! `kill` drops a node's runtime with everything in it; what its disk thread was given is still
//! written, so this is a crash of the software and not of the disk (tests/recovery.rs has those).

#![allow(dead_code, reason = "each test binary uses its own part of the harness")]
#![expect(clippy::unwrap_used, reason = "a harness fails the test it is used in")]

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tonic::transport::Channel;
use whitewater_proto::{admin, kv};
use whitewater_server::{Config, ServeError, serve, serve_on};

/// Longest wait for anything. Far more than it takes, so that a loaded machine does not fail a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Cluster {
    pub(crate) addresses: BTreeMap<u64, SocketAddr>,
    nodes: BTreeMap<u64, Running>,
    folder: TempDir,
    adjust: fn(&mut Config),
}

struct Running {
    runtime: Runtime,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<Result<(), ServeError>>,
}

impl Cluster {
    /// Starts `count` nodes whose settings `adjust` has changed.
    pub(crate) fn start(count: u64, adjust: fn(&mut Config)) -> Cluster {
        let listeners: BTreeMap<u64, TcpListener> =
            (1..=count).map(|id| (id, TcpListener::bind("127.0.0.1:0").unwrap())).collect();
        let addresses = listeners.iter().map(|(id, l)| (*id, l.local_addr().unwrap())).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Cluster { addresses, nodes: BTreeMap::new(), folder, adjust };
        for (id, listener) in listeners {
            let config = cluster.config(id);
            cluster.launch(id, |stop| async { serve_on(config, listener, stop).await });
        }
        cluster
    }

    pub(crate) fn config(&self, id: u64) -> Config {
        let mut config = Config::new(id, "test", self.addresses[&id], self.data_dir(id));
        config.peers = self
            .addresses
            .iter()
            .filter(|(peer, _)| **peer != id)
            .map(|(peer, address)| (*peer, address.to_string()))
            .collect();
        config.trace = Some(self.trace(id));
        (self.adjust)(&mut config);
        config
    }

    pub(crate) fn data_dir(&self, id: u64) -> PathBuf {
        self.folder.path().join(format!("n{id}"))
    }

    pub(crate) fn trace(&self, id: u64) -> PathBuf {
        self.folder.path().join(format!("n{id}.jsonl"))
    }

    /// Ends a node without a word.
    pub(crate) fn kill(&mut self, id: u64) {
        let running = self.nodes.remove(&id).expect("the node runs");
        // A runtime may not be dropped inside another one.
        std::thread::spawn(move || running.runtime.shutdown_timeout(PATIENCE)).join().unwrap();
    }

    /// Ends a node as SIGTERM would.
    pub(crate) async fn stop(&mut self, id: u64) -> Result<(), ServeError> {
        let running = self.nodes.remove(&id).expect("the node runs");
        let _ = running.stop.send(());
        let result = tokio::time::timeout(PATIENCE, running.ended).await;
        running.runtime.shutdown_background();
        result.expect("the node ends").expect("the node tells how")
    }

    /// Starts a node that was killed or stopped.
    pub(crate) fn restart(&mut self, id: u64) {
        let config = self.config(id);
        self.launch(id, |stop| async { serve(config, stop).await });
    }

    /// Starts one more node, which is no member yet, and returns its address.
    pub(crate) fn join(&mut self, id: u64) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        self.addresses.insert(id, address);
        let config = Config { join: true, ..self.config(id) };
        self.launch(id, |stop| async { serve_on(config, listener, stop).await });
        address.to_string()
    }

    fn launch<F>(&mut self, id: u64, serve: impl FnOnce(Stop) -> F)
    where
        F: Future<Output = Result<(), ServeError>> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (tell, ended) = oneshot::channel();
        let serving = serve(Box::pin(async {
            // A dropped sender means that the whole node is being dropped.
            let _ = stopped.await;
        }));
        runtime.spawn(async move { tell.send(serving.await) });
        self.nodes.insert(id, Running { runtime, stop, ended });
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.nodes.keys().copied().collect()
    }

    pub(crate) fn channel(&self, id: u64) -> Channel {
        let uri = format!("http://{}", self.addresses[&id]);
        tonic::transport::Endpoint::from_shared(uri).unwrap().connect_lazy()
    }

    pub(crate) fn kv(&self, id: u64) -> kv::kv_client::KvClient<Channel> {
        kv::kv_client::KvClient::new(self.channel(id))
    }

    pub(crate) fn admin(&self, id: u64) -> admin::admin_client::AdminClient<Channel> {
        admin::admin_client::AdminClient::new(self.channel(id))
    }

    pub(crate) async fn status(&self, id: u64) -> Option<admin::StatusReply> {
        let reply = self.admin(id).status(admin::StatusRequest {}).await;
        reply.ok().map(tonic::Response::into_inner)
    }

    /// Waits until a majority agrees on a leader, and returns it.
    pub(crate) async fn leader(&self) -> u64 {
        wait_for("a leader that a majority follows", async || {
            let mut followers = BTreeMap::<(u64, u64), usize>::new();
            for id in self.ids() {
                if let Some(status) = self.status(id).await {
                    *followers.entry((status.term, status.leader_id)).or_default() += 1;
                }
            }
            let majority = self.addresses.len() / 2 + 1;
            let found = followers.into_iter().find(|((_, id), n)| *id != 0 && *n >= majority);
            found.map(|((_, leader), _)| leader)
        })
        .await
    }

    /// Waits until all running nodes have applied the same entries, and returns their state hash.
    pub(crate) async fn settled(&self) -> u64 {
        wait_for("equal state on all nodes", async || {
            let mut states = Vec::new();
            for id in self.ids() {
                let status = self.status(id).await?;
                states.push((status.applied, status.chain, status.state_hash));
            }
            states.dedup();
            (states.len() == 1).then(|| states[0].2)
        })
        .await
    }

    /// Puts a value, at whatever node leads, until it is done.
    pub(crate) async fn put(&self, key: &str, value: &str) {
        wait_for("a put to succeed", async || {
            let leader = self.leader().await;
            self.write(leader, write(key, put(value))).await.ok()
        })
        .await;
    }

    /// One try of a write.
    pub(crate) async fn write(
        &self,
        id: u64,
        request: kv::WriteRequest,
    ) -> Result<kv::write_reply::Outcome, String> {
        let reply = self.kv(id).write(request).await.map_err(|status| status.to_string())?;
        match reply.into_inner().outcome.expect("a reply has an outcome") {
            kv::write_reply::Outcome::Failure(failure) => Err(format!("{failure:?}")),
            done => Ok(done),
        }
    }

    /// One try of a read; the outer option is the answer.
    pub(crate) async fn get(&self, id: u64, key: &str) -> Result<Option<String>, kv::Failure> {
        let request = kv::GetRequest { key: key.into(), ..kv::GetRequest::default() };
        let reply = self.kv(id).get(request).await.unwrap().into_inner();
        match reply.outcome.expect("a reply has an outcome") {
            kv::get_reply::Outcome::Value(value) => {
                Ok(value.data.map(|data| String::from_utf8(data.to_vec()).unwrap()))
            }
            kv::get_reply::Outcome::Failure(failure) => Err(failure),
        }
    }

    /// Reads until the node answers.
    pub(crate) async fn get_soon(&self, id: u64, key: &str) -> Option<String> {
        wait_for("a get to be answered", async || self.get(id, key).await.ok()).await
    }

    pub(crate) async fn open_session(&self) -> u64 {
        wait_for("a session to open", async || {
            let leader = self.leader().await;
            let reply = self.kv(leader).open_session(kv::OpenSessionRequest {}).await.ok()?;
            match reply.into_inner().outcome? {
                kv::open_session_reply::Outcome::SessionId(id) => Some(id),
                kv::open_session_reply::Outcome::Failure(_) => None,
            }
        })
        .await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for running in std::mem::take(&mut self.nodes).into_values() {
            running.runtime.shutdown_background();
        }
    }
}

/// What tells a node to stop.
pub(crate) type Stop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Asks again and again until there is an answer.
pub(crate) async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn write(key: &str, operation: kv::write_request::Operation) -> kv::WriteRequest {
    kv::WriteRequest { key: key.into(), operation: Some(operation), ..kv::WriteRequest::default() }
}

pub(crate) fn put(value: &str) -> kv::write_request::Operation {
    kv::write_request::Operation::Put(kv::Put { value: value.to_owned().into() })
}

pub(crate) fn append(suffix: &str) -> kv::write_request::Operation {
    kv::write_request::Operation::Append(kv::Append { suffix: suffix.to_owned().into() })
}

pub(crate) fn cas(expected: Option<&str>, new: Option<&str>) -> kv::write_request::Operation {
    let bytes = |text: Option<&str>| text.map(|text| text.to_owned().into());
    kv::write_request::Operation::Cas(kv::Cas { expected: bytes(expected), new: bytes(new) })
}
