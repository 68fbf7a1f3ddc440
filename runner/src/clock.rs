//! The clock of every recorded time, shared with the bundled server so that traces and histories
//! line up.

/// CLOCK_MONOTONIC in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("there is one");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}
