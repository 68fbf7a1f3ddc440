//! Lines of the nodes' own logs within a stretch of time.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use whitewater_checker::run_folder::log;
use whitewater_raft::event::Event as Traced;

use crate::load::Run;
use crate::log_time::LogClock;

/// Calls `take` with node, time, text, and whether the line asks for attention.
pub(super) fn read(
    run: &Run,
    (from_ns, to_ns): (u64, u64),
    mut take: impl FnMut(&str, u64, &str, bool),
) {
    for node in run.statistics.nodes.iter().filter(|node| is_plain(&node.node)) {
        let node = node.node.as_str();
        let path = run.folder.join(log(node));
        let clock = clock(run, node, &path);
        let mut time_ns = None;
        each_line(&path, |text| {
            let (time, rest) = clock.split(text);
            // A line without a time (a backtrace, say) belongs to the one before it.
            time_ns = time.or(time_ns);
            let Some(time_ns) = time_ns.filter(|time| (from_ns..=to_ns).contains(time)) else {
                return true;
            };
            // The columns of a log are aligned with spaces, which mean nothing here.
            let rest = rest.strip_prefix(node).unwrap_or(rest);
            let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
            let lower = rest.to_ascii_lowercase();
            let is_loud =
                ["warn", "error", "panic", "fatal"].iter().any(|word| lower.contains(word));
            take(node, time_ns, &rest, is_loud);
            true
        });
    }
}

/// A name read from a record must not lead out of the folder.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// The clock of a node's log, set by the first boot that both log and trace tell of.
fn clock(run: &Run, node: &str, path: &Path) -> LogClock {
    let mut clock = LogClock::new(&run.record);
    let boot = run.recording.turns.iter().find(|record| {
        matches!(record.event, Traced::Boot { .. }) && format!("n{}", record.node) == node
    });
    if let Some(boot) = boot {
        each_line(path, |line| {
            let is_first = clock.split(line).0.is_some();
            if is_first {
                clock.calibrate(line, boot.time_ns);
            }
            !is_first
        });
    }
    clock
}

/// Calls `take` with each line until it returns false. A log that cannot be read has no lines.
fn each_line(path: &Path, mut take: impl FnMut(&str) -> bool) {
    let Ok(file) = File::open(path) else { return };
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    loop {
        line.clear();
        if !reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            return;
        }
        if !take(String::from_utf8_lossy(&line).trim_end()) {
            return;
        }
    }
}
