//! What a planned fault may wait for in place of a time: a moment in the cluster's life.
//!
//! Moments are read from what nodes tell of themselves, line by line: in the simulator as they tell it, on real
//! runs from their trace files, a little later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use whitewater_raft::event::{Event, Record, Role};
use whitewater_raft::{Index, NodeId};

/// What a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trigger {
    /// The kind of moment.
    pub(crate) on: On,
    /// For `behind`: by how many entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entries: Option<u64>,
    /// How long after the moment the fault strikes.
    #[serde(default)]
    pub(crate) after_ms: u64,
    /// How long the moment is waited for, from the fault's `at_ms` on; then the fault is skipped.
    pub(crate) within_ms: u64,
}

/// The kinds of moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum On {
    /// A node begins to lead.
    NewLeader,
    /// A snapshot is on its way to a follower.
    SnapshotSent,
    /// A follower is behind its leader.
    Behind,
    /// A leader has put entries into its log.
    Append,
}

impl Trigger {
    /// Refuses what means nothing; says what and why.
    pub(crate) fn validate(&self) -> Result<(), String> {
        match (self.on, self.entries) {
            (On::Behind, None | Some(0)) => {
                Err("on `behind` needs `entries`, how many entries behind (1 or more)".into())
            }
            (On::Behind, Some(_)) | (_, None) => {
                if self.within_ms == 0 {
                    return Err("within_ms is 0: the moment could never come".into());
                }
                Ok(())
            }
            (_, Some(_)) => Err("`entries` is of `behind` only".into()),
        }
    }

    /// Whether this moment is one that it waits for.
    pub(super) fn is_met_by(&self, moment: &Moment) -> bool {
        match moment.what {
            What::Led { .. } => self.on == On::NewLeader,
            What::SnapshotSent { .. } => self.on == On::SnapshotSent,
            What::Appended => self.on == On::Append,
            What::Behind { entries } => {
                self.on == On::Behind && self.entries.is_some_and(|least| entries >= least)
            }
        }
    }

    /// `no new leader was seen within 3 s`.
    pub(super) fn missed(&self) -> String {
        let what = match self.on {
            On::NewLeader => "no new leader was seen".to_owned(),
            On::SnapshotSent => "no snapshot was seen on its way".to_owned(),
            On::Append => "no leader was seen to append".to_owned(),
            On::Behind => {
                format!("no follower was seen {} entries behind", self.entries.unwrap_or(0))
            }
        };
        format!("its trigger never came: {what} within {} s", self.within_ms as f64 / 1000.0)
    }
}

/// A moment, as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// When it was.
    pub(crate) at_ns: u64,
    /// The node that it is about: who leads, whom the snapshot goes to, who is behind.
    pub(crate) node: u32,
    /// What happened.
    pub(crate) what: What,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The node began to lead.
    Led { term: u64 },
    /// The leader put entries into its log.
    Appended,
    /// A leader is sending the node a snapshot.
    SnapshotSent { from: u32 },
    /// The node has so many entries less than its leader.
    Behind { entries: u64 },
}

impl Moment {
    /// `n2 led term 7`.
    pub(super) fn words(&self) -> String {
        let node = self.node;
        match self.what {
            What::Led { term } => format!("n{node} led term {term}"),
            What::Appended => format!("n{node} appended as leader"),
            What::SnapshotSent { from } => format!("n{from} sent n{node} a snapshot"),
            What::Behind { entries } => format!("n{node} was {entries} entries behind"),
        }
    }
}

/// Reads moments from trace lines.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    /// What each node has dropped from its log: who needs that is sent a snapshot.
    purged: BTreeMap<NodeId, Index>,
}

impl Moments {
    /// What a line tells.
    pub(crate) fn of(&mut self, record: &Record) -> [Option<Moment>; 2] {
        let at = |node: NodeId, what| {
            let node = u32::try_from(node).ok()?;
            Some(Moment { at_ns: record.time_ns, node, what })
        };
        match &record.event {
            Event::Boot { snapshot, .. } => {
                self.purged.insert(record.node, snapshot.index);
                [None, None]
            }
            Event::Purge { to } => {
                self.purged.insert(record.node, *to);
                [None, None]
            }
            Event::Leader { .. } => [at(record.node, What::Led { term: record.term }), None],
            Event::Append { .. } if record.role == Role::Leader => {
                [at(record.node, What::Appended), None]
            }
            Event::Commit { matched, .. } => {
                let own = matched.iter().find(|(node, _)| *node == record.node);
                let last = matched.iter().min_by_key(|(_, index)| *index);
                let (Some((_, own)), Some((node, index))) = (own, last) else {
                    return [None, None];
                };
                let entries = own.saturating_sub(*index);
                let behind = at(*node, What::Behind { entries }).filter(|_| entries > 0);
                let purged = self.purged.get(&record.node).copied().unwrap_or(0);
                let from = u32::try_from(record.node).unwrap_or(0);
                // The leader has dropped what this one needs next.
                let sent = at(*node, What::SnapshotSent { from }).filter(|_| *index < purged);
                [behind, sent]
            }
            _ => [None, None],
        }
    }
}

#[cfg(test)]
mod tests {
    use whitewater_raft::{Chain, Position};

    use super::*;

    fn record(node: u64, role: Role, event: Event) -> Record {
        Record { node, boot: 1, seq: 1, time_ns: 5, term: 7, role, event }
    }

    fn committed(matched: &[(u64, u64)]) -> Record {
        let to = Position { index: 20, term: 7 };
        let commit = Event::Commit { to, chain: Chain(1), matched: matched.to_vec() };
        record(1, Role::Leader, commit)
    }

    #[test]
    fn a_leaders_commit_tells_who_is_behind_and_who_needs_a_snapshot() {
        let mut moments = Moments::default();
        let told = moments.of(&committed(&[(1, 25), (2, 24), (3, 5)]));
        let behind = Moment { at_ns: 5, node: 3, what: What::Behind { entries: 20 } };
        assert_eq!(told, [Some(behind), None]);
        moments.of(&record(1, Role::Leader, Event::Purge { to: 10 }));
        let [_, sent] = moments.of(&committed(&[(1, 25), (2, 24), (3, 5)]));
        assert_eq!(sent.map(|it| it.words()), Some("n1 sent n3 a snapshot".into()));
        let [_, sent] = moments.of(&committed(&[(1, 25), (2, 24), (3, 10)]));
        assert_eq!(sent, None, "what it needs next is still in the log");
        assert_eq!(moments.of(&committed(&[])), [None, None], "a follower's commit");
    }

    #[test]
    fn a_trigger_is_met_by_its_own_kind_of_moment_only() {
        let trigger = Trigger { on: On::Behind, entries: Some(20), after_ms: 0, within_ms: 500 };
        let behind = |entries| Moment { at_ns: 5, node: 3, what: What::Behind { entries } };
        assert!(trigger.is_met_by(&behind(20)) && !trigger.is_met_by(&behind(19)));
        let led = Moment { at_ns: 5, node: 3, what: What::Led { term: 7 } };
        assert!(!trigger.is_met_by(&led));
        assert_eq!(
            trigger.missed(),
            "its trigger never came: no follower was seen 20 entries behind within 0.5 s"
        );
    }

    #[test]
    fn what_means_nothing_is_refused_in_words() {
        let of = |text: &str| serde_json::from_str::<Trigger>(text).map_err(|it| it.to_string());
        let checked = |text| of(text).and_then(|trigger| trigger.validate());
        assert_eq!(checked(r#"{"on":"append","within_ms":900}"#), Ok(()));
        assert!(checked(r#"{"on":"behind","within_ms":900}"#).unwrap_err().contains("`entries`"));
        let said = checked(r#"{"on":"append","entries":3,"within_ms":900}"#).unwrap_err();
        assert_eq!(said, "`entries` is of `behind` only");
        assert!(checked(r#"{"on":"append","within_ms":0}"#).unwrap_err().contains("never come"));
        assert!(checked(r#"{"on":"full-moon","within_ms":9}"#).unwrap_err().contains("new-leader"));
        assert!(checked(r#"{"on":"append","within_ms":9,"of":1}"#).unwrap_err().contains("`of`"));
    }
}
