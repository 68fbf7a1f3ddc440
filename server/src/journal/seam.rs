//! The core as a node sees it: its methods, each of them noted in a journal where one is wanted.

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use whitewater_raft::{
    Config, Index, Input, MembershipChange, Message, NodeId, Output, Position, Raft, Ready,
    Refused, Restored, SnapshotMeta,
};

use super::step::Outline;
use super::{Header, Recorder, Settings};

/// What the core says to an input that it answers in one way only.
macro_rules! said {
    ($core:ident, $input:expr, $variant:path) => {
        match $core.take($input) {
            $variant(said) => said,
            other => unreachable!("the core answers {other:?}"),
        }
    };
}

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
        self.take(Input::Tick);
    }

    pub(crate) fn step(&mut self, message: Message) {
        self.take(Input::Step(message));
    }

    pub(crate) fn propose(&mut self, command: Arc<[u8]>) -> Result<Position, Refused> {
        said!(self, Input::Propose(command), Output::Proposed)
    }

    /// Changes nothing, but decides what a client is told.
    pub(crate) fn acknowledges(&mut self, index: Index) -> bool {
        said!(self, Input::Acknowledges(index), Output::Acknowledges)
    }

    pub(crate) fn read(&mut self, context: u64) {
        self.take(Input::Read(context));
    }

    pub(crate) fn persisted(&mut self, number: u64) {
        self.take(Input::Persisted(number));
    }

    pub(crate) fn applied(&mut self, index: Index) {
        self.take(Input::Applied(index));
    }

    pub(crate) fn compacted(&mut self, snapshot: SnapshotMeta) {
        self.take(Input::Compacted(snapshot));
    }

    pub(crate) fn set_log_tail(&mut self, entries: u64) {
        self.take(Input::LogTail(entries));
    }

    pub(crate) fn transfer_leadership(
        &mut self,
        target: Option<NodeId>,
    ) -> Result<NodeId, Refused> {
        said!(self, Input::Transfer(target), Output::Transferring)
    }

    pub(crate) fn change_membership(
        &mut self,
        change: MembershipChange,
    ) -> Result<Position, Refused> {
        said!(self, Input::ChangeMembership(change), Output::ChangesMembership)
    }

    pub(crate) fn snapshot_message(&mut self, peer: NodeId, meta: SnapshotMeta) -> Option<Message> {
        said!(self, Input::SnapshotMessage { peer, meta }, Output::SnapshotMessage)
    }

    pub(crate) fn snapshot_sent(&mut self, peer: NodeId, delivered: bool) {
        self.take(Input::SnapshotSent { peer, delivered });
    }

    pub(crate) fn ready(&mut self) -> Ready {
        said!(self, Input::Ready, Output::Ready)
    }

    /// The one way into the core.
    fn take(&mut self, input: Input) -> Output {
        let Some(recorder) = &mut self.recorder else { return self.raft.take(input) };
        recorder.input(&input);
        let output = self.raft.take(input);
        recorder.output(&output.account(Outline::of));
        output
    }
}
