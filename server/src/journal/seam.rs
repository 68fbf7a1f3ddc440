//! The core as a node sees it: its methods, each of them noted in a journal where one is wanted.

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use whitewater_raft::{
    Config, Index, MembershipChange, Message, NodeId, Position, Raft, Ready, Refused, Restored,
    SnapshotMeta,
};

use super::step::{Input, Outline, Output};
use super::{Header, Recorder, Settings};

/// A [`Raft`] and, where one is wanted, the journal of its calls. What only looks at the core goes to the
/// core itself; whatever decides or changes something is a method here.
#[derive(Debug)]
pub(crate) struct Core {
    raft: Raft,
    recorder: Option<Box<Recorder>>,
}

impl Deref for Core {
    type Target = Raft;

    fn deref(&self) -> &Raft {
        &self.raft
    }
}

impl Core {
    /// A core that begins with what its disk knew; so does the journal.
    pub(crate) fn new(
        config: Config,
        restored: Restored,
        boot: u64,
        mutant: Option<String>,
        recorder: Option<Recorder>,
    ) -> Core {
        let mut recorder = recorder.map(Box::new);
        if let Some(recorder) = &mut recorder {
            let build = env!("CARGO_PKG_VERSION").to_owned();
            let (settings, restored) = (Settings::of(&config), restored.clone());
            recorder.begin(&Header { build, boot, mutant, settings, restored });
        }
        Core { raft: Raft::new(config, restored), recorder }
    }

    /// Fails, once, if the journal is not complete.
    pub(crate) fn check_journal(&mut self) -> io::Result<()> {
        self.recorder.as_mut().map_or(Ok(()), |recorder| recorder.check())
    }

    pub(crate) fn tick(&mut self) {
        self.note(|| Input::Tick);
        self.raft.tick();
        self.answer(|| Output::Nothing);
    }

    pub(crate) fn step(&mut self, message: Message) {
        self.note(|| Input::Step(message.clone()));
        self.raft.step(message);
        self.answer(|| Output::Nothing);
    }

    pub(crate) fn propose(&mut self, command: Arc<[u8]>) -> Result<Position, Refused> {
        self.note(|| Input::Propose(Arc::clone(&command)));
        let proposed = self.raft.propose(command);
        self.answer(|| Output::Proposed(proposed));
        proposed
    }

    /// Changes nothing, but decides what a client is told.
    pub(crate) fn acknowledges(&mut self, index: Index) -> bool {
        self.note(|| Input::Acknowledges(index));
        let acknowledges = self.raft.acknowledges(index);
        self.answer(|| Output::Acknowledges(acknowledges));
        acknowledges
    }

    pub(crate) fn read(&mut self, context: u64) {
        self.note(|| Input::Read(context));
        self.raft.read(context);
        self.answer(|| Output::Nothing);
    }

    pub(crate) fn persisted(&mut self, number: u64) {
        self.note(|| Input::Persisted(number));
        self.raft.persisted(number);
        self.answer(|| Output::Nothing);
    }

    pub(crate) fn applied(&mut self, index: Index) {
        self.note(|| Input::Applied(index));
        self.raft.applied(index);
        self.answer(|| Output::Nothing);
    }

    pub(crate) fn compacted(&mut self, snapshot: SnapshotMeta) {
        self.note(|| Input::Compacted(snapshot.clone()));
        self.raft.compacted(snapshot);
        self.answer(|| Output::Nothing);
    }

    pub(crate) fn set_log_tail(&mut self, entries: u64) {
        self.note(|| Input::LogTail(entries));
        self.raft.set_log_tail(entries);
        self.answer(|| Output::Nothing);
    }

    pub(crate) fn transfer_leadership(
        &mut self,
        target: Option<NodeId>,
    ) -> Result<NodeId, Refused> {
        self.note(|| Input::Transfer(target));
        let transferring = self.raft.transfer_leadership(target);
        self.answer(|| Output::Transferring(transferring));
        transferring
    }

    pub(crate) fn change_membership(
        &mut self,
        change: MembershipChange,
    ) -> Result<Position, Refused> {
        self.note(|| Input::ChangeMembership(change));
        let changes = self.raft.change_membership(change);
        self.answer(|| Output::ChangesMembership(changes));
        changes
    }

    pub(crate) fn snapshot_message(&mut self, peer: NodeId, meta: SnapshotMeta) -> Option<Message> {
        self.note(|| Input::SnapshotMessage { peer, meta: meta.clone() });
        let message = self.raft.snapshot_message(peer, meta);
        self.answer(|| Output::SnapshotMessage(message.clone()));
        message
    }

    pub(crate) fn snapshot_sent(&mut self, peer: NodeId, delivered: bool) {
        self.note(|| Input::SnapshotSent { peer, delivered });
        self.raft.snapshot_sent(peer, delivered);
        self.answer(|| Output::Nothing);
    }

    pub(crate) fn ready(&mut self) -> Ready {
        self.note(|| Input::Ready);
        let ready = self.raft.ready();
        self.answer(|| Output::Ready(Box::new(Outline::of(&ready))));
        ready
    }

    fn note(&mut self, input: impl FnOnce() -> Input) {
        if let Some(recorder) = &mut self.recorder {
            recorder.input(&input());
        }
    }

    fn answer(&mut self, output: impl FnOnce() -> Output) {
        if let Some(recorder) = &mut self.recorder {
            recorder.output(&output());
        }
    }
}
