//! `check --memory` holds for the whole command, as the operating system counts it.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use whitewater_checker::generate::Random;

/// One register, 40 clients, four values, some writes whose outcome nobody knows, and a stale read at the end: more than
/// any search can hold.
fn hard() -> String {
    let mut random = Random::new(7);
    let mut text = String::new();
    let mut time = 0;
    let mut line = |time: u64, process: usize, kind: &str, f: &str, value: Option<u64>| {
        let value = value.map_or("null".to_owned(), |value| value.to_string());
        writeln!(
            text,
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"r\",\"value\":{value},\
             \"time_ns\":{time}}}"
        )
        .unwrap();
    };
    /// An open operation: what it writes, and what it has seen once it took effect.
    struct Open {
        written: Option<u64>,
        seen: Option<Option<u64>>,
    }
    let mut processes: Vec<usize> = (0..40).collect();
    let mut open: Vec<Option<Open>> = (0..40).map(|_| None).collect();
    let (mut state, mut next, mut done) = (None, 40, 0);
    while done < 3000 {
        let client = random.below(40) as usize;
        time += 1 + random.below(50);
        let process = processes[client];
        let Some(own) = &mut open[client] else {
            let written = (random.below(3) > 0).then(|| random.below(4));
            let f = if written.is_some() { "write" } else { "read" };
            line(time, process, "invoke", f, written);
            open[client] = Some(Open { written, seen: None });
            continue;
        };
        let Some(seen) = own.seen else {
            state = own.written.or(state);
            own.seen = Some(state);
            continue;
        };
        if random.below(2) == 0 {
            continue;
        }
        match own.written {
            Some(written) if random.below(100) < 15 => {
                line(time, process, "info", "write", Some(written));
                processes[client] = next;
                next += 1;
            }
            Some(written) => line(time, process, "ok", "write", Some(written)),
            None => line(time, process, "ok", "read", seen),
        }
        open[client] = None;
        done += 1;
    }
    time += 1000;
    let (writer, reader) = (next, next + 1);
    for (process, kind, f, value) in [
        (writer, "invoke", "write", Some(77)),
        (writer, "ok", "write", Some(77)),
        (writer, "invoke", "write", Some(78)),
        (writer, "ok", "write", Some(78)),
        (reader, "invoke", "read", None),
        (reader, "ok", "read", Some(77)),
    ] {
        time += 1;
        line(time, process, kind, f, value);
    }
    text
}

/// Runs a check; the largest peak of all so far, bytes.
fn peak(file: &Path, memory: &str) -> u64 {
    let status = Command::new(env!("CARGO_BIN_EXE_whitewater"))
        .args(["check", &file.display().to_string()])
        .args(["--budget", "12s", "--threads", "1", "--memory", memory])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3), "undecided");
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() as u64 * 1024
}

#[test]
fn what_a_check_takes_stays_within_its_limit() {
    const LIMIT_BYTES: u64 = 16 << 20;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hard.jsonl");
    let text = hard();
    std::fs::write(&file, &text).unwrap();
    // What it takes without a search: the program itself, and the history.
    let without = peak(&file, "64KiB");
    let with = peak(&file, "16MiB") - without;
    let allowed = LIMIT_BYTES + LIMIT_BYTES / 10 + 3 * text.len() as u64;
    assert!(with <= allowed, "{with} bytes, allowed are {allowed}");
    assert!(with > LIMIT_BYTES / 8, "{with} bytes: the limit was not tried");
}
