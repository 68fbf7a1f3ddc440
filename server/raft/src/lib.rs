//! The Raft protocol as a value: no clock, socket, file or thread.
//!
//! A [`Raft`] is one node. Ticks, messages, proposals and reads go in; a [`Ready`] comes out and says
//! what to write, send, apply and answer; the driver does it and reports back. The same inputs give the
//! same outputs, so a server, a simulator and a model checker all run this code and no other.
//!
//! Sections are those of "In Search of an Understandable Consensus Algorithm (Extended Version)" by Diego
//! Ongaro and John Ousterhout; "thesis" is Ongaro's "Consensus: Bridging Theory and Practice".
//!
//! # What Raft promises
//!
//! As long as no disk forgets what it was told to keep (Figure 3):
//!
//! - *Election Safety*: at most one leader in a term.
//! - *Leader Append-Only*: a leader never removes or replaces an entry of its log.
//! - *Log Matching*: two logs with the same term at the same index are equal up to there. A [`Chain`] is
//!   a hash over such a prefix, so this is one comparison.
//! - *Leader Completeness*: what was committed in a term is in the log of every later leader.
//! - *State Machine Safety*: no two nodes apply different entries at the same index.
//!
//! And while a majority of the voters is up and talks, it makes progress.
//!
//! # A tour
//!
//! **Rules** (`rules.rs`). Every decision that the promises hang on is a small method of the trait
//! [`Rules`], with its section. [`Paper`] is Raft as published; a mutant overrides one method. Read
//! this file first: it is the paper's Figure 2 in Rust.
//!
//! **The log** (`log.rs`, `chain.rs`). Entries since the last compaction, with their chain hashes. An
//! index and a term name an entry: a [`Position`].
//!
//! **Elections** (`candidate.rs`; 5.2, 5.4.1). A node that hears of no leader for a random while asks
//! around whether it would be elected (pre-vote, thesis 9.6), and if so begins a term and asks for votes.
//! A voter gives one vote a term, to a log as good as its own, and none while it hears from a leader
//! (thesis 4.2.3). Term and vote are on the disk before anyone is told of them (thesis 3.8).
//!
//! **Replication** (`leader.rs`, `follower.rs`, `progress.rs`; 5.3). The leader sends appends of many
//! entries, several at a time, and before its own disk has them (thesis 10.2.1). A follower checks that
//! its log matches just before them, and acknowledges when they are durable. Where logs differ, a refusal
//! names a whole term to skip. Nothing depends on order or on a message arriving once: a heartbeat says
//! where the follower's log should end, and its refusal shows what was lost.
//!
//! **Commitment** (5.4.2). An entry of the leader's term that a majority has on disk is committed, and all
//! before it. Never an entry of an earlier term by itself: Figure 8 shows why. A no-op at the start of
//! each term sees to it that there is one to commit.
//!
//! **Reads** (`read.rs`; thesis 6.4). A leader may be deposed and not know. So a read takes the commit
//! index, waits until a majority has answered a heartbeat round *that began after it arrived*, and for the
//! state machine to get there. A follower asks the leader for the index. Reads share rounds.
//!
//! **Changes** (`transfer.rs`, `membership.rs`; thesis 3.10, chapter 4, and section 6). The leader can
//! hand over by telling a voter to campaign at once. Members change one at a time, by way of a joint
//! membership in which the old and the new voters must both agree.
//!
//! **Snapshots** (section 7). The driver owns the state machine and its snapshots. It tells the core when
//! one is durable, and the log before it goes. A follower that needs what is gone is named in
//! [`Ready::snapshots_wanted`]; the data travels outside the core.
//!
//! **The outbox** (`outbox.rs`, `output.rs`). What may leave now, and what must wait for the disk. Here is
//! the order that makes a trace trustworthy: an [`event`] is told after what it says is durable, and
//! before anyone else can see it.
//!
//! # Driving it
//!
//! ```
//! use std::sync::Arc;
//! use whitewater_raft::{Config, Entry, Membership, Paper, Raft, ReadMode, Restored};
//!
//! let config = Config {
//!     id: 1,
//!     election_timeout_ticks_min: 10,
//!     election_timeout_ticks_max: 20,
//!     heartbeat_ticks: 2,
//!     pre_vote: true,
//!     check_quorum: true,
//!     read_mode: ReadMode::Index,
//!     append_entries_max: 256,
//!     append_bytes_max: 1 << 20,
//!     appends_in_flight_max: 64,
//!     append_entries_min: 1,
//!     seed: 7,
//!     rules: Arc::new(Paper),
//! };
//! let bootstrap = Membership { voters: [1].into(), ..Membership::default() };
//! let mut raft = Raft::new(config, Restored { bootstrap, ..Restored::default() });
//!
//! // A cluster of one has nobody to send to, and this one's disk is quick.
//! fn carry_out(raft: &mut Raft) -> Vec<Entry> {
//!     let mut applied = Vec::new();
//!     while raft.has_ready() {
//!         let ready = raft.ready();
//!         if let Some(entry) = ready.committed.last() {
//!             raft.applied(entry.index);
//!         }
//!         applied.extend(ready.committed);
//!         if let Some(persist) = ready.persist {
//!             raft.persisted(persist.number);
//!         }
//!     }
//!     applied
//! }
//!
//! while raft.leader() != Some(1) {
//!     raft.tick();
//!     carry_out(&mut raft);
//! }
//! let position = raft.propose(Arc::from(*b"hello")).expect("this node leads");
//! assert_eq!(carry_out(&mut raft)[0].position(), position);
//! ```
//!
//! # What it does not do
//!
//! It keeps no sessions and applies nothing: commands are bytes. It bounds what is on its way to each
//! peer, not what is proposed: a driver that lets clients wait must bound them. A lease
//! ([`ReadMode::Lease`]) trusts that ticks pass at about the same speed everywhere and that nobody sleeps
//! between its check and the answer; the other read modes trust no clock.

mod candidate;
mod chain;
mod config;
pub mod event;
mod fingerprint;
mod follower;
mod input;
mod leader;
mod log;
mod membership;
mod message;
mod outbox;
mod output;
mod progress;
mod raft;
mod read;
mod ready;
mod rng;
mod rules;
mod status;
mod transfer;

pub use config::*;
pub use input::{Input, Output};
pub use message::*;
pub use raft::Raft;
pub use ready::*;
pub use rules::*;
pub use status::*;
