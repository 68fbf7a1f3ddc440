//! What clients see of a cluster, over real gRPC: elections, writes, reads, redirects, exactly once.

mod harness;

use std::time::Duration;

use harness::{Cluster, PATIENCE, append, cas, put, wait_for, write};
use whitewater_proto::kv::failure::Kind;
use whitewater_proto::kv::write_reply::Outcome;
use whitewater_proto::{kv, raft};
use whitewater_raft::ReadMode;

#[tokio::test]
async fn five_nodes_elect_write_and_read_anywhere() {
    let cluster = Cluster::start(5, |_| {});
    cluster.put("k", "1").await;
    for id in cluster.ids() {
        assert_eq!(cluster.get_soon(id, "k").await.as_deref(), Some("1"), "read at node {id}");
        assert_eq!(cluster.get_soon(id, "absent").await, None);
    }
    cluster.settled().await;
}

#[tokio::test]
async fn every_read_mode_sees_the_last_write_on_every_node() {
    for mode in [ReadMode::Log, ReadMode::Lease] {
        let adjust: fn(&mut whitewater_server::Config) = match mode {
            ReadMode::Log => |config| config.read_mode = ReadMode::Log,
            _ => |config| config.read_mode = ReadMode::Lease,
        };
        let cluster = Cluster::start(3, adjust);
        for value in ["1", "2", "3"] {
            cluster.put("k", value).await;
            for id in cluster.ids() {
                let read = cluster.get_soon(id, "k").await;
                assert_eq!(read.as_deref(), Some(value), "{mode:?} at node {id}");
            }
        }
    }
}

#[tokio::test]
async fn a_single_node_is_a_cluster() {
    let cluster = Cluster::start(1, |_| {});
    cluster.put("k", "1").await;
    assert_eq!(cluster.get_soon(1, "k").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_killed_leader_is_replaced_and_catches_up_after_its_restart() {
    let mut cluster = Cluster::start(3, |_| {});
    cluster.put("k", "1").await;
    let first = cluster.leader().await;
    cluster.kill(first);
    let second = wait_for("another leader", async || {
        Some(cluster.leader().await).filter(|leader| *leader != first)
    })
    .await;
    assert_ne!(second, first);
    cluster.put("k", "2").await;
    cluster.restart(first);
    cluster.settled().await;
    assert_eq!(cluster.get_soon(first, "k").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn everything_acknowledged_survives_the_death_of_all_nodes() {
    let mut cluster = Cluster::start(3, |_| {});
    for value in 0..20 {
        cluster.put(&format!("k{value}"), &value.to_string()).await;
    }
    for id in cluster.ids() {
        cluster.kill(id);
    }
    for id in 1..=3 {
        cluster.restart(id);
    }
    let leader = cluster.leader().await;
    for value in 0..20 {
        let read = cluster.get_soon(leader, &format!("k{value}")).await;
        assert_eq!(read, Some(value.to_string()));
    }
    assert_eq!(cluster.status(leader).await.unwrap().boot, 2);
}

#[tokio::test]
async fn a_follower_names_the_leader_and_its_address() {
    let cluster = Cluster::start(3, |_| {});
    let leader = cluster.leader().await;
    let follower = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    let reply = cluster.kv(follower).write(write("k", put("1"))).await.unwrap().into_inner();
    let Some(Outcome::Failure(failure)) = reply.outcome else { panic!("{reply:?}") };
    assert_eq!(failure.kind(), Kind::NotLeader);
    assert!(!failure.indefinite);
    let named = failure.leader.unwrap();
    assert_eq!((named.node_id, named.address), (leader, cluster.addresses[&leader].to_string()));

    let request = kv::GetRequest { key: "k".into(), leader_only: true, deadline_ms: 0 };
    let reply = cluster.kv(follower).get(request).await.unwrap().into_inner();
    let Some(kv::get_reply::Outcome::Failure(failure)) = reply.outcome else { panic!("{reply:?}") };
    assert_eq!(failure.kind(), Kind::NotLeader);
}

#[tokio::test]
async fn a_failed_cas_says_what_it_saw() {
    let cluster = Cluster::start(1, |_| {});
    let leader = cluster.leader().await;
    let done = cluster.write(leader, write("k", cas(None, Some("1")))).await.unwrap();
    assert!(matches!(done, Outcome::Written(_)));
    let reply = cluster.write(leader, write("k", cas(Some("7"), Some("8")))).await.unwrap();
    let Outcome::Mismatch(mismatch) = reply else { panic!("{reply:?}") };
    assert_eq!(mismatch.seen.unwrap().data.unwrap(), "1");
    let reply =
        cluster.write(leader, write("k", kv::write_request::Operation::Delete(kv::Delete {})));
    let Outcome::Written(written) = reply.await.unwrap() else { panic!("the delete failed") };
    assert_eq!(written.previous.unwrap().data.unwrap(), "1");
}

#[tokio::test]
async fn a_retried_append_is_applied_once_also_over_a_restart() {
    let mut cluster = Cluster::start(1, |_| {});
    let session_id = cluster.open_session().await;
    let request = kv::WriteRequest { session_id, sequence: 1, ..write("k", append("x")) };
    for _ in 0..2 {
        cluster.write(1, request.clone()).await.unwrap();
    }
    cluster.kill(1);
    cluster.restart(1);
    cluster.leader().await;
    cluster.write(1, request.clone()).await.unwrap();
    assert_eq!(cluster.get_soon(1, "k").await.as_deref(), Some("x"));

    let stale = kv::WriteRequest { sequence: 2, ..request.clone() };
    cluster.write(1, stale).await.unwrap();
    let error = cluster.write(1, request.clone()).await.unwrap_err();
    assert!(error.contains("StaleSequence"), "{error}");
    let unknown = kv::WriteRequest { session_id: 999, ..request };
    let error = cluster.write(1, unknown).await.unwrap_err();
    assert!(error.contains("UnknownSession"), "{error}");
}

#[tokio::test]
async fn a_write_without_quorum_times_out_and_is_indefinite() {
    // Long enough for the leader to lead on while its followers are being killed.
    let mut cluster = Cluster::start(3, |config| {
        config.election_timeout_min = Duration::from_secs(1);
        config.election_timeout_max = Duration::from_millis(1_500);
    });
    let leader = cluster.leader().await;
    cluster.put("k", "1").await;
    for id in cluster.ids().into_iter().filter(|id| *id != leader) {
        cluster.kill(id);
    }
    let request = kv::WriteRequest { deadline_ms: 100, ..write("k", put("2")) };
    let reply = cluster.kv(leader).write(request).await.unwrap().into_inner();
    let Some(Outcome::Failure(failure)) = reply.outcome else { panic!("{reply:?}") };
    assert_eq!(failure.kind(), Kind::TimedOut);
    assert!(failure.indefinite);
    // Without a quorum the leader steps down, and then refuses: definitely.
    let failure = wait_for("the leader to step down", async || {
        let request = kv::WriteRequest { deadline_ms: 100, ..write("k", put("3")) };
        let reply = cluster.kv(leader).write(request).await.unwrap().into_inner();
        match reply.outcome {
            Some(Outcome::Failure(failure)) if failure.kind() == Kind::NoLeader => Some(failure),
            _ => None,
        }
    })
    .await;
    assert!(!failure.indefinite);
}

#[tokio::test]
async fn a_wrong_request_is_refused_in_words() {
    let cluster = Cluster::start(1, |_| {});
    let leader = cluster.leader().await;
    let error = cluster.write(leader, write("", put("1"))).await.unwrap_err();
    assert!(error.contains("Invalid") && error.contains("the key is empty"), "{error}");
}

#[tokio::test]
async fn a_message_of_another_cluster_is_refused() {
    let cluster = Cluster::start(1, |_| {});
    let mut client = raft::raft_client::RaftClient::new(cluster.channel(1));
    let header = |cluster_id: &str, to| {
        Some(raft::Header { cluster_id: cluster_id.into(), from: 2, to, term: 9 })
    };
    for (header, expected) in [
        (header("other", 1), "this is cluster \"test\""),
        (header("test", 3), "this is node 1"),
        (None, "header is missing"),
    ] {
        let request = raft::VoteRequest { header, ..raft::VoteRequest::default() };
        let status = client.request_vote(request).await.unwrap_err();
        assert!(status.message().contains(expected), "{status}");
    }
    assert!(cluster.status(1).await.unwrap().term < 9);
}

#[tokio::test]
async fn a_garbled_message_is_answered_and_changes_nothing() {
    let cluster = Cluster::start(1, |_| {});
    let mut client = raft::raft_client::RaftClient::new(cluster.channel(1));
    let header = |term| Some(raft::Header { cluster_id: "test".into(), from: 2, to: 1, term });
    let vote = raft::VoteRequest { header: header(u64::MAX), ..raft::VoteRequest::default() };
    let voted = tokio::time::timeout(PATIENCE, client.request_vote(vote)).await;
    let append = raft::AppendRequest {
        header: header(9),
        prev_index: u64::MAX,
        ..raft::AppendRequest::default()
    };
    let appended = tokio::time::timeout(PATIENCE, client.append_entries(append)).await;
    let voted = voted.expect("a vote is answered").unwrap_err();
    let appended = appended.expect("an append is answered").unwrap_err();
    for status in [voted, appended] {
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
    }
    assert!(cluster.status(1).await.unwrap().term < 9);
}

#[tokio::test]
async fn a_stopping_leader_hands_over_at_once() {
    let mut cluster = Cluster::start(3, |config| {
        config.election_timeout_min = Duration::from_secs(2);
        config.election_timeout_max = Duration::from_secs(4);
    });
    cluster.put("k", "1").await;
    let leader = cluster.leader().await;
    let begun = std::time::Instant::now();
    cluster.stop(leader).await.unwrap();
    let next = wait_for("the next leader", async || {
        Some(cluster.leader().await).filter(|next| *next != leader)
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
    assert_eq!(cluster.get_soon(next, "k").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let cluster = Cluster::start(1, |_| {});
    let mut config = cluster.config(1);
    config.data_dir = cluster.data_dir(9);
    let error = whitewater_server::serve(config, std::future::pending()).await.unwrap_err();
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().contains(&cluster.addresses[&1].to_string()), "{error}");
}
