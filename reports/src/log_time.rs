//! Finds the time at the head of a log line and puts it on the run's clock.
//!
//! Understood: seconds of CLOCK_MONOTONIC (`5036.704000`), RFC 3339 (`2026-11-24T06:40:36.704Z`) and
//! a time of day (`06:40:36.704`), the last two in UTC, with or without brackets around them.

use jiff::Timestamp;

use whitewater_checker::run_folder::RunRecord;

/// Converts log times; knows what the wall clock showed at the run's origin.
pub(crate) struct LogClock {
    origin_ns: u64,
    /// Nanoseconds since the epoch at the origin; `None`: wall-clock times cannot be placed.
    origin_wall_ns: Option<i128>,
}

const DAY_NS: i128 = 86_400_000_000_000;

impl LogClock {
    pub(crate) fn new(record: &RunRecord) -> LogClock {
        let wall = record.started_at.parse::<Timestamp>().ok();
        LogClock { origin_ns: record.origin_ns, origin_wall_ns: wall.map(Timestamp::as_nanosecond) }
    }

    /// Moves the wall clock's place so that a line's time falls on a known moment.
    ///
    /// A run's start is known to the second at best, and a wall clock may be stepped; a log's first
    /// line and the trace's first record tell of the same boot to the millisecond. Only a small
    /// correction is believed: a large one means that the two do not belong together.
    pub(crate) fn calibrate(&mut self, line: &str, moment_ns: u64) {
        const BELIEVED_NS: i128 = 5_000_000_000;
        let shown = self.split(line).0.map(i128::from);
        if let (Some(shown), Some(origin)) = (shown, self.origin_wall_ns) {
            let error = i128::from(moment_ns) - shown;
            if error.abs() <= BELIEVED_NS {
                self.origin_wall_ns = Some(origin - error);
            }
        }
    }

    /// The time of a line on CLOCK_MONOTONIC, and what follows it.
    pub(crate) fn split<'a>(&self, line: &'a str) -> (Option<u64>, &'a str) {
        let trimmed = line.trim_start().trim_start_matches('[');
        let (head, rest) = trimmed.split_once([' ', ']']).unwrap_or((trimmed, ""));
        match self.time(head) {
            Some(time_ns) => (Some(time_ns), rest.trim_start_matches([']', ' '])),
            None => (None, line),
        }
    }

    fn time(&self, text: &str) -> Option<u64> {
        if text.contains('T') {
            let wall = text.parse::<Timestamp>().ok()?.as_nanosecond();
            return self.on_clock(wall - self.origin_wall_ns?);
        }
        if text.contains(':') {
            return self.time_of_day(text);
        }
        let (seconds, fraction) = text.split_once('.')?;
        let seconds = seconds.parse::<u64>().ok()?;
        seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds(fraction)?)
    }

    /// A time of day lies on the day of the origin, or on the next when it is earlier than that.
    fn time_of_day(&self, text: &str) -> Option<u64> {
        let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let mut parts = clock.split(':').map(|part| part.parse::<i128>().ok());
        let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
        let of_day = (hours * 3600 + minutes * 60 + seconds) * 1_000_000_000
            + i128::from(nanoseconds(fraction)?);
        let origin_of_day = self.origin_wall_ns?.rem_euclid(DAY_NS);
        // A node's clock may be read a little before the runner's own start time.
        let after = (of_day - origin_of_day).rem_euclid(DAY_NS);
        self.on_clock(if after > DAY_NS / 2 { after - DAY_NS } else { after })
    }

    fn on_clock(&self, after_origin_ns: i128) -> Option<u64> {
        u64::try_from(i128::from(self.origin_ns) + after_origin_ns).ok()
    }
}

/// A decimal fraction of a second as nanoseconds.
fn nanoseconds(fraction: &str) -> Option<u64> {
    let digits = fraction.trim_end_matches('Z');
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse::<u64>().ok()?;
    Some(value * 10u64.pow(9 - digits.len() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN_NS: u64 = 5_000_000_000_000;

    fn clock() -> LogClock {
        LogClock::new(&RunRecord {
            origin_ns: ORIGIN_NS,
            started_at: "2026-11-24T23:59:50Z".to_owned(),
            ..RunRecord::default()
        })
    }

    #[test]
    fn every_form_lands_on_the_same_clock() {
        let cases = [
            ("5012.500000 n1 t8 hello", "n1 t8 hello"),
            ("2026-11-25T00:00:02.5Z n1 hello", "n1 hello"),
            ("[00:00:02.500] n1 hello", "n1 hello"),
            ("00:00:02.5 hello", "hello"),
        ];
        for (line, rest) in cases {
            assert_eq!(clock().split(line), (Some(ORIGIN_NS + 12_500_000_000), rest), "{line}");
        }
    }

    #[test]
    fn a_line_without_time_is_left_whole() {
        for line in ["   at server.rs:12", "thread 'x' panicked at a.rs:1:2:", "1.x y", "", "99:99"]
        {
            assert_eq!(clock().split(line), (None, line), "{line}");
        }
    }

    #[test]
    fn a_boot_puts_the_wall_clock_in_its_place() {
        let mut clock = clock();
        clock.calibrate("23:59:50.100 n1 starts", ORIGIN_NS + 700_000_000);
        assert_eq!(clock.split("23:59:51.100 x").0, Some(ORIGIN_NS + 1_700_000_000));
        clock.calibrate("23:59:50.100 n1 starts", ORIGIN_NS + 60_000_000_000);
        assert_eq!(clock.split("23:59:51.100 x").0, Some(ORIGIN_NS + 1_700_000_000));
    }

    #[test]
    fn a_time_before_the_origin_is_not_a_day_later() {
        assert_eq!(clock().split("23:59:49.000 x").0, Some(ORIGIN_NS - 1_000_000_000));
    }
}
