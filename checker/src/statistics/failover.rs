//! Elections, and how long the cluster took to replace a lost leader.

use serde::{Deserialize, Serialize};
use whitewater_raft::event::Event;

use super::availability::OkTimes;
use super::fault_span;
use super::recording::{Recording, is_election_won};
use super::roles::Reign;

/// Elections of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elections {
    /// Terms that got a leader.
    pub won: u64,
    /// Campaigns for a term that did not win it; from traces only.
    pub failed: u64,
    /// The highest term seen.
    pub highest_term: u64,
}

/// A leader was lost and another one followed.
///
/// A leader is lost when it is paused, goes down, steps down, or is cut off by a fault, whichever
/// comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failover {
    /// The lost leader.
    pub node: String,
    /// Its term.
    pub term: u64,
    /// When it was lost.
    pub lost_at_ns: u64,
    /// The fault that struck it, by number.
    pub fault: Option<u32>,
    /// The leader that followed.
    pub next_node: String,
    /// Its term.
    pub next_term: u64,
    /// From the loss to the election of the next leader.
    pub elected_after_ns: u64,
    /// From the loss to the first ok completion after that election.
    pub first_ok_after_ns: Option<u64>,
}

pub(super) fn elections(recording: &Recording, reigns: &[Reign]) -> Elections {
    let campaigns = recording
        .turns
        .iter()
        .filter(|record| matches!(record.event, Event::Campaign { pre_vote: false, .. }))
        .count() as u64;
    let traced = recording.turns.iter().filter(|record| is_election_won(record)).count() as u64;
    let polled_term = recording.polls.iter().map(|poll| poll.term).max();
    let traced_term = recording.turns.iter().map(|record| record.term).max();
    Elections {
        won: if recording.turns.is_empty() { reigns.len() as u64 } else { traced },
        failed: campaigns.saturating_sub(traced),
        highest_term: polled_term.max(traced_term).unwrap_or_default(),
    }
}

pub(super) fn failovers(
    recording: &Recording,
    reigns: &[Reign],
    ok_times: &OkTimes,
) -> Vec<Failover> {
    reigns
        .windows(2)
        .filter(|pair| pair[0].term < pair[1].term && pair[0].start_ns < pair[1].start_ns)
        .filter_map(|pair| failover(recording, &pair[0], &pair[1], ok_times))
        .collect()
}

/// `None` where nothing tells when the old leader was lost.
fn failover(
    recording: &Recording,
    old: &Reign,
    next: &Reign,
    ok_times: &OkTimes,
) -> Option<Failover> {
    let reign = old.start_ns..=next.start_ns;
    // A fault explains the loss when it struck the leader in its reign and was still in force, or
    // only just lifted, when the next one was elected.
    const AFTERMATH_NS: u64 = 1_000_000_000;
    let struck = recording
        .faults
        .iter()
        .filter(|fault| fault.nodes.contains(&old.node))
        .filter_map(|fault| Some((fault.id, fault_span(fault, recording.last_ns)?)))
        .find(|(_, (from, to))| reign.contains(from) && to + AFTERMATH_NS >= next.start_ns);
    let ended = old.lost_at_ns.filter(|time| reign.contains(time));
    let lost_at_ns = ended.into_iter().chain(struck.map(|(_, span)| span.0)).min()?;
    Some(Failover {
        node: old.node.clone(),
        term: old.term,
        lost_at_ns,
        fault: struck.map(|(id, _)| id),
        next_node: next.node.clone(),
        next_term: next.term,
        elected_after_ns: next.start_ns - lost_at_ns,
        first_ok_after_ns: ok_times.next_after(next.start_ns).map(|time| time - lost_at_ns),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::super::tests::{S, fault, operation};
    use super::*;

    fn reign(node: &str, term: u64, start_s: u64, lost_s: Option<u64>) -> Reign {
        Reign {
            node: node.to_owned(),
            term,
            start_ns: start_s * S,
            lost_at_ns: lost_s.map(|s| s * S),
        }
    }

    #[test]
    fn a_cut_off_leader_is_lost_when_the_partition_begins() {
        let recording = Recording {
            operations: vec![operation(14 * S, S, Outcome::Ok)],
            faults: vec![fault(3, "partition", "n1", 10, 15)],
            last_ns: 20 * S,
            ..Recording::default()
        };
        // The old leader learns of the new term only at 16 s.
        let reigns = [reign("n1", 1, 1, Some(16)), reign("n2", 2, 12, None)];
        let found = failovers(&recording, &reigns, &OkTimes::of_recording(&recording));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].lost_at_ns, found[0].elected_after_ns), (10 * S, 2 * S));
        assert_eq!(found[0].fault, Some(3));
        assert_eq!(found[0].first_ok_after_ns, Some(5 * S));
    }

    #[test]
    fn two_leaders_of_one_term_are_no_failover() {
        let recording = Recording::default();
        let reigns = [reign("n1", 3, 1, None), reign("n2", 3, 2, None)];
        assert!(failovers(&recording, &reigns, &OkTimes::of_recording(&recording)).is_empty());
    }

    #[test]
    fn a_loss_that_nobody_saw_has_no_length() {
        let recording = Recording::default();
        let reigns = [reign("n1", 1, 1, Some(9)), reign("n2", 2, 5, None)];
        assert!(failovers(&recording, &reigns, &OkTimes::of_recording(&recording)).is_empty());
    }

    #[test]
    fn a_quiet_loss_starts_at_the_step_down() {
        let recording = Recording::default();
        let reigns = [reign("n1", 1, 1, Some(4)), reign("n2", 2, 5, None)];
        let found = failovers(&recording, &reigns, &OkTimes::of_recording(&recording));
        assert_eq!((found[0].lost_at_ns, found[0].elected_after_ns), (4 * S, S));
        assert_eq!(found[0].fault, None);
    }
}
