//! `kill`: SIGKILL, and a restart when the fault ends.
//!
//! The page cache survives a SIGKILL, so this finds what a server keeps in its own memory, not what it
//! forgets to fsync.

use super::victims::Victims;
use super::{Act, Fault, Roster, Strike};
use crate::dice::Dice;

/// The family's name.
pub(super) const FAMILY: &str = "kill";

/// Kills these nodes.
pub(super) struct Kill(pub(super) Victims);

impl Fault for Kill {
    fn slug(&self) -> String {
        format!("kill-{}", self.0.slug())
    }

    fn family(&self) -> &'static str {
        FAMILY
    }

    fn name(&self) -> String {
        format!("kill -9 {}", self.0.words())
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
            acts: nodes.iter().map(|node| Act::Kill(*node)).collect(),
            nodes,
        })
    }
}
