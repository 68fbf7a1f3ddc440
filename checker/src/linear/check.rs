//! All keys of a history: in parallel, easy ones first, within one budget.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::search::Budget;
use super::setting::{Decision, Setting};
use super::witness::{Confirmed, Known, Traces};
use crate::analysis::Finding;
use crate::history::{ByKey, History};
use crate::key_report::KeyReport;
use crate::object::ModelKind;
use crate::object::register::Scratch;
use crate::options::{Options, Progress};
use crate::verdict::Verdict;

/// Steps of each search in the first look at every key. Nearly all keys need fewer, and the hard ones
/// shall not keep the others waiting.
const FIRST_LOOK_STEPS: u64 = 100_000;

/// Violations that are shrunk and explained. One is enough to act on; a few show whether they are
/// of one kind.
const EXPLAINED_MAX: usize = 5;

/// How long all explanations may take beyond the verdict. A witness of the zones needs microseconds; a
/// search's needs some hundred judgements.
const EXPLAIN_TIME: Duration = Duration::from_secs(8);

/// What the whole may take, explanations included, as a part of the budget.
const BEYOND_BUDGET: f64 = 1.06;

/// What each explanation gets at least.
const EXPLAIN_TIME_MIN: Duration = Duration::from_secs(1);

/// What the program itself takes, out of the memory that is asked for: its code, its threads, the allocator.
const PROGRAM_BYTES: u64 = 16 << 20;

/// What is left for the searches of some memory. A quarter is the most that the program is given, and of the rest a
/// quarter is the allocator's: what a table left behind when it grew, or a search that gave up, stays with it for some
/// tenths of a second.
fn of_searches(memory_bytes: u64) -> u64 {
    (memory_bytes - PROGRAM_BYTES.min(memory_bytes / 4)) / 4 * 3
}

/// Keys between two calls of the progress sink.
const KEYS_PER_TELL: u64 = 64;

/// Keys listed with their times.
const SLOWEST_MAX: usize = 20;

/// What the check of a history came to.
#[derive(Debug, Default)]
pub(crate) struct Linearizability {
    pub(crate) verdict: Verdict,
    pub(crate) findings: Vec<Finding>,
    /// Keys that violate, explained or not.
    pub(crate) violations: u64,
    pub(crate) undecided: u64,
    pub(crate) keys_by_method: BTreeMap<String, u64>,
    pub(crate) configurations: u64,
    pub(crate) slowest: Vec<KeyReport>,
}

/// A key with what it came to.
struct Decided {
    key: u32,
    decision: Decision,
    time: Duration,
}

/// Checks every key.
pub(crate) fn check(
    history: &History,
    model: ModelKind,
    traces: Option<&Traces<'_>>,
    options: &Options,
) -> Linearizability {
    let known = &Known::new(history, traces);
    let by_key = history.by_key();
    let begun = Instant::now();
    let budget = Budget::new(begun + options.budget, of_searches(options.memory_bytes));
    let setting = Setting { history, model, known, search_only: false, side_by_side: false };
    let mut decided = first_look(&setting, by_key, &budget, options);
    let has_violation = decided.iter().any(|decided| decided.decision.linearizable == Some(false));
    // One violation decides the history; then the hard keys are not worth the time.
    if !has_violation {
        long_look(&setting, by_key, &budget, &mut decided);
    }
    let end = Instant::now() + EXPLAIN_TIME;
    let end = end.min(begun + options.budget.mul_f64(BEYOND_BUDGET));
    summarize(&setting, by_key, decided, &Budget::new(end, of_searches(options.memory_bytes)))
}

/// Every key with all linear methods and a short search.
fn first_look(
    setting: &Setting<'_>,
    by_key: &ByKey,
    budget: &Budget,
    options: &Options,
) -> Vec<Decided> {
    let keys_total = setting.history.keys() as u64;
    let done = AtomicU64::new(0);
    let mut order: Vec<u32> = (0..keys_total as u32).collect();
    // Longest first, so that no long one is left for the end, when the other workers are idle.
    order.sort_by_key(|&key| std::cmp::Reverse(by_key.operations(key).len()));
    let short = budget.at_most(FIRST_LOOK_STEPS);
    let decide = |scratch: &mut Scratch, &key: &u32| {
        let begun = Instant::now();
        let decision = setting.decide(by_key.operations(key), &short, scratch);
        let keys = done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(progress) = &options.progress
            && (keys.is_multiple_of(KEYS_PER_TELL) || keys == keys_total)
        {
            progress.tell(Progress::Checking { keys, keys_total });
        }
        Decided { key, decision, time: begun.elapsed() }
    };
    order.par_iter().map_init(Scratch::default, decide).collect()
}

/// The keys that the first look left open, each with its share of the time that is left.
fn long_look(setting: &Setting<'_>, by_key: &ByKey, budget: &Budget, decided: &mut [Decided]) {
    let mut open: Vec<&mut Decided> =
        decided.iter_mut().filter(|decided| decided.decision.linearizable.is_none()).collect();
    let threads = rayon::current_num_threads();
    let few = open.len() < threads.max(2);
    let setting = Setting { side_by_side: few, ..*setting };
    open.sort_by_key(|decided| by_key.operations(decided.key).len());
    let left = AtomicU64::new(open.len() as u64);
    let look = |decided: &mut Decided| {
        let begun = Instant::now();
        let waiting = left.fetch_sub(1, Ordering::Relaxed).max(1);
        let rest = budget.deadline().saturating_duration_since(begun);
        let share = rest.mul_f64((threads as f64 / waiting as f64).min(1.0));
        let own = budget.until(begun + share);
        let before = decided.decision.configurations;
        let operations = by_key.operations(decided.key);
        decided.decision = setting.decide(operations, &own, &mut Scratch::default());
        decided.decision.configurations += before;
        decided.time += begun.elapsed();
    };
    if few {
        open.into_iter().for_each(look);
    } else {
        open.into_par_iter().for_each(look);
    }
}

fn summarize(
    setting: &Setting<'_>,
    by_key: &ByKey,
    mut decided: Vec<Decided>,
    budget: &Budget,
) -> Linearizability {
    let end = budget.deadline();
    let mut result = Linearizability::default();
    // In the order of the keys, so that a check says the same each time.
    decided.sort_unstable_by_key(|decided| decided.key);
    for Decided { key, decision, time } in &mut decided {
        if decision.linearizable != Some(false) {
            continue;
        }
        result.violations += 1;
        if result.findings.len() >= EXPLAINED_MAX {
            continue;
        }
        let begun = Instant::now();
        let share = (end.saturating_duration_since(begun) / 2).max(EXPLAIN_TIME_MIN);
        let budget = budget.until(begun + share);
        match setting.explain(by_key.operations(*key), decision, budget, end) {
            Confirmed::Finding(finding) => result.findings.push(*finding),
            Confirmed::Unconfirmed(why) => {
                result.violations -= 1;
                decision.linearizable = None;
                decision.progress = Some(why.to_owned());
            }
        }
        *time += begun.elapsed();
    }
    for Decided { key, decision, .. } in &decided {
        let method = match decision.linearizable {
            Some(_) => decision.method,
            None => "undecided",
        };
        *result.keys_by_method.entry(method.to_owned()).or_default() += 1;
        result.configurations += decision.configurations;
        if decision.linearizable.is_none() {
            result.undecided += 1;
            let others_violate = result.violations > 0;
            result.findings.push(undecided(setting, by_key, *key, decision, others_violate));
        }
    }
    result
        .findings
        .truncate(EXPLAINED_MAX.max(result.violations.min(EXPLAINED_MAX as u64) as usize));
    result.verdict = match (result.violations, result.undecided) {
        (0, 0) => Verdict::Pass,
        (0, _) => Verdict::Undecided,
        _ => Verdict::Violation,
    };
    result.slowest = slowest(setting, by_key, &mut decided);
    result
}

fn undecided(
    setting: &Setting<'_>,
    by_key: &ByKey,
    key: u32,
    decision: &Decision,
    others_violate: bool,
) -> Finding {
    let name = setting.history.key(key);
    let progress = decision.progress.as_deref().unwrap_or("not begun");
    Finding {
        anomaly: "budget".to_owned(),
        headline: if others_violate {
            "The search of a key was cut short, because another key decides the verdict.".to_owned()
        } else {
            "The search ran out of its budget before it found an answer.".to_owned()
        },
        explanation: format!(
            "Key {name:?} has {} operations; got this far: {progress}. More time or memory may decide it; \
             a workload that writes every value once and rotates keys would be decided at once.",
            by_key.operations(key).len(),
        ),
        key: (!name.is_empty()).then(|| name.to_owned()),
        ..Finding::default()
    }
}

fn slowest(setting: &Setting<'_>, by_key: &ByKey, decided: &mut [Decided]) -> Vec<KeyReport> {
    let place = decided.len().min(SLOWEST_MAX);
    if place < decided.len() {
        decided.select_nth_unstable_by_key(place, |decided| std::cmp::Reverse(decided.time));
    }
    let slowest = &mut decided[..place];
    slowest.sort_unstable_by_key(|decided| std::cmp::Reverse(decided.time));
    slowest
        .iter()
        .map(|Decided { key, decision, time }| KeyReport {
            key: setting.history.key(*key).to_owned(),
            operations: by_key.operations(*key).len() as u64,
            method: decision.method.to_owned(),
            configurations: decision.configurations,
            ms: time.as_secs_f64() * 1e3,
            verdict: match decision.linearizable {
                Some(true) => Verdict::Pass,
                Some(false) => Verdict::Violation,
                None => Verdict::Undecided,
            },
            progress: decision.progress.clone(),
        })
        .collect()
}
