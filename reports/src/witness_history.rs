//! witness/history.jsonl: the lines of the smallest failing set, as they were recorded, so that it
//! can be judged on its own, here or by another checker.

use whitewater_checker::analysis::{Finding, WitnessOperation};
use whitewater_checker::event::{Event, Process};

use crate::history_window::read_events;
use crate::load::Run;

/// The lines; `None` where the finding has no witness or the history no longer holds it.
pub(crate) fn render(run: &Run, finding: Option<&Finding>) -> Option<String> {
    let operations = &finding?.witness.as_ref()?.operations;
    let first = operations.iter().map(|operation| operation.invoked_at_ns).min()?;
    let ends = operations.iter().map(|one| one.completed_at_ns.unwrap_or(one.invoked_at_ns));
    let last = ends.max()?;
    let mut lines = String::new();
    read_events(&run.folder, (first, last), |event, line| {
        if operations.iter().any(|operation| is_of(&event, operation)) {
            lines.push_str(&String::from_utf8_lossy(line));
            lines.push('\n');
        }
    });
    (!lines.is_empty()).then_some(lines)
}

fn is_of(event: &Event, operation: &WitnessOperation) -> bool {
    let times = [Some(operation.invoked_at_ns), operation.completed_at_ns];
    event.process == Process::Client(operation.process) && times.contains(&Some(event.time_ns))
}
