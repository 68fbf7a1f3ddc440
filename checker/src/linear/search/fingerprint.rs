//! 128-bit fingerprints of configurations: 16 bytes each, however many operations there are.
//!
//! Two different configurations with one fingerprint could hide a valid order. With 2^32 configurations,
//! more than fits into memory, the chance is about 2^-65; and no violation is reported before
//! a small checker without fingerprints has confirmed its witness.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashSet;

use crate::linear::growth::table_for;

/// Spreads 64 bits over 64 bits (the finalizer of SplitMix64).
#[inline]
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The random constant of a numbered thing in a family of things.
#[inline]
pub(super) fn constant(family: u64, number: u64) -> u128 {
    let low = mix(number.wrapping_add(family.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    let high = mix(low ^ number.rotate_left(32) ^ 0xD6E8_FEB8_6659_FD93);
    u128::from(high) << 64 | u128::from(low)
}

/// A set of fingerprints.
#[derive(Debug, Default)]
pub(super) struct Fingerprints(HashSet<u128, BuildHasherDefault<LowBits>>);

impl Fingerprints {
    /// Adds one; false if it was there.
    #[inline]
    pub(super) fn insert(&mut self, fingerprint: u128) -> bool {
        self.0.insert(fingerprint)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes_with(1)
    }

    /// Bytes while so many more are added. A full table is copied into one twice its size.
    pub(super) fn bytes_with(&self, more: usize) -> usize {
        let wanted = self.0.len() + more;
        let growth = if wanted > self.0.capacity() { table_for::<u128>(wanted) } else { 0 };
        self.0.allocation_size() + growth
    }
}

/// Fingerprints are random already: any 64 of their bits are a hash.
#[derive(Debug, Default)]
struct LowBits(u64);

impl Hasher for LowBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    #[inline]
    fn write_u128(&mut self, fingerprint: u128) {
        self.0 = fingerprint as u64;
    }
}
