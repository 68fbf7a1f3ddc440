//! Append lists: every read shows the order of everything before it, so the history almost orders itself.
//!
//! [`Lists`] takes reads apart into elements. [`reduce()`] turns a key whose elements are appended once each
//! into register calls: an append that some read shows at place k of a list is a compare-and-set from the
//! list's first k−1 elements to its first k, with prefixes as values. Each prefix is a value that is
//! written once, so the zones decide it in O(n log n), and where lists are deleted, which
//! makes "empty" a value written more than once, the register search does.
//!
//! An append that no read shows can only stand where no read of the same list comes after it: it acts as
//! a write of a value that nobody reads.
//!
//! Where elements are repeated, [`Prefixes`] gives the search a machine with as few states as possible: the
//! prefixes that reads showed, and one for everything else.

mod prefixes;
mod reduce;
mod split;

pub(crate) use prefixes::Prefixes;
pub(crate) use reduce::{Reduction, reduce};
pub(crate) use split::{Lists, is_of_members, text_of};
