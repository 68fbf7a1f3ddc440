//! The search of Wing and Gong with Lowe's memory: linearize the earliest call that fits, go back when a
//! call has returned without a place.
//!
//! The memory of visited configurations holds fingerprints: the set of linearized calls as an
//! exclusive-or of one constant per call, kept up to date by one operation a step, and the state. Among
//! indeterminate calls that are equal, only the one invoked first is tried: any order that uses a
//! later one instead can use the first.
//!
//! This order wins where a lucky early choice carries far: many values in common, many indeterminate
//! calls. It loses where the choice has to be made late; see [`super::frontier`].
//!
//! Sources: Wing and Gong, "Testing and verifying concurrent objects", 1993; Lowe, "Testing for
//! linearizability", 2017.

use super::budget::{Halt, Meter};
use super::fingerprint::{Fingerprints, constant};
use crate::history::NEVER;
use crate::linear::machine::{Machine, Step};

/// The list's anchor, before the first event and after the last.
const ANCHOR: u32 = 0;

/// A call in the order tried so far.
struct Linearized {
    call: u32,
    state_before: u32,
}

/// A search that can be continued.
pub(super) struct Wgl<'a, M> {
    machine: M,
    steps: &'a [Step],
    /// Events of calls not linearized, as a ring: node 1 + 2·call is the invocation, + 1 the return.
    next: Vec<u32>,
    previous: Vec<u32>,
    /// For an indeterminate call: the one before it that is equal, or itself.
    twin: Vec<u32>,
    is_linearized: Vec<bool>,
    stack: Vec<Linearized>,
    state: u32,
    set: u128,
    /// The node to look at.
    at: u32,
    returns_left: usize,
    visited: Fingerprints,
    /// Most returning calls that ever had a place at once.
    pub(super) best: usize,
    returning: usize,
}

impl<'a, M: Machine> Wgl<'a, M> {
    pub(super) fn new(mut machine: M, steps: &'a [Step]) -> Self {
        let state = machine.initial();
        let mut nodes: Vec<(u32, u32)> = Vec::with_capacity(2 * steps.len());
        for (call, step) in steps.iter().enumerate() {
            let node = 1 + 2 * call as u32;
            nodes.push((step.invoked, node));
            if step.returned != NEVER {
                nodes.push((step.returned, node + 1));
            }
        }
        nodes.sort_unstable();
        let mut next = vec![ANCHOR; 1 + 2 * steps.len()];
        let mut previous = next.clone();
        let mut last = ANCHOR;
        for &(_, node) in &nodes {
            (next[last as usize], previous[node as usize]) = (node, last);
            last = node;
        }
        (next[last as usize], previous[ANCHOR as usize]) = (ANCHOR, last);
        let returning = steps.iter().filter(|step| step.returned != NEVER).count();
        Wgl {
            twin: twins(&machine, steps),
            machine,
            steps,
            at: next[ANCHOR as usize],
            next,
            previous,
            is_linearized: vec![false; steps.len()],
            stack: Vec::new(),
            state,
            set: 0,
            returns_left: returning,
            visited: Fingerprints::default(),
            best: 0,
            returning,
        }
    }

    /// Goes on until there is an answer or the meter stops it.
    pub(super) fn run(&mut self, meter: &mut Meter<'_>) -> Result<bool, Halt> {
        while self.returns_left > 0 {
            meter.step()?;
            let is_invocation = self.at % 2 == 1;
            if is_invocation {
                let call = (self.at - 1) / 2;
                if self.try_call(call) {
                    self.at = self.next[ANCHOR as usize];
                    meter.hold(self.bytes())?;
                } else {
                    self.at = self.next[self.at as usize];
                }
            } else if !self.go_back() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[inline]
    fn try_call(&mut self, call: u32) -> bool {
        let number = call as usize;
        let twin = self.twin[number];
        if twin != call && !self.is_linearized[twin as usize] {
            return false;
        }
        let Some(state) = self.machine.step(self.state, self.steps[number].operation) else {
            return false;
        };
        let set = self.set ^ constant(1, u64::from(call));
        if !self.visited.insert(set ^ constant(2, u64::from(state))) {
            return false;
        }
        self.stack.push(Linearized { call, state_before: self.state });
        (self.state, self.set) = (state, set);
        self.is_linearized[number] = true;
        self.unlink(1 + 2 * call);
        if self.steps[number].returned != NEVER {
            self.unlink(2 + 2 * call);
            self.returns_left -= 1;
            self.best = self.best.max(self.returning - self.returns_left);
        }
        true
    }

    /// Undoes the last choice that had an alternative.
    fn go_back(&mut self) -> bool {
        while let Some(Linearized { call, state_before }) = self.stack.pop() {
            self.state = state_before;
            self.set ^= constant(1, u64::from(call));
            self.is_linearized[call as usize] = false;
            let step = self.steps[call as usize];
            if step.returned != NEVER {
                self.relink(2 + 2 * call);
                self.returns_left += 1;
            }
            self.relink(1 + 2 * call);
            self.at = self.next[1 + 2 * call as usize];
            // Placing an observation where it holds excludes nothing, so it was no choice.
            if !self.machine.observes(step.operation) {
                return true;
            }
        }
        false
    }

    fn unlink(&mut self, node: u32) {
        let (before, after) = (self.previous[node as usize], self.next[node as usize]);
        self.next[before as usize] = after;
        self.previous[after as usize] = before;
    }

    fn relink(&mut self, node: u32) {
        let (before, after) = (self.previous[node as usize], self.next[node as usize]);
        self.next[before as usize] = node;
        self.previous[after as usize] = node;
    }

    fn bytes(&self) -> usize {
        // Rounded, so that the shared account is touched rarely.
        let fixed = self.steps.len() * 32 + self.stack.len() / 4096 * 4096 * 8;
        fixed + self.visited.bytes() + self.machine.bytes() / 4096 * 4096
    }
}

fn twins<M: Machine>(machine: &M, steps: &[Step]) -> Vec<u32> {
    let mut last = vec![u32::MAX; machine.operations()];
    let mut twins: Vec<u32> = (0..steps.len() as u32).collect();
    for (call, step) in steps.iter().enumerate() {
        if step.returned == NEVER {
            let last = &mut last[step.operation as usize];
            if *last != u32::MAX {
                twins[call] = *last;
            }
            *last = call as u32;
        }
    }
    twins
}
