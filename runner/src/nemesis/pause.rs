//! `pause`: SIGSTOP, and SIGCONT when the fault ends.
//!
//! A resumed process believes that no time has passed: a leader may still think that it leads. This is what a long
//! garbage collection, a stalled disk or a migrated virtual machine does to a server.

use whitewater_checker::fault::Scope;

use super::Act;
use super::family::{Family, Fault, Needs};
use super::victims::{self, MAJORITY, MINORITY};

/// The card.
pub(crate) const FAMILY: Family = Family {
    name: "pause",
    is_default: true,
    scope: Scope::ProcessPaused,
    needs: Needs::Signals,
    faults: &[
        Fault {
            slug: "pause-leader",
            name: "SIGSTOP leader",
            nodes_min: 1,
            resolve: |roster, _| victims::leader(roster, Act::Pause),
            ..Fault::LEADER
        },
        Fault {
            slug: "pause-follower",
            name: "SIGSTOP a follower",
            resolve: |roster, dice| victims::follower(roster, dice, Act::Pause),
            ..Fault::FOLLOWER
        },
        Fault {
            slug: "pause-minority",
            name: "SIGSTOP a minority",
            resolve: |roster, dice| victims::minority(roster, dice, Act::Pause),
            ..MINORITY
        },
        Fault {
            slug: "pause-majority",
            name: "SIGSTOP a majority with the leader",
            resolve: |roster, dice| victims::majority(roster, dice, Act::Pause),
            ..MAJORITY
        },
        Fault {
            slug: "pause-random",
            name: "SIGSTOP a node",
            nodes_min: 1,
            resolve: |roster, dice| victims::random(roster, dice, Act::Pause),
            ..Fault::ANYBODY
        },
        Fault {
            slug: "pause-all",
            name: "SIGSTOP every node",
            resolve: |roster, _| victims::all(roster, Act::Pause),
            ..Fault::ALL
        },
    ],
};
