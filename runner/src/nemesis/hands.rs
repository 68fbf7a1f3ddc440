//! What acts and requests work with.

use super::ground::Ground;
use super::in_force::InForce;

/// What a deed works with, and for which fault.
pub(super) struct Hands<'a> {
    pub(super) ground: &'a mut dyn Ground,
    pub(super) in_force: &'a mut InForce,
    pub(super) fault: u32,
}
