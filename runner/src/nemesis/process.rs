//! `kill` and `pause`: what is done to processes.
//!
//! `kill` is SIGKILL, and a restart when the fault ends. The page cache survives a SIGKILL, so this finds
//! what a server keeps in its own memory, not what it forgets to fsync. `pause` is SIGSTOP, and SIGCONT
//! when the fault ends. A resumed process believes that no time has passed: a leader may still think that
//! it leads. This is what a long garbage collection, a stalled disk or a migrated virtual machine does
//! to a server.

use whitewater_checker::fault::Scope;

use super::victims::Victims;
use super::{Act, Fault, Roster, Strike};
use crate::dice::Dice;

/// The family of SIGKILL.
pub(crate) const KILL: &str = "kill";
/// The family of SIGSTOP.
pub(crate) const PAUSE: &str = "pause";

/// What is done to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Pause,
}

/// Does this to these nodes' processes.
pub(super) struct Process(pub(super) Harm, pub(super) Victims);

impl Fault for Process {
    fn slug(&self) -> String {
        format!("{}-{}", self.family(), self.1.slug())
    }

    fn family(&self) -> &'static str {
        match self.0 {
            Harm::Kill => KILL,
            Harm::Pause => PAUSE,
        }
    }

    fn scope(&self) -> Scope {
        match self.0 {
            Harm::Kill => Scope::ProcessDown,
            Harm::Pause => Scope::ProcessPaused,
        }
    }

    fn name(&self) -> String {
        let verb = match self.0 {
            Harm::Kill => "kill -9",
            Harm::Pause => "SIGSTOP",
        };
        format!("{verb} {}", self.1.words())
    }

    fn target(&self) -> &'static str {
        self.1.words()
    }

    fn strikes_leader(&self) -> Option<bool> {
        self.1.strikes_leader()
    }

    fn keeps_quorum(&self) -> bool {
        self.1 != Victims::Majority
    }

    fn nodes_min(&self) -> u32 {
        self.1.nodes_min()
    }

    fn resolve(&self, roster: &Roster, dice: &mut Dice) -> Result<Strike, String> {
        let nodes = self.1.pick(roster, dice)?;
        let names: Vec<String> = nodes.iter().map(|node| roster.describe(*node)).collect();
        let act = match self.0 {
            Harm::Kill => Act::Kill,
            Harm::Pause => Act::Pause,
        };
        Ok(Strike {
            detail: names.join(", "),
            leader_hit: roster.leader_hit(&nodes),
            acts: nodes.iter().copied().map(act).collect(),
            nodes,
        })
    }
}
