//! Texts as small numbers: every key, node and uncommon value of a history is stored once.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A set of texts, numbered from 0 in order of first appearance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interner {
    /// All texts, one after the other.
    bytes: String,
    /// Where each text ends.
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Interner {
    /// The number of a text; a new one if it was not seen before.
    pub(crate) fn intern(&mut self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text.as_bytes());
        let Interner { bytes, ends, table, hasher } = self;
        let entry = table.entry(
            hash,
            |&number| &bytes.as_bytes()[span(ends, number)] == text.as_bytes(),
            |&number| hasher.hash_one(&bytes.as_bytes()[span(ends, number)]),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let number = u32::try_from(ends.len()).expect("fewer than 2^32 distinct texts");
                entry.insert(number);
                bytes.push_str(text);
                ends.push(bytes.len());
                number
            }
        }
    }

    /// The number of a text that may be no text at all: what was seen before needs no second look.
    #[inline]
    pub(crate) fn intern_bytes(&mut self, text: &[u8]) -> Option<u32> {
        self.find_bytes(text).or_else(|| Some(self.intern(std::str::from_utf8(text).ok()?)))
    }

    /// The number of a text that was seen before.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.find_bytes(text.as_bytes())
    }

    #[inline]
    fn find_bytes(&self, text: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        let is_it = |&number: &u32| &self.bytes.as_bytes()[span(&self.ends, number)] == text;
        self.table.find(hash, is_it).copied()
    }

    /// The text of a number.
    pub(crate) fn text(&self, number: u32) -> &str {
        &self.bytes[span(&self.ends, number)]
    }

    /// How many texts there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All texts, by number.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|number| {
            let start = if number == 0 { 0 } else { self.ends[number - 1] };
            &self.bytes[start..self.ends[number]]
        })
    }
}

#[inline]
fn span(ends: &[usize], number: u32) -> std::ops::Range<usize> {
    let number = number as usize;
    let start = if number == 0 { 0 } else { ends[number - 1] };
    start..ends[number]
}

#[cfg(test)]
mod tests {
    use super::Interner;

    #[test]
    fn equal_texts_get_one_number_in_order_of_appearance() {
        let mut interner = Interner::default();
        assert_eq!(interner.intern("k1"), 0);
        assert_eq!(interner.intern(""), 1);
        assert_eq!(interner.intern("k2"), 2);
        assert_eq!(interner.intern("k1"), 0);
        assert_eq!(interner.intern(""), 1);
        assert_eq!(interner.text(2), "k2");
        assert_eq!(interner.find("k2"), Some(2));
        assert_eq!(interner.find("k3"), None);
        assert_eq!(interner.intern_bytes(b"k2"), Some(2));
        assert_eq!(interner.intern_bytes(b"k4"), Some(3));
        assert_eq!(interner.intern_bytes(b"\xff"), None);
        assert_eq!(interner.intern("k4"), 3);
        assert_eq!(interner.texts().collect::<Vec<_>>(), ["k1", "", "k2", "k4"]);
    }

    #[test]
    fn numbers_survive_growth() {
        let mut interner = Interner::default();
        for number in 0..10_000u32 {
            assert_eq!(interner.intern(&format!("key-{number}")), number);
        }
        for number in (0..10_000u32).rev() {
            assert_eq!(interner.intern(&format!("key-{number}")), number);
        }
        assert_eq!(interner.len(), 10_000);
    }
}
