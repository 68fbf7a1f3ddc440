//! What a target promises beyond safety, in time: how soon a healthy majority serves, and that it is left
//! in peace.
//!
//! Safety holds whatever the clock says; liveness only within bounds, and those follow from settings. The
//! plan states them, so a folder is judged alike wherever and whenever it is judged. A target that says
//! nothing is not judged.
//!
//! **How long elections may take.** With timeouts drawn from `slots` equally likely values, an election
//! fails at most when another node's timeout ends within the `window` that the first candidate needs to
//! collect its votes. The chance that the first of `nodes` is alone is
//! `nodes / slots * Σ ((slots - 1 - v - window) / slots)^(nodes - 1)` over the slots `v`. That overstates
//! failure, for two candidates seldom split the votes evenly. Elections are independent, so `n` failures in
//! a row have the chance `p^n`; `n` is chosen such that it is below [`BAD_LUCK`], and each lasts no longer
//! than the longest timeout and a window. A range of timeouts too narrow for the window promises nothing
//! within a minute, and then there is no bound.
//!
//! **What needs no luck has a shorter bound.** Whoever hears of no leader stands for election within the longest
//! timeout: two of them without anyone standing is no split vote. And a leader in office has won its election: what
//! is left is that clients find it and are answered. Load makes messages, disks and clients slow, and not the clock by
//! which timeouts run: it multiplies the window and the clients' time, and nothing else.

use serde::{Deserialize, Serialize};

/// The chance of a bound being missed by bad luck alone, for each time that a leader is lost.
pub const BAD_LUCK: f64 = 1e-9;
/// The chance of an expectation being missed by bad luck alone: that costs a pass, not a promise.
pub const RARE: f64 = 1e-6;
/// A bound beyond this says nothing about runs of minutes.
const LONGEST_MS: u64 = 60_000;

/// What a target promises. Part of `plan.json`, field `promises`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Promises {
    /// A majority that runs and is connected has a leader within this; `None`: not promised.
    pub leader_within_ms: Option<u64>,
    /// The same majority completes an operation within this; `None`: not promised.
    pub service_within_ms: Option<u64>,
    /// The same majority, with a leader in office among it all the time, completes an operation within this; `None`: not
    /// promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_office_within_ms: Option<u64>,
    /// The same majority, without a leader, has a node that stands for election within this; `None`: not promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands_within_ms: Option<u64>,
    /// It usually does so within this. What takes longer proves nothing, but costs the pass; `None`: nothing
    /// is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_expected_ms: Option<u64>,
    /// How long service may be away each time that a leader may be lost or a majority comes back. What is away
    /// beyond that and a tenth of the time costs the pass (the check `strength`); `None`: that is not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_allowance_ms: Option<u64>,
    /// The shortest election timeout, where a leader in contact with a quorum is not deposed by a node
    /// that comes back (pre-vote and leases, thesis 9.6 and 4.2.3); `None`: not promised.
    pub undisturbed_ms: Option<u64>,
}

/// What the bounds follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectionSettings {
    /// Voters.
    pub nodes: u32,
    /// Shortest and longest election timeout.
    pub timeout_ms: (u64, u64),
    /// Timeouts are whole multiples of this.
    pub tick_ms: u64,
    /// How long a candidate needs to collect its votes: messages there and back, and the disk.
    pub window_ms: u64,
    /// How much slower than that everything may be: 1 on a virtual clock, more on a shared machine.
    pub load: u64,
    /// How long a client may need to find the leader and to be answered; half of it to find it.
    pub client_ms: u64,
    /// Whether elections are tried first and refused within a lease.
    pub pre_vote: bool,
}

impl Promises {
    /// The bounds of these settings.
    pub fn of(settings: &ElectionSettings) -> Promises {
        let ElectionSettings { timeout_ms: (shortest_ms, longest_ms), load, .. } = *settings;
        let loaded = ElectionSettings { window_ms: settings.window_ms * load, ..*settings };
        let round_ms = longest_ms + loaded.window_ms;
        let client_ms = settings.client_ms * load;
        let within_ms = elections_max(&loaded, BAD_LUCK)
            .map(|elections| (elections + 1) * round_ms)
            .filter(|within_ms| *within_ms <= LONGEST_MS);
        Promises {
            leader_within_ms: within_ms,
            service_within_ms: within_ms.map(|it| it + client_ms),
            in_office_within_ms: Some(2 * round_ms + client_ms),
            stands_within_ms: Some(3 * round_ms * load),
            service_expected_ms: None,
            recovery_allowance_ms: None,
            undisturbed_ms: settings.pre_vote.then_some(shortest_ms),
        }
    }
}

impl Promises {
    /// The same, expecting service to be away for two rounds, in which the loss is found out and a leader
    /// elected, and the time that clients need to find it. More elections than one are the exception, and there
    /// is room for some.
    #[must_use]
    pub fn allowing(self, settings: &ElectionSettings) -> Promises {
        let round_ms = settings.timeout_ms.1 + settings.window_ms;
        let elections = elections_max(settings, RARE);
        let allowance_ms = 2 * round_ms + settings.client_ms / 2;
        Promises { recovery_allowance_ms: elections.map(|_| allowance_ms), ..self }
    }

    /// The same, expecting service after so many elections as fail in a row once in [`RARE`] times on a
    /// machine that is not loaded.
    #[must_use]
    pub fn expecting(self, settings: &ElectionSettings) -> Promises {
        let round_ms = settings.timeout_ms.1 + settings.window_ms;
        let elections = elections_max(settings, RARE);
        let expected_ms = elections.map(|it| (it + 1) * round_ms + settings.client_ms);
        Promises {
            service_expected_ms: expected_ms.filter(|it| self.service_within_ms > Some(*it)),
            ..self
        }
    }
}

/// How many elections in a row fail with a chance below this; `None`: none of them need succeed.
fn elections_max(settings: &ElectionSettings, chance: f64) -> Option<u64> {
    let failure = 1.0 - alone(settings);
    if settings.nodes <= 1 || failure <= 0.0 {
        return Some(1);
    }
    (failure < 1.0).then(|| (chance.ln() / failure.ln()).ceil() as u64)
}

/// The chance that the first node to time out is alone for long enough.
fn alone(settings: &ElectionSettings) -> f64 {
    let (shortest_ms, longest_ms) = settings.timeout_ms;
    let tick_ms = settings.tick_ms.max(1);
    let slots = longest_ms.saturating_sub(shortest_ms) / tick_ms + 1;
    let window = settings.window_ms.div_ceil(tick_ms);
    let others = settings.nodes.saturating_sub(1);
    let later = |first: u64| {
        let free = slots.saturating_sub(1 + first + window) as f64 / slots as f64;
        free.powi(i32::try_from(others).unwrap_or(i32::MAX))
    };
    let sum: f64 = (0..slots).map(later).sum();
    f64::from(settings.nodes) / slots as f64 * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: ElectionSettings = ElectionSettings {
        nodes: 5,
        timeout_ms: (300, 600),
        tick_ms: 10,
        window_ms: 10,
        load: 1,
        client_ms: 1_000,
        pre_vote: true,
    };

    #[test]
    fn the_bound_follows_from_the_chance_of_split_votes() {
        // 31 slots, 5 nodes, a window of one slot: alone in 78 of 100 elections.
        assert!((alone(&SETTINGS) - 0.780).abs() < 0.001, "{}", alone(&SETTINGS));
        let promises = Promises::of(&SETTINGS);
        // 0.22^14 is below 1e-9 and 0.22^13 is not; one more election finds out that a leader is lost.
        assert_eq!(promises.leader_within_ms, Some(15 * 610));
        assert_eq!(promises.service_within_ms, Some(15 * 610 + 1_000));
        assert_eq!(promises.undisturbed_ms, Some(300));
        // Votes that take two slots split more often: 0.344^20 is below 1e-9. Timeouts are no longer.
        let loaded = Promises::of(&ElectionSettings { load: 2, ..SETTINGS });
        assert_eq!(loaded.leader_within_ms, Some(21 * 620));
        assert_eq!(loaded.service_within_ms, Some(21 * 620 + 2_000));
    }

    #[test]
    fn what_needs_no_luck_has_a_bound_that_a_run_of_20_s_can_break() {
        let loaded = ElectionSettings { load: 2, client_ms: 2_000, ..SETTINGS };
        let promises = Promises::of(&loaded);
        assert_eq!(promises.in_office_within_ms, Some(2 * 620 + 4_000));
        assert_eq!(promises.stands_within_ms, Some(3 * 2 * 620));
    }

    #[test]
    fn service_is_expected_sooner_than_it_is_promised() {
        // 0.22^10 is below 1e-6 and 0.22^9 is not.
        let loaded = ElectionSettings { load: 2, ..SETTINGS };
        let promises = Promises::of(&loaded).expecting(&loaded).allowing(&loaded);
        assert_eq!(promises.service_expected_ms, Some(11 * 610 + 1_000));
        assert!(promises.service_expected_ms < promises.service_within_ms);
        assert_eq!(promises.recovery_allowance_ms, Some(2 * 610 + 500));
    }

    #[test]
    fn a_range_too_narrow_promises_nothing() {
        let narrow = ElectionSettings { timeout_ms: (100, 120), ..SETTINGS };
        assert_eq!(Promises::of(&narrow).leader_within_ms, None);
        let fixed = ElectionSettings { timeout_ms: (300, 300), ..SETTINGS };
        assert_eq!(Promises::of(&fixed).service_within_ms, None);
        let alone = ElectionSettings { nodes: 1, ..fixed };
        assert!(Promises::of(&alone).leader_within_ms.is_some());
    }

    #[test]
    fn without_trial_elections_a_leader_may_be_disturbed() {
        let plain = ElectionSettings { pre_vote: false, ..SETTINGS };
        assert_eq!(Promises::of(&plain).undisturbed_ms, None);
    }
}
