//! The bundled server as a target: `whitewater server`, of this executable or of another build.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use whitewater_checker::Promises;
use whitewater_checker::promises::ElectionSettings;
use whitewater_proto::admin::admin_client::AdminClient;
use whitewater_proto::admin::change_membership_request::Change as MemberChange;
use whitewater_proto::admin::{
    ChangeMembershipRequest, ChangeReply, StatusReply, StatusRequest, TransferLeadershipRequest,
};
use whitewater_proto::kv::kv_client::KvClient;
use whitewater_proto::kv::{self, get_reply, open_session_reply, write_reply, write_request};

use super::{
    ANSWER_GRACE, Answer, Answered, Build, Change, Client, Members, NodeSetup, NodeStatus,
    Operator, Pending, Probe, Request, Setback, SetbackKind, Target, Wish,
};
use whitewater_processes::{Launch, OWN_PROGRAM};

/// A connection that is not made by then is not going to be; short, so that a client of a dead node
/// moves on.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// The name a user asks for.
pub(super) const NAME: &str = "bundled";

/// Votes on loopback are in within a tick; what a busy machine adds is `LOAD`'s to cover.
const VOTES_MS: u64 = 10;
/// A machine that runs other things beside a cluster is at worst so many times slower: a bound that load
/// alone can break would make a violation out of a slow machine.
const LOAD: u64 = 2;
/// A client's operation deadline, twice: one to find the leader, one to be answered.
const CLIENT_MS: u64 = 2_000;

/// What the server promises with its default settings.
pub(super) fn promises(nodes: u32) -> Promises {
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let config = whitewater_server::Config::new(1, "", any, std::path::PathBuf::new());
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let settings = ElectionSettings {
        nodes,
        timeout_ms: (ms(config.election_timeout_min), ms(config.election_timeout_max)),
        tick_ms: ms(config.tick),
        window_ms: VOTES_MS,
        load: LOAD,
        client_ms: CLIENT_MS,
        pre_vote: true,
    };
    Promises::of(&settings).expecting(&settings).allowing(&settings)
}

/// The bundled server.
#[derive(Clone, Debug)]
pub(crate) struct Bundled {
    build: Build,
}

impl Bundled {
    /// A build of it; this executable where none is named.
    pub(crate) fn new(build: Build) -> Self {
        Self { build }
    }
}

impl Target for Bundled {
    fn name(&self) -> &'static str {
        NAME
    }

    fn launch(&self, node: &NodeSetup) -> Launch {
        let mut arguments: Vec<OsString> = vec!["server".into()];
        let mut flag = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        flag("--node-id", node.number.to_string().into());
        flag("--cluster-id", node.cluster_id.clone().into());
        flag("--listen", node.listen.to_string().into());
        for (peer, address) in &node.peers {
            flag("--peer", format!("{peer}={address}").into());
        }
        flag("--data-dir", node.data_dir.clone().into());
        flag("--trace", node.trace.clone().into());
        if let Some(journal) = &node.journal {
            flag("--journal", journal.clone().into());
        }
        flag("--color", "never".into());
        if let Some(mutant) = &self.build.mutant {
            flag("--mutant", mutant.into());
        }
        if node.joins {
            arguments.push("--join".into());
        }
        arguments.extend(self.build.arguments.iter().cloned());
        let program = self.build.program.clone().unwrap_or_else(|| OWN_PROGRAM.into());
        Launch { program, arguments, log: node.log.clone() }
    }

    fn client(&self, addresses: BTreeMap<u32, SocketAddr>) -> Box<dyn Client> {
        Box::new(BundledClient { channels: Channels::new(addresses) })
    }

    fn probe(&self, addresses: BTreeMap<u32, SocketAddr>) -> Arc<dyn Probe> {
        Arc::new(BundledAdmin::new(addresses))
    }

    fn snapshot_arguments(&self, entries: u64) -> Option<Vec<OsString>> {
        Some(vec![format!("--snapshot-entries={entries}").into()])
    }

    fn operator(&self, addresses: BTreeMap<u32, SocketAddr>) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(BundledAdmin::new(addresses)))
    }
}

/// One lazily made connection per node.
#[derive(Debug)]
struct Channels {
    addresses: BTreeMap<u32, SocketAddr>,
    open: BTreeMap<u32, Channel>,
}

impl Channels {
    fn new(addresses: BTreeMap<u32, SocketAddr>) -> Self {
        Self { addresses, open: BTreeMap::new() }
    }

    fn to(&mut self, node: u32) -> Result<Channel, Setback> {
        let Some(address) = self.addresses.get(&node) else {
            let reason = format!("node n{node} is not part of this cluster");
            return Err(Setback { is_indefinite: false, kind: SetbackKind::Later, reason });
        };
        Ok(self.open.entry(node).or_insert_with(|| lazy(*address)).clone())
    }

    /// Forgets a connection that did not answer: what stalls it may last longer than the fault.
    fn close(&mut self, node: u32) {
        self.open.remove(&node);
    }
}

fn lazy(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .expect("a socket address makes a valid URI")
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .connect_lazy()
}

struct BundledClient {
    channels: Channels,
}

impl Client for BundledClient {
    fn ask(
        &mut self,
        node: u32,
        request: Request,
        deadline: Duration,
    ) -> Pending<'_, Result<Answer, Setback>> {
        Box::pin(async move {
            let client = KvClient::new(self.channels.to(node)?);
            let result = match request {
                Request::OpenSession => open_session(client, deadline).await,
                Request::Get { key, leader_only } => get(client, key, leader_only, deadline).await,
                Request::Write { key, change, command } => {
                    write(client, key, operation(change), command, deadline).await
                }
            };
            if let Err(Setback { kind: SetbackKind::Unreachable, .. }) = &result {
                self.channels.close(node);
            }
            result.map(|answer| Answer {
                node: if answer.node == 0 { node } else { answer.node },
                ..answer
            })
        })
    }
}

fn operation(change: Change) -> write_request::Operation {
    match change {
        Change::Put(value) => write_request::Operation::Put(kv::Put { value }),
        Change::Cas { expected, new } => {
            write_request::Operation::Cas(kv::Cas { expected, new: Some(new) })
        }
        Change::Append(suffix) => write_request::Operation::Append(kv::Append { suffix }),
    }
}

async fn open_session(
    mut client: KvClient<Channel>,
    deadline: Duration,
) -> Result<Answer, Setback> {
    let reply = within(deadline, client.open_session(kv::OpenSessionRequest {})).await?;
    match reply.outcome {
        Some(open_session_reply::Outcome::SessionId(id)) => Ok(answer(Answered::Opened(id), None)),
        Some(open_session_reply::Outcome::Failure(failure)) => Err(setback(failure)),
        None => Err(empty_reply()),
    }
}

async fn get(
    mut client: KvClient<Channel>,
    key: String,
    leader_only: bool,
    deadline: Duration,
) -> Result<Answer, Setback> {
    let request = kv::GetRequest { key, deadline_ms: millis(deadline), leader_only };
    let reply = within(deadline, client.get(request)).await?;
    match reply.outcome {
        Some(get_reply::Outcome::Value(value)) => {
            Ok(answer(Answered::Value(value.data), reply.origin))
        }
        Some(get_reply::Outcome::Failure(failure)) => Err(setback(failure)),
        None => Err(empty_reply()),
    }
}

async fn write(
    mut client: KvClient<Channel>,
    key: String,
    operation: write_request::Operation,
    (session_id, sequence): (u64, u64),
    deadline: Duration,
) -> Result<Answer, Setback> {
    let (deadline_ms, operation) = (millis(deadline), Some(operation));
    let request = kv::WriteRequest { key, session_id, sequence, deadline_ms, operation };
    let reply = within(deadline, client.write(request)).await?;
    match reply.outcome {
        Some(write_reply::Outcome::Written(_)) => Ok(answer(Answered::Written, reply.origin)),
        Some(write_reply::Outcome::Mismatch(mismatch)) => {
            let seen = mismatch.seen.and_then(|seen| seen.data);
            Ok(answer(Answered::Mismatch(seen), reply.origin))
        }
        Some(write_reply::Outcome::Failure(failure)) => Err(setback(failure)),
        None => Err(empty_reply()),
    }
}

fn millis(deadline: Duration) -> u32 {
    u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX).max(1)
}

fn answer(result: Answered, origin: Option<kv::Origin>) -> Answer {
    let origin = origin.unwrap_or_default();
    let node = u32::try_from(origin.node_id).unwrap_or_default();
    Answer { result, node, term: (origin.term > 0).then_some(origin.term) }
}

async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Setback> {
    match tokio::time::timeout(deadline + ANSWER_GRACE, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(transport_setback(&status)),
        Err(_) => Err(Setback::silence(deadline)),
    }
}

/// A status other than OK comes from the transport. The request was certainly not sent only where
/// no connection was made.
fn transport_setback(status: &Status) -> Setback {
    let was_never_sent = status.code() == Code::Unavailable && has_connect_error(status);
    let reason = match std::error::Error::source(status) {
        Some(source) => format!("{}: {source}", status.message()),
        None => format!("{}: {}", status.code(), status.message()),
    };
    Setback::unreachable(!was_never_sent, reason)
}

fn has_connect_error(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        // The connector's errors are private types; their text is all there is to tell them by.
        let text = error.to_string();
        if text.contains("tcp connect error") || text.contains("error trying to connect") {
            return true;
        }
        cause = error.source();
    }
    false
}

fn setback(failure: kv::Failure) -> Setback {
    use kv::failure::Kind;
    let leader = failure.leader.as_ref().map(|leader| leader.node_id).filter(|node| *node > 0);
    let leader = leader.and_then(|node| u32::try_from(node).ok());
    let kind = match (failure.kind(), leader) {
        (Kind::NotLeader, Some(node)) => SetbackKind::Redirect(node),
        (Kind::NotLeader | Kind::NoLeader | Kind::LostLeadership | Kind::Overloaded, _) => {
            SetbackKind::Later
        }
        (Kind::TimedOut | Kind::Stopping, _) => SetbackKind::Unreachable,
        (Kind::UnknownSession | Kind::StaleSequence, _) => SetbackKind::SessionLost,
        (Kind::Invalid, _) => SetbackKind::Hopeless,
        (Kind::Unspecified, _) => SetbackKind::Later,
    };
    let name = failure.kind().as_str_name().to_lowercase().replace('_', " ");
    let reason =
        if failure.message.is_empty() { name } else { format!("{name}: {}", failure.message) };
    // An unknown kind is a newer server's: its own word on definiteness still counts.
    Setback { is_indefinite: failure.indefinite, kind, reason }
}

fn empty_reply() -> Setback {
    Setback {
        is_indefinite: true,
        kind: SetbackKind::Later,
        reason: "the reply holds neither an answer nor a failure".into(),
    }
}

/// The admin service of every node.
struct BundledAdmin {
    nodes: BTreeMap<u32, AdminClient<Channel>>,
}

impl BundledAdmin {
    fn new(addresses: BTreeMap<u32, SocketAddr>) -> Self {
        let connect = |(node, address)| (node, AdminClient::new(lazy(address)));
        Self { nodes: addresses.into_iter().map(connect).collect() }
    }
}

impl Operator for BundledAdmin {
    fn ask(&self, node: u32, wish: Wish, deadline: Duration) -> Pending<'_, Result<(), String>> {
        Box::pin(async move {
            let mut client = self.nodes.get(&node).ok_or("no such node")?.clone();
            let change = match wish {
                Wish::Transfer(target) => {
                    let target = u64::from(target.unwrap_or(0));
                    let request = TransferLeadershipRequest { target };
                    let call = client.transfer_leadership(request);
                    return answered(deadline, call).await;
                }
                Wish::AddLearner(node) => (MemberChange::AddLearner, node),
                Wish::Promote(node) => (MemberChange::Promote, node),
                Wish::Remove(node) => (MemberChange::Remove, node),
            };
            // No address: every node was told at its start how it reaches each other one, which is
            // through its own proxies.
            let request = ChangeMembershipRequest {
                change: change.0.into(),
                node_id: change.1.into(),
                address: String::new(),
            };
            answered(deadline, client.change_membership(request)).await
        })
    }
}

async fn answered(
    deadline: Duration,
    call: impl Future<Output = Result<tonic::Response<ChangeReply>, Status>>,
) -> Result<(), String> {
    match tokio::time::timeout(deadline, call).await {
        Ok(Ok(reply)) => match reply.into_inner() {
            ChangeReply { done: true, .. } => Ok(()),
            ChangeReply { message, .. } => Err(message),
        },
        Ok(Err(status)) => Err(transport_setback(&status).reason),
        Err(_) => Err(format!("nothing within {} ms", deadline.as_millis())),
    }
}

impl Probe for BundledAdmin {
    fn status(&self, node: u32, deadline: Duration) -> Pending<'_, Result<NodeStatus, String>> {
        Box::pin(async move {
            let client = self.nodes.get(&node).ok_or("no such node")?;
            let mut client = client.clone();
            let call = client.status(StatusRequest {});
            match tokio::time::timeout(deadline, call).await {
                Ok(Ok(reply)) => Ok(status_of(reply.into_inner())),
                Ok(Err(status)) => Err(transport_setback(&status).reason),
                Err(_) => Err(format!("no answer within {} ms", deadline.as_millis())),
            }
        })
    }
}

fn status_of(reply: StatusReply) -> NodeStatus {
    NodeStatus {
        role: reply.role.replace('-', "_"),
        term: reply.term,
        leader: u32::try_from(reply.leader_id).ok().filter(|leader| *leader > 0),
        commit: reply.commit,
        applied: reply.applied,
        state_hash: Some(format!("{:016x}", reply.state_hash)),
        chain: Some(format!("{:016x}", reply.chain)),
        version: reply.version,
        members: Members {
            voters: numbers(&reply.voters),
            outgoing: numbers(&reply.voters_outgoing),
            learners: numbers(&reply.learners),
            index: reply.membership_index,
        },
        transfer: u32::try_from(reply.transfer_target).ok().filter(|target| *target > 0),
    }
}

fn numbers(ids: &[u64]) -> BTreeSet<u32> {
    ids.iter().filter_map(|id| u32::try_from(*id).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: kv::failure::Kind, indefinite: bool, leader: u64) -> kv::Failure {
        let leader = (leader > 0).then(|| kv::Leader { node_id: leader, ..Default::default() });
        kv::Failure { kind: kind.into(), indefinite, message: String::new(), leader }
    }

    #[test]
    fn a_redirect_names_the_leader_and_an_entry_that_may_commit_is_indefinite() {
        let redirect = setback(failure(kv::failure::Kind::NotLeader, false, 3));
        assert_eq!(redirect.kind, SetbackKind::Redirect(3));
        assert!(!redirect.is_indefinite);
        let timed_out = setback(failure(kv::failure::Kind::TimedOut, true, 0));
        assert!(timed_out.is_indefinite);
        assert_eq!(timed_out.reason, "timed out");
    }

    #[tokio::test]
    async fn a_refused_connection_is_definite_and_a_silent_one_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let target = Bundled::new(Build::default());
        let mut client = target.client(BTreeMap::from([(1, address)]));
        let change = Change::Put("1".into());
        let request = Request::Write { key: "k".into(), change, command: (5, 1) };
        let silent = client.ask(1, request.clone(), Duration::from_millis(50)).await.unwrap_err();
        assert!(silent.is_indefinite, "{silent:?}");
        drop(listener);
        let refused = client.ask(1, request, Duration::from_millis(500)).await.unwrap_err();
        assert!(!refused.is_indefinite, "{refused:?}");
        assert_eq!(refused.kind, SetbackKind::Unreachable);
    }

    #[test]
    fn a_node_is_told_its_peers_and_its_mutant() {
        let target = Bundled::new(Build { mutant: Some("no-dedupe".into()), ..Build::default() });
        let node = NodeSetup {
            number: 2,
            cluster_id: "c".into(),
            listen: "127.7.7.2:7100".parse().unwrap(),
            peers: BTreeMap::from([(1, "127.7.7.1:9000".parse().unwrap())]),
            data_dir: "d".into(),
            trace: "t".into(),
            log: "l".into(),
            journal: Some("j/n2.journal".into()),
            joins: false,
        };
        let arguments = target.launch(&node).arguments;
        let line = arguments.join(std::ffi::OsStr::new(" ")).into_string().unwrap();
        assert!(line.starts_with("server --node-id 2 --cluster-id c --listen 127.7.7.2:7100"));
        assert!(line.contains("--journal j/n2.journal"), "{line}");
        assert!(line.contains("--peer 1=127.7.7.1:9000") && line.ends_with("--mutant no-dedupe"));
    }
}
