//! The first screen: what came out, in words, and the facts a reader asks for first.

use whitewater_checker::Verdict;
use whitewater_checker::analysis::CheckState;
use whitewater_checker::run_folder::Settings;
use whitewater_checker::target::BUNDLED;

use super::section::Fact;
use crate::checks::{self, state_class};
use crate::clock::{Clock, counted, duration, thousands};
use crate::index;
use crate::load::Run;
use crate::palette::look;
use crate::story::scenario;
use crate::story::{Story, lasted, short_title, state_sign, verdict_sign, verdict_word};

/// A fault that ended longer ago than this is not worth a word beside the moment.
const SHORTLY_NS: u64 = 2_000_000_000;

/// The banner's values.
pub(super) struct Banner {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
    /// The explanation around the gap that decides, which is printed strong.
    pub(super) before: String,
    pub(super) strong: String,
    pub(super) after: String,
    /// Where the correlation was taken from.
    pub(super) sources: &'static str,
    pub(super) chips: Vec<Chip>,
    pub(super) facts: Vec<Fact>,
}

/// One check, or one weakness, in a few words.
pub(super) struct Chip {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) text: String,
    pub(super) title: String,
}

impl Banner {
    pub(super) fn of(run: &Run, story: &Story<'_>) -> Banner {
        let (before, strong, after) = emphasised(story);
        let traced = run.statistics.nodes.iter().any(|node| node.from_trace);
        Banner {
            class: match story.verdict {
                Verdict::Pass => "pass",
                Verdict::Violation => "violation",
                Verdict::Undecided => "undecided",
                Verdict::Error => "error",
            },
            sign: verdict_sign(story.verdict),
            word: verdict_word(story.verdict),
            before,
            strong,
            after,
            sources: if traced {
                "traces and fault records"
            } else {
                "status polls and fault records"
            },
            chips: chips(run, story),
            facts: facts(run, story),
        }
    }
}

/// Splits the explanation at the gap's length, so that the eye finds it.
fn emphasised(story: &Story<'_>) -> (String, String, String) {
    let text = &story.explanation;
    let gap_ns = story
        .finding
        .and_then(|finding| finding.witness.as_ref())
        .and_then(|witness| witness.gap.as_ref())
        .map(|gap| gap.gap_ns);
    let ways = gap_ns.map(|ns| {
        [duration(ns), format!("{:.3} ms", ns as f64 / 1e6), format!("{:.1} ms", ns as f64 / 1e6)]
    });
    for phrase in ways.into_iter().flatten() {
        for strong in [format!("{phrase} later"), phrase] {
            if let Some((before, after)) = text.split_once(&strong) {
                return (before.to_owned(), strong, after.to_owned());
            }
        }
    }
    (text.clone(), String::new(), String::new())
}

/// What is wrong by name, then what is weak; what held and what was not looked at as one chip each.
fn chips(run: &Run, story: &Story<'_>) -> Vec<Chip> {
    let sorted = checks::sorted(&run.record.analysis);
    let mut chips: Vec<Chip> = sorted
        .iter()
        .filter(|check| check.state > CheckState::NotExercised)
        .map(|check| Chip {
            class: state_class(check.state),
            sign: state_sign(check.state),
            text: short_title(check),
            title: format!("{}: {}", check.title, check.summary),
        })
        .collect();
    chips.extend(story.weaknesses.iter().map(|weakness| Chip {
        class: "warn",
        sign: "!",
        text: weakness.clone(),
        title: String::new(),
    }));
    for (state, word) in [(CheckState::Holds, "held"), (CheckState::NotExercised, "not exercised")]
    {
        let own: Vec<&str> = sorted
            .iter()
            .filter(|check| check.state == state)
            .map(|check| check.title.as_str())
            .collect();
        if !own.is_empty() {
            chips.push(Chip {
                class: state_class(state),
                sign: state_sign(state),
                text: format!("{} {word}", own.len()),
                title: own.join("; "),
            });
        }
    }
    chips
}

fn facts(run: &Run, story: &Story<'_>) -> Vec<Fact> {
    let record = &run.record;
    let mut facts = Vec::new();
    let at_ns = story.finding.and_then(|finding| finding.at_ns);
    if let Some(at_ns) = at_ns {
        facts.push(Fact::new("When", when(run, at_ns)));
    }
    let fault = story
        .correlation
        .fault
        .and_then(|id| run.recording.faults.iter().find(|fault| fault.id == id));
    if let Some(fault) = fault {
        let value = format!("{} · {} · {}", fault.id, fault.name, fault.nodes.join(" "));
        facts.push(Fact { swatch: look(fault.scope()).class, ..Fact::new("Fault", value) });
    }
    if let Some(signature) = &story.signature {
        facts.push(Fact::code("Signature", signature.clone()));
        let seen = index::earlier(&run.folder, &scenario(record), signature);
        facts.extend(seen.map(|(runs, same)| Fact::new("New?", novelty(runs, same))));
    }
    if let Some(target) = foreign(&record.settings) {
        facts.push(Fact::code("Target", target));
    }
    if let Some(mutant) = &record.settings.mutant {
        facts.push(Fact::code("Mutant", mutant.clone()));
    }
    let total = run.statistics.operations.total();
    let witness = story.witnessed().and_then(|finding| finding.witness.as_ref());
    let faults = counted(run.statistics.faults.len() as u64, "fault");
    let size = match witness {
        Some(witness) => {
            format!("{} operations → {}", thousands(total), witness.operations.len())
        }
        None if run.is_history() => counted(total, "operation"),
        None => format!("{} operations, {faults}", thousands(total)),
    };
    facts.push(Fact::new("Size", size));
    if record.duration_ms > 0 {
        facts.push(Fact::new("Lasted", lasted(record)));
    }
    if let Some(seed) = record.known_seed() {
        facts.push(Fact::code("Seed", seed.to_string()));
    }
    if !record.started_at.is_empty() {
        facts.push(Fact::new("Began", record.started_at.clone()));
    }
    facts
}

/// The server that was tested, where it is not the one of this toolkit.
fn foreign(settings: &Settings) -> Option<String> {
    let is_own = settings.target.is_empty() || settings.target == BUNDLED;
    let program = settings.server.as_ref().map(|it| format!(" · {it}")).unwrap_or_default();
    (!is_own).then(|| format!("{}{program}", settings.target))
}

/// Whether this cause of failure was seen before in the same scenario.
fn novelty(runs: usize, same: usize) -> String {
    let runs = counted(runs as u64, "earlier run");
    match same {
        0 => format!("first time: not in {runs}"),
        same => format!("seen in {same} of {runs}"),
    }
}

/// The moment, the phase, and how it lies to the nearest end of a fault.
fn when(run: &Run, at_ns: u64) -> String {
    let clock = Clock::new(run.record.origin_ns);
    let mut text = clock.moment(at_ns);
    let phase = run.record.phases.iter().rev().find(|(_, begin)| *begin <= at_ns);
    if let Some((name, _)) = phase {
        text.push_str(&format!(", in phase {name}"));
    }
    let faults = run.statistics.faults.iter();
    let spans = faults.filter_map(|fault| Some((fault.id, fault.start_ns?, fault.end_ns?)));
    let begun: Vec<_> = spans.filter(|(_, from, _)| *from <= at_ns).collect();
    let in_force = begun.iter().filter(|(_, _, to)| *to > at_ns).max_by_key(|(_, from, _)| *from);
    let ended = begun
        .iter()
        .filter(|(_, _, to)| *to <= at_ns && at_ns - to < SHORTLY_NS)
        .max_by_key(|(_, _, to)| *to);
    if let Some((id, from, _)) = in_force {
        text.push_str(&format!(" · {} into fault {id}", duration(at_ns - from)));
    } else if let Some((id, _, to)) = ended {
        text.push_str(&format!(" · {} after fault {id} ended", duration(at_ns - to)));
    }
    text
}
