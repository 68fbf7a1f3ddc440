//! What a node says is on its disk first (thesis 3.8), and its disk still has it after a crash.

use whitewater_raft::event::{Event, Record};
use whitewater_raft::{HardState, Index, Position};

use super::finding::{Draft, Findings, Place, name};
use super::node::{Line, Node, Nodes, joins};
use super::{Check, Idle};
use crate::analysis::Heading;
use crate::numbers::grouped;

/// Acknowledged or applied entries were durable before.
#[derive(Debug, Default)]
pub(crate) struct DurableFirst {
    acks: u64,
    applies: u64,
}

impl Check for DurableFirst {
    fn heading(&self) -> Heading {
        Heading::new("durable-first", "entries are on disk before they are acknowledged or applied")
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        let (index, what) = match &line.record.event {
            Event::Ack { matched, .. } => {
                self.acks += 1;
                (*matched, "acknowledged")
            }
            Event::Apply { to, .. } => {
                self.applies += 1;
                (to.index, "applied")
            }
            _ => return,
        };
        let durable = nodes.get(line.record.node).durable;
        let durable_to = durable.is.0.index;
        if index <= durable_to {
            return;
        }
        found.add(|| {
            line.draft(
                "not-durable",
                "A node acted on entries that it could still lose.",
                format!(
                    "{} {what} up to index {index} when its log was durable up to {durable_to}.",
                    name(line.record.node)
                ),
                &[durable.place],
            )
        });
    }

    fn summary(&self) -> String {
        format!(
            "{} acknowledgements, {} applied batches",
            grouped(self.acks),
            grouped(self.applies)
        )
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(
            self.acks + self.applies > 0,
            "nothing was acknowledged or applied",
            "a run in which clients write",
        )
    }
}

/// A boot finds what the boot before said is durable.
///
/// A node may have made more durable than it lived to tell: a longer log, a later term, even a log
/// that a newer leader cut and went on with. So a shorter log alone is no loss. It is one where what
/// is missing was applied; where it was of the very term the node is still in, whose leader never
/// takes back; and where nothing took its place, as a cut always comes with what made it.
#[derive(Debug, Default)]
pub(crate) struct BootEqualsDisk {
    restarts: u64,
}

/// What a boot line shows.
struct Found {
    hard_state: HardState,
    last: Position,
    snapshot: Index,
}

/// What is missing, and the line that told it.
struct Loss {
    headline: &'static str,
    what: String,
    told: Place,
}

impl Check for BootEqualsDisk {
    fn heading(&self) -> Heading {
        Heading::new("boot-equals-disk", "a restart finds everything that was durable")
    }

    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings) {
        let record = line.record;
        let Event::Boot { hard_state, snapshot, last, .. } = &record.event else { return };
        let node = nodes.get(record.node);
        if node.boots == 0 || joins(&record.event) {
            return;
        }
        self.restarts += 1;
        let boot = Found { hard_state: *hard_state, last: *last, snapshot: snapshot.index };
        for loss in losses(node, &boot) {
            found.add(|| draft(line, record, loss));
        }
    }

    fn summary(&self) -> String {
        format!("{} restarts", grouped(self.restarts))
    }

    fn idle(&self) -> Option<Idle> {
        Idle::unless(self.restarts > 0, "no node was started again", "--faults kill")
    }
}

fn draft(line: &Line<'_>, record: &Record, loss: Loss) -> Draft {
    Draft {
        anomaly: "disk-forgot",
        headline: loss.headline,
        explanation: format!("When {} started again, {}.", name(record.node), loss.what),
        nodes: vec![record.node],
        at_ns: record.time_ns,
        places: vec![loss.told, line.place],
        ..Draft::default()
    }
}

fn losses(node: &Node, boot: &Found) -> Vec<Loss> {
    let mut losses = Vec::new();
    let term = node.term;
    if boot.hard_state.term < term.is {
        let what = format!("it was in term {}, having been in {}", boot.hard_state.term, term.is);
        let headline = "A restarted node had forgotten the term that it was in.";
        losses.push(Loss { headline, what, told: term.place });
    }
    let vote = node.vote.is;
    if boot.hard_state.term == vote.term
        && let Some(candidate) = vote.vote
        && boot.hard_state.vote != Some(candidate)
    {
        let candidate = name(candidate);
        let what = match boot.hard_state.vote {
            None => format!("its vote for {candidate} in term {} was gone", vote.term),
            Some(other) => {
                let other = name(other);
                format!("its vote in term {} was for {other}, not for {candidate}", vote.term)
            }
        };
        let headline = "A restarted node had forgotten its vote.";
        losses.push(Loss { headline, what, told: node.vote.place });
    }
    if boot.snapshot < node.snapshot.is {
        let what = format!(
            "its snapshot ended at index {}, having been written up to {}",
            boot.snapshot, node.snapshot.is
        );
        let headline = "A restarted node had lost a snapshot that it had said is durable.";
        losses.push(Loss { headline, what, told: node.snapshot.place });
    }
    losses.extend(lost_entries(node, boot));
    losses
}

fn lost_entries(node: &Node, boot: &Found) -> Option<Loss> {
    let (durable, _) = node.durable.is;
    let ended = format!("its log ended at index {} of term {}", boot.last.index, boot.last.term);
    let headline = "A restarted node had lost entries that it had said are durable.";
    let applied = node.applied_ever;
    if boot.last.index < applied.is {
        let what = format!("{ended}, having applied up to {}", applied.is);
        return Some(Loss { headline, what, told: applied.place });
    }
    if boot.hard_state.term != node.term.is {
        // A leader that this node did not live to tell of may have cut the log.
        return None;
    }
    let is_own_term = durable.term == node.term.is && durable.index > 0;
    let has_it = boot.last.index >= durable.index && boot.last.term >= durable.term;
    let is_prefix = boot.last.index < durable.index
        && node.log.term_at(boot.last.index) == Some(boot.last.term);
    if is_own_term && !has_it || is_prefix {
        let what = format!("{ended}, having been durable up to index {}", durable.index);
        return Some(Loss { headline, what, told: node.durable.place });
    }
    None
}
