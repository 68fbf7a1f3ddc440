//! `append`: append a word to a string, and read the whole string.
//!
//! A read tells the order of everything before it, so checking is linear; a command applied twice is
//! seen as a word that stands there twice.

use super::Action;
use crate::dice::Dice;

/// The workload's name.
pub(super) const NAME: &str = "append";
/// The kinds of operation, with their shares in percent.
pub(super) const KINDS: [(&str, u32); 2] = [("read", 50), ("append", 50)];

/// What to do with a key next. `fresh` is a number never used.
pub(super) fn next(fresh: u64, dice: &mut Dice) -> Action {
    if dice.once_in(2) { Action::Read } else { Action::Append(format!("{fresh};")) }
}
