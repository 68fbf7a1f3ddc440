//! What never goes back on a node: its term over all boots; within a boot, what it has committed
//! and applied.
//!
//! Commit and applied index are not durable, so a boot begins again where its snapshot ends.

use whitewater_raft::Index;
use whitewater_raft::event::Event;

use super::finding::{Findings, Place, name};
use super::node::{Line, Nodes, joins};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Monotonic {
    lines: u64,
}

impl Check for Monotonic {
    fn heading(&self) -> Heading {
        Heading::new("monotonic", "terms, commit and applied indexes never go back")
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        self.lines += 1;
        let record = line.record;
        let node = nodes.get(record.node);
        if record.term < node.term.is && !joins(&record.event) {
            let (before, place) = (node.term.is, node.term.place);
            let what = format!("was in term {before} and is in term {} now", record.term);
            // Over a start it is what the disk forgot, which is another check's to name first.
            let (anomaly, headline) = match node.boot == record.boot {
                true => ("term-went-back", "A node's term went back."),
                false => ("term-lower-at-start", "A node started with a lower term than it had."),
            };
            add(line, anomaly, headline, what, place, found);
        }
        if node.boot != record.boot {
            return;
        }
        match &record.event {
            Event::Commit { to, .. } if to.index < node.commit.is => {
                let (before, place) = (node.commit.is, node.commit.place);
                let what = format!("had committed up to {before} and now up to {}", to.index);
                add(
                    line,
                    "commit-went-back",
                    "A node's commit index went back.",
                    what,
                    place,
                    found,
                );
            }
            Event::Apply { from, to, .. } => {
                let applied = node.applied;
                if *from != applied.is + 1 || to.index < *from {
                    let what = gap(*from, to.index, applied.is);
                    let headline = "A node did not apply its log in order.";
                    add(line, "applied-out-of-order", headline, what, applied.place, found);
                }
                let commit = node.commit;
                if to.index > commit.is {
                    let (index, committed) = (to.index, commit.is);
                    let what = format!("applied up to {index} having committed up to {committed}");
                    let headline = "A node applied what it did not know to be committed.";
                    add(line, "applied-uncommitted", headline, what, commit.place, found);
                }
            }
            _ => {}
        }
    }

    fn summary(&self) -> String {
        format!("{} lines in the order of each node", grouped(self.lines))
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(self.lines > 0, "no trace", "a run with traces")
    }
}

fn gap(from: Index, to: Index, applied: Index) -> String {
    format!("applied {from} to {to} when {} was due", applied + 1)
}

fn add(
    line: &Line<'_>,
    anomaly: &'static str,
    headline: &'static str,
    what: String,
    before: Place,
    found: &mut Findings,
) {
    let explanation = format!("{} {what}, in boot {}.", name(line.record.node), line.record.boot);
    found.add(|| line.draft(anomaly, headline, explanation, &[before]));
}
