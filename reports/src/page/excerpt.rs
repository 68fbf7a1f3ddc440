//! The lines around a violation: node logs, traces, clients and the fault injector, merged on the
//! one clock they share.

use askama::Template;
use whitewater_checker::analysis::Finding;
use whitewater_checker::event::{Event, EventType, Process};
use whitewater_checker::run_folder::LOGS;
use whitewater_checker::statistics::Recording;
use whitewater_raft::event::Event as Traced;

use super::node_logs;
use super::section::{Drawn, View, drawn};
use crate::clock::{Clock, thousands};
use crate::correlation::blocked_operation;
use crate::history_window::{event_words, read_events};
use crate::load::Run;
use crate::svg::shortened;

/// Rows shown at most: what a person reads. Rows of nodes far from the moment go first.
const ROWS_MAX: usize = 240;
/// Before the first operation of the witness, or before the moment where there is none.
const BEFORE_NS: u64 = 1_000_000_000;
/// After the moment.
const AFTER_NS: u64 = 300_000_000;
/// A fault that began within this time before the moment is shown from its beginning.
const FAULT_NS: u64 = 5_000_000_000;
/// A line's text is cut here; the whole line stands in the log file.
const TEXT_MAX: usize = 400;

pub(super) fn section(view: &View<'_>) -> Drawn {
    let logs = around(view.run, view.story.finding);
    match logs.rows.is_empty() {
        true => Ok(None),
        false => drawn(&logs, &[("logs", "Logs")]),
    }
}

/// The merged lines.
#[derive(Default, Template)]
#[template(path = "parts/logs.html")]
struct Logs {
    title: &'static str,
    note: String,
    filters: Vec<String>,
    rows: Vec<Row>,
}

/// One line.
struct Row {
    time_ns: u64,
    time: String,
    /// Who tells: `n1`, `client 6`, `nemesis`.
    who: String,
    /// What the filter buttons know it by: a node, `clients` or `faults`.
    group: String,
    kind: &'static str,
    class: &'static str,
    text: String,
    /// Never left out.
    kept: bool,
}

/// Merges the lines around a finding, or around the end of a run that went wrong without one.
fn around(run: &Run, finding: Option<&Finding>) -> Logs {
    let Some((from_ns, to_ns)) = window(run, finding) else { return Logs::default() };
    let clock = Clock::new(run.record.origin_ns);
    let mut rows = Vec::new();
    history_rows(run, finding, (from_ns, to_ns), &mut rows);
    turn_rows(&run.recording, (from_ns, to_ns), &mut rows);
    let mut log_lines = 0;
    node_logs::read(run, (from_ns, to_ns), |node, time_ns, text, is_loud| {
        log_lines += 1;
        rows.push(row(time_ns, node, "LOG", if is_loud { "loud" } else { "" }, text));
    });
    rows.sort_by_key(|row| row.time_ns);
    let centre = finding.and_then(|finding| finding.at_ns).unwrap_or(to_ns);
    let dropped = thin(&mut rows, centre);
    for row in &mut rows {
        row.time = clock.bare(row.time_ns);
    }
    let mut filters: Vec<String> = rows.iter().map(|row| row.group.clone()).collect();
    filters.sort_by_key(|name| (name.len(), name.clone()));
    filters.dedup();
    let mut note = format!(
        "nodes, clients and fault injector on one clock · {} to {}",
        clock.moment(from_ns),
        clock.moment(to_ns)
    );
    if dropped > 0 {
        note.push_str(&format!(" · {} lines further off left out", thousands(dropped as u64)));
    }
    if log_lines > 0 {
        note.push_str(&format!(" · full logs in {LOGS}/"));
    }
    let title =
        if finding.is_some() { "Logs around the violation" } else { "The last lines of the run" };
    Logs { title, note, filters, rows }
}

/// From shortly before the first operation, and from the beginning of a fault close by, to shortly
/// after the moment.
fn window(run: &Run, finding: Option<&Finding>) -> Option<(u64, u64)> {
    if run.record.verdict == whitewater_checker::Verdict::Pass {
        return None;
    }
    let at_ns = finding.and_then(|finding| finding.at_ns).unwrap_or(run.recording.last_ns);
    let witness = finding.and_then(|finding| finding.witness.as_ref());
    let operations = witness.map_or(&[][..], |witness| &witness.operations);
    let first = operations.iter().map(|operation| operation.invoked_at_ns).min().unwrap_or(at_ns);
    // A witness may span the whole run; its operations are kept, the lines between are not wanted.
    let first = first.max(at_ns.saturating_sub(2 * FAULT_NS));
    let faults = run.recording.faults.iter().filter_map(|fault| fault.started_at_ns);
    let near = faults.filter(|start| *start <= at_ns && at_ns - start <= FAULT_NS).min();
    let from_ns = near.unwrap_or(first).min(first).saturating_sub(BEFORE_NS / 10);
    // Of an outage, how it began is wanted most, and then how it went on.
    let until_ns = finding.and_then(|finding| finding.until_ns).unwrap_or(at_ns);
    let last_ns = until_ns.min(at_ns + FAULT_NS) + AFTER_NS;
    Some((from_ns.min(at_ns.saturating_sub(BEFORE_NS)), last_ns))
}

/// Leaves out the rows furthest from the centre; returns how many.
fn thin(rows: &mut Vec<Row>, centre_ns: u64) -> usize {
    if rows.len() <= ROWS_MAX {
        return 0;
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|index| (!rows[*index].kept, rows[*index].time_ns.abs_diff(centre_ns)));
    let mut shown = vec![false; rows.len()];
    for index in &order[..ROWS_MAX] {
        shown[*index] = true;
    }
    let dropped = rows.len() - ROWS_MAX;
    let mut marks = shown.into_iter();
    rows.retain(|_| marks.next().unwrap_or(false));
    dropped
}

fn row(time_ns: u64, who: &str, kind: &'static str, class: &'static str, text: &str) -> Row {
    Row {
        time_ns,
        time: String::new(),
        who: who.to_owned(),
        group: who.to_owned(),
        kind,
        class,
        text: shortened(text, TEXT_MAX),
        kept: false,
    }
}

/// Client operations on the violating key, and everything the nemesis did.
fn history_rows(run: &Run, finding: Option<&Finding>, window: (u64, u64), rows: &mut Vec<Row>) {
    let Some(finding) = finding else {
        read_events(&run.folder, window, |event, _| rows.extend(nemesis_row(run, &event)));
        return;
    };
    let witness = finding.witness.as_ref();
    let operations = witness.map_or(&[][..], |witness| &witness.operations);
    let blocked = blocked_operation(finding).map(|operation| operation.label.clone());
    read_events(&run.folder, window, |event, _| {
        if event.process == Process::Nemesis {
            rows.extend(nemesis_row(run, &event));
            return;
        }
        if event.key.is_none() || event.key != finding.key {
            return;
        }
        let Process::Client(process) = event.process else { return };
        let own = operations.iter().find(|operation| {
            event.time_ns == operation.invoked_at_ns
                || Some(event.time_ns) == operation.completed_at_ns
        });
        let label = own.map(|operation| format!("{} ", operation.label)).unwrap_or_default();
        let node = event.node.as_deref().map(|node| format!(" ({node})")).unwrap_or_default();
        let is_blocked = own.is_some_and(|operation| Some(&operation.label) == blocked.as_ref());
        let stuck = is_blocked && event.kind != EventType::Invoke;
        let text = format!(
            "{label}{}{node}{}",
            event_words(&event),
            if stuck { "  ✕ fits nowhere" } else { "" }
        );
        let class = if stuck { "stuck" } else { "operation" };
        let mut line = row(event.time_ns, &format!("client {process}"), "OP", class, &text);
        line.group = "clients".to_owned();
        line.kept = own.is_some();
        rows.push(line);
    });
}

fn nemesis_row(run: &Run, event: &Event) -> Option<Row> {
    if event.process != Process::Nemesis {
        return None;
    }
    let id = event.value["fault"].as_u64();
    let fault = run.recording.faults.iter().find(|fault| Some(u64::from(fault.id)) == id);
    let text = match (event.f.as_str(), fault) {
        ("start", Some(fault)) => {
            format!("fault {}: {} · {}", fault.id, fault.name, fault.nodes.join(" "))
        }
        ("heal", Some(fault)) => {
            format!("fault {} lifted: {} · {}", fault.id, fault.name, fault.nodes.join(" "))
        }
        ("phase", _) => format!("phase {}", event.value["name"].as_str().unwrap_or_default()),
        (f, _) => format!("{f} {}", event.value),
    };
    let mut line = row(event.time_ns, "nemesis", "FAULT", "fault", &text);
    line.group = "faults".to_owned();
    line.kept = true;
    Some(line)
}

/// Role changes from the traces.
fn turn_rows(recording: &Recording, (from_ns, to_ns): (u64, u64), rows: &mut Vec<Row>) {
    let names =
        |nodes: &[u64]| nodes.iter().map(|node| format!("n{node}")).collect::<Vec<_>>().join(" ");
    for record in
        recording.turns.iter().filter(|record| (from_ns..=to_ns).contains(&record.time_ns))
    {
        let term = record.term;
        let text = match &record.event {
            Traced::Boot { .. } => format!("boot {} in term {term}", record.boot),
            Traced::Term { old } => format!("term {old} → {term}"),
            Traced::Vote { candidate, .. } => format!("votes for n{candidate} in term {term}"),
            Traced::Campaign { pre_vote: true, .. } => {
                format!("asks whether term {} could be won", term + 1)
            }
            Traced::Campaign { .. } => format!("campaigns for term {term}"),
            Traced::Leader { votes, .. } => {
                format!("leads term {term} with the votes of {}", names(votes))
            }
            Traced::Stepdown { cause } => format!("steps down in term {term}: {cause}"),
            _ => continue,
        };
        let mut line = row(record.time_ns, &format!("n{}", record.node), "TRACE", "turn", &text);
        line.kept = matches!(record.event, Traced::Leader { .. } | Traced::Stepdown { .. });
        rows.push(line);
    }
}
