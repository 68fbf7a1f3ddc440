//! Times and numbers in words. Every time shown is seconds since the run's origin, on the one clock
//! that the runner, the nodes and the clients share.

/// Converts CLOCK_MONOTONIC nanoseconds into what a reader sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin_ns: u64,
}

impl Clock {
    pub(crate) fn new(origin_ns: u64) -> Clock {
        Clock { origin_ns }
    }

    /// Seconds since the origin; negative before it.
    pub(crate) fn seconds(self, time_ns: u64) -> f64 {
        (i128::from(time_ns) - i128::from(self.origin_ns)) as f64 / 1e9
    }

    /// `71.842 s`; `0.000042 s` right behind the origin, where some histories happen as a whole.
    pub(crate) fn moment(self, time_ns: u64) -> String {
        match self.seconds(time_ns) {
            near if near != 0.0 && near.abs() < 0.001 => format!("{near:.6} s"),
            seconds => format!("{seconds:.3} s"),
        }
    }

    /// `71.842`, for table columns whose head names the unit.
    pub(crate) fn bare(self, time_ns: u64) -> String {
        format!("{:.3}", self.seconds(time_ns))
    }
}

/// A length of time with three significant digits: `208 ms`, `1.40 s`, `37.1 s`, `3 min 20 s`.
pub(crate) fn duration(ns: u64) -> String {
    let ms = ns as f64 / 1e6;
    match ms {
        ms if ms < 0.001 => format!("{ns} ns"),
        ms if ms < 0.0995 => format!("{:.0} µs", ms * 1e3),
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 9_995.0 => format!("{:.2} s", ms / 1e3),
        ms if ms < 99_950.0 => format!("{:.1} s", ms / 1e3),
        ms => {
            let seconds = (ms / 1e3).round() as u64;
            format!("{} min {:02} s", seconds / 60, seconds % 60)
        }
    }
}

/// `103610` as `103,610`.
pub(crate) use whitewater_checker::grouped as thousands;

/// `1 fault`, `2 faults`: a count with its noun.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// `n1, n2 and n5`.
pub(crate) fn listed<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits() {
        let cases = [
            (12, "12 ns"),
            (45_000, "45 µs"),
            (4_210_000, "4.2 ms"),
            (208_000_000, "208 ms"),
            (1_400_000_000, "1.40 s"),
            (37_100_000_000, "37.1 s"),
            (200_000_000_000, "3 min 20 s"),
        ];
        for (ns, expected) in cases {
            assert_eq!(duration(ns), expected);
        }
    }

    #[test]
    fn moments_before_the_origin_are_negative() {
        assert_eq!(Clock::new(2_000_000_000).moment(1_500_000_000), "-0.500 s");
        assert_eq!(Clock::new(1_000).moment(58_000), "0.000057 s");
        assert_eq!(Clock::new(1_000).moment(1_000), "0.000 s");
    }

    #[test]
    fn numbers_and_lists_read_as_english() {
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(103_610), "103,610");
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!(counted(1, "fault"), "1 fault");
        assert_eq!(counted(0, "fault"), "0 faults");
        assert_eq!(listed(&["n1", "n2", "n5"]), "n1, n2 and n5");
    }
}
