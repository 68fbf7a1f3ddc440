//! runs/index.html: what changed since last time, over all runs of a folder.
//!
//! One row for every run that left something behind, newest first; a grid of scenarios over time;
//! trends; failures grouped by signature, so that ten red runs with one cause read as one problem. A
//! run of a mutant is a canary: it must fail, and one that passes is the bad news.

mod entries;
mod spark;

use std::path::Path;

use askama::Template;
use whitewater_checker::Verdict;

use crate::ReportError;
use crate::clock::{counted, duration, thousands};
use crate::palette;
use crate::story::{verdict_sign, verdict_word};
use entries::Entry;
use whitewater_checker::run_folder::INDEX;

/// Earlier runs looked at to tell whether a failure is new.
const EARLIER_MAX: usize = 200;

/// Rows of the table at most; older runs stay on disk.
const ROWS_MAX: usize = 400;
/// Columns of the grid at most: six weeks of nights.
const GRID_MAX: usize = 42;

const STYLE: [&str; 3] = [
    include_str!("../templates/style.css"),
    include_str!("../templates/index.css"),
    include_str!("../templates/media.css"),
];
const SCRIPT: &str = include_str!("../templates/script/page.js");

#[derive(Template)]
#[template(path = "index.html")]
struct Page {
    style: String,
    script: &'static str,
    class: &'static str,
    badge: String,
    note: String,
    headline: String,
    explanation: String,
    link: String,
    scenarios: Vec<Scenario>,
    trends: Vec<spark::Trend>,
    signatures: Vec<Signature>,
    rows: Vec<Row>,
    left_out: usize,
}

/// A row of the grid.
struct Scenario {
    name: String,
    cells: Vec<Cell>,
    class: &'static str,
    state: String,
}

struct Cell {
    class: &'static str,
    sign: &'static str,
    title: String,
    link: String,
}

/// Failures with one cause.
struct Signature {
    name: String,
    scenarios: String,
    count: usize,
    first: String,
    last: String,
    link: String,
    state: &'static str,
    class: &'static str,
}

/// A run in the table.
struct Row {
    began: String,
    id: String,
    link: String,
    scenario: String,
    class: &'static str,
    verdict: String,
    headline: String,
    objectives: Vec<String>,
    seed: String,
    ok: String,
    faults: String,
    failover: String,
    lasted: String,
}

/// Writes `index.html` of a folder of runs.
pub(crate) fn write(runs_dir: &Path) -> Result<(), ReportError> {
    let (entries, left_out) = entries::read(runs_dir, ROWS_MAX)?;
    let page = page(&entries, left_out);
    let text = page.render().map_err(|source| ReportError::Template { source })?;
    crate::write(&runs_dir.join(INDEX), &text)
}

/// How a run's failure compares with earlier runs of the same scenario beside it: how many there are,
/// and how many failed with the same signature. `None` where the run stands alone.
pub(crate) fn earlier(folder: &Path, scenario: &str, signature: &str) -> Option<(usize, usize)> {
    let own = folder.file_name()?.to_str()?;
    let (entries, _) = entries::read(folder.parent()?, EARLIER_MAX).ok()?;
    let before: Vec<&Entry> = entries
        .iter()
        .filter(|entry| {
            entry.id.as_str() < own && !entry.is_incomplete && entry.scenario == scenario
        })
        .collect();
    let same = before
        .iter()
        .filter(|entry| {
            let figures = entry.figures.as_ref();
            figures.and_then(|figures| figures.signature.as_deref()) == Some(signature)
        })
        .count();
    (!before.is_empty()).then_some((before.len(), same))
}

/// The page of runs that are sorted oldest first.
fn page(entries: &[Entry], left_out: usize) -> Page {
    let (class, badge, headline, explanation, link) = news(entries);
    let operations: u64 =
        entries.iter().filter_map(|entry| entry.figures.as_ref()).map(|f| f.ok).sum();
    Page {
        style: [palette::style_sheet()].into_iter().chain(STYLE.map(str::to_owned)).collect(),
        script: SCRIPT,
        class,
        badge,
        note: format!(
            "{} · {} ok operations",
            counted(entries.len() as u64, "run"),
            thousands(operations)
        ),
        headline,
        explanation,
        link,
        scenarios: scenarios(entries),
        trends: spark::trends(entries),
        signatures: signatures(entries),
        rows: entries.iter().rev().map(row).collect(),
        left_out,
    }
}

/// What the newest run brought, seen against the earlier runs of its scenario.
fn news(entries: &[Entry]) -> (&'static str, String, String, String, String) {
    // A run that is going on, or was killed, says nothing; it must not hide one that did.
    let finished = entries.iter().rposition(|entry| !entry.is_incomplete);
    let entries = &entries[..finished.map_or(entries.len(), |index| index + 1)];
    let Some(newest) = entries.last() else {
        let text = "whitewater run makes the first one.".to_owned();
        return ("undecided", "? no runs".to_owned(), "No run yet".to_owned(), text, String::new());
    };
    let earlier: Vec<&Entry> = entries[..entries.len() - 1]
        .iter()
        .filter(|entry| entry.scenario == newest.scenario && !entry.is_incomplete)
        .collect();
    let failed = earlier.iter().filter(|entry| entry.verdict == Verdict::Violation).count();
    let scenario = &newest.scenario;
    let (class, badge) = (tone(newest), format!("{} {}", sign(newest), word(newest)));
    let headline = match (newest.verdict, newest.is_canary()) {
        (Verdict::Violation, true) => format!("The mutant was found: {scenario}"),
        (Verdict::Pass, true) => format!("The mutant was missed: {scenario}"),
        (Verdict::Violation, false) if earlier.is_empty() => format!("{scenario} fails"),
        (Verdict::Violation, false) if failed == 0 => {
            format!("{scenario} fails for the first time in {} runs", earlier.len() + 1)
        }
        (Verdict::Violation, false) => {
            format!("{scenario} fails again: {} of {} runs", failed + 1, earlier.len() + 1)
        }
        (Verdict::Pass, false) if failed == 0 => {
            format!("{scenario} holds in all {} runs", earlier.len() + 1)
        }
        (Verdict::Pass, false) => {
            format!("{scenario} holds this time; {failed} of {} earlier runs failed", earlier.len())
        }
        (Verdict::Undecided, _) => format!("{scenario} is undecided"),
        (Verdict::Error, _) => format!("{scenario} could not be run"),
    };
    (
        class,
        badge,
        headline,
        [vec![newest.headline.trim_end_matches('.').to_owned()], newest.objectives.clone()]
            .concat()
            .join(". ")
            + ".",
        newest.link.clone(),
    )
}

/// The tone of a run: a canary that fails is good news.
fn tone(entry: &Entry) -> &'static str {
    match (entry.verdict, entry.is_canary()) {
        (Verdict::Violation, true) => "pass",
        (Verdict::Pass, true) | (Verdict::Violation, false) => "violation",
        (Verdict::Pass, false) => "pass",
        (Verdict::Undecided, _) => "undecided",
        (Verdict::Error, _) => "error",
    }
}

fn sign(entry: &Entry) -> &'static str {
    if entry.is_incomplete { "…" } else { verdict_sign(entry.verdict) }
}

fn word(entry: &Entry) -> &'static str {
    match (entry.verdict, entry.is_canary()) {
        _ if entry.is_incomplete => "INCOMPLETE",
        (Verdict::Violation, true) => "FOUND",
        (Verdict::Pass, true) => "MISSED",
        (verdict, _) => verdict_word(verdict),
    }
}

fn scenarios(entries: &[Entry]) -> Vec<Scenario> {
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.scenario.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            let own: Vec<&Entry> = entries.iter().filter(|entry| entry.scenario == name).collect();
            let shown = &own[own.len().saturating_sub(GRID_MAX)..];
            let (class, state) = state(&own);
            Scenario {
                name: name.to_owned(),
                cells: shown.iter().map(|entry| cell(entry)).collect(),
                class,
                state,
            }
        })
        .collect()
}

/// What a cell says when it is pointed at.
fn title(entry: &Entry) -> String {
    let mut parts = vec![word(entry).to_owned(), entry.began.clone()];
    if !entry.seed.is_empty() {
        parts.push(format!("seed {}", entry.seed));
    }
    parts.push(entry.headline.clone());
    parts.extend(entry.objectives.iter().cloned());
    parts.join(" · ")
}

fn cell(entry: &Entry) -> Cell {
    Cell { class: tone(entry), sign: sign(entry), title: title(entry), link: entry.link.clone() }
}

/// New, flaky, steady: how a scenario's newest run compares with the ones before.
fn state(runs: &[&Entry]) -> (&'static str, String) {
    let bad = |entry: &&&Entry| tone(entry) == "violation";
    let failures = runs.iter().filter(bad).count();
    let newest_bad = runs.last().is_some_and(|entry| tone(entry) == "violation");
    // Of a mutant, the bad news is that it went unseen.
    let what = if runs.iter().all(|entry| entry.is_canary()) { "missed " } else { "" };
    match (failures, newest_bad) {
        (0, _) => ("", String::new()),
        (1, true) if runs.len() > 1 => ("bad", "✕ new".to_owned()),
        (1, true) => ("bad", format!("✕ {what}in its only run")),
        (count, true) if count == runs.len() => ("bad", format!("✕ {what}in all {count} runs")),
        (count, _) => {
            let (low, high) = wilson(count, runs.len());
            let text = format!(
                "! {what}{count}/{}, 95 % CI {:.0}–{:.0} %",
                runs.len(),
                low * 100.0,
                high * 100.0
            );
            ("warn", text)
        }
    }
}

/// The 95 % interval of a rate (Wilson's score interval: right for few runs, too).
fn wilson(hits: usize, runs: usize) -> (f64, f64) {
    const Z: f64 = 1.96;
    let (n, p) = (runs.max(1) as f64, hits as f64 / runs.max(1) as f64);
    let centre = p + Z * Z / (2.0 * n);
    let reach = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((centre - reach) / scale).max(0.0), ((centre + reach) / scale).min(1.0))
}

fn signatures(entries: &[Entry]) -> Vec<Signature> {
    let signature =
        |entry: &Entry| entry.figures.as_ref().and_then(|figures| figures.signature.clone());
    let mut names: Vec<String> = entries.iter().rev().filter_map(signature).collect();
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
        .into_iter()
        .map(|name| {
            let own: Vec<&Entry> = entries
                .iter()
                .filter(|entry| signature(entry).as_deref() == Some(name.as_str()))
                .collect();
            let mut scenarios: Vec<&str> =
                own.iter().map(|entry| entry.scenario.as_str()).collect();
            scenarios.sort_unstable();
            scenarios.dedup();
            let are_mutants = own.iter().all(|entry| entry.is_canary());
            let is_newest =
                own.last().zip(entries.last()).is_some_and(|(own, all)| own.id == all.id);
            let (state, class) = match (are_mutants, own.len(), is_newest) {
                (true, ..) => ("mutant", "good"),
                (false, 1, true) => ("✕ new", "bad"),
                _ => ("! seen before", "warn"),
            };
            let last = own.last();
            Signature {
                scenarios: scenarios.join("; "),
                count: own.len(),
                first: own.first().map(|entry| entry.began.clone()).unwrap_or_default(),
                last: last.map(|entry| entry.began.clone()).unwrap_or_default(),
                link: last.map(|entry| entry.link.clone()).unwrap_or_default(),
                name,
                state,
                class,
            }
        })
        .collect()
}

fn row(entry: &Entry) -> Row {
    let dash = || "–".to_owned();
    let figures = entry.figures.as_ref();
    Row {
        began: entry.began.clone(),
        id: entry.id.clone(),
        link: entry.link.clone(),
        scenario: entry.scenario.clone(),
        class: match tone(entry) {
            "pass" => "good",
            "violation" => "bad",
            "error" => "error",
            _ => "warn",
        },
        verdict: format!("{} {}", sign(entry), word(entry)),
        headline: entry.headline.clone(),
        objectives: entry.objectives.clone(),
        seed: entry.seed.clone(),
        ok: figures.map_or_else(dash, |figures| thousands(figures.ok)),
        faults: figures.map_or_else(dash, |figures| {
            format!("{}/{}", figures.faults_effective, figures.faults)
        }),
        failover: figures.and_then(|figures| figures.failover_p50_ns).map_or_else(dash, duration),
        lasted: if entry.duration_ms > 0 {
            duration(entry.duration_ms * 1_000_000)
        } else {
            dash()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, verdict: Verdict, mutant: Option<&str>) -> Entry {
        Entry {
            id: id.to_owned(),
            verdict,
            mutant: mutant.map(str::to_owned),
            scenario: "register · kill".to_owned(),
            ..Entry::default()
        }
    }

    #[test]
    fn the_headline_says_what_changed() {
        let passes = [entry("1", Verdict::Pass, None), entry("2", Verdict::Pass, None)];
        assert_eq!(news(&passes).2, "register · kill holds in all 2 runs");
        let mut runs = passes.to_vec();
        runs.push(entry("3", Verdict::Violation, None));
        assert_eq!(news(&runs).2, "register · kill fails for the first time in 3 runs");
        runs.push(entry("4", Verdict::Violation, None));
        assert_eq!(news(&runs).2, "register · kill fails again: 2 of 4 runs");
        assert_eq!(news(&[]).2, "No run yet");
    }

    #[test]
    fn a_mutant_that_passes_is_the_bad_news() {
        let found = entry("1", Verdict::Violation, Some("vote-volatile"));
        let missed = entry("2", Verdict::Pass, Some("vote-volatile"));
        assert_eq!((tone(&found), word(&found)), ("pass", "FOUND"));
        assert_eq!((tone(&missed), word(&missed)), ("violation", "MISSED"));
    }

    #[test]
    fn a_scenario_says_how_often_it_went_wrong() {
        let runs =
            [entry("1", Verdict::Pass, Some("x")), entry("2", Verdict::Violation, Some("x"))];
        let runs: Vec<&Entry> = runs.iter().collect();
        assert_eq!(state(&runs).1, "! missed 1/2, 95 % CI 9–91 %");
        assert_eq!(state(&runs[1..]).1, "");
        let fresh = [entry("1", Verdict::Pass, None), entry("2", Verdict::Violation, None)];
        assert_eq!(state(&fresh.iter().collect::<Vec<_>>()).1, "✕ new");
    }

    #[test]
    fn a_killed_run_hides_no_verdict() {
        let mut killed = entry("2", Verdict::Undecided, None);
        killed.is_incomplete = true;
        let runs = [entry("1", Verdict::Pass, None), entry("2", Verdict::Violation, None), killed];
        assert_eq!(news(&runs).2, "register · kill fails for the first time in 2 runs");
        assert_eq!(state(&[&runs[1]]).1, "✕ in its only run");
    }

    #[test]
    fn few_runs_give_a_wide_interval() {
        let (low, high) = wilson(8, 10);
        assert!((low - 0.49).abs() < 0.01 && (high - 0.94).abs() < 0.01, "{low} {high}");
        assert!(wilson(0, 40).1 > 0.08);
    }

    #[test]
    fn a_killed_run_stands_at_its_own_time_and_hides_no_later_failure() {
        let at = |id: &str, began: &str, verdict| Entry {
            began: began.to_owned(),
            ..entry(id, verdict, None)
        };
        let mut killed = at("2026-11-24T23-50-00Z-1", "2026-11-24 23:50:00", Verdict::Undecided);
        killed.is_incomplete = true;
        let mut runs = [
            killed,
            at("2026-11-24T23-40-00Z-0", "2026-11-24 23:40:00", Verdict::Pass),
            at("2026-11-24T23-55-00Z-2", "2026-11-24 23:55:00", Verdict::Violation),
        ];
        runs.sort_by(|one, other| one.began.cmp(&other.began));
        assert_eq!(news(&runs).2, "register · kill fails for the first time in 2 runs");
        let shown = page(&runs, 0);
        let verdicts: Vec<&str> = shown.rows.iter().map(|row| row.verdict.as_str()).collect();
        assert_eq!(verdicts, ["✕ VIOLATION", "… INCOMPLETE", "✓ PASS"]);
    }

    #[test]
    fn nothing_is_always_so_that_was_seen_once() {
        let one = [entry("1", Verdict::Violation, None)];
        let shown = page(&one, 0);
        assert_eq!(shown.scenarios[0].state, "✕ in its only run");
        assert_eq!(shown.headline, "register · kill fails");
        let two = [one[0].clone(), entry("2", Verdict::Violation, None)];
        assert_eq!(page(&two, 0).scenarios[0].state, "✕ in all 2 runs");
    }

    #[test]
    fn a_missed_objective_is_told_and_leaves_the_verdict() {
        let mut run = entry("1", Verdict::Pass, None);
        run.objectives = vec!["objective missed: served>=99%, seen 97.1%".to_owned()];
        let shown = page(std::slice::from_ref(&run), 0);
        assert_eq!((shown.rows[0].verdict.as_str(), shown.class), ("✓ PASS", "pass"));
        assert_eq!(shown.rows[0].objectives, run.objectives);
        assert!(shown.explanation.contains("served>=99%"), "{}", shown.explanation);
        assert!(shown.scenarios[0].cells[0].title.ends_with("seen 97.1%"));
        let html = shown.render().unwrap();
        assert!(html.contains("objective missed: served&#62;=99%, seen 97.1%"), "{html}");
    }
}
