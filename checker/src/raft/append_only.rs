//! Leader Append-Only (paper section 5.3): a leader neither removes nor overwrites entries, and those it
//! makes are of its own term.

use whitewater_raft::event::{Event, Role};

use super::finding::{Findings, Place, name};
use super::node::{Line, Nodes};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LeaderAppendOnly {
    appends: u64,
}

impl Check for LeaderAppendOnly {
    fn heading(&self) -> Heading {
        Heading::new(
            "leader-append-only",
            "leaders only append, and only entries of their own term",
        )
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        let record = line.record;
        let node = nodes.get(record.node);
        let reign = node.reign.as_ref().filter(|reign| reign.term == record.term);
        let Some(reign) = reign.filter(|_| record.role == Role::Leader) else { return };
        match &record.event {
            Event::Truncate { from, .. } => {
                let what = format!("removed its log from index {from} on");
                add(
                    line,
                    "leader-truncates",
                    "A leader removed entries.",
                    &what,
                    reign.place,
                    found,
                );
            }
            Event::Append { first, last, .. } => {
                self.appends += 1;
                let end = node.log.last().index;
                if first.index <= end {
                    let what = format!("wrote index {} when its log ended at {end}", first.index);
                    let headline = "A leader overwrote an entry.";
                    add(line, "leader-overwrites", headline, &what, reign.place, found);
                }
                if first.term != record.term || last.term != record.term {
                    let what = format!("appended entries of terms {} to {}", first.term, last.term);
                    let headline = "A leader made entries of another term.";
                    add(line, "foreign-term", headline, &what, reign.place, found);
                }
            }
            _ => {}
        }
    }

    fn summary(&self) -> String {
        format!("{} batches appended by leaders", grouped(self.appends))
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            self.appends > 0,
            "no leader appended an entry",
            "a run in which clients write",
        )
    }
}

fn add(
    line: &Line<'_>,
    anomaly: &'static str,
    headline: &'static str,
    what: &str,
    elected: Place,
    found: &mut Findings,
) {
    let record = line.record;
    let explanation = format!("{} {what}, as leader of term {}.", name(record.node), record.term);
    found.add(|| line.draft(anomaly, headline, explanation, &[elected]));
}
