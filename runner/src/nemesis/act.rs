//! The single things that can be done to a cluster.

use crate::proxy::{Party, Rule};

/// What travels from the first to the second.
pub(crate) type Way = (Party, Party);

/// One thing done to the cluster. How it is done and undone is in [`super::deed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// SIGKILL; undone by a restart.
    Kill(u32),
    /// SIGSTOP; undone by SIGCONT.
    Pause(u32),
    /// What travels these ways obeys a rule; undone by letting it pass.
    Rule(Vec<Way>, Rule),
    /// The cluster itself is asked for something.
    Ask(Request),
}

/// What an operator asks for, and sees through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The leader hands over, to this node or to whom it likes. Nothing to undo.
    Transfer(Option<u32>),
    /// The leader is to hand over to a node that cannot take over. Nothing to undo.
    FailTransfer(u32),
    /// The node leaves the cluster; undone by adding it again and making it a voter.
    Remove(u32),
    /// The node leaves the cluster, loses its disk, and is started to join; undone as `Remove`.
    Replace(u32),
    /// A leader that cannot commit is asked to remove a node. Should it get through after all, that is
    /// undone as `Remove`.
    RemoveInVain {
        /// Who is asked.
        leader: u32,
        /// Who is to leave.
        node: u32,
    },
}

impl Request {
    /// The node whose membership it may change.
    pub(crate) fn member(self) -> Option<u32> {
        match self {
            Request::Remove(node) | Request::Replace(node) | Request::RemoveInVain { node, .. } => {
                Some(node)
            }
            Request::Transfer(_) | Request::FailTransfer(_) => None,
        }
    }
}

impl Act {
    /// Nothing travels these ways.
    pub(crate) fn block(ways: Vec<Way>) -> Act {
        Act::Rule(ways, Rule::Block)
    }

    /// The ways it touches; none where it acts on something else.
    pub(crate) fn ways(&self) -> &[Way] {
        match self {
            Act::Rule(ways, _) => ways,
            Act::Kill(_) | Act::Pause(_) | Act::Ask(_) => &[],
        }
    }

    /// Whether it asks the cluster itself for something. What else a fault does is then only the stage
    /// for it, and only what came of the request counts as its effect.
    pub(crate) fn is_request(&self) -> bool {
        matches!(self, Act::Ask(_))
    }

    /// The node whose membership it may change.
    pub(crate) fn member(&self) -> Option<u32> {
        match self {
            Act::Ask(request) => request.member(),
            Act::Kill(_) | Act::Pause(_) | Act::Rule(..) => None,
        }
    }
}

/// What was seen of an act or its undoing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// When it was seen to be in force, or lifted; `None`: it was not.
    pub(crate) at_ns: Option<u64>,
    /// What was seen, in words.
    pub(crate) effects: Vec<String>,
}

impl Seen {
    /// It was seen, then.
    pub(super) fn at(at_ns: u64, fact: String) -> Self {
        Self { at_ns: Some(at_ns), effects: vec![fact] }
    }

    /// It was not seen, for this reason.
    pub(super) fn nothing(reason: String) -> Self {
        Self { at_ns: None, effects: vec![reason] }
    }
}
