//! Snapshots (paper section 7): a node takes one of what it has applied, installs only what is ahead of
//! it, and drops no log that a snapshot does not cover.
//!
//! That a snapshot holds the state of its index is for `state-machine-safety`, which compares its
//! hash with every node's at that index.

use whitewater_raft::event::Event;

use super::finding::{Findings, Place, name};
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    written: u64,
    installed: u64,
}

impl Check for Snapshots {
    fn heading(&self) -> Heading {
        Heading::new("snapshot", "snapshots go forward and cover what is dropped")
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        let node = nodes.get(line.record.node);
        match &line.record.event {
            Event::SnapshotWritten { last, .. } => {
                self.written += 1;
                let applied = node.applied;
                if last.index > applied.is {
                    let (index, at) = (last.index, applied.is);
                    let what = format!("wrote a snapshot up to index {index} having applied {at}");
                    let headline = "A snapshot is ahead of the state it was taken of.";
                    add(line, "snapshot-ahead", headline, &what, applied.place, found);
                }
            }
            Event::SnapshotInstalled { last, applied_before, .. } => {
                self.installed += 1;
                let applied = node.applied;
                let before = applied.is.max(*applied_before);
                if last.index <= before {
                    let index = last.index;
                    let what =
                        format!("installed a snapshot up to index {index} having applied {before}");
                    let headline = "A snapshot brought a node's state back.";
                    add(line, "snapshot-went-back", headline, &what, applied.place, found);
                }
            }
            Event::Purge { to } => {
                let snapshot = node.snapshot;
                if *to > snapshot.is {
                    let covered = snapshot.is;
                    let what =
                        format!("dropped its log up to {to}, its snapshot covering {covered}");
                    let headline = "A node dropped log that no snapshot covers.";
                    add(line, "purged-too-early", headline, &what, snapshot.place, found);
                }
            }
            _ => {}
        }
    }

    fn summary(&self) -> String {
        let (written, installed) = (grouped(self.written), grouped(self.installed));
        format!("{written} snapshots written, {installed} installed")
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            self.written + self.installed > 0,
            "no snapshot was written or installed",
            "--snapshot-entries 100",
        )
    }
}

fn add(
    line: &Line<'_>,
    anomaly: &'static str,
    headline: &'static str,
    what: &str,
    before: Place,
    found: &mut Findings,
) {
    let record = line.record;
    let explanation = format!("{} {what}.", name(record.node));
    found.add(|| line.draft(anomaly, headline, explanation, &[before]));
}
