//! A clock that counts how often it is looked at, and what is done between two looks.
//!
//! Limits of time are kept by looking at the clock every so many steps. Whether that is often enough cannot be seen by
//! a test that measures time on a machine that does other things too; it can be counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// The clock.
#[derive(Debug)]
pub(crate) struct Looks {
    /// So many looks are the time there is.
    end: u64,
    looks: AtomicU64,
    /// Work since the last look, and the most there was between two.
    work: AtomicU64,
    most: AtomicU64,
}

impl Looks {
    /// A clock by which the time is up with the look of this number.
    pub(super) fn new(end: u64) -> Looks {
        let zero = AtomicU64::default;
        Looks { end, looks: zero(), work: zero(), most: zero() }
    }

    /// Looks at the clock; whether the time is up.
    pub(super) fn look(&self) -> bool {
        self.most.fetch_max(self.work.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        self.looks.fetch_add(1, Ordering::Relaxed) + 1 >= self.end
    }

    pub(crate) fn work(&self, steps: u64) {
        // Where nobody looks the test would not end.
        const HOPELESS: u64 = 20_000_000;
        let work = self.work.fetch_add(steps, Ordering::Relaxed) + steps;
        assert!(work < HOPELESS, "{work} steps without a look at the clock");
    }

    /// The most work between two looks, what was done since the last one included.
    pub(crate) fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed).max(self.work.load(Ordering::Relaxed))
    }

    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }
}
