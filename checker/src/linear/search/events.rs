//! A key's calls as a sequence of events, prepared for the searches that walk it.

use hashbrown::HashMap;

use crate::history::NEVER;
use crate::linear::machine::{Machine, Need, Step};

/// Most calls open at a time, indeterminate ones not counted: one bit each in a configuration.
pub(super) const SLOTS: usize = 64;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A call that returns begins, in a slot that is free.
    Invoke {
        /// The call's operation.
        operation: u32,
        /// Where it is while open.
        slot: u8,
    },
    /// It returns.
    Return {
        /// Its operation.
        operation: u32,
        /// Where it was.
        slot: u8,
        /// Its call.
        call: u32,
        /// What it leaves may be needed by something that has not returned yet.
        seen_later: bool,
    },
    /// An indeterminate call begins: one more operation of this number may be used from here on.
    Offer {
        /// The operation.
        operation: u32,
    },
    /// Nothing from here on needs what this operation leaves; how often it was used no longer matters.
    Forget {
        /// The operation.
        operation: u32,
    },
}

/// All events in order.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) all: Vec<Event>,
}

impl Events {
    /// `None` if too many calls are open at a time.
    pub(super) fn new<M: Machine>(machine: &M, steps: &[Step]) -> Option<Events> {
        let mut points: Vec<(u32, u32)> = Vec::with_capacity(2 * steps.len());
        for (call, step) in steps.iter().enumerate() {
            points.push((step.invoked, 2 * call as u32));
            if step.returned != NEVER {
                points.push((step.returned, 2 * call as u32 + 1));
            }
        }
        let needs = Needs::new(machine, steps);
        for (position, operation) in needs.forgotten(machine, steps) {
            points.push((position, u32::MAX - operation));
        }
        points.sort_unstable();
        let mut free: u64 = u64::MAX;
        let mut slots = vec![0u8; steps.len()];
        let mut all = Vec::with_capacity(points.len());
        for (position, point) in points {
            let call = point / 2;
            let Some(step) = steps.get(call as usize) else {
                all.push(Event::Forget { operation: u32::MAX - point });
                continue;
            };
            let operation = step.operation;
            if point % 2 == 1 {
                let slot = slots[call as usize];
                free |= 1 << slot;
                let seen_later = needs.is_needed(machine, operation, position);
                all.push(Event::Return { operation, slot, call, seen_later });
            } else if step.returned == NEVER {
                all.push(Event::Offer { operation });
            } else {
                if free == 0 {
                    return None;
                }
                let slot = free.trailing_zeros() as u8;
                free &= !(1 << slot);
                slots[call as usize] = slot;
                all.push(Event::Invoke { operation, slot });
            }
        }
        Some(Events { all })
    }
}

/// Until when the states of a cell are needed.
struct Needs {
    /// The last return of a call that needs a state.
    until: HashMap<u32, u32>,
    /// Not a cell, or something asks for "any other state": anything may be needed at any time.
    anything: bool,
}

impl Needs {
    fn new<M: Machine>(machine: &M, steps: &[Step]) -> Needs {
        let mut needs = Needs { until: HashMap::new(), anything: !machine.is_cell() };
        if needs.anything {
            return needs;
        }
        for step in steps {
            match machine.needs(step.operation) {
                Need::State(state) => {
                    let until = needs.until.entry(state).or_insert(0);
                    *until = step.returned.max(*until);
                }
                Need::NotState(_) => needs.anything = true,
                Need::Nothing | Need::Never => {}
            }
        }
        needs
    }

    /// Whether anything that returns after a position needs what an operation leaves.
    fn is_needed<M: Machine>(&self, machine: &M, operation: u32, position: u32) -> bool {
        self.anything
            || machine
                .leaves(operation)
                .and_then(|state| self.until.get(&state))
                .is_some_and(|&until| until > position)
    }

    /// The positions behind which what an indeterminate operation leaves is needed no more. Values of
    /// indeterminate cas may be needed by others of their kind at any time; those stay.
    fn forgotten<M: Machine>(&self, machine: &M, steps: &[Step]) -> Vec<(u32, u32)> {
        if self.anything {
            return Vec::new();
        }
        let mut offered = vec![false; machine.operations()];
        for step in steps.iter().filter(|step| step.returned == NEVER) {
            offered[step.operation as usize] = true;
        }
        (0..machine.operations() as u32)
            .filter(|&operation| offered[operation as usize])
            .filter_map(|operation| {
                let until = *self.until.get(&machine.leaves(operation)?).unwrap_or(&0);
                (until != NEVER).then_some((until, operation))
            })
            .collect()
    }
}
