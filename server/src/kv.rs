//! The keys and values: a deterministic map that knows a hash of itself.
//!
//! The same operations in the same order give the same map, the same answers and the same hash on
//! every node. The hash is a sum over the pairs, so a write changes it in time that depends on that
//! pair alone. Exactly-once is not decided here but in [`crate::session`].

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::command::Operation;

/// Longest value, also as the result of an append: what a key holds must fit into a reply. Every node of a
/// cluster has to draw this line at the same place, so it is no setting.
pub const VALUE_BYTES_MAX: usize = 4 << 20;

/// What an operation did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Done, without a look at what was there (put).
    Done,
    /// Done. The value before, which the operation had to look at anyway (delete, cas, append).
    Written {
        /// `None`: the key was absent.
        previous: Option<Bytes>,
    },
    /// The cas found another value and changed nothing.
    Mismatch {
        /// What the key held; `None`: it was absent.
        seen: Option<Bytes>,
    },
    /// The append would have made the value longer than [`VALUE_BYTES_MAX`], and changed nothing.
    TooLong {
        /// How long it would have been.
        bytes: u64,
    },
}

/// The map. `hash` is always the wrapping sum of `pair_hash` over all pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kv {
    pairs: BTreeMap<String, Bytes>,
    hash: u64,
}

impl Kv {
    /// A map of these pairs.
    pub fn from_pairs(pairs: BTreeMap<String, Bytes>) -> Kv {
        let hash = pairs.iter().fold(0, |sum: u64, (k, v)| sum.wrapping_add(pair_hash(k, v)));
        Kv { pairs, hash }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Bytes> {
        self.pairs.get(key)
    }

    /// All pairs, in key order.
    pub fn pairs(&self) -> &BTreeMap<String, Bytes> {
        &self.pairs
    }

    /// Equal maps have equal hashes; different maps almost never do.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// What `operation` would do now, without doing it.
    pub fn preview(&self, key: &str, operation: &Operation) -> Effect {
        self.decide(key, operation).0
    }

    /// Carries out `operation`.
    pub fn apply(&mut self, key: &str, operation: &Operation) -> Effect {
        let (effect, change) = self.decide(key, operation);
        if let Some(value) = change {
            self.set(key, value);
        }
        effect
    }

    /// The effect, and the key's new state where it changes.
    fn decide(&self, key: &str, operation: &Operation) -> (Effect, Option<Option<Bytes>>) {
        let current = self.pairs.get(key).cloned();
        match operation {
            Operation::Put(value) => (Effect::Done, Some(Some(value.clone()))),
            Operation::Delete => (Effect::Written { previous: current }, Some(None)),
            Operation::Cas { expected, new } if current == *expected => {
                (Effect::Written { previous: current }, Some(new.clone()))
            }
            Operation::Cas { .. } => (Effect::Mismatch { seen: current }, None),
            Operation::Append(suffix) => {
                let bytes = current.as_ref().map_or(0, Bytes::len) + suffix.len();
                if bytes > VALUE_BYTES_MAX {
                    return (Effect::TooLong { bytes: bytes as u64 }, None);
                }
                let mut value = current.as_ref().map_or_else(Vec::new, |held| held.to_vec());
                value.extend_from_slice(suffix);
                (Effect::Written { previous: current }, Some(Some(value.into())))
            }
        }
    }

    fn set(&mut self, key: &str, value: Option<Bytes>) {
        let added = value.as_ref().map_or(0, |value| pair_hash(key, value));
        let before = match (value, self.pairs.get_mut(key)) {
            (Some(value), Some(held)) => Some(std::mem::replace(held, value)),
            (Some(value), None) => self.pairs.insert(key.to_owned(), value),
            (None, _) => self.pairs.remove(key),
        };
        let removed = before.map_or(0, |before| pair_hash(key, &before));
        self.hash = self.hash.wrapping_add(added).wrapping_sub(removed);
    }
}

/// The key's hash seeds the value's, so `("a", "b")` and `("b", "a")` differ. XXH3 is the same in
/// every build, unlike the standard library's hasher: old and new builds share clusters.
fn pair_hash(key: &str, value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64_with_seed(key.as_bytes(), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn a_failed_cas_returns_what_it_saw_and_changes_nothing() {
        let mut kv = Kv::default();
        kv.apply("k", &Operation::Put(bytes("1")));
        let before = kv.clone();
        let cas = Operation::Cas { expected: Some(bytes("2")), new: Some(bytes("3")) };
        assert_eq!(kv.apply("k", &cas), Effect::Mismatch { seen: Some(bytes("1")) });
        assert_eq!(kv, before);
    }

    #[test]
    fn cas_from_and_to_absent() {
        let mut kv = Kv::default();
        let create = Operation::Cas { expected: None, new: Some(bytes("1")) };
        assert_eq!(kv.apply("k", &create), Effect::Written { previous: None });
        assert_eq!(kv.apply("k", &create), Effect::Mismatch { seen: Some(bytes("1")) });
        let remove = Operation::Cas { expected: Some(bytes("1")), new: None };
        assert_eq!(kv.apply("k", &remove), Effect::Written { previous: Some(bytes("1")) });
        assert_eq!(kv.get("k"), None);
    }

    #[test]
    fn the_hash_follows_the_content_and_not_the_way_to_it() {
        let mut kv = Kv::default();
        kv.apply("a", &Operation::Append(bytes("x")));
        kv.apply("b", &Operation::Put(bytes("2")));
        kv.apply("a", &Operation::Append(bytes("y")));
        kv.apply("c", &Operation::Put(bytes("3")));
        kv.apply("c", &Operation::Delete);
        let mut other = Kv::default();
        other.apply("b", &Operation::Put(bytes("2")));
        other.apply("a", &Operation::Put(bytes("xy")));
        assert_eq!(kv.hash(), other.hash());
        assert_eq!(Kv::from_pairs(kv.pairs().clone()), kv);
        other.apply("a", &Operation::Put(bytes("xz")));
        assert_ne!(kv.hash(), other.hash());
    }

    #[test]
    fn an_append_beyond_the_longest_value_changes_nothing() {
        let mut kv = Kv::default();
        kv.apply("k", &Operation::Put(vec![0; VALUE_BYTES_MAX - 1].into()));
        assert!(matches!(
            kv.apply("k", &Operation::Append(bytes("1"))),
            Effect::Written { previous: Some(_) }
        ));
        let (before, hash) = (kv.clone(), kv.hash());
        let bytes_max = VALUE_BYTES_MAX as u64;
        for (suffix, bytes) in [(bytes("2"), bytes_max + 1), (bytes("234"), bytes_max + 3)] {
            let append = Operation::Append(suffix);
            assert_eq!(kv.preview("k", &append), Effect::TooLong { bytes });
            assert_eq!(kv.apply("k", &append), Effect::TooLong { bytes });
        }
        assert_eq!((&kv, kv.hash()), (&before, hash));
        let long = Operation::Append(vec![0; VALUE_BYTES_MAX + 1].into());
        assert_eq!(kv.apply("absent", &long), Effect::TooLong { bytes: bytes_max + 1 });
        assert_eq!(kv.get("absent"), None);
    }

    #[test]
    fn swapping_key_and_value_changes_the_hash() {
        let ab = Kv::from_pairs([("a".to_owned(), bytes("b"))].into());
        let ba = Kv::from_pairs([("b".to_owned(), bytes("a"))].into());
        assert_ne!(ab.hash(), ba.hash());
    }
}
