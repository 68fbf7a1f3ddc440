//! What operations near the violation said, for pointing at them: the figures keep no values.

use std::collections::HashMap;

use whitewater_checker::analysis::Finding;
use whitewater_checker::event::{Event, EventType, Process};

use crate::history_window::{event_words, read_events};
use crate::load::Run;
use crate::svg::shortened;

/// On the violating key every operation this close to the moment is worth its text.
const REACH_NS: u64 = 5_000_000_000;
/// Texts at most, so that a page of one hot key stays small.
const TEXTS_MAX: usize = 3_000;
const TEXT_MAX: usize = 120;

/// An operation's text with what tells the operation apart.
pub(super) struct Detail {
    pub(super) process: u64,
    pub(super) invoked_at_ns: u64,
    pub(super) text: String,
}

pub(super) fn near(run: &Run, finding: Option<&Finding>) -> Vec<Detail> {
    let Some((finding, at_ns)) = finding.and_then(|finding| Some((finding, finding.at_ns?))) else {
        return Vec::new();
    };
    if finding.key.is_none() {
        return Vec::new();
    }
    let window = (at_ns.saturating_sub(REACH_NS), at_ns + REACH_NS);
    let mut open: HashMap<u64, u64> = HashMap::new();
    let mut details = Vec::new();
    read_events(&run.folder, window, |event: Event, _| {
        let Process::Client(process) = event.process else { return };
        if event.key != finding.key || details.len() >= TEXTS_MAX {
            return;
        }
        if event.kind == EventType::Invoke {
            open.insert(process, event.time_ns);
        } else if let Some(invoked_at_ns) = open.remove(&process) {
            let text = shortened(&event_words(&event), TEXT_MAX);
            details.push(Detail { process, invoked_at_ns, text });
        }
    });
    details
}
