//! Histories of others are read as their writers meant them: each kind of misreading that was ever reported, with
//! variants.

mod initial;
mod locks;
mod odd;
mod queues;
mod reading;

use std::io::Cursor;

use whitewater_checker::analysis::Analysis;
use whitewater_checker::{CheckError, HistoryReport, Options, Verdict, check_reader};

/// Judges a text.
fn judge(text: &str, options: &Options) -> Result<(Analysis, HistoryReport), CheckError> {
    check_reader("file", Box::new(Cursor::new(text.as_bytes().to_vec())), options)
}

/// The verdict on a text that can be judged.
fn verdict(text: &str, options: &Options) -> Verdict {
    judge(text, options).unwrap_or_else(|error| panic!("{error} in\n{text}")).0.verdict
}

/// The message on a text that cannot.
fn refusal(text: &str, options: &Options) -> String {
    match judge(text, options) {
        Ok((analysis, _)) => panic!("judged as {} instead of refused:\n{text}", analysis.verdict),
        Err(error) => error.to_string(),
    }
}

/// JSON lines of `process type f value`, each a nanosecond after the one before.
fn lines(events: &[&str]) -> String {
    let line = |(number, event): (usize, &&str)| {
        let mut words = event.splitn(4, ' ');
        let mut next = || words.next().unwrap_or("null");
        let (process, kind, f, value) = (next(), next(), next(), next());
        format!(
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value},\"time_ns\":{}}}\n",
            number + 1
        )
    };
    events.iter().enumerate().map(line).collect()
}
