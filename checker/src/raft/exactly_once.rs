//! Exactly once (thesis 6.3): a session's command takes effect once, however often it was sent, and
//! what a client was told is done did take effect.
//!
//! A node tells each command that it applies before anyone is answered, so a command that was
//! acknowledged stands in the trace of the node that answered. A node that restarts applies its log
//! again: the same command at the same index is the same event.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use whitewater_raft::event::Event;
use whitewater_raft::{Index, NodeId};

use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::run::grouped;

/// A command's session, and its number there.
type CommandId = (u64, u64);

/// A command that a client was told is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) command: CommandId,
    /// Who said so.
    pub(crate) node: NodeId,
    pub(crate) at_ns: u64,
    /// Where the client recorded it.
    pub(crate) place: Place,
}

/// Where a command first took effect.
#[derive(Clone, Copy, Debug)]
struct Effect {
    index: Index,
    place: Place,
    node: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ExactlyOnce {
    effects: HashMap<CommandId, Effect>,
    acknowledged: Option<u64>,
    repeats: u64,
}

impl ExactlyOnce {
    /// Compares with what clients were told; called when the trace is over.
    pub(crate) fn acknowledged(
        &mut self,
        acknowledged: impl Iterator<Item = Acknowledged>,
        nodes: &Nodes,
        found: &mut Findings,
    ) {
        let mut count = 0;
        for told in acknowledged.filter(|told| nodes.tells(told.node)) {
            count += 1;
            if self.effects.contains_key(&told.command) {
                continue;
            }
            let (session, sequence) = told.command;
            found.add(|| Draft {
                anomaly: "acknowledged-not-applied",
                headline: "A client was told that a command is done, and no node applied it.",
                explanation: format!(
                    "{} answered command {sequence} of session {session} with success; no trace has \
                     it take effect.",
                    name(told.node)
                ),
                nodes: vec![told.node],
                at_ns: told.at_ns,
                places: vec![told.place],
            });
        }
        self.acknowledged = Some(count);
    }

    fn applied(
        &mut self,
        line: &Line<'_>,
        index: Index,
        command: CommandId,
        fresh: bool,
        found: &mut Findings,
    ) {
        let node = u32::try_from(line.record.node).unwrap_or(u32::MAX);
        let known = match self.effects.entry(command) {
            Entry::Vacant(vacant) => {
                if fresh {
                    vacant.insert(Effect { index, place: line.place, node });
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
        });
    }
}

impl Check for ExactlyOnce {
    fn name(&self) -> &'static str {
        "exactly-once"
    }

    fn title(&self) -> &'static str {
        "acknowledged commands take effect, and none twice"
    }

    fn see(&mut self, line: &Line<'_>, _nodes: &Nodes, found: &mut Findings) {
        if let Event::Command { index, session, sequence, fresh } = &line.record.event {
            self.applied(line, *index, (*session, *sequence), *fresh, found);
        }
    }

    fn summary(&self) -> String {
        let applied = grouped(self.effects.len() as u64);
        let repeats = grouped(self.repeats);
        let acknowledged = match self.acknowledged {
            Some(count) => format!("{} acknowledged to clients", grouped(count)),
            None => "no history of clients to compare with".to_owned(),
        };
        format!("{applied} commands took effect, {repeats} repetitions told, {acknowledged}")
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            !self.effects.is_empty(),
            "no command was seen to take effect",
            "a run in which clients write",
        )
    }
}
