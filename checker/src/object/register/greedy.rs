//! A first guess at an order of a register's calls: one walk, no way back.
//!
//! Most keys with few values are easy: their calls hardly overlap, and any sensible choice leads to an order.
//! For those the searches' preparations cost more than the search. So this walks the calls once, by
//! invocation, and gives each a place when it returns: observations as soon as they hold, a write at its
//! return, something open or indeterminate that leaves the value that a returning call waits for. If it
//! gets to the end it has built a valid order. If not, that says nothing, and the searches begin.

use super::call::{Call, Effect, NIL};

/// Calls looked at, for each call of the key, before it gives up: it must stay cheap where it is of no use.
const LOOKS_PER_CALL: usize = 16;

/// How many calls ahead it looks for a reader of a write that may stay unseen.
const AHEAD: usize = 8;

/// Marks a call without an open one of some kind.
const NONE: usize = usize::MAX;

/// A walk; its memory is used again for each key.
#[derive(Debug, Default)]
pub(crate) struct Greedy {
    state: u32,
    /// Calls that will return, without a visible place yet.
    open: Vec<Open>,
    /// Indeterminate calls that were not used.
    offers: Vec<Call>,
    looks_left: usize,
}

/// A call that has not returned.
#[derive(Clone, Copy, Debug)]
struct Open {
    call: Call,
    /// A blind write that another one may hide: it needs no visible place any more, and may still take one.
    is_covered: bool,
}

impl Greedy {
    /// Whether the walk found a valid order. `calls` are ordered by invocation.
    pub(crate) fn finds_order(&mut self, calls: &[Call]) -> bool {
        self.state = NIL;
        self.open.clear();
        self.offers.clear();
        self.looks_left = LOOKS_PER_CALL * calls.len();
        for (number, call) in calls.iter().enumerate() {
            if !self.close_until(call.invoked, &calls[number..]) {
                return false;
            }
            if call.is_optional() {
                self.offers.push(*call);
            } else if !self.holds(call) {
                self.open.push(Open { call: *call, is_covered: false });
            }
        }
        self.close_until(u32::MAX, &[])
    }

    /// Gives a place to each call that returned before a position.
    fn close_until(&mut self, position: u32, ahead: &[Call]) -> bool {
        while let Some(place) = self.earliest() {
            let returning = self.open[place];
            if returning.call.returned >= position {
                break;
            }
            if !self.look(self.open.len()) || !self.close(place, returning, ahead) {
                return false;
            }
        }
        true
    }

    /// Spends looks; false when there are none left.
    fn look(&mut self, looks: usize) -> bool {
        let is_enough = self.looks_left >= looks;
        self.looks_left = self.looks_left.saturating_sub(looks);
        is_enough
    }

    /// The open call that returns first.
    fn earliest(&self) -> Option<usize> {
        let returned = |&place: &usize| self.open[place].call.returned;
        (0..self.open.len()).min_by_key(returned)
    }

    fn holds(&self, call: &Call) -> bool {
        match call.effect {
            Effect::Read => call.a == self.state,
            Effect::NotEqual => call.a != self.state,
            _ => false,
        }
    }

    /// A call returns: it gets its place now, at the latest.
    fn close(&mut self, place: usize, returning: Open, ahead: &[Call]) -> bool {
        let call = returning.call;
        match call.effect {
            Effect::Write if returning.is_covered && !self.is_wanted(call.a, ahead) => {
                self.open.swap_remove(place);
                true
            }
            Effect::Write => {
                self.open.swap_remove(place);
                self.write(call.a)
            }
            Effect::Cas => {
                self.open.swap_remove(place);
                if call.a != self.state && !self.bring(call.a) {
                    return false;
                }
                self.change(call.b)
            }
            // Bringing it about takes every observation that holds, this one too.
            Effect::Read => self.bring(call.a),
            Effect::NotEqual | Effect::Impossible => false,
        }
    }

    /// Whether a write that may stay unseen had better be seen.
    fn is_wanted(&self, value: u32, ahead: &[Call]) -> bool {
        let waits = self.open.iter().any(|open| open.call.needs() == Some(value));
        let next = || ahead.iter().take(AHEAD).find_map(Call::needs);
        value != self.state && (waits || next() == Some(value))
    }

    /// Makes the state a value, by a call that is open or indeterminate.
    fn bring(&mut self, value: u32) -> bool {
        if !self.look(self.open.len() + self.offers.len()) {
            return false;
        }
        let state = self.state;
        let leads = |call: &Call| match call.effect {
            Effect::Write => call.a == value,
            Effect::Cas => call.a == state && call.b == value,
            _ => false,
        };
        let mut found = NONE;
        for (place, open) in self.open.iter().enumerate() {
            let is_earlier = |found: &Open| open.call.returned < found.call.returned;
            if leads(&open.call) && self.open.get(found).is_none_or(is_earlier) {
                found = place;
            }
        }
        let call = if found == NONE {
            let Some(place) = self.offers.iter().position(leads) else { return false };
            self.offers.remove(place)
        } else {
            self.open.swap_remove(found).call
        };
        match call.effect {
            Effect::Write => self.write(value),
            _ => self.change(value),
        }
    }

    /// A blind write takes place.
    fn write(&mut self, value: u32) -> bool {
        // What waits for the state as it is takes its last chance.
        while let Some(place) = self.open.iter().position(|open| {
            open.call.effect == Effect::Cas
                && open.call.a == self.state
                && open.call.b != open.call.a
        }) {
            let cas = self.open.swap_remove(place).call;
            if !self.look(self.open.len()) || !self.change(cas.b) {
                return false;
            }
        }
        for open in &mut self.open {
            open.is_covered |= open.call.effect == Effect::Write;
        }
        self.change(value)
    }

    /// The state is another one: observations that hold are taken.
    fn change(&mut self, value: u32) -> bool {
        self.state = value;
        let is_enough = self.look(self.open.len());
        let mut place = 0;
        while let Some(open) = self.open.get(place) {
            if self.holds(&open.call) {
                self.open.swap_remove(place);
            } else {
                place += 1;
            }
        }
        is_enough
    }
}

#[cfg(test)]
mod tests;
