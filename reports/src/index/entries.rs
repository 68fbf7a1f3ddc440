//! Reads the folders of runs, as far as each can be read.

use std::fs;
use std::path::Path;

use whitewater_checker::Verdict;
use whitewater_checker::run_folder::{Figures, REPORT, RUN, RunRecord, is_run};

use crate::ReportError;
use crate::load::settings_of_plan;
use crate::story::scenario;
use crate::story::tagline;

/// A run as the index shows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) began: String,
    pub(super) scenario: String,
    pub(super) mutant: Option<String>,
    pub(super) verdict: Verdict,
    /// Without run.json, and not judged since: still running, or killed.
    pub(super) is_incomplete: bool,
    pub(super) headline: String,
    pub(super) seed: String,
    pub(super) duration_ms: u64,
    /// How long faults were injected: runs of other lengths are not compared.
    pub(super) time_ms: u64,
    pub(super) figures: Option<Figures>,
    /// Objectives that were missed, or never measured, in words. They leave the verdict alone.
    pub(super) objectives: Vec<String>,
    /// Relative to the index; empty where there is no report.
    pub(super) link: String,
}

impl Entry {
    /// Whether a mutant ran: then a violation is what was hoped for.
    pub(super) fn is_canary(&self) -> bool {
        self.mutant.is_some()
    }
}

/// The newest runs, oldest first, and how many older ones were left out.
pub(super) fn read(runs_dir: &Path, most: usize) -> Result<(Vec<Entry>, usize), ReportError> {
    let list = fs::read_dir(runs_dir).map_err(|source| ReportError::File {
        action: "read",
        path: runs_dir.to_owned(),
        source,
    })?;
    // `latest` and `last-failed` are links to folders that are listed themselves.
    let mut names: Vec<String> = list
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_run(&runs_dir.join(name)))
        .collect();
    // Names begin with the UTC time.
    names.sort();
    let left_out = names.len().saturating_sub(most);
    let mut entries: Vec<Entry> =
        names[left_out..].iter().map(|name| entry(&runs_dir.join(name), name)).collect();
    entries.sort_by(|one, other| (&one.began, &one.id).cmp(&(&other.began, &other.id)));
    Ok((entries, left_out))
}

fn entry(folder: &Path, name: &str) -> Entry {
    let report = folder.join(REPORT).exists();
    let link = if report { format!("{}/{REPORT}", encoded(name)) } else { String::new() };
    let figures = Figures::read(folder);
    let drawn = figures.as_ref().and_then(|figures| figures.verdict);
    let headline = |fallback: String| match &figures {
        Some(figures) if !figures.headline.is_empty() => figures.headline.clone(),
        _ => fallback,
    };
    match RunRecord::read(folder) {
        Ok(Some(record)) => Entry {
            id: name.to_owned(),
            began: readable(&record.started_at),
            scenario: scenario(&record),
            mutant: record.settings.mutant.clone(),
            verdict: record.verdict,
            is_incomplete: false,
            headline: headline(tagline(&record)),
            seed: record.known_seed().map(|seed| seed.to_string()).unwrap_or_default(),
            duration_ms: record.duration_ms,
            time_ms: record.settings.time_ms,
            objectives: record.objectives.lines(),
            figures,
            link,
        },
        other => Entry {
            id: name.to_owned(),
            began: of_name(name),
            scenario: scenario_of_plan(folder),
            verdict: drawn.unwrap_or(Verdict::Undecided),
            // A report that was drawn of what a killed run left has judged that.
            is_incomplete: drawn.is_none(),
            headline: match other {
                Err(error) => error.to_string(),
                _ => headline(format!("no {RUN}: still running, or its runner was killed")),
            },
            figures,
            link,
            ..Entry::default()
        },
    }
}

/// The scenario of a run that has no record, where it has a plan.
fn scenario_of_plan(folder: &Path) -> String {
    let settings = settings_of_plan(folder);
    match settings.workload.is_empty() {
        true => "unknown".to_owned(),
        false => scenario(&RunRecord { settings, ..RunRecord::default() }),
    }
}

/// `2026-11-24T06:40:00Z` as `2026-11-24 06:40:00`: still sorts, and reads.
fn readable(time: &str) -> String {
    let text = time.trim_end_matches('Z').replacen('T', " ", 1);
    text.split('.').next().unwrap_or_default().to_owned()
}

/// `2026-11-24T06-40-00Z-7f3a` as `2026-11-24 06:40:00`, the form of every other run's time: another
/// form would sort elsewhere. A name that tells no time stands as it is.
fn of_name(name: &str) -> String {
    let time = name.get(..20).and_then(|time| time.strip_suffix('Z')?.split_once('T'));
    time.map_or_else(
        || name.to_owned(),
        |(date, time)| format!("{date} {}", time.replace('-', ":")),
    )
}

/// A folder's name within an address.
fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{encoded, of_name, readable};

    #[test]
    fn times_read_and_sort() {
        assert_eq!(readable("2026-11-24T06:40:00.123Z"), "2026-11-24 06:40:00");
        assert_eq!(readable(""), "");
        assert_eq!(of_name("2026-11-24T06-40-00Z-7f3a"), "2026-11-24 06:40:00");
        assert_eq!(of_name("notes"), "notes");
    }

    #[test]
    fn a_folder_name_cannot_leave_its_address() {
        assert_eq!(encoded("2026-11-24T06-40-00Z-7f3a"), "2026-11-24T06-40-00Z-7f3a");
        assert_eq!(encoded("a b/#\"ü"), "a%20b%2F%23%22%C3%BC");
    }
}
