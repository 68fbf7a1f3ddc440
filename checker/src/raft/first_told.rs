//! What nodes must tell alike: the first to tell is remembered, all others are compared with it.
//!
//! What "alike" means is up to the check that asks.

use std::hash::Hash;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use whitewater_raft::NodeId;

use super::finding::Place;
use super::node::Line;

/// Something told for the first time, where, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<T> {
    pub(super) is: T,
    pub(super) place: Place,
    node: u32,
    boot: u64,
}

impl<T> Known<T> {
    pub(super) fn node(&self) -> NodeId {
        self.node.into()
    }

    /// Where it was the same node that told both: whether it was started again between them.
    pub(super) fn own(&self, line: &Line<'_>) -> Option<Own> {
        (self.node() == line.record.node).then_some(match self.boot == line.record.boot {
            true => Own::SameBoot,
            false => Own::Restarted,
        })
    }
}

/// One node that contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// While it ran.
    SameBoot,
    /// From before to after a start.
    Restarted,
}

impl Own {
    /// When the node told the first and the second, in words.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Own::SameBoot => ("first", "later, without a restart between"),
            Own::Restarted => ("before a restart", "after it"),
        }
    }
}

/// What was told of each of many things.
#[derive(Debug)]
pub(super) struct FirstTold<K, T> {
    known: HashMap<K, Known<T>>,
    compared: u64,
}

impl<K, T> Default for FirstTold<K, T> {
    fn default() -> Self {
        FirstTold { known: HashMap::new(), compared: 0 }
    }
}

impl<K: Eq + Hash, T> FirstTold<K, T> {
    /// What was told of a thing before this line; `None` if this line is the first to tell.
    pub(super) fn before(&mut self, line: &Line<'_>, thing: K, is: T) -> Option<&mut Known<T>> {
        match self.known.entry(thing) {
            Entry::Vacant(vacant) => {
                let node = u32::try_from(line.record.node).unwrap_or(u32::MAX);
                vacant.insert(Known { is, place: line.place, node, boot: line.record.boot });
                None
            }
            Entry::Occupied(occupied) => {
                self.compared += 1;
                Some(occupied.into_mut())
            }
        }
    }

    /// How many things were told, and how many times a thing was told again.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.known.len() as u64, self.compared)
    }
}
