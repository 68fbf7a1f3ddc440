//! What operators and the test runner ask: status, and changes of leader, members and log.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status};
use whitewater_proto::admin as wire;
use whitewater_raft::MembershipChange;

use super::Doors;
use crate::answer::{Failure, FailureKind, Outcome};
use crate::clock;
use crate::inbox::{Client, ClientRequest, NodeView};
use crate::log::role_name;

/// The service.
#[derive(Debug)]
pub(super) struct AdminService(pub(super) Doors);

impl AdminService {
    async fn change(&self, request: impl FnOnce(Client) -> ClientRequest) -> wire::ChangeReply {
        let wished = self.0.config.request_deadline;
        let deadline = Instant::now() + wished;
        let (reply, answer) = oneshot::channel();
        let failure = |failure: Failure| wire::ChangeReply {
            done: false,
            indefinite: failure.is_indefinite,
            message: failure.message,
            leader_id: failure.leader.unwrap_or(0),
        };
        if self.0.clients.try_send(request(Client { reply, deadline })).is_err() {
            return failure(Failure::definite(FailureKind::Overloaded, "the node is overloaded"));
        }
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => match answer.outcome {
                Outcome::Failure(found) => failure(found),
                _ => wire::ChangeReply { done: true, ..wire::ChangeReply::default() },
            },
            _ => failure(Failure::indefinite(
                FailureKind::TimedOut,
                format!("no answer in {wished:?}: it may still be done"),
            )),
        }
    }
}

#[tonic::async_trait]
impl wire::admin_server::Admin for AdminService {
    async fn status(
        &self,
        _request: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusReply>, Status> {
        let (reply, view) = oneshot::channel();
        let gone = || Status::unavailable("the node stops");
        self.0.clients.send(ClientRequest::Status(reply)).await.map_err(|_| gone())?;
        let wait = tokio::time::timeout(Duration::from_secs(5), view).await;
        let view = wait.map_err(|_| Status::deadline_exceeded("the node does not answer"))?;
        Ok(Response::new(self.status_reply(view.map_err(|_| gone())?)))
    }

    async fn transfer_leadership(
        &self,
        request: Request<wire::TransferLeadershipRequest>,
    ) -> Result<Response<wire::ChangeReply>, Status> {
        let target = Some(request.into_inner().target).filter(|target| *target != 0);
        let reply = self.change(|client| ClientRequest::Transfer { target, client }).await;
        Ok(Response::new(reply))
    }

    async fn change_membership(
        &self,
        request: Request<wire::ChangeMembershipRequest>,
    ) -> Result<Response<wire::ChangeReply>, Status> {
        use wire::change_membership_request::Change;
        let wire::ChangeMembershipRequest { change, node_id, address } = request.into_inner();
        let kind = Change::try_from(change)
            .map_err(|_| Status::invalid_argument(format!("there is no change {change}")))?;
        if node_id == 0 {
            return Err(Status::invalid_argument("node numbers begin at 1"));
        }
        let change = match kind {
            Change::AddLearner => MembershipChange::AddLearner(node_id),
            Change::Promote => MembershipChange::Promote(node_id),
            Change::Remove => MembershipChange::Remove(node_id),
        };
        let address = Some(address).filter(|address| !address.is_empty());
        let reply =
            self.change(|client| ClientRequest::Membership { change, address, client }).await;
        Ok(Response::new(reply))
    }

    async fn compact(
        &self,
        _request: Request<wire::CompactRequest>,
    ) -> Result<Response<wire::ChangeReply>, Status> {
        Ok(Response::new(self.change(ClientRequest::Compact).await))
    }
}

impl AdminService {
    fn status_reply(&self, view: NodeView) -> wire::StatusReply {
        let config = &self.0.config;
        let NodeView { status, state_hash, chain, boot, waiting: _ } = view;
        let leader_address = status.leader.map(|leader| self.0.addresses.of(leader));
        wire::StatusReply {
            node_id: config.node_id,
            cluster_id: config.cluster_id.clone(),
            role: role_name(status.role).into(),
            term: status.hard_state.term,
            voted_for: status.hard_state.vote.unwrap_or(0),
            leader_id: status.leader.unwrap_or(0),
            leader_address: leader_address.unwrap_or_default(),
            commit: status.commit,
            applied: status.applied,
            last_index: status.last.index,
            last_term: status.last.term,
            snapshot_index: status.snapshot.index,
            state_hash: state_hash.0,
            chain: chain.0,
            mutant: config.mutant.map_or(String::new(), |mutant| mutant.to_string()),
            boot,
            version: env!("CARGO_PKG_VERSION").into(),
            peers: status.peers.into_iter().map(peer_to_wire).collect(),
            voters: status.membership.voters.into_iter().collect(),
            learners: status.membership.learners.into_iter().collect(),
            time_ns: clock::monotonic_ns(),
            voters_outgoing: status.membership.voters_outgoing.into_iter().collect(),
            membership_index: status.membership_index,
            transfer_target: status.transfer.unwrap_or(0),
        }
    }
}

fn peer_to_wire(peer: whitewater_raft::PeerStatus) -> wire::Peer {
    wire::Peer {
        node_id: peer.id,
        match_index: peer.matched,
        next_index: peer.next,
        active: peer.active,
        mode: peer.mode.into(),
    }
}
