//! The wire protocol: `kv` (clients), `raft` (peers) and `admin` (operators and the test runner),
//! and the part of etcd's public API that the runner needs to drive etcd as a target (`etcd`).
//!
//! Generated from `proto/*.proto`; there is no logic here. Nothing but `whitewater-server`'s `rpc`
//! module and the runner's `target` module may use these types.

/// The client API: get, put, delete, cas, append, sessions.
pub mod kv {
    tonic::include_proto!("whitewater.kv.v1");
}

/// The peer RPCs of the Raft paper.
pub mod raft {
    tonic::include_proto!("whitewater.raft.v1");
}

/// What an operator, or the test runner, asks of one node.
pub mod admin {
    tonic::include_proto!("whitewater.admin.v1");
}

/// The part of etcd's v3 API that a target and a benchmark need.
pub mod etcd {
    tonic::include_proto!("etcdserverpb");
}
