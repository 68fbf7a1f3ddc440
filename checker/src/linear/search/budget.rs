//! Limits on time and memory, checked in the innermost loops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Steps between two looks at the clock: a look costs as much as a step, so once in 256 it costs nothing
/// and the limit is kept within a millisecond.
const STEPS_PER_LOOK: u32 = 256;

/// What searches may use. Clones share the memory.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    deadline: Instant,
    memory_bytes: u64,
    /// Most steps of each search; a first look at many keys is cut short by this.
    pub(super) steps_max: u64,
    used_bytes: Arc<AtomicU64>,
    /// A clock that counts how often it is looked at, and tells that number.
    #[cfg(test)]
    looks: Option<Arc<super::looks::Looks>>,
}

/// Why a search stopped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The round's steps are used up; it can go on.
    Round,
    /// The time is up.
    Time,
    /// The memory is used up.
    Memory,
    /// Somebody else has the answer.
    Stopped,
}

impl Budget {
    pub(crate) fn new(deadline: Instant, memory_bytes: u64) -> Budget {
        Budget {
            deadline,
            memory_bytes,
            steps_max: u64::MAX,
            used_bytes: Arc::default(),
            #[cfg(test)]
            looks: None,
        }
    }

    /// A budget that ends with the look of this number, and the clock that counts them.
    #[cfg(test)]
    pub(crate) fn counted(end: u64) -> (Budget, Arc<super::looks::Looks>) {
        let looks = Arc::new(super::looks::Looks::new(end));
        let far = Instant::now() + std::time::Duration::from_secs(3600);
        let budget = Budget { looks: Some(looks.clone()), ..Budget::new(far, 1 << 30) };
        (budget, looks)
    }

    /// The same, with an earlier end.
    pub(crate) fn until(&self, deadline: Instant) -> Budget {
        Budget { deadline: deadline.min(self.deadline), ..self.clone() }
    }

    /// The same, with another end.
    pub(crate) fn ending(&self, deadline: Instant) -> Budget {
        Budget { deadline, ..self.clone() }
    }

    /// The same, with at most so many steps for each search.
    pub(crate) fn at_most(&self, steps_max: u64) -> Budget {
        Budget { steps_max, ..self.clone() }
    }

    /// Whether the time is up.
    pub(crate) fn is_over(&self) -> bool {
        #[cfg(test)]
        if let Some(looks) = &self.looks {
            return looks.look();
        }
        Instant::now() >= self.deadline
    }

    /// The moment the time is up.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// One search's account.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    budget: &'a Budget,
    /// Set when another search of the same problem has the answer.
    stop: &'a AtomicBool,
    accounted_bytes: u64,
    until_look: u32,
    round_left: u64,
    /// All steps ever taken.
    pub(crate) steps: u64,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(budget: &'a Budget, stop: &'a AtomicBool) -> Meter<'a> {
        Meter { budget, stop, accounted_bytes: 0, until_look: 0, round_left: 0, steps: 0 }
    }

    /// Begins a round of so many steps.
    pub(crate) fn begin_round(&mut self, steps: u64) {
        self.round_left = steps;
    }

    /// Takes one step.
    #[inline]
    pub(crate) fn step(&mut self) -> Result<(), Halt> {
        self.steps += 1;
        if self.round_left == 0 {
            return Err(Halt::Round);
        }
        self.round_left -= 1;
        if self.until_look > 0 {
            self.until_look -= 1;
            return Ok(());
        }
        self.look()
    }

    /// Does as much work as so many steps, which no round counts: a walk over all configurations, a sort. Fails
    /// only where the search is over.
    #[inline]
    pub(crate) fn work(&mut self, steps: usize) -> Result<(), Halt> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        if self.until_look > steps {
            self.until_look -= steps;
            return Ok(());
        }
        self.look()
    }

    #[cold]
    fn look(&mut self) -> Result<(), Halt> {
        self.until_look = STEPS_PER_LOOK;
        if self.stop.load(Ordering::Relaxed) {
            return Err(Halt::Stopped);
        }
        if self.budget.is_over() {
            return Err(Halt::Time);
        }
        Ok(())
    }

    /// States how much memory the search holds now; fails if all searches together hold too much.
    #[inline]
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Halt> {
        let bytes = bytes as u64;
        if bytes == self.accounted_bytes {
            return Ok(());
        }
        let used = &self.budget.used_bytes;
        let before = if bytes > self.accounted_bytes {
            let more = bytes - self.accounted_bytes;
            used.fetch_add(more, Ordering::Relaxed) + more
        } else {
            used.fetch_sub(self.accounted_bytes - bytes, Ordering::Relaxed)
        };
        self.accounted_bytes = bytes;
        if before > self.budget.memory_bytes { Err(Halt::Memory) } else { Ok(()) }
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.accounted_bytes, Ordering::Relaxed);
    }
}
