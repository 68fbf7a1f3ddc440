//! One step of the searches that walk events: from the configurations before a return to those after.

use hashbrown::HashSet;

use super::budget::{Halt, Meter};
use super::config::{Config, Multisets};
use super::events::{Event, SLOTS};
use crate::linear::growth::table_for;
use crate::linear::machine::{Machine, Need};

/// Marks a slot without a call.
const FREE: u32 = u32::MAX;

/// What is open at a place in the sequence of events; the same for all configurations there.
#[derive(Debug)]
pub(super) struct Open {
    /// Operation by slot.
    operations: [u32; SLOTS],
    /// Slots with a call.
    slots: u64,
    /// Of those, the ones whose operation overwrites.
    overwriting: u64,
    /// Of those, the ones whose operation observes.
    observing: u64,
    /// How many indeterminate calls of each operation have begun; ascending by operation.
    offers: Vec<(u32, u32)>,
}

impl Default for Open {
    fn default() -> Self {
        let operations = [FREE; SLOTS];
        Open { operations, slots: 0, overwriting: 0, observing: 0, offers: Vec::new() }
    }
}

impl Open {
    /// Moves over an event.
    pub(super) fn forward<M: Machine>(&mut self, machine: &M, event: Event) {
        match event {
            Event::Invoke { operation, slot } => self.begin(machine, operation, slot),
            Event::Return { slot, .. } => self.end(slot),
            Event::Offer { operation } => {
                match self.offers.binary_search_by_key(&operation, |offer| offer.0) {
                    Ok(place) => self.offers[place].1 += 1,
                    Err(place) => self.offers.insert(place, (operation, 1)),
                }
            }
            Event::Forget { .. } => {}
        }
    }

    /// Moves back over an event.
    pub(super) fn back<M: Machine>(&mut self, machine: &M, event: Event) {
        match event {
            Event::Invoke { slot, .. } => self.end(slot),
            Event::Return { operation, slot, .. } => self.begin(machine, operation, slot),
            Event::Offer { operation } => {
                if let Ok(place) = self.offers.binary_search_by_key(&operation, |offer| offer.0) {
                    self.offers[place].1 -= 1;
                    if self.offers[place].1 == 0 {
                        self.offers.remove(place);
                    }
                }
            }
            Event::Forget { .. } => {}
        }
    }

    fn begin<M: Machine>(&mut self, machine: &M, operation: u32, slot: u8) {
        self.operations[usize::from(slot)] = operation;
        self.slots |= 1 << slot;
        self.overwriting |= u64::from(machine.overwrites(operation)) << slot;
        self.observing |= u64::from(machine.observes(operation)) << slot;
    }

    fn end(&mut self, slot: u8) {
        self.operations[usize::from(slot)] = FREE;
        let rest = !(1 << slot);
        self.slots &= rest;
        self.overwriting &= rest;
        self.observing &= rest;
    }
}

/// How much a vector holds when it has grown for so many more.
fn grown(vector: &[Config], more: usize) -> usize {
    (2 * vector.len()).max(vector.len() + more).max(8)
}

/// The slots in a mask.
fn slots(mut mask: u64) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let slot = mask.trailing_zeros() as u8;
        mask &= mask.wrapping_sub(1);
        (slot < 64).then_some(slot)
    })
}

/// Computes steps; its memory is used again for each.
#[derive(Debug)]
pub(super) struct Walker<M> {
    pub(super) machine: M,
    pub(super) open: Open,
    pub(super) multisets: Multisets,
    seen: HashSet<Config>,
    queue: Vec<Config>,
    /// In a cell: the states that something open, or indeterminate on its behalf, wants.
    wanted: Vec<u32>,
}

impl<M: Machine> Walker<M> {
    pub(super) fn new(machine: M) -> Self {
        Walker {
            machine,
            open: Open::default(),
            multisets: Multisets::default(),
            seen: HashSet::new(),
            queue: Vec::new(),
            wanted: Vec::new(),
        }
    }

    /// The configuration before all events.
    pub(super) fn start(&mut self) -> Config {
        Config { state: self.machine.initial(), spent: 0, used: 0, covered: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.machine.bytes()
            + self.multisets.bytes()
            + self.seen.allocation_size()
            + self.queue.capacity() * size_of::<Config>()
    }

    /// How much one more branching may add: one for each call and each operation that may be taken next.
    #[inline]
    fn more(&self) -> usize {
        self.open.slots.count_ones() as usize + self.open.offers.len() + 1
    }

    #[inline]
    fn has_room(&self, results: &Vec<Config>, more: usize) -> bool {
        let has_room = |vector: &Vec<Config>| vector.capacity() - vector.len() >= more;
        has_room(&self.queue) && has_room(results) && self.seen.capacity() - self.seen.len() >= more
    }

    /// Makes room for so many more, and states what is held before anything grows: while it does, the old is there beside
    /// the new. `others` is what the search holds beside the walker.
    #[cold]
    fn make_room(
        &mut self,
        results: &mut Vec<Config>,
        more: usize,
        others: usize,
        meter: &mut Meter<'_>,
    ) -> Result<(), Halt> {
        let mut growth = 0;
        if self.seen.capacity() - self.seen.len() < more {
            growth += table_for::<Config>(self.seen.len() + more);
        }
        for vector in [&self.queue, results] {
            if vector.capacity() - vector.len() < more {
                growth += grown(vector, more) * size_of::<Config>();
            }
        }
        meter.hold(self.held(results, others) + growth)?;
        self.seen.reserve(more);
        for vector in [&mut self.queue, results] {
            if vector.capacity() - vector.len() < more {
                vector.reserve_exact(grown(vector, more) - vector.len());
            }
        }
        Ok(())
    }

    /// All bytes of a search, rounded so that the shared account is touched rarely.
    fn held(&self, results: &Vec<Config>, others: usize) -> usize {
        let held = self.bytes() + results.capacity() * size_of::<Config>() + others;
        held.next_multiple_of(4096)
    }

    /// A call has begun: if it is an observation that holds, it is taken. `open` has moved on already.
    #[inline]
    pub(super) fn invoke(&mut self, config: &mut Config, operation: u32, slot: u8) {
        if self.open.observing >> slot & 1 == 1
            && self.machine.step(config.state, operation).is_some()
        {
            config.covered |= 1 << slot;
        }
    }

    /// What is left of a configuration when an operation is forgotten.
    pub(super) fn forget(&mut self, config: &mut Config, operation: u32) {
        if config.spent != 0 {
            config.spent = self.multisets.without(config.spent, operation);
        }
    }

    /// Whether a configuration has nothing to decide when the call in `slot` returns: it has its place, and
    /// a visible one, at this last chance, would never be seen.
    #[inline]
    pub(super) fn passes(&self, config: &Config, slot: u8, seen_later: bool) -> bool {
        let may_show = seen_later && (self.open.overwriting & config.covered) >> slot & 1 == 1;
        config.has_place(slot) && !may_show
    }

    /// All useful ways to go on from `from` when the call in `slot`, which `open` still holds, returns. The
    /// results have the call closed. `others` is what the search holds beside the walker and the results, bytes.
    pub(super) fn ways(
        &mut self,
        from: &[Config],
        (slot, seen_later): (u8, bool),
        results: &mut Vec<Config>,
        others: usize,
        meter: &mut Meter<'_>,
    ) -> Result<(), Halt> {
        self.seen.clear();
        self.queue.clear();
        for &config in from {
            meter.work(1)?;
            if !self.has_room(results, 1) {
                self.make_room(results, 1, others, meter)?;
            }
            if config.has_place(slot) {
                let mut closed = config;
                closed.close(slot);
                results.push(closed);
            }
            if !self.passes(&config, slot, seen_later) && self.seen.insert(config) {
                self.queue.push(config);
            }
        }
        let more = self.more();
        let mut next = 0;
        while let Some(&config) = self.queue.get(next) {
            next += 1;
            meter.step()?;
            if !self.has_room(results, more) {
                self.make_room(results, more, others, meter)?;
            }
            meter.hold(self.held(results, others))?;
            self.branch(config, slot, seen_later, results);
        }
        Ok(())
    }

    /// Queues each useful next step of a configuration, or reports it if the call has a place then.
    fn branch(&mut self, config: Config, target: u8, seen_later: bool, results: &mut Vec<Config>) {
        let any = self.find_wanted(config);
        let pending = self.open.slots & !config.used & !self.open.observing;
        for slot in slots(pending) {
            let operation = self.open.operations[usize::from(slot)];
            let overwrites = self.open.overwriting >> slot & 1 == 1;
            // A covered cas does not exist: only overwriting calls are covered and not used.
            if !overwrites && config.covered >> slot & 1 == 1 {
                continue;
            }
            let Some(state) = self.machine.step(config.state, operation) else { continue };
            // The returning call has to go somewhere unless it is covered, and then this is its last
            // chance to be seen by what is still to come.
            let is_last_chance = slot == target && (seen_later || !config.has_place(target));
            if overwrites && !is_last_chance && !self.is_useful(config, state, slot, any) {
                continue;
            }
            let mut after = Config { state, used: config.used | 1 << slot, ..config };
            after.covered &= !(1 << slot);
            self.settle(&mut after, overwrites);
            self.reach(&config, after, target, results);
        }
        self.branch_offers(config, target, any, results);
    }

    fn branch_offers(&mut self, config: Config, target: u8, any: bool, results: &mut Vec<Config>) {
        for place in 0..self.open.offers.len() {
            let (operation, offered) = self.open.offers[place];
            if self.machine.is_cell() && !any {
                match self.machine.leaves(operation) {
                    Some(state) if self.wanted.contains(&state) => {}
                    _ => continue,
                }
            }
            let Some(state) = self.machine.step(config.state, operation) else { continue };
            if self.multisets.count(config.spent, operation) >= offered {
                continue;
            }
            let overwrites = self.machine.overwrites(operation);
            // What leaves the state as it is still hides the blind writes that are open.
            let hides = overwrites && self.open.overwriting & !config.used & !config.covered != 0;
            if state == config.state && !hides {
                continue;
            }
            if overwrites && !self.is_useful(config, state, u8::MAX, any) {
                continue;
            }
            let spent = self.multisets.with(config.spent, operation);
            let mut after = Config { state, spent, ..config };
            self.settle(&mut after, overwrites);
            self.reach(&config, after, target, results);
        }
    }

    /// In a cell, collects the states that would let something open go on. True: any change might.
    fn find_wanted(&mut self, config: Config) -> bool {
        self.wanted.clear();
        if !self.machine.is_cell() {
            return true;
        }
        let waiting = self.open.slots & !self.open.overwriting & !config.used & !config.covered;
        for slot in slots(waiting) {
            match self.machine.needs(self.open.operations[usize::from(slot)]) {
                Need::State(state) => self.wanted.push(state),
                Need::NotState(_) => return true,
                Need::Nothing | Need::Never => {}
            }
        }
        // An indeterminate cas to a wanted state makes the state it needs a wanted one.
        let mut next = 0;
        while let Some(&state) = self.wanted.get(next) {
            next += 1;
            for &(operation, _) in &self.open.offers {
                if self.machine.leaves(operation) == Some(state)
                    && let Need::State(needed) = self.machine.needs(operation)
                    && !self.wanted.contains(&needed)
                {
                    self.wanted.push(needed);
                }
            }
        }
        false
    }

    /// Whether a blind write that is not the target would be seen by anything before it is overwritten.
    fn is_useful(&mut self, config: Config, state: u32, slot: u8, any: bool) -> bool {
        if self.machine.is_cell() && !any {
            return self.wanted.contains(&state);
        }
        let own = if slot == u8::MAX { 0 } else { 1 << slot };
        let waiting =
            self.open.slots & !self.open.overwriting & !config.used & !config.covered & !own;
        for slot in slots(waiting) {
            let operation = self.open.operations[usize::from(slot)];
            if self.machine.step(state, operation).is_some() {
                return true;
            }
        }
        for place in 0..self.open.offers.len() {
            let operation = self.open.offers[place].0;
            if !self.machine.overwrites(operation) && self.machine.step(state, operation).is_some()
            {
                return true;
            }
        }
        false
    }

    /// After a change of state: open blind writes are covered if it was a blind write, and
    /// observations that hold are taken.
    fn settle(&mut self, config: &mut Config, overwrote: bool) {
        if overwrote {
            config.covered |= self.open.overwriting & !config.used;
        }
        for slot in slots(self.open.observing & !config.covered) {
            let operation = self.open.operations[usize::from(slot)];
            if self.machine.step(config.state, operation).is_some() {
                config.covered |= 1 << slot;
            }
        }
    }

    fn reach(&mut self, before: &Config, config: Config, target: u8, results: &mut Vec<Config>) {
        if !self.seen.insert(config) {
            return;
        }
        if config.has_place(target) && !before.has_place(target) || config.used >> target & 1 == 1 {
            let mut closed = config;
            closed.close(target);
            results.push(closed);
        }
        let is_covered_write =
            self.open.overwriting >> target & 1 == 1 && config.used >> target & 1 == 0;
        if is_covered_write || !config.has_place(target) {
            // A covered write may still be visible later on.
            self.queue.push(config);
        }
    }
}
