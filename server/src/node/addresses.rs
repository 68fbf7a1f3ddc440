//! Where members are reached, as far as a node knows: what was applied, and what its log hints at.
//!
//! A restarted node does not know what of its log is committed, and may need a member to find out that
//! only its log knows the address of. So an address counts as soon as it is in the log; should its entry be
//! taken back, what was applied counts again.

use std::collections::BTreeMap;

use whitewater_raft::{Entry, Index, NodeId, Payload, Term};

use super::{Effects, Node};
use crate::command::Command;

/// An address in an entry that is not applied yet.
#[derive(Debug)]
pub(super) struct Hint {
    term: Term,
    node: NodeId,
    address: String,
}

/// The addresses that these entries tell of.
pub(super) fn hints_in(entries: &[Entry]) -> BTreeMap<Index, Hint> {
    let hint = |entry: &Entry| {
        let Payload::Command(payload) = &entry.payload else { return None };
        match Command::decode(payload) {
            Ok(Command::Address { node, address }) => {
                Some((entry.index, Hint { term: entry.term, node, address }))
            }
            _ => None,
        }
    };
    entries.iter().filter_map(hint).collect()
}

impl<E: Effects> Node<E> {
    /// Tells the world all that is known now.
    pub(super) fn learn_addresses(&mut self) {
        let (raft, applied) = (&self.raft, self.machine.applied());
        self.hints
            .retain(|index, hint| *index > applied && raft.term_at(*index) == Some(hint.term));
        let mut addresses = self.machine.addresses().clone();
        addresses.extend(self.hints.values().map(|hint| (hint.node, hint.address.clone())));
        self.effects.learn_addresses(&addresses);
    }
}
