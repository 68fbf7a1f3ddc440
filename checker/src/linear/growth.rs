//! What containers take, their next growth included: a search that must keep a limit has to know before it grows.
//!
//! A container that is full makes one twice its size and moves what it holds, so for a moment both are there.

/// So close to being full, a container is counted with its next growth. More than a search puts into one between two
/// statements of what it holds.
const NEAR: usize = 4096;

/// How much more a full container takes while it grows, by its own size.
const GROWTH: usize = 2;

/// A table of `allocation` bytes.
pub(crate) fn table_bytes(allocation: usize, length: usize, capacity: usize) -> usize {
    let grows = capacity > 0 && capacity - length <= NEAR;
    allocation * if grows { 1 + GROWTH } else { 1 }
}

/// A vector.
pub(crate) fn vector_bytes<T>(vector: &Vec<T>) -> usize {
    table_bytes(vector.capacity() * size_of::<T>(), vector.len(), vector.capacity())
}

/// Bytes of a table that has room for so many entries of a type: hashbrown keeps one slot in eight free, their number
/// is a power of two, and each has a byte beside it.
pub(crate) fn table_for<T>(entries: usize) -> usize {
    let slots = (entries.max(4) * 8 / 7 + 1).next_power_of_two();
    slots * (size_of::<T>() + 1)
}
