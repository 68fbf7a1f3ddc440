//! Depth first over returns: one configuration at a time, with a memory of those that led nowhere.
//!
//! The same steps as [`super::frontier`], so it shares its savings, but it follows one way to the end
//! before it tries the next. This order wins where a valid order exists and the frontier is broad: many
//! clients, few values.

use super::budget::{Halt, Meter};
use super::config::Config;
use super::events::{Event, Events};
use super::fingerprint::{Fingerprints, constant};
use super::walk::Walker;
use crate::linear::machine::Machine;

/// Ways to go on behind a return.
struct Branch {
    /// The event behind the return.
    at: usize,
    /// Configurations not tried yet, the best last.
    ways: Vec<Config>,
}

/// A search that can be continued.
pub(super) struct Depth<'a, M> {
    walker: Walker<M>,
    events: &'a Events,
    /// Where the walker's `open` stands.
    at: usize,
    stack: Vec<Branch>,
    stacked_bytes: usize,
    visited: Fingerprints,
    ways: Vec<Config>,
    /// The farthest event reached.
    farthest: usize,
}

impl<'a, M: Machine> Depth<'a, M> {
    pub(super) fn new(machine: M, events: &'a Events) -> Self {
        let mut walker = Walker::new(machine);
        let ways = vec![walker.start()];
        Depth {
            walker,
            events,
            at: 0,
            stacked_bytes: bytes(&ways),
            stack: vec![Branch { at: 0, ways }],
            visited: Fingerprints::default(),
            ways: Vec::new(),
            farthest: 0,
        }
    }

    /// The call whose return was never passed, after the answer "no".
    pub(super) fn failed(&self) -> Option<u32> {
        match self.events.all.get(self.farthest)? {
            Event::Return { call, .. } => Some(*call),
            _ => None,
        }
    }

    /// How many returns were passed at best.
    pub(super) fn returns(&self) -> usize {
        let passed = &self.events.all[..self.farthest];
        passed.iter().filter(|event| matches!(event, Event::Return { .. })).count()
    }

    /// Goes on until there is an answer or the meter stops it.
    pub(super) fn run(&mut self, meter: &mut Meter<'_>) -> Result<bool, Halt> {
        while let Some(branch) = self.stack.last_mut() {
            let at = branch.at;
            let Some(config) = branch.ways.pop() else {
                let branch = self.stack.pop();
                self.stacked_bytes -= branch.map_or(0, |branch| bytes(&branch.ways));
                continue;
            };
            self.move_to(at);
            match self.follow(config, meter) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(halt) => {
                    // Tried again when the search goes on.
                    if let Some(branch) = self.stack.last_mut() {
                        branch.ways.push(config);
                    }
                    return Err(halt);
                }
            }
        }
        Ok(false)
    }

    /// Walks on as long as there is nothing to decide. True: to the end.
    fn follow(&mut self, mut config: Config, meter: &mut Meter<'_>) -> Result<bool, Halt> {
        while let Some(&event) = self.events.all.get(self.at) {
            meter.step()?;
            match event {
                Event::Invoke { operation, slot } => {
                    self.walker.open.forward(&self.walker.machine, event);
                    self.walker.invoke(&mut config, operation, slot);
                }
                Event::Forget { operation } => self.walker.forget(&mut config, operation),
                Event::Offer { .. } => self.walker.open.forward(&self.walker.machine, event),
                Event::Return { slot, seen_later, .. } => {
                    self.farthest = self.farthest.max(self.at);
                    if self.walker.passes(&config, slot, seen_later) {
                        config.close(slot);
                        self.walker.open.forward(&self.walker.machine, event);
                    } else {
                        self.decide(config, slot, seen_later, meter)?;
                        return Ok(false);
                    }
                }
            }
            self.at += 1;
        }
        Ok(true)
    }

    fn decide(
        &mut self,
        config: Config,
        slot: u8,
        seen_later: bool,
        meter: &mut Meter<'_>,
    ) -> Result<(), Halt> {
        self.ways.clear();
        let others = self.visited.bytes() + self.stacked_bytes;
        self.walker.ways(&[config], (slot, seen_later), &mut self.ways, others, meter)?;
        let at = self.at + 1;
        // Before anything grows: the fingerprints of all ways, and the list of those that are new.
        let new = self.ways.len() * size_of::<Config>() + size_of::<Branch>();
        let stacked = self.stacked_bytes + self.stack.len() * 2 * size_of::<Branch>();
        let ways = self.ways.capacity() * size_of::<Config>();
        let visited = self.visited.bytes_with(self.ways.len());
        meter.hold(visited + stacked + new + ways + self.walker.bytes())?;
        // Found first: fewest additional calls. Taken from the end, so it goes last.
        self.ways.reverse();
        let visited = &mut self.visited;
        self.ways.retain(|way| visited.insert(fingerprint(at, way)));
        if !self.ways.is_empty() {
            // Of its own size: many of these lists wait at a time.
            let ways = self.ways.as_slice().to_vec();
            self.stacked_bytes += bytes(&ways);
            self.stack.push(Branch { at, ways });
        }
        Ok(())
    }

    fn move_to(&mut self, at: usize) {
        while self.at < at {
            self.walker.open.forward(&self.walker.machine, self.events.all[self.at]);
            self.at += 1;
        }
        while self.at > at {
            self.at -= 1;
            self.walker.open.back(&self.walker.machine, self.events.all[self.at]);
        }
    }
}

fn bytes(ways: &Vec<Config>) -> usize {
    ways.capacity() * size_of::<Config>() + size_of::<Branch>()
}

fn fingerprint(at: usize, config: &Config) -> u128 {
    let numbers = u64::from(config.state) << 32 | u64::from(config.spent);
    constant(3, numbers)
        ^ constant(4, config.used).rotate_left(1)
        ^ constant(5, config.covered).rotate_left(2)
        ^ constant(6, at as u64).rotate_left(3)
}
