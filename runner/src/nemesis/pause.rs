//! `pause`: SIGSTOP, and SIGCONT when the fault ends.
//!
//! A resumed process believes that no time has passed: a leader may still think that it leads. This is
//! what a long garbage collection, a stalled disk or a migrated virtual machine does to a server.

use super::victims::Victims;
use super::{Act, Fault, Roster, Strike};
use crate::dice::Dice;

/// The family's name.
pub(super) const FAMILY: &str = "pause";

/// Pauses these nodes.
pub(super) struct Pause(pub(super) Victims);

impl Fault for Pause {
    fn slug(&self) -> String {
        format!("pause-{}", self.0.slug())
    }

    fn family(&self) -> &'static str {
        FAMILY
    }

    fn name(&self) -> String {
        format!("SIGSTOP {}", self.0.words())
    }

    fn target(&self) -> &'static str {
        self.0.words()
    }

    fn strikes_leader(&self) -> Option<bool> {
        self.0.strikes_leader()
    }

    fn keeps_quorum(&self) -> bool {
        self.0 != Victims::Majority
    }

    fn nodes_min(&self) -> u32 {
        self.0.nodes_min()
    }

    fn resolve(&self, roster: &Roster, dice: &mut Dice) -> Result<Strike, String> {
        let nodes = self.0.pick(roster, dice)?;
        let names: Vec<String> = nodes.iter().map(|node| roster.describe(*node)).collect();
        Ok(Strike {
            detail: names.join(", "),
            leader_hit: roster.leader_hit(&nodes),
            acts: nodes.iter().map(|node| Act::Pause(*node)).collect(),
            nodes,
        })
    }
}
