//! Exactly once (thesis 6.3): a session's command takes effect once, however often it was sent, and
//! what a client was told is done did take effect, and what it was told has failed did not.
//!
//! A node tells each command that it applies before anyone is answered, so a command that was
//! acknowledged stands in the trace of the node that answered. A node that restarts applies its log
//! again: the same command at the same index is the same event.

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use whitewater_raft::event::Event;
use whitewater_raft::{Index, NodeId};

use super::finding::{CommandId, Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::history::Function;
use crate::numbers::grouped;

/// A command that a client was told the end of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) command: CommandId,
    /// Who said so.
    pub(crate) node: NodeId,
    pub(crate) told: Told,
    /// What it asked for.
    pub(crate) function: Function,
    pub(crate) at_ns: u64,
    /// Where the client recorded it.
    pub(crate) place: Place,
}

/// What a client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It took effect.
    Done,
    /// It took no effect, now or ever.
    Failed,
}

/// Where a command first took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) index: Index,
    place: Place,
    node: u32,
    /// It was applied and refused: nothing changed.
    is_refused: bool,
}

/// What the traces know of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It took effect there first.
    TookEffect(Effect),
    /// Nodes told it as a repetition only; where it took effect nobody told.
    Repeated,
    /// No node told of it.
    Untold,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ExactlyOnce {
    effects: HashMap<CommandId, Effect>,
    /// Told as a repetition when nobody had told it to take effect.
    only_repeated: HashSet<CommandId>,
    /// Whether any node told a refusal: without such words, a failed cas may just not have matched.
    tells_refusals: bool,
    answered: Option<(u64, u64)>,
    repeats: u64,
}

impl ExactlyOnce {
    /// What the traces know of a command; when they are over.
    pub(crate) fn fate(&self, command: CommandId) -> Fate {
        match self.effects.get(&command) {
            Some(effect) => Fate::TookEffect(*effect),
            None if self.only_repeated.contains(&command) => Fate::Repeated,
            None => Fate::Untold,
        }
    }

    /// There is a history to compare with.
    pub(crate) fn compare(&mut self) {
        self.answered.get_or_insert_default();
    }

    /// Compares with what a client was told; called when the trace is over.
    pub(crate) fn answered(&mut self, answered: &Answered, nodes: &Nodes, found: &mut Findings) {
        let (done, failed) = self.answered.get_or_insert_default();
        match answered.told {
            Told::Done if nodes.tells(answered.node) => {
                *done += 1;
                self.done(answered, found);
            }
            Told::Done => {}
            Told::Failed => {
                *failed += 1;
                self.failed(answered, found);
            }
        }
    }

    fn done(&self, answered: &Answered, found: &mut Findings) {
        let (session, sequence) = answered.command;
        if self.effects.contains_key(&answered.command) {
            return;
        }
        found.add(|| Draft {
            anomaly: "acknowledged-not-applied",
            headline: "A client was told that a command is done, and no node applied it.",
            explanation: format!(
                "{} answered command {sequence} of session {session} with success; no trace has \
                 it take effect.",
                name(answered.node)
            ),
            nodes: vec![answered.node],
            at_ns: answered.at_ns,
            places: vec![answered.place],
            commands: vec![answered.command],
            ..Draft::default()
        });
    }

    fn failed(&self, answered: &Answered, found: &mut Findings) {
        let Some(effect) = self.effects.get(&answered.command) else { return };
        let may_not_match = answered.function == Function::Cas && !self.tells_refusals;
        if effect.is_refused || may_not_match {
            return;
        }
        let (session, sequence) = answered.command;
        let node: NodeId = effect.node.into();
        found.add(|| Draft {
            anomaly: "failed-but-applied",
            headline: "A client was told that a command has failed, and it took effect.",
            explanation: format!(
                "Command {sequence} of session {session} was reported as failed, so it must never \
                 take effect; {} told that it took effect at index {}.",
                name(node),
                effect.index,
            ),
            nodes: vec![answered.node, node],
            at_ns: answered.at_ns,
            places: vec![effect.place, answered.place],
            commands: vec![answered.command],
            entries: Some((effect.index, effect.index)),
        });
    }

    /// The node that told of a command's effect, and the index of its entry.
    pub(crate) fn effect(&self, command: CommandId) -> Option<(NodeId, Index)> {
        self.effects.get(&command).map(|effect| (effect.node.into(), effect.index))
    }

    fn applied(
        &mut self,
        line: &Line<'_>,
        index: Index,
        command: CommandId,
        (fresh, is_refused): (bool, bool),
        found: &mut Findings,
    ) {
        let node = u32::try_from(line.record.node).unwrap_or(u32::MAX);
        let known = match self.effects.entry(command) {
            Entry::Vacant(vacant) => {
                if fresh {
                    vacant.insert(Effect { index, place: line.place, node, is_refused });
                } else {
                    self.only_repeated.insert(command);
                }
                return;
            }
            Entry::Occupied(occupied) => *occupied.get(),
        };
        let (session, sequence) = command;
        let (first, second) = (name(known.node.into()), name(line.record.node));
        let (anomaly, headline, explanation) = match (fresh, known.index == index) {
            (true, true) => return,
            (false, false) => {
                self.repeats += 1;
                return;
            }
            (true, false) => (
                "applied-twice",
                "A command took effect twice.",
                format!(
                    "Command {sequence} of session {session} took effect at index {} (told by \
                     {first}) and again at index {index} (told by {second}).",
                    known.index
                ),
            ),
            (false, true) => (
                "nodes-disagree",
                "Nodes disagree on whether a command took effect.",
                format!(
                    "Command {sequence} of session {session} at index {index} took effect on \
                     {first}; {second} took it for a repetition."
                ),
            ),
        };
        found.add(|| Draft {
            anomaly,
            headline,
            explanation,
            nodes: vec![known.node.into(), line.record.node],
            at_ns: line.record.time_ns,
            places: vec![known.place, line.place],
            commands: vec![command],
            entries: (known.index == index).then_some((index, index)),
        });
    }
}

impl Check for ExactlyOnce {
    fn heading(&self) -> Heading {
        Heading::new(
            "exactly-once",
            "acknowledged commands take effect, failed ones never, and none twice",
        )
    }

    fn see(&mut self, line: &Line<'_>, _nodes: &Nodes, found: &mut Findings) {
        let Event::Command { index, session, sequence, fresh, refused } = &line.record.event else {
            return;
        };
        self.tells_refusals |= *refused;
        self.applied(line, *index, (*session, *sequence), (*fresh, *refused), found);
    }

    fn summary(&self) -> String {
        let applied = grouped(self.effects.len() as u64);
        let repeats = grouped(self.repeats);
        let answered = match self.answered {
            Some((done, failed)) => {
                let (done, failed) = (grouped(done), grouped(failed));
                format!("{done} acknowledged to clients, {failed} reported as failed")
            }
            None => "no history of clients to compare with".to_owned(),
        };
        format!("{applied} commands took effect, {repeats} repetitions told, {answered}")
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            !self.effects.is_empty(),
            "no command was seen to take effect",
            "a run in which clients write",
        )
    }
}
