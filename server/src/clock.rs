//! The one place where clocks are read.
//!
//! Traces, histories and status replies carry CLOCK_MONOTONIC: all processes of one machine share it,
//! so their records can be ordered. The wall clock is read for log time (session expiry) and for
//! people.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has CLOCK_MONOTONIC");
    let seconds = u64::try_from(time.tv_sec()).expect("CLOCK_MONOTONIC is never negative");
    let nanos = u64::try_from(time.tv_nsec()).expect("nanoseconds are never negative");
    seconds * 1_000_000_000 + nanos
}

/// Milliseconds since 1970. May jump; a clock before 1970 counts as 1970.
pub fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn monotonic_time_does_not_go_back() {
        let first = super::monotonic_ns();
        assert!(first > 0);
        assert!(super::monotonic_ns() >= first);
        assert!(super::wall_ms() > 1_600_000_000_000);
    }
}
