//! Counts of what clients got, for progress and for waiting until enough has happened.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Outcome;

/// Counts by kind of operation.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<BTreeMap<&'static str, Counts>>,
    changed: watch::Sender<()>,
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
    pub(crate) fn count(&self, f: &'static str, outcome: &Outcome) {
        {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let counts = counts.entry(f).or_default();
            match outcome {
                Outcome::Ok(_) => counts.ok += 1,
                Outcome::Mismatch(_) | Outcome::Fail => counts.fail += 1,
                Outcome::Info => counts.info += 1,
            }
        }
        // Only now: whoever waits looks at the counts while it holds the channel.
        self.changed.send_replace(());
    }

    /// The counts by kind.
    pub(crate) fn by_kind(&self) -> BTreeMap<&'static str, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All kinds together.
    pub(crate) fn total(&self) -> Counts {
        self.by_kind().values().fold(Counts::default(), |sum, counts| Counts {
            ok: sum.ok + counts.ok,
            fail: sum.fail + counts.fail,
            info: sum.info + counts.info,
        })
    }

    /// Waits until each of `kinds` was ok `least` times more than at `since`; `false` where the
    /// deadline passed first.
    pub(crate) async fn wait_ok(
        &self,
        kinds: &[(&'static str, u32)],
        since: &BTreeMap<&'static str, Counts>,
        least: u64,
        deadline: Duration,
    ) -> bool {
        let ok =
            |counts: &BTreeMap<&str, Counts>, kind| counts.get(kind).map_or(0, |count| count.ok);
        let mut changed = self.changed.subscribe();
        let enough = changed.wait_for(|()| {
            let now = self.by_kind();
            kinds.iter().all(|(kind, _)| ok(&now, *kind) >= ok(since, *kind) + least)
        });
        tokio::time::timeout(deadline, enough).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_when_every_kind_was_ok_often_enough() {
        let tally = Tally::default();
        tally.count("read", &Outcome::Ok(None));
        let since = tally.by_kind();
        let kinds = [("read", 50), ("write", 50)];
        let short = Duration::from_millis(20);
        tally.count("read", &Outcome::Ok(None));
        tally.count("write", &Outcome::Fail);
        assert!(!tally.wait_ok(&kinds, &since, 1, short).await, "no write was ok");
        tally.count("write", &Outcome::Ok(None));
        assert!(tally.wait_ok(&kinds, &since, 1, Duration::from_secs(5)).await);
        assert_eq!(tally.total(), Counts { ok: 3, fail: 1, info: 0 });
    }
}
