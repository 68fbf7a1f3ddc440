//! What the reports of failure runs say: whether they lead with what the bug breaks, whether one bug has one
//! signature, whether the witness file is judged as the page tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::Value;
use whitewater_checker::Verdict;
use whitewater_checker::analysis::Finding;
use whitewater_checker::ranking;
use whitewater_checker::run_folder::{LATEST, REPORT, RUN, RunRecord, WITNESS};
use whitewater_server::mutants::CATALOGUE;

use crate::ended::{Ended, Read};

/// Nine of ten reports name the rule.
const LEADING_SHARE_MIN: f64 = 0.9;
/// Eight of ten bugs have one signature.
const SIGNATURE_SHARE_MIN: f64 = 0.8;

/// Reads the newest run of this folder.
pub(crate) fn read(program: &Path, runs: &Path, mutant: &str) -> anyhow::Result<Ended> {
    let is_real = runs.file_name().is_some_and(|name| name.to_string_lossy().ends_with("real"));
    let Some(run) = newest(runs) else {
        let read =
            Read { mutant: mutant.into(), is_real, signature: None, leads: false, witness: None };
        return Ok(Ended { is_good: false, told: "no run is kept".into(), read: Some(read) });
    };
    let analysis = RunRecord::read(&run)?.context("the run has no record")?.analysis;
    let card = CATALOGUE.iter().find(|card| card.name == mutant).context("no such mutant")?;
    let found = ranking::leading(&analysis).filter(|_| analysis.verdict == Verdict::Violation);
    let page = fs::read_to_string(run.join(REPORT))?;
    let leads = found.is_some_and(|(check, finding)| {
        card.leads.contains(&check.name.as_str()) && has_title(&page, &finding.headline)
    });
    let witness = match ranking::seen_by_clients(&analysis) {
        Some((_, finding)) => Some(agrees(program, &run, finding)?),
        None => None,
    };
    let signature = ranking::signature(&analysis);
    let told = match found {
        None => format!("not found: {}", analysis.verdict),
        Some((check, finding)) => {
            let witness = match witness {
                None => "no witness",
                Some(true) => "witness agrees",
                Some(false) => "WITNESS DIFFERS",
            };
            format!("{}: {} ({witness})", check.name, finding.headline)
        }
    };
    // A real run need not meet the moment that a bug waits for; the share of all is judged.
    let is_good = leads && witness != Some(false);
    let read = Read { mutant: mutant.into(), is_real, signature, leads, witness };
    Ok(Ended { is_good, told, read: Some(read) })
}

fn newest(runs: &Path) -> Option<PathBuf> {
    let latest = runs.join(LATEST).canonicalize().ok()?;
    latest.join(RUN).is_file().then_some(latest)
}

/// Whether the page's first heading is this sentence, which has no full stop there.
fn has_title(page: &str, headline: &str) -> bool {
    let escaped = headline
        .trim_end_matches('.')
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let Some(at) = page.find("<h1") else { return false };
    let heading = &page[at..];
    let end = heading.find("</h1>").unwrap_or(heading.len());
    let plain =
        |text: &str| text.replace("&#39;", "'").replace("&#x27;", "'").replace("&quot;", "\"");
    plain(&heading[..end]).contains(&plain(&escaped))
}

/// Whether the witness file alone gives the class and the sentences of the page.
fn agrees(program: &Path, run: &Path, finding: &Finding) -> anyhow::Result<bool> {
    let file = WITNESS.path(run);
    if !file.is_file() {
        return Ok(false);
    }
    let output = Command::new(program).arg("check").arg(&file).arg("--json").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(told) = text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok())
    else {
        return Ok(false);
    };
    let checks = told["checks"].as_array().or(told["analysis"]["checks"].as_array());
    let alike = |other: &Value| {
        other["anomaly"] == finding.anomaly.as_str()
            && other["headline"] == finding.headline.as_str()
            && other["explanation"] == finding.explanation.as_str()
    };
    let findings = checks.into_iter().flatten().filter_map(|check| check["findings"].as_array());
    Ok(findings.flatten().any(alike))
}

/// The failure runs among these, summed up.
struct Sum {
    runs: usize,
    leading: usize,
    signatures: BTreeMap<(String, bool), BTreeSet<String>>,
    witnesses: usize,
    agreeing: usize,
}

impl Sum {
    fn of<'a>(reads: impl Iterator<Item = &'a Read>) -> Self {
        let mut sum =
            Self { runs: 0, leading: 0, signatures: BTreeMap::new(), witnesses: 0, agreeing: 0 };
        // A run that did not meet its bug has no report to read; the table tells of it.
        for read in reads {
            let Some(signature) = &read.signature else { continue };
            sum.runs += 1;
            sum.leading += usize::from(read.leads);
            let of_bug = sum.signatures.entry((read.mutant.clone(), read.is_real)).or_default();
            of_bug.insert(signature.clone());
            sum.witnesses += usize::from(read.witness.is_some());
            sum.agreeing += usize::from(read.witness == Some(true));
        }
        sum
    }

    fn alike(&self) -> usize {
        self.signatures.values().filter(|all| all.len() == 1).count()
    }

    #[allow(clippy::cast_precision_loss, reason = "a few dozen runs")]
    fn is_good(&self) -> bool {
        let share =
            |part: usize, all: usize| all == 0 || part as f64 / all as f64 >= LEADING_SHARE_MIN;
        let alike = self.signatures.is_empty()
            || self.alike() as f64 / self.signatures.len() as f64 >= SIGNATURE_SHARE_MIN;
        share(self.leading, self.runs) && alike && self.agreeing == self.witnesses
    }
}

/// Whether the failure runs together are good enough.
pub(crate) fn is_good<'a>(reads: impl Iterator<Item = &'a Read>) -> bool {
    Sum::of(reads).is_good()
}

/// The failure runs in a few lines; empty where there are none.
pub(crate) fn told<'a>(reads: impl Iterator<Item = &'a Read>) -> String {
    let sum = Sum::of(reads);
    if sum.runs == 0 {
        return String::new();
    }
    let mut text = format!(
        "\n{} failure runs: {} lead with a check of their bug's card; {} of {} bugs have one signature; {} of {} \
         witness files agree with their page\n",
        sum.runs,
        sum.leading,
        sum.alike(),
        sum.signatures.len(),
        sum.agreeing,
        sum.witnesses
    );
    for ((mutant, is_real), all) in sum.signatures.iter().filter(|(_, all)| all.len() > 1) {
        let place = if *is_real { "real" } else { "simulated" };
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        text += &format!("  {mutant}, {place}: {}\n", all.join(", "));
    }
    text
}
