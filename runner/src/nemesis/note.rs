//! What becomes of faults, for whoever records it or shows progress.

use serde_json::{Value, json};
use whitewater_checker::event::{Event, EventType, Process};
use whitewater_checker::fault::FaultRecord;

/// What became of a fault.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// It is going to be put in force.
    Begins(FaultRecord),
    /// It struck.
    Struck(FaultRecord),
    /// It is over, or was skipped.
    Over(FaultRecord),
    /// A node left the cluster for good.
    Gone(u32),
}

impl Note {
    /// What the history is told of it.
    pub(crate) fn event(&self) -> Option<Event> {
        let (f, record) = match self {
            Note::Begins(record) => ("start", record),
            Note::Over(record) if record.started_at_ns.is_some() => ("heal", record),
            Note::Over(_) | Note::Struck(_) | Note::Gone(_) => return None,
        };
        let value = json!({
            "fault": record.id, "kind": record.kind, "scope": record.scope(), "name": record.name,
            "nodes": record.nodes,
        });
        Some(nemesis_event(f, value))
    }
}

/// An event of the nemesis in the history, yet without its time.
pub(crate) fn nemesis_event(f: &str, value: Value) -> Event {
    Event::new(Process::Nemesis, EventType::Info, f, value)
}
