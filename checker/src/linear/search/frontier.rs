//! Breadth first over returns: all configurations at once, from event to event.
//!
//! Just-in-time linearization: a call is given a place only when some call returns. The set of
//! configurations after each return, the frontier, is complete, so the first empty one is the earliest
//! moment at which the violation is certain. Dropping covered configurations ([`Config::covers`] and the
//! multisets) keeps it small. This order wins where a history is wrong, and where many indeterminate calls
//! have values of their own; memory is one frontier, however long the history is.
//!
//! Source: Lowe, "Testing for linearizability", 2017 (just-in-time linearization); the coverings are
//! ours, argued in [`super::config`].

use super::budget::{Halt, Meter};
use super::config::Config;
use super::events::{Event, Events};
use super::walk::Walker;
use crate::linear::machine::Machine;

/// Up to so many configurations of one state are compared pair by pair.
const PAIRS_MAX: usize = 48;

/// A search that can be continued.
pub(super) struct Frontier<'a, M> {
    walker: Walker<M>,
    events: &'a Events,
    /// The next event.
    at: usize,
    configs: Vec<Config>,
    next: Vec<Config>,
    /// Returns behind `at`.
    pub(super) returns: usize,
    /// Where the frontier became empty: the call that returned without a place.
    pub(super) failed: Option<u32>,
}

impl<'a, M: Machine> Frontier<'a, M> {
    pub(super) fn new(machine: M, events: &'a Events) -> Self {
        let mut walker = Walker::new(machine);
        let configs = vec![walker.start()];
        Frontier { walker, events, at: 0, configs, next: Vec::new(), returns: 0, failed: None }
    }

    /// Goes on until there is an answer or the meter stops it. A step that was stopped is begun again.
    pub(super) fn run(&mut self, meter: &mut Meter<'_>) -> Result<bool, Halt> {
        while let Some(&event) = self.events.all.get(self.at) {
            meter.step()?;
            match event {
                Event::Invoke { operation, slot } => {
                    self.walker.open.forward(&self.walker.machine, event);
                    meter.work(self.configs.len())?;
                    for config in &mut self.configs {
                        self.walker.invoke(config, operation, slot);
                    }
                }
                Event::Forget { operation } => {
                    meter.work(self.configs.len())?;
                    for config in &mut self.configs {
                        self.walker.forget(config, operation);
                    }
                }
                Event::Offer { .. } => self.walker.open.forward(&self.walker.machine, event),
                Event::Return { slot, call, seen_later, .. } => {
                    self.close(slot, seen_later, meter)?;
                    self.walker.open.forward(&self.walker.machine, event);
                    self.returns += 1;
                    if self.configs.is_empty() {
                        self.failed = Some(call);
                        return Ok(false);
                    }
                }
            }
            self.at += 1;
        }
        Ok(true)
    }

    fn close(&mut self, slot: u8, seen_later: bool, meter: &mut Meter<'_>) -> Result<(), Halt> {
        meter.work(self.configs.len())?;
        let walker = &mut self.walker;
        if self.configs.iter().all(|config| walker.passes(config, slot, seen_later)) {
            // By far the most frequent case, and only equal configurations can come of it.
            for config in &mut self.configs {
                config.close(slot);
            }
            if self.configs.len() > 1 {
                self.prune(meter)?;
            }
            return Ok(());
        }
        self.next.clear();
        let others = self.configs.capacity() * size_of::<Config>();
        walker.ways(&self.configs, (slot, seen_later), &mut self.next, others, meter)?;
        std::mem::swap(&mut self.configs, &mut self.next);
        self.prune(meter)?;
        let configs = self.configs.capacity() + self.next.capacity();
        meter.hold(self.walker.bytes() + configs * size_of::<Config>())
    }

    /// Drops configurations that another one covers. Linear but for sorting: of a state with many, only small groups
    /// are compared pair by pair. It stops half-way only where the search is over.
    fn prune(&mut self, meter: &mut Meter<'_>) -> Result<(), Halt> {
        let multisets = &self.walker.multisets;
        let configs = &mut self.configs;
        let group = |config: &Config| (config.state, config.used, config.covered, config.spent);
        configs.sort_unstable_by_key(group);
        configs.dedup();
        let mut kept = 0;
        let (mut start, mut state_end) = (0, 0);
        while start < configs.len() {
            let first = configs[start];
            if start >= state_end {
                let same_state = |config: &&Config| config.state == first.state;
                state_end = start + configs[start..].iter().take_while(same_state).count();
            }
            let length = state_end - start;
            let exact = |config: &Config| {
                (config.state, config.used, config.covered)
                    == (first.state, first.used, first.covered)
            };
            let length = match length {
                0..=PAIRS_MAX => length,
                // Too many for all pairs: only those that differ in nothing but the multiset.
                _ => configs[start..].iter().take_while(|c| exact(c)).count(),
            };
            let end = start + length;
            let from = kept;
            for place in start..end {
                meter.work(length.min(4 * PAIRS_MAX) / 16)?;
                let config = configs[place];
                let better = |other: &Config| {
                    other.covers(&config) && multisets.is_within(other.spent, config.spent)
                };
                let later = &configs[place + 1..end];
                let is_covered = length <= 4 * PAIRS_MAX
                    && (configs[from..kept].iter().any(better) || later.iter().any(better));
                if !is_covered {
                    configs[kept] = config;
                    kept += 1;
                }
            }
            start = end;
        }
        configs.truncate(kept);
        Ok(())
    }
}
