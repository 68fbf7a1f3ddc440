//! `kill`: SIGKILL, and a restart when the fault ends.
//!
//! The page cache survives a SIGKILL, so this finds what a server keeps in its own memory, not what it forgets to
//! fsync.

use whitewater_checker::fault::Scope;

use super::Act;
use super::family::{Family, Fault, Needs};
use super::victims::{self, MAJORITY, MINORITY};

/// The card.
pub(crate) const FAMILY: Family = Family {
    name: "kill",
    is_default: true,
    scope: Scope::ProcessDown,
    needs: Needs::Signals,
    faults: &[
        Fault {
            slug: "kill-leader",
            name: "kill -9 leader",
            nodes_min: 1,
            resolve: |roster, _| victims::leader(roster, Act::Kill),
            ..Fault::LEADER
        },
        Fault {
            slug: "kill-follower",
            name: "kill -9 a follower",
            resolve: |roster, dice| victims::follower(roster, dice, Act::Kill),
            ..Fault::FOLLOWER
        },
        Fault {
            slug: "kill-minority",
            name: "kill -9 a minority",
            resolve: |roster, dice| victims::minority(roster, dice, Act::Kill),
            ..MINORITY
        },
        Fault {
            slug: "kill-majority",
            name: "kill -9 a majority with the leader",
            resolve: |roster, dice| victims::majority(roster, dice, Act::Kill),
            ..MAJORITY
        },
        Fault {
            slug: "kill-random",
            name: "kill -9 a node",
            nodes_min: 1,
            resolve: |roster, dice| victims::random(roster, dice, Act::Kill),
            ..Fault::ANYBODY
        },
        Fault {
            slug: "kill-all",
            name: "kill -9 every node",
            resolve: |roster, _| victims::all(roster, Act::Kill),
            ..Fault::ALL
        },
    ],
};
