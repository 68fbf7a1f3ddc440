//! Snapshots and changes of the cluster itself, over real gRPC.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod harness;

use harness::{Cluster, append, wait_for, write};
use whitewater_proto::{admin, kv};
use whitewater_server::node::SnapshotPolicy;

fn small_snapshots(config: &mut whitewater_server::Config) {
    config.snapshots = SnapshotPolicy { entries: 50, bytes: 0 };
    config.snapshot_chunk_bytes = 64;
    config.segment_bytes = 4_096;
}

async fn put_many(cluster: &Cluster, prefix: &str, count: usize) {
    let leader = cluster.leader().await;
    let mut client = cluster.kv(leader);
    for place in 0..count {
        let request = write(&format!("{prefix}{}", place % 10), append("0123456789"));
        let reply = client.write(request).await.unwrap().into_inner();
        assert!(matches!(reply.outcome, Some(kv::write_reply::Outcome::Written(_))), "{reply:?}");
    }
}

#[tokio::test]
async fn a_node_that_was_away_catches_up_from_a_snapshot_in_chunks() {
    let mut cluster = Cluster::start(3, small_snapshots);
    put_many(&cluster, "a", 10).await;
    let leader = cluster.leader().await;
    let away = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    cluster.kill(away);
    put_many(&cluster, "b", 200).await;
    let compacted = wait_for("the log to be compacted", async || {
        cluster.status(leader).await.filter(|status| status.snapshot_index > 100)
    })
    .await;
    cluster.restart(away);
    cluster.settled().await;
    let status = cluster.status(away).await.unwrap();
    assert!(status.snapshot_index >= compacted.snapshot_index, "{status:?}");
    let trace = std::fs::read_to_string(cluster.trace(away)).unwrap();
    assert!(trace.contains("\"event\":\"snapshot_installed\""));
    assert_eq!(cluster.get_soon(away, "b3").await.unwrap().len(), 200);
}

#[tokio::test]
async fn a_node_restarts_from_its_own_snapshot_and_keeps_sessions() {
    let mut cluster = Cluster::start(1, small_snapshots);
    let session_id = cluster.open_session().await;
    let request = kv::WriteRequest { session_id, sequence: 1, ..write("k", append("x")) };
    cluster.write(1, request.clone()).await.unwrap();
    put_many(&cluster, "a", 120).await;
    wait_for("a snapshot", async || {
        cluster.status(1).await.filter(|status| status.snapshot_index > 50)
    })
    .await;
    let before = cluster.status(1).await.unwrap();
    cluster.kill(1);
    cluster.restart(1);
    cluster.leader().await;
    cluster.write(1, request).await.unwrap();
    assert_eq!(cluster.get_soon(1, "k").await.as_deref(), Some("x"));
    let after = cluster.status(1).await.unwrap();
    assert_eq!(after.snapshot_index, before.snapshot_index);
    let segments = std::fs::read_dir(cluster.data_dir(1)).unwrap();
    let wal = |file: &std::fs::DirEntry| file.path().extension().is_some_and(|it| it == "wal");
    assert!(segments.filter(|file| wal(file.as_ref().unwrap())).count() <= 3);
}

async fn change(
    cluster: &Cluster,
    change: admin::change_membership_request::Change,
    node_id: u64,
    address: String,
) {
    let request = admin::ChangeMembershipRequest { change: change.into(), node_id, address };
    wait_for("a membership change", async || {
        let leader = cluster.leader().await;
        let reply = cluster.admin(leader).change_membership(request.clone()).await.ok()?;
        reply.into_inner().done.then_some(())
    })
    .await;
}

/// A cluster of node 1, which is told of nobody: whoever else there is it learns from its log.
fn alone() -> Cluster {
    Cluster::start(1, |config| match config.node_id {
        1 => config.peers.clear(),
        _ => config.join = true,
    })
}

/// Changes the members of a cluster that node 1 leads, and of which node 2 may not know that it is one.
async fn change_alone(
    cluster: &Cluster,
    change: admin::change_membership_request::Change,
    address: &str,
) {
    let request = admin::ChangeMembershipRequest {
        change: change.into(),
        node_id: 2,
        address: address.into(),
    };
    wait_for("a membership change", async || {
        let reply = cluster.admin(1).change_membership(request.clone()).await.ok()?;
        reply.into_inner().done.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_node_is_added_promoted_and_removed() {
    use admin::change_membership_request::Change;
    let mut cluster = Cluster::start(3, small_snapshots);
    put_many(&cluster, "a", 100).await;
    let address = cluster.join(4);
    change(&cluster, Change::AddLearner, 4, address.clone()).await;
    cluster.settled().await;
    let status = cluster.status(4).await.unwrap();
    assert_eq!((status.role.as_str(), &status.learners[..]), ("learner", &[4][..]));
    change(&cluster, Change::Promote, 4, String::new()).await;
    let leader = cluster.leader().await;
    change(&cluster, Change::Remove, leader, String::new()).await;
    cluster.kill(leader);
    let next = wait_for("a leader of the new members", async || {
        Some(cluster.leader().await).filter(|next| *next != leader)
    })
    .await;
    wait_for("three voters", async || {
        cluster.status(next).await.filter(|status| status.voters.len() == 3)
    })
    .await;
    put_many(&cluster, "c", 20).await;
    // The newcomer knows how to reach the others, and a redirect knows how to reach it.
    assert_eq!(cluster.get_soon(4, "c3").await.unwrap(), "01234567890123456789");
    transfer(&cluster, 4).await;
    let other = cluster.ids().into_iter().find(|id| *id != 4).unwrap();
    wait_for("a follower to name the newcomer", async || {
        let status = cluster.status(other).await?;
        (status.leader_id == 4 && status.leader_address == address).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_member_that_comes_back_on_another_port_is_found_there() {
    use admin::change_membership_request::Change;
    let mut cluster = Cluster::start(3, small_snapshots);
    let first = cluster.join(4);
    change(&cluster, Change::AddLearner, 4, first.clone()).await;
    cluster.settled().await;
    change(&cluster, Change::Remove, 4, String::new()).await;
    cluster.kill(4);
    std::fs::remove_dir_all(cluster.data_dir(4)).unwrap();
    put_many(&cluster, "a", 100).await;
    let second = cluster.join(4);
    assert_ne!(first, second);
    change(&cluster, Change::AddLearner, 4, second).await;
    cluster.settled().await;
    assert_eq!(cluster.status(4).await.unwrap().learners, [4]);
}

async fn transfer(cluster: &Cluster, target: u64) {
    wait_for("leadership to be transferred", async || {
        let leader = cluster.leader().await;
        if leader == target {
            return Some(());
        }
        let request = admin::TransferLeadershipRequest { target };
        cluster.admin(leader).transfer_leadership(request).await.ok()?;
        None
    })
    .await;
}

#[tokio::test]
async fn leadership_goes_where_it_is_sent() {
    let cluster = Cluster::start(3, |_| {});
    for target in [1, 2, 3] {
        transfer(&cluster, target).await;
        assert_eq!(cluster.leader().await, target);
    }
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused() {
    let cluster = Cluster::start(1, |_| {});
    let leader = cluster.leader().await;
    let request = admin::ChangeMembershipRequest {
        change: admin::change_membership_request::Change::Promote.into(),
        node_id: 9,
        address: String::new(),
    };
    let reply = cluster.admin(leader).change_membership(request).await.unwrap().into_inner();
    assert!(!reply.done && !reply.indefinite && !reply.message.is_empty(), "{reply:?}");
}

/// Node 1 alone has the longest log, and knows node 2 by its log alone. Node 2 cannot win; without
/// node 2 nothing commits, and so nothing is applied.
#[tokio::test]
async fn two_nodes_that_only_the_log_brought_together_find_each_other_after_a_restart() {
    use admin::change_membership_request::Change;
    let mut cluster = alone();
    put_many(&cluster, "a", 10).await;
    let address = cluster.join(2);
    change_alone(&cluster, Change::AddLearner, &address).await;
    change_alone(&cluster, Change::Promote, "").await;
    cluster.settled().await;
    transfer(&cluster, 1).await;
    cluster.kill(2);
    let before = cluster.status(1).await.unwrap();
    let mut client = cluster.kv(1);
    let lonely = tokio::spawn(async move { client.write(write("k", append("x"))).await });
    wait_for("an entry that node 2 has not", async || {
        cluster.status(1).await.filter(|status| status.last_index > before.last_index)
    })
    .await;
    cluster.kill(1);
    lonely.abort();
    cluster.restart(1);
    cluster.restart(2);
    assert_eq!(cluster.leader().await, 1);
    assert_eq!(cluster.get_soon(2, "k").await.as_deref(), Some("x"));
}
