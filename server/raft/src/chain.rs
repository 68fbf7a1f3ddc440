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
