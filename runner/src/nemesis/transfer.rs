//! `transfer`: the leader is asked to hand over, as an operator does before maintenance.
//!
//! Hand-overs that work make a leader change without anything being broken, at a moment when requests are
//! on their way. The others cannot succeed, because the target is cut off or stopped: the leader has to
//! notice, give up and serve again, and a target that wakes up much later still has its order.

use whitewater_checker::fault::Scope;

use super::partition::isolate;
use super::{Act, Fault, Request, Roster, Strike};
use crate::dice::Dice;

/// The family's name.
pub(super) const FAMILY: &str = "transfer";

/// To whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    /// Whomever the leader chooses.
    Any,
    /// A given follower.
    Follower,
    /// A follower that is stopped.
    Paused,
    /// A follower that no other node can reach.
    CutOff,
}

impl Transfer {
    /// Every kind.
    pub(super) const ALL: [Transfer; 4] =
        [Transfer::Any, Transfer::Follower, Transfer::Paused, Transfer::CutOff];
}

impl Fault for Transfer {
    fn slug(&self) -> String {
        let slug = match self {
            Transfer::Any => "any",
            Transfer::Follower => "follower",
            Transfer::Paused => "paused",
            Transfer::CutOff => "cut-off",
        };
        format!("transfer-{slug}")
    }

    fn family(&self) -> &'static str {
        FAMILY
    }

    fn scope(&self) -> Scope {
        Scope::Leadership
    }

    fn name(&self) -> String {
        let name = match self {
            Transfer::Any => "leader hands over",
            Transfer::Follower => "leader hands over to a given follower",
            Transfer::Paused => "hand-over to a paused follower, which must fail",
            Transfer::CutOff => "hand-over to a follower that is cut off, which must fail",
        };
        name.into()
    }

    fn target(&self) -> &'static str {
        match self {
            Transfer::Any | Transfer::Follower => "leader",
            Transfer::Paused | Transfer::CutOff => "a follower",
        }
    }

    fn strikes_leader(&self) -> Option<bool> {
        Some(matches!(self, Transfer::Any | Transfer::Follower))
    }

    fn nodes_min(&self) -> u32 {
        match self {
            Transfer::Any | Transfer::Follower => 2,
            Transfer::Paused | Transfer::CutOff => 3,
        }
    }

    fn resolve(&self, roster: &Roster, dice: &mut Dice) -> Result<Strike, String> {
        let leader = roster.leader()?;
        let target = roster.followers(dice)?[0];
        let (struck, acts) = match self {
            Transfer::Any => (leader, vec![Act::Ask(Request::Transfer(None))]),
            Transfer::Follower => (leader, vec![Act::Ask(Request::Transfer(Some(target)))]),
            Transfer::Paused => {
                (target, vec![Act::Pause(target), Act::Ask(Request::FailTransfer(target))])
            }
            Transfer::CutOff => {
                (target, vec![isolate(roster, target), Act::Ask(Request::FailTransfer(target))])
            }
        };
        let to = match self {
            Transfer::Any => "whom it likes".to_owned(),
            _ => format!("n{target}"),
        };
        Ok(Strike {
            nodes: vec![struck],
            detail: format!("{} to {to}", roster.describe(leader)),
            leader_hit: roster.leader_hit(&[struck]),
            acts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{Party, Rule};

    #[test]
    fn the_target_is_a_follower_and_what_keeps_it_from_taking_over_comes_first() {
        let roster =
            Roster { nodes: vec![1, 2, 3], clients: 4, leader: Some((2, 7)), subject: None };
        for transfer in Transfer::ALL {
            let strike = transfer.resolve(&roster, &mut Dice::new(1, 0)).unwrap();
            assert_eq!(strike.leader_hit, transfer.strikes_leader());
            match strike.acts.as_slice() {
                [Act::Ask(Request::Transfer(None))] => assert_eq!(transfer, Transfer::Any),
                [Act::Ask(Request::Transfer(Some(target)))] => assert_ne!(*target, 2),
                [Act::Pause(paused), Act::Ask(Request::FailTransfer(target))] => {
                    assert_eq!(paused, target)
                }
                [Act::Rule(pairs, Rule::Block), Act::Ask(Request::FailTransfer(target))] => {
                    let is_its_own = |(from, to): &(Party, Party)| {
                        *from == Party::Node(*target) || *to == Party::Node(*target)
                    };
                    assert!(pairs.len() == 4 && pairs.iter().all(is_its_own));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
