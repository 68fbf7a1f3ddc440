//! What happens to bytes on their way from one party to another.

use std::time::Duration;

use tokio::time::Instant;

use crate::dice::Dice;

/// The rule for one direction between two parties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Bytes pass at once.
    #[default]
    Pass,
    /// Nothing arrives. Connections stall, as they do when packets are lost; those that were open
    /// during the block are reset when it is lifted, so that nothing held back arrives late.
    Block,
    /// Connections are reset, old and new.
    Reset,
    /// Bytes arrive later.
    Delay {
        /// How much later at least.
        delay: Duration,
        /// Up to how much more, drawn anew for each piece. Order is kept: this is a byte stream.
        jitter: Duration,
    },
    /// Bytes arrive no faster than this.
    Rate {
        /// Bytes a second; not 0.
        bytes_per_s: u64,
    },
}

impl Rule {
    /// Of several rules the one that lets less pass is in force.
    pub(crate) fn strictness(self) -> u8 {
        match self {
            Rule::Pass => 0,
            Rule::Delay { .. } | Rule::Rate { .. } => 1,
            Rule::Reset => 2,
            Rule::Block => 3,
        }
    }
}

/// When the next piece of one connection may leave, in order.
#[derive(Debug)]
pub(crate) struct Schedule {
    last_due: Instant,
    dice: Dice,
}

impl Schedule {
    pub(crate) fn new(now: Instant, dice: Dice) -> Self {
        Self { last_due: now, dice }
    }

    /// The time at which `length` bytes that arrived now are due. Never earlier than what came
    /// before them.
    pub(crate) fn due(&mut self, rule: Rule, now: Instant, length: usize) -> Instant {
        let due = match rule {
            Rule::Pass | Rule::Block | Rule::Reset => now,
            Rule::Delay { delay, jitter } => {
                let extra = self.dice.between(0, jitter.as_micros() as u64);
                now + delay + Duration::from_micros(extra)
            }
            Rule::Rate { bytes_per_s } => {
                let seconds = length as f64 / bytes_per_s.max(1) as f64;
                self.last_due.max(now) + Duration::from_secs_f64(seconds)
            }
        };
        self.last_due = self.last_due.max(due);
        self.last_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(now: Instant) -> Schedule {
        Schedule::new(now, Dice::new(1, 0))
    }

    #[tokio::test]
    async fn jitter_never_reorders_a_stream() {
        let now = Instant::now();
        let rule =
            Rule::Delay { delay: Duration::from_millis(20), jitter: Duration::from_millis(30) };
        let mut schedule = schedule(now);
        let due: Vec<Instant> = (0..100).map(|_| schedule.due(rule, now, 10)).collect();
        assert!(due.is_sorted());
        assert!(due[0] >= now + Duration::from_millis(20));
        assert!(due[99] <= now + Duration::from_millis(50));
    }

    #[tokio::test]
    async fn a_rate_spreads_pieces_by_their_length() {
        let now = Instant::now();
        let rule = Rule::Rate { bytes_per_s: 1_000_000 };
        let mut schedule = schedule(now);
        schedule.due(rule, now, 500_000);
        assert_eq!(schedule.due(rule, now, 500_000), now + Duration::from_secs(1));
    }
}
