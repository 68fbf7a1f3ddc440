//! `register`: read, write and compare-and-set on many independent registers.
//!
//! Every value is written once per key, so a read names the write it saw: checking is near-linear.

use super::Action;
use super::keys::Slot;
use crate::dice::Dice;

/// The workload's name.
pub(super) const NAME: &str = "register";
/// The kinds of operation, with their shares in percent.
pub(super) const KINDS: [(&str, u32); 3] = [("read", 50), ("write", 30), ("cas", 20)];

/// What to do with this key next. `fresh` is a value never used.
pub(super) fn next(slot: &Slot, fresh: u64, has_cas: bool, dice: &mut Dice) -> Action {
    match dice.below(100) {
        0..50 => Action::Read,
        50..80 => Action::Write(fresh),
        _ if !has_cas => Action::Write(fresh),
        // From the newest value any client saw: most of these succeed, and those that race do not.
        _ => Action::Cas(slot.last_value, fresh),
    }
}
