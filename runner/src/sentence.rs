//! What a person is told where something could not be done: one sentence that says what, where, why, and
//! what to do about it.
//!
//! The system and the libraries have words of their own for a reason ("No such file or directory (os error
//! 2)"). This is the one place that puts them into ours.

use std::io::{self, ErrorKind};

use whitewater_checker::CheckError;
use whitewater_processes::Refusal;
use whitewater_reports::ReportError;

/// The system's and the libraries' words, and ours.
const REASONS: [(&str, &str); 19] = [
    ("not JSON: expected value", "not JSON"),
    ("No such file or directory", "there is no such file or folder"),
    ("Permission denied", "this user may not"),
    ("Operation not permitted", "this user may not"),
    ("Not a directory", "a part of the path is a file"),
    ("Is a directory", "it is a folder"),
    ("File exists", "there is one of this name already"),
    ("No space left on device", "the disk is full"),
    ("Disk quota exceeded", "this user's share of the disk is full"),
    ("File too large", "a file may not grow any more (`ulimit -f`)"),
    ("Read-only file system", "the file system is read-only"),
    ("Too many open files", "no more files may be open (`ulimit -n`)"),
    ("Exec format error", "it is no program for this machine"),
    ("Address already in use", "it is in use"),
    ("Cannot assign requested address", "this machine does not have it"),
    ("Connection refused", "nothing listens there"),
    ("failed to lookup address information: ", ""),
    ("Name or service not known", "no host of this name is known"),
    ("stream did not contain valid UTF-8", "it is no text in UTF-8"),
];

/// An error that ends the tool.
pub(crate) fn of(error: &anyhow::Error) -> String {
    let parts: Vec<String> = error.chain().map(ToString::to_string).collect();
    if error.chain().any(|cause| cause.is::<Refusal>()) {
        return plain(&joined(&parts));
    }
    if let Some(malformed) = error.chain().find(|cause| is_malformed(*cause)) {
        return plain(&malformed.to_string());
    }
    let cause = error
        .chain()
        .enumerate()
        .find_map(|(at, cause)| Some((at, cause.downcast_ref::<io::Error>()?)));
    let Some((at, cause)) = cause else { return plain(&joined(&parts)) };
    // The part beside the system's own words is the nearest to what was tried.
    let said = cause.to_string();
    let tried = parts[..at].iter().rev().map(|part| without(part, &said)).find(|it| !it.is_empty());
    match tried {
        Some(tried) => failed(tried, cause),
        None => format!("{}{}", plain(&said), advice(cause.kind())),
    }
}

/// Whether a file of a run is not what this build can read: the caller's to mend.
pub(crate) fn is_malformed(cause: &(dyn std::error::Error + 'static)) -> bool {
    let of_report = cause.downcast_ref::<ReportError>();
    let unread = match of_report {
        Some(ReportError::Unread(error)) => Some(error),
        Some(_) => None,
        None => cause.downcast_ref::<CheckError>(),
    };
    unread.is_some_and(|error| !matches!(error, CheckError::Read { .. }))
}

/// Why `tried` (`write report.html`) could not be done, and what to do.
pub(crate) fn failed(tried: &str, cause: &io::Error) -> String {
    format!("could not {tried}: {}{}", reason(cause), advice(cause.kind()))
}

/// What is to be changed, where there is a description that says so: at `place`.
pub(crate) fn to_write(place: Option<String>, key: &str, what: &str) -> String {
    place.map_or_else(String::new, |place| format!("; {place}, `{key}`: {what}"))
}

/// What the system said, in words.
pub(crate) fn reason(cause: &io::Error) -> String {
    plain(&cause.to_string())
}

/// A text that may quote the system, on one line and in words.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = without_numbers(text);
    for (theirs, ours) in REASONS {
        plain = plain.replace(theirs, ours);
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Takes out every ` (os error 2)`.
fn without_numbers(text: &str) -> String {
    const BEGIN: &str = " (os error ";
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once(BEGIN) {
        plain.push_str(before);
        match after.split_once(')') {
            Some((number, after)) if number.parse::<u32>().is_ok() => rest = after,
            _ => {
                plain.push_str(BEGIN);
                rest = after;
            }
        }
    }
    plain + rest
}

/// Contexts and their cause; many errors say their cause themselves.
fn joined(parts: &[String]) -> String {
    let mut joined = String::new();
    for part in parts {
        if joined.ends_with(part.as_str()) {
            continue;
        }
        if !joined.is_empty() {
            joined.push_str(": ");
        }
        joined.push_str(part);
    }
    joined
}

fn without<'a>(part: &'a str, said: &str) -> &'a str {
    part.strip_suffix(said).unwrap_or(part).trim_end_matches([':', ' '])
}

fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "; check how it is written",
        ErrorKind::PermissionDenied => "; give this user the right, or name another path",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "; name another path",
        ErrorKind::IsADirectory => "; name a file",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; make room, or name a path on another disk"
        }
        ErrorKind::FileTooLarge => "; raise the limit",
        ErrorKind::ReadOnlyFilesystem => "; name a path on another file system",
        ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable => "; choose another address",
        ErrorKind::InvalidData => "; name another file",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    fn denied() -> io::Error {
        io::Error::from_raw_os_error(nix::errno::Errno::EACCES as i32)
    }

    #[test]
    fn what_is_nearest_to_the_cause_is_told_once() {
        let told = "could not write runs/x/report.html: this user may not; give this user the right, or \
                    name another path";
        let plain = Err::<(), _>(denied()).context("write runs/x/report.html").context("conclude");
        assert_eq!(of(&plain.unwrap_err()), told);
        // An error that says its cause itself.
        let path = "runs/x/report.html".into();
        let source = ReportError::File { action: "write", path, source: denied() };
        let report = Err::<(), _>(source).context("write the reports of runs/x");
        assert_eq!(of(&report.unwrap_err()), told);
        assert_eq!(
            of(&denied().into()),
            "this user may not; give this user the right, or name another path"
        );
    }

    #[test]
    fn a_refusal_is_a_sentence_already() {
        let refusal = Refusal::Usage("no such run; `whitewater ls` lists them".into());
        let error = anyhow::Error::new(refusal).context("kill 3 of 5");
        assert_eq!(of(&error), "kill 3 of 5: no such run; `whitewater ls` lists them");
        assert_eq!(of(&anyhow::anyhow!("inner").context("outer")), "outer: inner");
    }

    #[test]
    fn numbers_and_line_breaks_of_the_system_are_left_out() {
        let cases = [
            (
                "connect to h:1: Connection refused (os error 111)",
                "connect to h:1: nothing listens there",
            ),
            ("a (os error 2) b (os error 13)", "a b"),
            ("a (os error x) (os error", "a (os error x) (os error"),
            ("first\n  second", "first second"),
        ];
        for (theirs, ours) in cases {
            assert_eq!(plain(theirs), ours);
        }
    }
}
