//! A cluster as a state of the model: nodes with their disks, messages on their way, and what was
//! promised so far.
//!
//! The nodes are the shipped core, driven as the documentation of [`whitewater_raft::Ready`] says.
//! Ticks do not exist: an election may begin at any moment, which covers every timing. A message that
//! is never delivered is a lost one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use whitewater_raft::event::{Event, Traced};
use whitewater_raft::{
    Chain, Config, Entry, HardState, Index, Membership, Message, NodeId, Persist, Raft, ReadMode,
    Ready, Restored, Term,
};

use crate::rules::Bug;

/// What may happen, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Elections begun.
    pub(crate) campaigns: u8,
    /// Commands proposed.
    pub(crate) proposals: u8,
    /// Crashes with an immediate restart from disk.
    pub(crate) crashes: u8,
    /// Messages delivered twice.
    pub(crate) duplicates: u8,
    /// Terms begun; elections beyond are not.
    pub(crate) terms: Term,
}

/// A node and its disk.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) raft: Raft,
    hard_state: HardState,
    entries: Vec<Entry>,
    /// Written and not yet durable, with what must wait for it. Always empty where disks are prompt.
    unflushed: Vec<Unflushed>,
    /// Stands for the node in a state's hash.
    fingerprint: u64,
}

/// What a flush makes durable and lets go.
#[derive(Clone, Debug)]
struct Unflushed {
    persist: Option<Persist>,
    events: Vec<Traced>,
    messages: Vec<Message>,
}

/// A broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Broken {
    ElectionSafety,
    LeaderCompleteness,
    StateMachineSafety,
}

/// One state.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Arc<Server>>,
    /// On their way, by a hash of their content, so that the order of sending does not matter.
    pub(crate) network: BTreeMap<u64, Arc<Message>>,
    pub(crate) left: Budget,
    /// Who led each term.
    pub(crate) leaders: BTreeMap<Term, NodeId>,
    /// What anyone applied, and in which term it was committed at the latest.
    pub(crate) committed: BTreeMap<Index, (Chain, Term)>,
    pub(crate) broken: Option<Broken>,
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

impl Hash for Cluster {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for server in &self.servers {
            server.fingerprint.hash(state);
        }
        for message in self.network.keys() {
            message.hash(state);
        }
        (self.left, &self.leaders, &self.committed, self.broken).hash(state);
    }
}

impl Cluster {
    /// A cluster that was just made.
    pub(crate) fn new(nodes: u64, left: Budget, bug: Bug) -> Self {
        let servers = (1..=nodes)
            .map(|id| Arc::new(Server::start(id, nodes, bug, HardState::default(), Vec::new())))
            .collect();
        let (leaders, committed) = (BTreeMap::new(), BTreeMap::new());
        Cluster { servers, network: BTreeMap::new(), left, leaders, committed, broken: None }
    }

    /// A node takes an input, and what follows from it happens.
    pub(crate) fn act(&mut self, id: NodeId, rules: &Rulebook, input: impl FnOnce(&mut Raft)) {
        let place = place(id);
        let mut server = Arc::clone(&self.servers[place]);
        let own = Arc::make_mut(&mut server);
        input(&mut own.raft);
        self.settle(id, own, rules);
        own.stamp();
        self.servers[place] = server;
    }

    /// Everything written becomes durable, and what waited for it leaves.
    pub(crate) fn flush(&mut self, id: NodeId, rules: &Rulebook) {
        let place = place(id);
        let mut server = Arc::clone(&self.servers[place]);
        let own = Arc::make_mut(&mut server);
        for unflushed in std::mem::take(&mut own.unflushed) {
            self.make_durable(id, own, unflushed, rules);
        }
        self.settle(id, own, rules);
        own.stamp();
        self.servers[place] = server;
    }

    /// The node forgets what is not on its disk. Replies to what it asked die with it, as their
    /// connections do.
    pub(crate) fn crash(&mut self, id: NodeId, rules: &Rulebook) {
        let nodes = self.servers.len() as u64;
        let server = &self.servers[place(id)];
        let (hard_state, entries) = (server.hard_state, server.entries.clone());
        let restarted = Server::start(id, nodes, rules.bug, hard_state, entries);
        self.servers[place(id)] = Arc::new(restarted);
        self.network.retain(|_, message| message.to != id || is_request(message));
    }

    fn settle(&mut self, id: NodeId, server: &mut Server, rules: &Rulebook) {
        while server.raft.has_ready() {
            let Ready { events, messages, persist, committed, .. } = {
                let mut ready = server.raft.ready();
                let unflushed = Unflushed {
                    persist: ready.persist.take(),
                    events: std::mem::take(&mut ready.events_after_persist),
                    messages: std::mem::take(&mut ready.messages_after_persist),
                };
                let is_empty = unflushed.persist.is_none()
                    && unflushed.events.is_empty()
                    && unflushed.messages.is_empty();
                if !is_empty {
                    server.unflushed.push(unflushed);
                }
                ready
            };
            assert!(persist.is_none());
            self.note(id, server, &events);
            self.send(messages);
            self.apply(server, &committed);
            let is_prompt = !rules.has_slow_disks;
            let waits_for_nothing = server.unflushed.iter().all(|it| it.persist.is_none());
            if is_prompt || waits_for_nothing {
                for unflushed in std::mem::take(&mut server.unflushed) {
                    self.make_durable(id, server, unflushed, rules);
                }
            }
        }
    }

    fn make_durable(
        &mut self,
        id: NodeId,
        server: &mut Server,
        unflushed: Unflushed,
        rules: &Rulebook,
    ) {
        let Unflushed { persist, events, messages } = unflushed;
        if let Some(persist) = &persist {
            server.write(persist, rules.bug);
        }
        self.note(id, server, &events);
        self.send(messages);
        if let Some(persist) = persist {
            server.raft.persisted(persist.number);
        }
    }

    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            let mut hasher = DefaultHasher::new();
            message.hash(&mut hasher);
            self.network.insert(hasher.finish(), Arc::new(message));
        }
    }

    /// State machine safety (Figure 3): no two nodes apply different entries at one index.
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

    /// Election safety and leader completeness (Figure 3), at the moment of election.
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

    /// Log matching (Figure 3): the same index and term mean the same log up to there.
    pub(crate) fn logs_match(&self) -> bool {
        let highest = |server: &Arc<Server>| server.raft.status().last.index;
        let last = self.servers.iter().map(highest).max().unwrap_or(0);
        (1..=last).all(|index| {
            let mut seen = BTreeMap::new();
            self.servers.iter().all(|server| {
                let (term, chain) = (server.raft.term_at(index), server.raft.chain_at(index));
                term.is_none() || *seen.entry(term).or_insert(chain) == chain
            })
        })
    }

    /// Whether a node has something that a flush would make durable.
    pub(crate) fn can_flush(&self, id: NodeId) -> bool {
        !self.servers[place(id)].unflushed.is_empty()
    }
}

/// How nodes and disks behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rulebook {
    pub(crate) bug: Bug,
    /// Writes take effect later, in a step of their own, and a crash may come before it.
    pub(crate) has_slow_disks: bool,
}

impl Server {
    fn start(id: NodeId, nodes: u64, bug: Bug, state: HardState, entries: Vec<Entry>) -> Self {
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
            seed: id,
            rules: Arc::new(bug),
        };
        let bootstrap = Membership { voters: (1..=nodes).collect(), ..Membership::default() };
        let restored =
            Restored { hard_state: state, snapshot: None, entries: entries.clone(), bootstrap };
        let mut server = Server {
            raft: Raft::new(config, restored),
            hard_state: state,
            entries,
            unflushed: Vec::new(),
            fingerprint: 0,
        };
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

    /// Two nodes with equal fingerprints behave alike: the core prints everything it knows.
    fn stamp(&mut self) {
        let mut text = Fingerprint(DefaultHasher::new());
        write!(text, "{:?} {:?}", self.raft, self.unflushed).expect("hashing cannot fail");
        (self.hard_state, &self.entries).hash(&mut text.0);
        self.fingerprint = text.0.finish();
    }
}

/// Hashes what is printed.
struct Fingerprint(DefaultHasher);

impl Write for Fingerprint {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Where a node stands in [`Cluster::servers`].
pub(crate) fn place(id: NodeId) -> usize {
    usize::try_from(id - 1).expect("a few nodes")
}

fn is_request(message: &Message) -> bool {
    use whitewater_raft::Body::{Append, Vote};
    matches!(message.body, Vote { .. } | Append { .. })
}
