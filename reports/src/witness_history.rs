//! witness/history.jsonl: the lines of the smallest failing set, as they were recorded, so that it
//! can be judged on its own, here or by another checker: before them what the key held, and a note that says which of
//! them are the proof.

use std::collections::BTreeMap;

use whitewater_checker::analysis::{Finding, OperationId};
use whitewater_checker::event::{EventType, Process};

use crate::history_window::read_events;
use crate::load::Run;

/// The lines; `None` where the finding has no witness or the history no longer holds it.
pub(crate) fn render(run: &Run, finding: Option<&Finding>) -> Option<String> {
    let finding = finding?;
    let witness = finding.witness.as_ref()?;
    let shown = || {
        witness.operations.iter().map(|operation| OperationId {
            process: operation.process,
            invoked_at_ns: operation.invoked_at_ns,
            part: None,
        })
    };
    // Runs of earlier builds do not say what the file needs.
    let ids = match witness.file.operations.is_empty() {
        true => shown().collect(),
        false => witness.file.operations.clone(),
    };
    let first = ids.iter().map(|id| id.invoked_at_ns).min()?;
    let mut lines = String::new();
    // The operation that each client has open: its completion may come long after.
    let mut open: BTreeMap<u64, u64> = BTreeMap::new();
    read_events(&run.folder, (first, u64::MAX), |event, line| {
        let Process::Client(process) = event.process else { return };
        let invoked_at_ns = match event.kind {
            EventType::Invoke => {
                open.insert(process, event.time_ns);
                event.time_ns
            }
            _ => open.get(&process).copied().unwrap_or(u64::MAX),
        };
        let is_it = |id: &OperationId| (id.process, id.invoked_at_ns) == (process, invoked_at_ns);
        if ids.iter().any(is_it) {
            lines.push_str(&String::from_utf8_lossy(line));
            lines.push('\n');
        }
    });
    (!lines.is_empty()).then(|| witness.file.head(finding.key.as_deref()) + &lines)
}
