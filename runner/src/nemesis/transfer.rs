//! `transfer`: the leader is asked to hand over, as an operator does before maintenance.
//!
//! Hand-overs that work make a leader change without anything being broken, at a moment when requests are
//! on their way. The others cannot succeed, because the target is cut off or stopped: the leader has to
//! notice, give up and serve again, and a target that wakes up much later still has its order.

use whitewater_checker::fault::Scope;

use super::family::{Family, Fault, Needs};
use super::partition::isolate;
use super::{Act, Request, Roster, Strike};
use crate::dice::Dice;

/// The card.
pub(crate) const FAMILY: Family = Family {
    name: "transfer",
    is_default: false,
    scope: Scope::Leadership,
    needs: Needs::Requests,
    faults: &[
        Fault {
            slug: "transfer-any",
            name: "leader hands over",
            resolve: |roster, _| {
                let leader = roster.leader()?;
                Ok(strike(roster, leader, "whom it likes", vec![Act::Ask(Request::Transfer(None))]))
            },
            ..Fault::LEADER
        },
        Fault {
            slug: "transfer-follower",
            name: "leader hands over to a given follower",
            resolve: |roster, dice| {
                let (leader, target) = (roster.leader()?, roster.followers(dice)?[0]);
                let acts = vec![Act::Ask(Request::Transfer(Some(target)))];
                Ok(strike(roster, leader, &format!("n{target}"), acts))
            },
            ..Fault::LEADER
        },
        Fault {
            slug: "transfer-paused",
            name: "hand-over to a paused follower, which must fail",
            nodes_min: 3,
            resolve: |roster, dice| must_fail(roster, dice, |_, target| Act::Pause(target)),
            ..Fault::FOLLOWER
        },
        Fault {
            slug: "transfer-cut-off",
            name: "hand-over to a follower that is cut off, which must fail",
            nodes_min: 3,
            resolve: |roster, dice| must_fail(roster, dice, isolate),
            ..Fault::FOLLOWER
        },
    ],
};

/// A hand-over to a follower that something keeps from taking over, which comes first.
fn must_fail(
    roster: &Roster,
    dice: &mut Dice,
    keeps: fn(&Roster, u32) -> Act,
) -> Result<Strike, String> {
    let target = roster.followers(dice)?[0];
    let acts = vec![keeps(roster, target), Act::Ask(Request::FailTransfer(target))];
    Ok(strike(roster, target, &format!("n{target}"), acts))
}

fn strike(roster: &Roster, struck: u32, to: &str, acts: Vec<Act>) -> Strike {
    let leader = roster.leader.map_or_else(String::new, |(leader, _)| roster.describe(leader));
    Strike {
        nodes: vec![struck],
        detail: format!("{leader} to {to}"),
        leader_hit: roster.leader_hit(&[struck]),
        acts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{Party, Rule};

    #[test]
    fn the_target_is_a_follower_and_what_keeps_it_from_taking_over_comes_first() {
        let (nodes, leader, subject) = (vec![1, 2, 3], Some((2, 7)), None);
        let roster = Roster { nodes, clients: 4, leader, subject };
        for fault in FAMILY.faults {
            let strike = (fault.resolve)(&roster, &mut Dice::new(1, 0)).unwrap();
            match strike.acts.as_slice() {
                [Act::Ask(Request::Transfer(None))] => assert_eq!(fault.slug, "transfer-any"),
                [Act::Ask(Request::Transfer(Some(target)))] => assert_ne!(*target, 2),
                [Act::Pause(paused), Act::Ask(Request::FailTransfer(target))] => {
                    assert_eq!(paused, target);
                }
                [Act::Rule(ways, Rule::Block), Act::Ask(Request::FailTransfer(target))] => {
                    let is_its_own = |(from, to): &(Party, Party)| {
                        *from == Party::Node(*target) || *to == Party::Node(*target)
                    };
                    assert!(ways.len() == 4 && ways.iter().all(is_its_own));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
