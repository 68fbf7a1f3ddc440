//! The acts in force, with the fault that each belongs to: faults may overlap, and what a node or a link is to be
//! follows from all of them together.
//!
//! An act is entered *before* it is carried out and struck off *before* it is undone by whoever then makes the world
//! what the rest asks for: what is entered may be in force, and what nobody asks for any more is lifted.

use std::collections::BTreeSet;

use super::act::{Act, Way};
use crate::proxy::Rule;

/// What a node's process is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Running.
    Up,
    /// Standing still.
    Stopped,
    /// Down, whoever else wants it otherwise.
    Down,
}

/// The acts in force.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    acts: Vec<(u32, Act)>,
    /// Nodes that were killed, and would have been started again had no other fault held them.
    owed: BTreeSet<u32>,
    /// The nodes whose membership was ever touched: a change may take effect long after its fault.
    members: BTreeSet<u32>,
}

impl InForce {
    /// A fault's act is going to be in force.
    pub(super) fn enter(&mut self, fault: u32, act: &Act) {
        self.members.extend(act.member());
        self.acts.push((fault, act.clone()));
    }

    /// A fault's act is to be no more in force.
    pub(super) fn leave(&mut self, fault: u32, act: &Act) {
        let place = self.acts.iter().position(|(of, entry)| *of == fault && entry == act);
        if let Some(place) = place {
            self.acts.remove(place);
        }
    }

    /// What a node's process is to be.
    pub(crate) fn wanted(&self, node: u32) -> Wanted {
        let has = |act: Act| self.acts.iter().any(|(_, entry)| *entry == act);
        if has(Act::Kill(node)) {
            Wanted::Down
        } else if has(Act::Pause(node)) {
            Wanted::Stopped
        } else {
            Wanted::Up
        }
    }

    /// The rule on a way: all that are in force on it, together.
    pub(crate) fn rule(&self, way: Way) -> Rule {
        let rules = self.acts.iter().filter_map(|(_, act)| match act {
            Act::Rule(ways, rule) if ways.contains(&way) => Some(*rule),
            _ => None,
        });
        rules.fold(Rule::Pass, Rule::and)
    }

    /// A node that is down is to be started by whoever lifts the last fault that holds it.
    pub(super) fn owe_start(&mut self, node: u32) {
        self.owed.insert(node);
    }

    /// Whether another fault killed a node that is held.
    pub(super) fn owes_start(&self, node: u32) -> bool {
        self.owed.contains(&node) || self.wanted(node) == Wanted::Down
    }

    /// Whether a node's start is owed; it is not any more.
    pub(super) fn take_owed(&mut self, node: u32) -> bool {
        self.owed.remove(&node)
    }

    /// Everything in force.
    pub(super) fn entries(&self) -> Vec<(u32, Act)> {
        self.acts.clone()
    }

    /// The nodes whose membership was ever touched.
    pub(super) fn members(&self) -> &BTreeSet<u32> {
        &self.members
    }

    /// A node left for good.
    pub(crate) fn forget_member(&mut self, node: u32) {
        self.members.remove(&node);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proxy::Party;

    const WAY: Way = (Party::Node(1), Party::Node(2));
    const LATE: Rule = Rule::late(Duration::from_millis(20), Duration::ZERO);
    const NARROW: Rule = Rule::narrow(20_000);

    #[test]
    fn a_way_is_blocked_until_the_last_block_on_it_ends_and_then_obeys_what_is_left() {
        let mut in_force = InForce::default();
        let (block, late) = (Act::block(vec![WAY]), Act::Rule(vec![WAY], LATE));
        in_force.enter(1, &block);
        in_force.enter(2, &late);
        in_force.enter(3, &block);
        assert_eq!(in_force.rule(WAY), Rule::Block);
        in_force.leave(1, &block);
        assert_eq!(in_force.rule(WAY), Rule::Block);
        in_force.leave(3, &block);
        assert_eq!(in_force.rule(WAY), LATE);
        in_force.leave(2, &late);
        assert_eq!(in_force.rule(WAY), Rule::Pass);
        assert_eq!(in_force.rule((WAY.1, WAY.0)), Rule::Pass);
    }

    #[test]
    fn two_slow_rules_hold_together_and_each_stays_when_the_other_ends() {
        let mut in_force = InForce::default();
        let (late, narrow) = (Act::Rule(vec![WAY], LATE), Act::Rule(vec![WAY], NARROW));
        in_force.enter(1, &late);
        in_force.enter(2, &narrow);
        assert_eq!(in_force.rule(WAY), LATE.and(NARROW));
        in_force.leave(1, &late);
        assert_eq!(in_force.rule(WAY), NARROW);
    }

    #[test]
    fn a_node_is_down_while_anybody_wants_it_down_and_stopped_while_anybody_wants_that() {
        let mut in_force = InForce::default();
        for (fault, act) in [(1, Act::Pause(1)), (2, Act::Kill(1)), (3, Act::Kill(1))] {
            in_force.enter(fault, &act);
        }
        in_force.leave(2, &Act::Kill(1));
        assert_eq!(in_force.wanted(1), Wanted::Down, "the other one holds it");
        in_force.leave(3, &Act::Kill(1));
        assert_eq!(in_force.wanted(1), Wanted::Stopped);
        in_force.leave(3, &Act::Pause(1));
        assert_eq!(in_force.wanted(1), Wanted::Stopped, "it is not that fault's to lift");
        in_force.leave(1, &Act::Pause(1));
        assert_eq!(in_force.wanted(1), Wanted::Up);
    }
}
