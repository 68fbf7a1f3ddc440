//! The phases of a run, from the nemesis's events in the history.

use crate::event::Event;
use crate::history::History;

/// One phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) name: String,
    /// When it began, CLOCK_MONOTONIC nanoseconds.
    pub(crate) at_ns: u64,
    /// How long it may last, where that is part of the verdict.
    pub(crate) deadline_ms: Option<u64>,
}

/// The phases in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phases {
    phases: Vec<Phase>,
}

impl Phases {
    /// The phases that a history tells of.
    pub(crate) fn of(history: &History) -> Phases {
        let phases = history.nemesis.iter().filter_map(|(_, event)| phase(event)).collect();
        Phases { phases }
    }

    /// Whether the history tells of none.
    pub(crate) fn is_empty(&self) -> bool {
        self.phases.is_empty()
    }

    /// The first phase of a name.
    pub(crate) fn find(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    /// The name of the phase a moment is in; the phase before the first has none.
    pub(crate) fn at(&self, time_ns: u64) -> Option<&str> {
        let next = self.phases.partition_point(|phase| phase.at_ns <= time_ns);
        self.phases.get(next.checked_sub(1)?).map(|phase| phase.name.as_str())
    }
}

fn phase(event: &Event) -> Option<Phase> {
    if event.f != "phase" {
        return None;
    }
    Some(Phase {
        name: event.value.get("name")?.as_str()?.to_owned(),
        at_ns: event.time_ns,
        deadline_ms: event.value.get("deadline_ms").and_then(serde_json::Value::as_u64),
    })
}
