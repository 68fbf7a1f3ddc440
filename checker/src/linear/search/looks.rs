//! A clock that counts how often it is looked at, and what is done between two looks.
//!
//! Limits of time are kept by looking at the clock every so many steps. Whether that is often enough cannot be seen by
//! a test that measures time on a machine that does other things too; it can be counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Budget;

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
    /// A budget that ends with the look of this number.
    pub(crate) fn budget(end: u64) -> (Budget, Arc<Looks>) {
        let zero = AtomicU64::default;
        let looks = Arc::new(Looks { end, looks: zero(), work: zero(), most: zero() });
        let far = Instant::now() + Duration::from_secs(3600);
        let mut budget = Budget::new(far, 1 << 30);
        budget.looks = Some(looks.clone());
        (budget, looks)
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
