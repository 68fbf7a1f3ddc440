//! A cluster as a state of the model: nodes with their disks, messages on their way, and what was
//! promised so far.
//!
//! The nodes are the shipped core, driven as the documentation of [`whitewater_raft::Ready`] says.
//! Ticks do not exist: an election may begin at any moment, which covers every timing. A message that
//! is never delivered is a lost one. Safety must not depend on timing (section 5.6), so the leases of
//! living leaders are off, as are trial elections, which only keep elections from beginning.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::sync::Arc;

use whitewater_raft::event::{Event, Traced};
use whitewater_raft::{
    Body, Chain, Config, Entry, HardState, Index, Membership, Message, NodeId, Persist, Raft,
    ReadMode, Restored, Term,
};

use crate::rules::Bug;

/// How often what may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Elections begun.
    pub(crate) campaigns: u8,
    /// Commands proposed.
    pub(crate) proposals: u8,
    /// Crashes, each with a restart from disk.
    pub(crate) crashes: u8,
    /// Messages delivered without being used up, so that they may come again.
    pub(crate) repeats: u8,
}

/// A promise of Figure 3 that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Broken {
    ElectionSafety,
    LeaderCompleteness,
    StateMachineSafety,
}

/// A node and its disk.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) raft: Raft,
    hard_state: HardState,
    entries: Vec<Entry>,
    /// Written and not yet durable, with what must wait for that. Empty where disks are prompt.
    unflushed: Vec<Unflushed>,
    boots: u64,
    /// Requests of this life are numbered from here on.
    first_request: u64,
    /// Stands for all of the above in a state's hash.
    fingerprint: u64,
}

/// What a flush makes durable and lets go.
#[derive(Clone, Debug)]
struct Unflushed {
    persist: Option<Persist>,
    events: Vec<Traced>,
    messages: Vec<Message>,
}

/// How nodes and disks behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rulebook {
    /// What is wrong with them.
    pub(crate) bug: Bug,
    /// A write becomes durable in a step of its own, and a crash may come before it.
    pub(crate) has_slow_disks: bool,
}

/// One state.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Arc<Server>>,
    /// On their way, by a hash of their content: the order of sending does not matter.
    pub(crate) network: BTreeMap<u64, Arc<Message>>,
    pub(crate) left: Budget,
    /// Who led each term.
    pub(crate) leaders: BTreeMap<Term, NodeId>,
    /// What was applied anywhere, and the lowest term in which somebody did.
    pub(crate) committed: BTreeMap<Index, (Chain, Term)>,
    pub(crate) broken: Option<Broken>,
}

impl Cluster {
    /// A cluster that was just made.
    pub(crate) fn new(nodes: u64, left: Budget, bug: Bug) -> Self {
        let start = |id| Server::start(id, nodes, bug, 0, HardState::default(), Vec::new());
        Cluster {
            servers: (1..=nodes).map(|id| Arc::new(start(id))).collect(),
            network: BTreeMap::new(),
            left,
            leaders: BTreeMap::new(),
            committed: BTreeMap::new(),
            broken: None,
        }
    }

    /// A node takes an input, and what follows from it happens.
    pub(crate) fn act(&mut self, id: NodeId, rules: &Rulebook, input: impl FnOnce(&mut Raft)) {
        self.with_server(id, |cluster, server| {
            input(&mut server.raft);
            cluster.settle(id, server, rules);
        });
    }

    /// Everything a node wrote becomes durable, and what waited for it leaves.
    pub(crate) fn flush(&mut self, id: NodeId, rules: &Rulebook) {
        self.with_server(id, |cluster, server| {
            for unflushed in mem::take(&mut server.unflushed) {
                cluster.make_durable(id, server, unflushed, rules.bug);
            }
            cluster.settle(id, server, rules);
        });
    }

    /// A node forgets what is not on its disk. The replies to what it asked die with it, as their
    /// connections do.
    pub(crate) fn crash(&mut self, id: NodeId, rules: &Rulebook) {
        let nodes = self.servers.len() as u64;
        let Server { hard_state, entries, boots, .. } = &*self.servers[place(id)];
        let server = Server::start(id, nodes, rules.bug, boots + 1, *hard_state, entries.clone());
        self.servers[place(id)] = Arc::new(server);
        self.network.retain(|_, message| message.to != id || is_request(message));
    }

    /// Whether a flush would change anything.
    pub(crate) fn can_flush(&self, id: NodeId) -> bool {
        !self.servers[place(id)].unflushed.is_empty()
    }

    /// Loses every message between two nodes, and every one of a term that its receiver has left
    /// behind.
    pub(crate) fn split(&mut self, one: NodeId, other: NodeId) {
        let term = |server: &Arc<Server>| server.raft.status().hard_state.term;
        let terms: Vec<Term> = self.servers.iter().map(term).collect();
        self.network.retain(|_, message| {
            let is_cut = [(one, other), (other, one)].contains(&(message.from, message.to));
            !is_cut && message.term >= terms[place(message.to)]
        });
    }

    /// Log matching (Figure 3): the same index and term mean the same log up to there.
    pub(crate) fn logs_match(&self) -> bool {
        let last = |server: &Arc<Server>| server.raft.status().last.index;
        let last = self.servers.iter().map(last).max().unwrap_or(0);
        (1..=last).all(|index| {
            let mut seen = BTreeMap::new();
            self.servers.iter().all(|server| {
                let (term, chain) = (server.raft.term_at(index), server.raft.chain_at(index));
                term.is_none() || *seen.entry(term).or_insert(chain) == chain
            })
        })
    }

    fn with_server(&mut self, id: NodeId, change: impl FnOnce(&mut Cluster, &mut Server)) {
        let mut server = Arc::clone(&self.servers[place(id)]);
        let own = Arc::make_mut(&mut server);
        change(self, own);
        own.stamp();
        self.servers[place(id)] = server;
    }

    fn settle(&mut self, id: NodeId, server: &mut Server, rules: &Rulebook) {
        while server.raft.has_ready() {
            let ready = server.raft.ready();
            self.note(id, server, &ready.events);
            self.send(ready.messages);
            self.apply(server, &ready.committed);
            let unflushed = Unflushed {
                persist: ready.persist,
                events: ready.events_after_persist,
                messages: ready.messages_after_persist,
            };
            server.unflushed.push(unflushed);
            let waits = server.unflushed.iter().any(|unflushed| unflushed.persist.is_some());
            if !(rules.has_slow_disks && waits) {
                for unflushed in mem::take(&mut server.unflushed) {
                    self.make_durable(id, server, unflushed, rules.bug);
                }
            }
        }
    }

    fn make_durable(&mut self, id: NodeId, server: &mut Server, what: Unflushed, bug: Bug) {
        let Unflushed { persist, events, messages } = what;
        if let Some(persist) = &persist {
            server.write(persist, bug);
        }
        self.note(id, server, &events);
        self.send(messages);
        if let Some(persist) = persist {
            server.raft.persisted(persist.number);
        }
    }

    /// Messages leave. A reply to an earlier life of its receiver has nowhere to go.
    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            let is_awaited = |message: &Message| {
                let asker = &self.servers[place(message.to)];
                (asker.first_request + 1..=asker.raft.last_request()).contains(&message.request)
            };
            if is_request(&message) || is_awaited(&message) {
                let mut hasher = DefaultHasher::new();
                message.hash(&mut hasher);
                self.network.insert(hasher.finish(), Arc::new(message));
            }
        }
    }

    /// State machine safety: no two nodes apply different entries at one index.
    fn apply(&mut self, server: &mut Server, committed: &[Entry]) {
        let Some(last) = committed.last() else { return };
        let term = server.raft.status().hard_state.term;
        for entry in committed {
            let chain = server.raft.chain_at(entry.index).expect("an applied entry has a chain");
            let known = self.committed.entry(entry.index).or_insert((chain, term));
            if known.0 != chain {
                self.broken.get_or_insert(Broken::StateMachineSafety);
            }
            known.1 = known.1.min(term);
        }
        server.raft.applied(last.index);
    }

    /// Election safety and leader completeness, at the moment of election.
    fn note(&mut self, id: NodeId, server: &Server, events: &[Traced]) {
        for traced in events {
            if !matches!(traced.event, Event::Leader { .. }) {
                continue;
            }
            if *self.leaders.entry(traced.term).or_insert(id) != id {
                self.broken.get_or_insert(Broken::ElectionSafety);
            }
            let holds = |(index, (chain, term)): (&Index, &(Chain, Term))| {
                *term >= traced.term || server.raft.chain_at(*index) == Some(*chain)
            };
            if !self.committed.iter().all(holds) {
                self.broken.get_or_insert(Broken::LeaderCompleteness);
            }
        }
    }

    /// Stands for a message in a state's hash: its number counts from its asker's latest request.
    fn message_fingerprint(&self, message: &Message) -> u64 {
        let asker = if is_request(message) { message.from } else { message.to };
        let Server { raft, first_request, .. } = &*self.servers[place(asker)];
        let is_old = message.request <= *first_request || message.request > raft.last_request();
        let distance = if is_old { u64::MAX } else { raft.last_request() - message.request };
        let mut hasher = DefaultHasher::new();
        (message.from, message.to, message.term, distance, &message.body).hash(&mut hasher);
        hasher.finish()
    }
}

impl Hash for Cluster {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for server in &self.servers {
            server.fingerprint.hash(state);
        }
        let messages = self.network.values().map(|message| self.message_fingerprint(message));
        messages.fold(0, u64::wrapping_add).hash(state);
        (self.left, &self.leaders, &self.committed, self.broken).hash(state);
    }
}

impl PartialEq for Cluster {
    fn eq(&self, other: &Self) -> bool {
        let hash = |cluster: &Cluster| {
            let mut hasher = DefaultHasher::new();
            cluster.hash(&mut hasher);
            hasher.finish()
        };
        hash(self) == hash(other)
    }
}

impl Server {
    fn start(
        id: NodeId,
        nodes: u64,
        bug: Bug,
        boots: u64,
        hard_state: HardState,
        entries: Vec<Entry>,
    ) -> Self {
        let config = Config {
            id,
            election_timeout_ticks_min: 10,
            election_timeout_ticks_max: 20,
            heartbeat_ticks: 1,
            pre_vote: false,
            check_quorum: false,
            read_mode: ReadMode::Index,
            append_entries_max: 8,
            append_bytes_max: 1 << 20,
            appends_in_flight_max: 2,
            append_entries_min: 1,
            seed: id + boots * 1_000,
            rules: Arc::new(bug),
        };
        let bootstrap = Membership { voters: (1..=nodes).collect(), ..Membership::default() };
        let restored = Restored { hard_state, snapshot: None, entries: entries.clone(), bootstrap };
        let raft = Raft::new(config, restored);
        let first_request = raft.last_request();
        let (unflushed, fingerprint) = (Vec::new(), 0);
        let mut server =
            Server { raft, hard_state, entries, unflushed, boots, first_request, fingerprint };
        server.stamp();
        server
    }

    fn write(&mut self, persist: &Persist, bug: Bug) {
        if let Some(state) = persist.hard_state {
            self.hard_state = bug.written(state);
        }
        for entry in &persist.entries {
            self.entries.truncate(usize::try_from(entry.index - 1).expect("a short log"));
            self.entries.push(entry.clone());
        }
    }

    fn stamp(&mut self) {
        let mut hasher = DefaultHasher::new();
        self.raft.fingerprint(&mut hasher);
        (self.hard_state, &self.entries).hash(&mut hasher);
        for Unflushed { persist, messages, .. } in &self.unflushed {
            let written = persist.as_ref().map(|persist| (persist.hard_state, &persist.entries));
            written.hash(&mut hasher);
            for message in messages {
                (message.to, message.term, &message.body).hash(&mut hasher);
            }
        }
        self.fingerprint = hasher.finish();
    }
}

/// Where a node stands in [`Cluster::servers`].
pub(crate) fn place(id: NodeId) -> usize {
    usize::try_from(id - 1).expect("a few nodes")
}

fn is_request(message: &Message) -> bool {
    matches!(message.body, Body::Vote { .. } | Body::Append { .. })
}
