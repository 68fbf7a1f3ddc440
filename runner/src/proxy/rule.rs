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
    Slow {
        /// How much later at least.
        delay: Duration,
        /// Up to how much more, drawn anew for each piece. Order is kept: this is a byte stream.
        jitter: Duration,
        /// No faster than this, before the delay; not 0. `None`: as fast as they come.
        bytes_per_s: Option<u64>,
    },
}

impl Rule {
    /// Bytes arrive so much later, or up to `jitter` more.
    pub(crate) const fn late(delay: Duration, jitter: Duration) -> Rule {
        Rule::Slow { delay, jitter, bytes_per_s: None }
    }

    /// Bytes arrive no faster than this, which is not 0.
    pub(crate) const fn narrow(bytes_per_s: u64) -> Rule {
        let none = Duration::ZERO;
        Rule::Slow { delay: none, jitter: none, bytes_per_s: Some(bytes_per_s) }
    }

    /// Both rules in force: what one of them stops is stopped, and what is slow under both is as slow as if it went
    /// through one after the other.
    pub(crate) fn and(self, other: Rule) -> Rule {
        match (self, other) {
            (Rule::Block, _) | (_, Rule::Block) => Rule::Block,
            (Rule::Reset, _) | (_, Rule::Reset) => Rule::Reset,
            (Rule::Pass, rule) | (rule, Rule::Pass) => rule,
            (
                Rule::Slow { delay, jitter, bytes_per_s },
                Rule::Slow { delay: more, jitter: wider, bytes_per_s: other },
            ) => Rule::Slow {
                delay: delay + more,
                jitter: jitter + wider,
                bytes_per_s: bytes_per_s.into_iter().chain(other).min(),
            },
        }
    }
}

/// What becomes of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives at once.
    Now,
    /// It never arrives.
    Lost,
    /// It arrives then.
    Late(Instant),
}

/// When the next piece of one connection may leave, in order.
#[derive(Debug)]
pub(crate) struct Schedule {
    last_due: Instant,
    /// When all that came before is through where it is narrow.
    free: Instant,
    dice: Dice,
}

impl Schedule {
    pub(crate) fn new(now: Instant, dice: Dice) -> Self {
        Self { last_due: now, free: now, dice }
    }

    /// The time at which `length` bytes that arrived now are due. Never earlier than what came
    /// before them.
    pub(crate) fn due(&mut self, rule: Rule, now: Instant, length: usize) -> Instant {
        self.last_due = self.last_due.max(self.due_alone(rule, now, length));
        self.last_due
    }

    /// What becomes of a message that arrived now. It is late by itself: those after it may overtake it.
    pub(crate) fn fate(&mut self, rule: Rule, now: Instant, length: usize) -> Fate {
        match rule {
            Rule::Pass => Fate::Now,
            Rule::Block | Rule::Reset => Fate::Lost,
            Rule::Slow { .. } => Fate::Late(self.due_alone(rule, now, length)),
        }
    }

    fn due_alone(&mut self, rule: Rule, now: Instant, length: usize) -> Instant {
        match rule {
            Rule::Pass | Rule::Block | Rule::Reset => now,
            Rule::Slow { delay, jitter, bytes_per_s } => {
                if let Some(bytes_per_s) = bytes_per_s {
                    let seconds = length as f64 / bytes_per_s.max(1) as f64;
                    self.free = self.free.max(now) + Duration::from_secs_f64(seconds);
                }
                let extra = self.dice.between(0, jitter.as_micros() as u64);
                self.free.max(now) + delay + Duration::from_micros(extra)
            }
        }
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
        let rule = Rule::late(Duration::from_millis(20), Duration::from_millis(30));
        let mut schedule = schedule(now);
        let due: Vec<Instant> = (0..100).map(|_| schedule.due(rule, now, 10)).collect();
        assert!(due.is_sorted());
        assert!(due[0] >= now + Duration::from_millis(20));
        assert!(due[99] <= now + Duration::from_millis(50));
    }

    #[tokio::test]
    async fn messages_overtake_each_other_where_streams_do_not() {
        let now = Instant::now();
        let rule = Rule::late(Duration::from_millis(20), Duration::from_millis(30));
        let mut schedule = schedule(now);
        let due: Vec<Instant> = (0..100)
            .map(|_| match schedule.fate(rule, now, 10) {
                Fate::Late(due) => due,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(!due.is_sorted());
        assert!(due.iter().all(|due| *due >= now + Duration::from_millis(20)));
        assert_eq!(schedule.fate(Rule::Pass, now, 10), Fate::Now);
        assert_eq!(schedule.fate(Rule::Block, now, 10), Fate::Lost);
        assert_eq!(schedule.fate(Rule::Reset, now, 10), Fate::Lost);
    }

    #[tokio::test]
    async fn a_rate_spreads_pieces_by_their_length() {
        let now = Instant::now();
        let rule = Rule::narrow(1_000_000);
        let mut schedule = schedule(now);
        schedule.due(rule, now, 500_000);
        assert_eq!(schedule.due(rule, now, 500_000), now + Duration::from_secs(1));
    }

    #[tokio::test]
    async fn two_slow_rules_are_slow_one_after_the_other() {
        let now = Instant::now();
        let late = Rule::late(Duration::from_millis(20), Duration::ZERO);
        let both = late.and(Rule::narrow(1_000_000)).and(Rule::narrow(2_000_000)).and(late);
        let mut schedule = schedule(now);
        let wait = |seconds: f64| now + Duration::from_secs_f64(seconds);
        assert_eq!(schedule.due(both, now, 500_000), wait(0.54));
        assert_eq!(schedule.due(both, now, 500_000), wait(1.04));
        assert_eq!(both.and(Rule::Pass), both);
        assert_eq!(both.and(Rule::Reset), Rule::Reset);
        assert_eq!(Rule::Block.and(Rule::Reset), Rule::Block);
    }
}
