//! `whitewater replay-journal`: puts nodes' journals through the protocol core again.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde_json::json;
use whitewater_server::Mutant;
use whitewater_server::journal::{JournalError, Replayed, UnderRules, replay};

use crate::conformance::{journals, lines, name};
use crate::exit::{Exit, Refusal};
use crate::flags::StoreArguments;
use crate::invocation;
use crate::long_work::LongWork;
use crate::progress::{Loudness, print, print_error, print_json};
use crate::store::Store;

/// `whitewater replay-journal`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayJournalArguments {
    /// A journal, or a run with journals: a folder, the beginning of its id, latest, last-failed
    #[arg(value_name = "FILE|RUN")]
    pub(crate) subject: String,
    /// Replay by other rules than those recorded under: a mutant's, or `none` for the paper's
    #[arg(long, value_name = "NAME")]
    pub(crate) mutant: Option<Rules>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Print one JSON object a line on stdout, one for each journal
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  whitewater replay-journal runs/latest/journal/n1-boot1.journal   must come out alike, byte for byte
  whitewater replay-journal latest --mutant none                   where did a mutant leave the paper's rules?

Exit codes: 0 alike, 1 different, 2 no journal of this format there, 4 damaged or unreadable.";

/// The paper's rules, or a mutant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules(Option<Mutant>);

impl FromStr for Rules {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "none" {
            return Ok(Rules(None));
        }
        name.parse().map(|mutant| Rules(Some(mutant))).map_err(|error| format!("{error}, none"))
    }
}

/// Carries out `replay-journal`.
pub(crate) fn run(arguments: &ReplayJournalArguments) -> anyhow::Result<Exit> {
    let rules = arguments.mutant.map_or(UnderRules::Recorded, |Rules(rules)| UnderRules::Of(rules));
    let mut exit = Exit::Pass;
    let work = LongWork::begin("replaying", Loudness { json: arguments.json, quiet: false });
    let subjects = subjects(arguments)?;
    for (done, path) in subjects.iter().enumerate() {
        work.at("replaying", done as u64, subjects.len() as u64, "journals");
        let start = Instant::now();
        let replayed = match replay(path, rules) {
            Ok(replayed) => replayed,
            Err(error @ JournalError::NoHeader { .. }) if !is_file(arguments) => {
                // A run has its kills; one that struck a start is told, and is no error.
                work.aside(|| print_error(&error.to_string()));
                continue;
            }
            Err(error) => return Err(refused(&error).into()),
        };
        let time = start.elapsed();
        if replayed.divergence.is_some() {
            exit = Exit::Violation;
        }
        work.aside(|| match arguments.json {
            true => print_json(&object(path, &replayed, time)),
            false => print(&text(path, &replayed, time)),
        });
    }
    Ok(exit)
}

fn is_file(arguments: &ReplayJournalArguments) -> bool {
    Path::new(&arguments.subject).is_file()
}

fn subjects(arguments: &ReplayJournalArguments) -> anyhow::Result<Vec<PathBuf>> {
    if is_file(arguments) {
        return Ok(vec![arguments.subject.clone().into()]);
    }
    let run = Store::new(arguments.store.runs_dir.clone()).find(&arguments.subject)?;
    let found = journals(&run.path).context("list the journals")?;
    if found.is_empty() {
        let text = format!(
            "{} has no journals: they are written by `{}`",
            run.path.display(),
            invocation::command(["run", "--journal"])
        );
        return Err(Refusal::Usage(text).into());
    }
    Ok(found)
}

fn refused(error: &JournalError) -> Refusal {
    match error.is_usage() {
        true => Refusal::Usage(error.to_string()),
        false => Refusal::Environment(error.to_string()),
    }
}

fn rules_name(mutant: Option<Mutant>) -> String {
    mutant.map_or("none".into(), |mutant| mutant.to_string())
}

fn text(path: &Path, replayed: &Replayed, time: Duration) -> String {
    let Replayed { header, steps, entries, bytes, .. } = replayed;
    let mut text = format!(
        "{}  {steps} steps, {entries} entries, {:.1} MB in {:.2} s, {:.0} steps/s",
        name(path),
        *bytes as f64 / 1e6,
        time.as_secs_f64(),
        *steps as f64 / time.as_secs_f64().max(1e-9),
    );
    let (recorded, by) = (header.mutant.as_deref().unwrap_or("none"), rules_name(replayed.mutant));
    if recorded != "none" || by != "none" {
        text += &format!(", recorded under mutant {recorded}, replayed under {by}");
    }
    if header.build != env!("CARGO_PKG_VERSION") {
        text += &format!(", written by build {}", header.build);
    }
    if let Some(torn) = replayed.torn {
        text += &format!(", a torn tail of {} bytes at byte {} left out", torn.bytes, torn.offset);
    }
    match &replayed.divergence {
        None => text += ": alike\n",
        Some(divergence) => {
            text +=
                &format!(": DIFFERENT at step {}\n  {}\n", divergence.step, divergence.headline);
            text.extend(lines(divergence).iter().map(|line| format!("    {line}\n")));
            text += &format!("    and {} lines alike\n", divergence.alike);
        }
    }
    text
}

fn object(path: &Path, replayed: &Replayed, time: Duration) -> serde_json::Value {
    let header = &replayed.header;
    let divergence = replayed.divergence.as_ref().map(|it| {
        json!({
            "step": it.step, "headline": it.headline, "inputs": it.inputs,
            "recorded": it.recorded, "replayed": it.replayed, "alike": it.alike,
        })
    });
    json!({
        "event": "journal", "path": path, "node": header.settings.id, "boot": header.boot,
        "build": header.build, "recorded_mutant": header.mutant,
        "replayed_mutant": replayed.mutant.map(|mutant| mutant.to_string()),
        "steps": replayed.steps, "entries": replayed.entries, "bytes": replayed.bytes,
        "time_s": time.as_secs_f64(),
        "torn": replayed.torn.map(|torn| json!({"offset": torn.offset, "bytes": torn.bytes})),
        "divergence": divergence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_the_papers_or_a_mutants() {
        assert_eq!("none".parse(), Ok(Rules(None)));
        assert_eq!("no-dedupe".parse(), Ok(Rules(Some(Mutant::NoDedupe))));
        let error = "nobody".parse::<Rules>().unwrap_err();
        assert!(error.contains("known are") && error.ends_with(", none"), "{error}");
    }
}
