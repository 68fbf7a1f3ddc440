//! A family of faults as one card: everything that others ask of it.
//!
//! A new family of known acts is a file with such a card, and a line in the [`catalogue`](super::catalogue).

use whitewater_checker::fault::Scope;

use super::{Roster, Strike};
use crate::dice::Dice;

/// A family of faults. How its faults are drawn in reports and what checks make of them follows from its scope.
#[derive(Debug)]
pub(crate) struct Family {
    /// What a user asks for: `kill`.
    pub(crate) name: &'static str,
    /// Whether a run that asks for none in particular has it.
    pub(crate) is_default: bool,
    /// What its faults act on.
    pub(crate) scope: Scope,
    /// What it takes.
    pub(crate) needs: Needs,
    /// Its faults.
    pub(crate) faults: &'static [Fault],
}

/// What a family takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// A machine on which processes can be signalled and watched.
    Signals,
    /// A machine on which connections can be proxied.
    Proxies,
    /// A target whose nodes can be asked for changes.
    Requests,
}

/// By what a fault finds its victims, and so when a schedule takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// By who leads: in schedules of clusters that tell.
    ByRole,
    /// By lot: in schedules of those that do not.
    AtAnybody,
    /// At all of them: in plans that are written by hand.
    AtAll,
}

/// One fault of a family.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The name in plans: `kill-leader`.
    pub(crate) slug: &'static str,
    /// What it does, in words: `kill -9 leader`.
    pub(crate) name: &'static str,
    /// Whom it strikes, in words: `leader`.
    pub(crate) target: &'static str,
    /// When a schedule takes it.
    pub(crate) aim: Aim,
    /// Whether it strikes the leader, where that is known beforehand.
    pub(crate) strikes_leader: Option<bool>,
    /// Whether a majority is left that can go on.
    pub(crate) keeps_quorum: bool,
    /// The smallest cluster in which it means something.
    pub(crate) nodes_min: u32,
    /// Decides what to do to this cluster, now; or why nothing can be done.
    pub(crate) resolve: fn(&Roster, &mut Dice) -> Result<Strike, String>,
}

/// What faults begin from that only differ in a few things.
impl Fault {
    /// A fault that strikes the leader.
    pub(super) const LEADER: Fault = Fault {
        slug: "",
        name: "",
        target: "leader",
        aim: Aim::ByRole,
        strikes_leader: Some(true),
        keeps_quorum: true,
        nodes_min: 2,
        resolve: |_, _| Err("it is no fault of its own".to_owned()),
    };

    /// A fault that strikes one node that does not lead.
    pub(super) const FOLLOWER: Fault =
        Fault { target: "a follower", strikes_leader: Some(false), ..Fault::LEADER };

    /// A fault that strikes one node, whoever it is.
    pub(super) const ANYBODY: Fault =
        Fault { target: "a node", aim: Aim::AtAnybody, strikes_leader: None, ..Fault::LEADER };

    /// A fault that strikes every node.
    pub(super) const ALL: Fault = Fault {
        target: "every node",
        aim: Aim::AtAll,
        strikes_leader: None,
        keeps_quorum: false,
        nodes_min: 1,
        ..Fault::LEADER
    };
}
