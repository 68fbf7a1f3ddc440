//! The chain hash: one number that stands for a whole log prefix.
//!
//! `chain(i) = H(chain(i-1), term, index, payload)`. Traces, snapshots and files keep chains, so the
//! function never changes; the fixed vectors below hold it still. It is FNV-1a over 64-bit words with
//! a fold after each (plain FNV-1a never moves high bits down) and SplitMix64's finaliser. It finds
//! accidents and bugs, not forgeries.

use crate::message::{Chain, Entry, NodeId, Payload};
use crate::rng::mix;

/// FNV's 64-bit prime.
const PRIME: u64 = 0x0000_0100_0000_01B3;
/// FNV's 64-bit offset basis.
const BASIS: u64 = 0xCBF2_9CE4_8422_2325;

impl Chain {
    /// The chain at `entry`, this being the chain at the entry before it.
    #[must_use]
    pub fn next(self, entry: &Entry) -> Chain {
        let mut hash = Hash(BASIS);
        hash.word(self.0);
        hash.word(entry.term);
        hash.word(entry.index);
        match &entry.payload {
            Payload::Noop => hash.word(0),
            Payload::Command(bytes) => {
                hash.word(1);
                hash.bytes(bytes);
            }
            Payload::Membership(membership) => {
                hash.word(2);
                hash.ids(&membership.voters);
                hash.ids(&membership.voters_outgoing);
                hash.ids(&membership.learners);
            }
        }
        Chain(mix(hash.0))
    }
}

/// The state of the hash.
struct Hash(u64);

impl Hash {
    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(PRIME);
        self.0 ^= self.0 >> 32;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn ids(&mut self, ids: &std::collections::BTreeSet<NodeId>) {
        self.word(ids.len() as u64);
        for id in ids {
            self.word(*id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::Membership;

    fn entry(payload: Payload) -> Entry {
        Entry { index: 7, term: 3, payload }
    }

    fn command(bytes: &[u8]) -> Payload {
        Payload::Command(Arc::from(bytes))
    }

    #[test]
    fn chains_are_the_same_for_ever() {
        // Files and traces hold these numbers: a change here breaks every one of them.
        let start = Chain(0x0123_4567_89AB_CDEF);
        let membership =
            Membership { voters: [1, 2, 3].into(), learners: [4].into(), ..Membership::default() };
        let chains = [
            start.next(&entry(Payload::Noop)),
            start.next(&entry(command(b""))),
            start.next(&entry(command(b"set x to 42"))),
            start.next(&entry(Payload::Membership(membership))),
        ];
        let words = chains.map(|chain| chain.to_string());
        assert_eq!(
            words,
            ["824b7c85c6910608", "3489b0482607d6ea", "dbe1bbf7cfb663e8", "a7330b6125538cd2"]
        );
    }

    #[test]
    fn every_part_of_an_entry_and_of_its_past_counts() {
        let base = entry(command(b"a"));
        let others = [
            Entry { index: 8, ..base.clone() },
            Entry { term: 4, ..base.clone() },
            entry(command(b"b")),
            entry(command(b"a\0")),
            entry(command(b"")),
            entry(Payload::Noop),
            entry(Payload::Membership(Membership::default())),
        ];
        let chain = Chain::default().next(&base);
        assert_ne!(chain, Chain(1).next(&base), "the chain before");
        for other in others {
            assert_ne!(chain, Chain::default().next(&other), "{other:?}");
        }
    }

    #[test]
    fn one_bit_changes_about_half_the_bits() {
        let chain = Chain::default().next(&entry(command(&[0; 16])));
        for bit in 0..128 {
            let mut bytes = [0_u8; 16];
            bytes[bit / 8] = 1 << (bit % 8);
            let other = Chain::default().next(&entry(command(&bytes)));
            let changed = (chain.0 ^ other.0).count_ones();
            assert!((16..=48).contains(&changed), "bit {bit} changes {changed} bits");
        }
    }
}
