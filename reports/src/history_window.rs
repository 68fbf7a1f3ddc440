//! The events of a stretch of a history, with their values. The figures keep no values, so what is
//! shown with them is read once more, and only where it is shown.

use std::path::Path;

use memchr::memmem;
use serde_json::Value;
use whitewater_checker::event::{Event, EventType};
use whitewater_checker::run_folder::HISTORY;

/// Calls `take` with the events of the history within a window and their lines, in file order.
pub(crate) fn read_events(
    folder: &Path,
    (from_ns, to_ns): (u64, u64),
    mut take: impl FnMut(Event, &[u8]),
) {
    // A history alone has no folder; the file of that name in the current one is another.
    if folder.as_os_str().is_empty() {
        return;
    }
    let finder = memmem::Finder::new(b"\"time_ns\":");
    // What cannot be read, the recording has remarked.
    HISTORY.each_line(folder, &mut Vec::new(), |line| {
        // A history is long and the window short: most lines are passed over by their time alone.
        let digits = finder.find(line).map(|place| &line[place + 10..]).unwrap_or_default();
        let time = digits.trim_ascii_start().iter().take_while(|byte| byte.is_ascii_digit());
        let time = time
            .fold(0u64, |time, byte| time.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')));
        if (from_ns..=to_ns).contains(&time)
            && let Ok(event) = serde_json::from_slice(line)
        {
            take(event, line);
        }
        true
    });
}

/// What an event says, in words.
pub(crate) fn event_words(event: &Event) -> String {
    let value = |value: &Value| match value {
        Value::Null => "absent".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let key = event.key.as_deref().unwrap_or_default();
    let arrow = match (event.kind, event.f.as_str()) {
        (EventType::Invoke, "read") => format!("read {key}"),
        (EventType::Ok, "read") => format!("read {key} → {}", value(&event.value)),
        (_, "cas") => match event.value.as_array().map(Vec::as_slice) {
            Some([from, to]) => format!("cas {key} {} → {}", value(from), value(to)),
            _ => format!("cas {key} {}", value(&event.value)),
        },
        (_, f) => format!("{f} {key} {}", value(&event.value)),
    };
    let outcome = match event.kind {
        EventType::Invoke => " …",
        EventType::Ok => " ok",
        EventType::Fail => " rejected",
        EventType::Info => " unknown",
    };
    let error = event.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{arrow}{outcome}{error}")
}
