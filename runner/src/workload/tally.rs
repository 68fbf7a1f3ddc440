//! Counts of what clients got, for progress and for waiting until enough has happened.

use std::collections::BTreeMap;

use super::Outcome;

/// Counts by kind of operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<&'static str, Counts>,
}

/// Counts by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Took effect, or was read.
    pub(crate) ok: u64,
    /// Took no effect; rejected cas operations among them.
    pub(crate) fail: u64,
    /// Nobody knows.
    pub(crate) info: u64,
}

impl Tally {
    /// Counts one operation.
    pub(crate) fn count(&mut self, f: &'static str, outcome: &Outcome) {
        let counts = self.counts.entry(f).or_default();
        match outcome {
            Outcome::Ok(_) => counts.ok += 1,
            Outcome::Mismatch(_) | Outcome::Fail => counts.fail += 1,
            Outcome::Info => counts.info += 1,
        }
    }

    /// The counts by kind.
    pub(crate) fn by_kind(&self) -> &BTreeMap<&'static str, Counts> {
        &self.counts
    }

    /// All kinds together.
    pub(crate) fn total(&self) -> Counts {
        self.counts.values().fold(Counts::default(), |sum, counts| Counts {
            ok: sum.ok + counts.ok,
            fail: sum.fail + counts.fail,
            info: sum.info + counts.info,
        })
    }

    /// Whether each of `kinds` was ok `least` times more than at `since`.
    pub(crate) fn has_served(
        &self,
        kinds: &[(&'static str, u32)],
        since: &Tally,
        least: u64,
    ) -> bool {
        let ok = |tally: &Tally, kind| tally.counts.get(kind).map_or(0, |counts| counts.ok);
        kinds.iter().all(|(kind, _)| ok(self, *kind) >= ok(since, *kind) + least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_served_when_every_kind_was_ok_often_enough() {
        let mut tally = Tally::default();
        tally.count("read", &Outcome::Ok(None));
        let since = tally.clone();
        let kinds = [("read", 50), ("write", 50)];
        tally.count("read", &Outcome::Ok(None));
        tally.count("write", &Outcome::Fail);
        assert!(!tally.has_served(&kinds, &since, 1), "no write was ok");
        tally.count("write", &Outcome::Ok(None));
        assert!(tally.has_served(&kinds, &since, 1));
        assert_eq!(tally.total(), Counts { ok: 3, fail: 1, info: 0 });
    }
}
