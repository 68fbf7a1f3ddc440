//! Calls of hand-made histories.

use super::call::{Call, Effect, NIL};

pub(crate) const fn call(effect: Effect, a: u32, b: u32, invoked: u32, returned: u32) -> Call {
    Call { invoked, returned, a, b, index: 0, effect }
}

pub(crate) const fn read(a: u32, invoked: u32, returned: u32) -> Call {
    call(Effect::Read, a, NIL, invoked, returned)
}

pub(crate) const fn write(a: u32, invoked: u32, returned: u32) -> Call {
    call(Effect::Write, a, NIL, invoked, returned)
}

pub(crate) const fn cas(a: u32, b: u32, invoked: u32, returned: u32) -> Call {
    call(Effect::Cas, a, b, invoked, returned)
}

/// A cas from `a` was rejected and did not say what it saw.
pub(crate) const fn not(a: u32, invoked: u32, returned: u32) -> Call {
    call(Effect::NotEqual, a, NIL, invoked, returned)
}
