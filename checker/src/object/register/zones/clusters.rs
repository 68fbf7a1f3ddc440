//! First step: each writer with the reads of its value, and the cas links between clusters.

use super::super::call::{Call, Effect, NIL};
use super::{Conflict, NO_CALL};
use crate::history::NEVER;

/// Marks "no cluster".
pub(crate) const NO_CLUSTER: u32 = u32::MAX;

/// The cluster of the initial state, whose writer is virtual and older than everything.
pub(super) const INITIAL: u32 = 0;

/// A table of values that is kept for the next key has at most so many places.
const KEPT_MAX: usize = 1 << 20;

/// A writer and a summary of the reads of its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cluster {
    /// The writer's call.
    pub(crate) writer: u32,
    pub(crate) writer_invoked: u32,
    pub(crate) writer_returned: u32,
    /// The earliest return of a read, and whose.
    pub(crate) read_returned: u32,
    pub(crate) first_read: u32,
    /// The latest invocation of a read, and whose.
    pub(crate) read_invoked: u32,
    pub(crate) last_read: u32,
    /// The cluster that a cas from here began.
    pub(crate) next: u32,
    /// The cluster this one's cas ended.
    pub(crate) previous: u32,
    /// The writer took effect: it returned, or somebody saw its value.
    pub(crate) took_effect: bool,
    /// Another writer wrote the same value.
    pub(crate) is_shared: bool,
}

impl Cluster {
    fn new(writer: u32, invoked: u32, returned: u32) -> Cluster {
        Cluster {
            writer,
            writer_invoked: invoked,
            writer_returned: returned,
            read_returned: NEVER,
            first_read: NO_CALL,
            read_invoked: 0,
            last_read: NO_CALL,
            next: NO_CLUSTER,
            previous: NO_CLUSTER,
            took_effect: returned != NEVER,
            is_shared: false,
        }
    }

    #[inline]
    fn add_read(&mut self, call: u32, invoked: u32, returned: u32) {
        if returned < self.read_returned {
            (self.read_returned, self.first_read) = (returned, call);
        }
        if invoked >= self.read_invoked {
            (self.read_invoked, self.last_read) = (invoked, call);
        }
    }
}

/// Whether each observed value has one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Built {
    /// Yes.
    Unique,
    /// No: the zone method does not apply.
    Ambiguous,
}

/// All clusters of a key.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    /// The initial state's first, then one per writer in order of invocation.
    pub(crate) all: Vec<Cluster>,
    /// Calls that say "the value was not `a`".
    pub(crate) negatives: Vec<u32>,
    /// Value to cluster: open addressing, (value, cluster) pairs.
    table: Vec<(u32, u32)>,
    shift: u32,
    /// Indeterminate writers that somebody turned out to have seen.
    seen: Vec<u32>,
}

impl Clusters {
    /// Groups the calls. An error is a proof that no order exists.
    pub(crate) fn build(&mut self, calls: &[Call]) -> Result<Built, Conflict> {
        self.add_writers(calls);
        let mut built = Built::Unique;
        let mut own = INITIAL;
        for (number, call) in calls.iter().enumerate() {
            let number = number as u32;
            match call.effect {
                Effect::Write => own += 1,
                Effect::Cas => {
                    own += 1;
                    if !call.is_optional() {
                        self.link(calls, own, &mut built)?;
                    }
                }
                Effect::Read => {
                    if let Some(cluster) = self.observe(call.a, number, &mut built)? {
                        self.all[cluster as usize].add_read(number, call.invoked, call.returned);
                    }
                }
                Effect::NotEqual => self.negatives.push(number),
                Effect::Impossible => return Err(Conflict::of([number])),
            }
        }
        while let Some(cluster) = self.seen.pop() {
            let writer = self.all[cluster as usize].writer;
            if calls[writer as usize].effect == Effect::Cas {
                self.link(calls, cluster, &mut built)?;
            }
        }
        Ok(built)
    }

    /// The cluster of a value, if it has exactly one writer.
    pub(super) fn of_value(&self, value: u32) -> Option<u32> {
        self.find(value).filter(|&cluster| !self.all[cluster as usize].is_shared)
    }

    /// Frees the table of values where it is large and nothing asks for values any more: a quarter of what one hot
    /// key needs. Small ones stay for the next key.
    pub(super) fn free_values(&mut self) {
        if self.table.len() > KEPT_MAX && self.negatives.is_empty() {
            self.table = Vec::new();
        }
    }

    fn add_writers(&mut self, calls: &[Call]) {
        self.all.clear();
        self.negatives.clear();
        self.seen.clear();
        let writers = calls.iter().filter(|call| call.leaves().is_some()).count();
        let size = (2 * (writers + 1)).next_power_of_two();
        self.shift = 32 - size.trailing_zeros();
        self.table.clear();
        self.table.resize(size, (0, NO_CLUSTER));
        self.all.reserve(writers + 1);
        self.all.push(Cluster::new(NO_CALL, 0, 0));
        self.insert(NIL, INITIAL);
        for (number, call) in calls.iter().enumerate() {
            if let Some(value) = call.leaves() {
                let cluster = self.all.len() as u32;
                self.all.push(Cluster::new(number as u32, call.invoked, call.returned));
                self.insert(value, cluster);
            }
        }
    }

    #[inline]
    fn place(&self, value: u32) -> usize {
        // Fibonacci hashing: values are often consecutive, and this spreads them evenly.
        (value.wrapping_mul(0x9E37_79B9) >> self.shift) as usize
    }

    fn insert(&mut self, value: u32, cluster: u32) {
        let mut place = self.place(value);
        loop {
            match self.table[place] {
                (_, NO_CLUSTER) => {
                    self.table[place] = (value, cluster);
                    return;
                }
                (known, first) if known == value => {
                    self.all[first as usize].is_shared = true;
                    self.all[cluster as usize].is_shared = true;
                    return;
                }
                _ => place = (place + 1) & (self.table.len() - 1),
            }
        }
    }

    #[inline]
    fn find(&self, value: u32) -> Option<u32> {
        let mut place = self.place(value);
        loop {
            match self.table[place] {
                (_, NO_CLUSTER) => return None,
                (known, cluster) if known == value => return Some(cluster),
                _ => place = (place + 1) & (self.table.len() - 1),
            }
        }
    }

    /// Notes that a call saw a value: its cluster, or `None` where that is not determined.
    fn observe(
        &mut self,
        value: u32,
        call: u32,
        built: &mut Built,
    ) -> Result<Option<u32>, Conflict> {
        let Some(number) = self.find(value) else { return Err(Conflict::of([call])) };
        let cluster = &mut self.all[number as usize];
        if cluster.is_shared {
            *built = Built::Ambiguous;
            return Ok(None);
        }
        if !cluster.took_effect {
            cluster.took_effect = true;
            self.seen.push(number);
        }
        Ok(Some(number))
    }

    /// Links the cluster that a cas began to the one it ended.
    fn link(&mut self, calls: &[Call], own: u32, built: &mut Built) -> Result<(), Conflict> {
        let writer = self.all[own as usize].writer;
        let from = calls[writer as usize].a;
        let Some(from) = self.observe(from, writer, built)? else { return Ok(()) };
        let other = self.all[from as usize].next;
        if other != NO_CLUSTER {
            // Two cas took effect on a value that was there once. An indeterminate one took effect
            // because somebody saw its value; that somebody belongs to the proof.
            let mut proof = vec![writer];
            for cluster in [own, other] {
                let Cluster { writer, first_read, next, .. } = self.all[cluster as usize];
                proof.push(writer);
                if calls[writer as usize].is_optional() {
                    proof.push(first_read);
                    proof.push(self.all.get(next as usize).map_or(NO_CALL, |next| next.writer));
                }
            }
            return Err(Conflict::of(proof));
        }
        self.all[from as usize].next = own;
        self.all[own as usize].previous = from;
        Ok(())
    }
}
