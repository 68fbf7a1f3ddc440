//! The page of a history without a run around it: what its operations tell, and nothing else. No seed,
//! no nodes, no faults, no traces: whatever was not recorded is not shown.

use std::collections::{BTreeMap, HashMap};

use whitewater_checker::analysis::{Analysis, CheckState, Finding, Witness, WitnessOperation};
use whitewater_checker::history::{Function, History, NEVER, NEVER_NS, Operation, Outcome, Value};
use whitewater_checker::statistics::{self, Recording, Statistics};

use crate::clock::{counted, thousands};
use crate::correlation::Correlation;
use crate::load::Run;
use crate::page::{Extra, KeyRow, Lanes};
use crate::story::{Command, Story};
use crate::timeline;
use whitewater_checker::run_folder::RunRecord;

/// Keys listed at most, broken ones first.
const KEYS_MAX: usize = 1_000;
/// Operations of the picture of a key at most: more hide each other.
const PICTURE_MAX: usize = 40;

/// A run that holds a history alone. `name` is what the reader calls it.
pub(crate) fn run_of(history: &History, analysis: &Analysis, name: &str) -> Run {
    let recording = recording(history);
    let record = RunRecord {
        id: name.to_owned(),
        verdict: analysis.verdict,
        origin_ns: recording.first_ns,
        analysis: analysis.clone(),
        ..RunRecord::default()
    };
    let statistics = Statistics::of_recording(&recording);
    Run { folder: Default::default(), record, recording, statistics }
}

/// The run in words, without what a history does not tell.
pub(crate) fn story_of<'a>(run: &'a Run, command: &str) -> Story<'a> {
    let mut story = Story::of(run);
    let figures = &run.statistics;
    story.correlation = Correlation::default();
    story.signature = None;
    let line = command.to_owned();
    story.commands = vec![Command { title: "Judge this history again", line }];
    if story.finding.is_none() {
        let held = run.record.analysis.verdict == whitewater_checker::Verdict::Pass;
        story.headline = match held {
            true => format!("Nothing wrong in {} ok operations", thousands(figures.operations.ok)),
            false => "The history has no verdict".to_owned(),
        };
        story.explanation = format!(
            "{} of {} client processes on {} were looked at. The verdict covers this history and nothing \
             else.",
            counted(figures.operations.total(), "operation"),
            thousands(figures.processes),
            counted(figures.keys, "key"),
        );
    }
    story
}

/// All keys with their verdicts, and a picture of one where no violation has its own.
pub(crate) fn extra(run: &Run, history: &History) -> Extra {
    let (keys, keys_left_out) = keys(&run.record.analysis, history);
    let lanes = picture(run, history);
    Extra { keys, keys_left_out, lanes, has_folder: false }
}

fn recording(history: &History) -> Recording {
    let (mut functions, mut nodes) = (Vec::<String>::new(), Vec::<String>::new());
    let mut numbers: HashMap<String, u16> = HashMap::new();
    let mut number = |names: &mut Vec<String>, kind: char, name: &str| {
        *numbers.entry(format!("{kind}{name}")).or_insert_with(|| {
            names.push(name.to_owned());
            u16::try_from(names.len() - 1).unwrap_or(u16::MAX)
        })
    };
    let operations: Vec<statistics::Operation> = history
        .operations
        .iter()
        .map(|one| statistics::Operation {
            process: one.process,
            invoked_at_ns: one.invoked_at_ns,
            completed_at_ns: end(one),
            key: Some(one.key),
            function: number(&mut functions, 'f', one.function.word()),
            node: history.node(one).map(|node| number(&mut nodes, 'n', node)),
            outcome: match one.outcome {
                Outcome::Ok => statistics::Outcome::Ok,
                Outcome::Fail | Outcome::Rejected => statistics::Outcome::Fail,
                Outcome::Info => statistics::Outcome::Info,
            },
        })
        .collect();
    let begins = operations.iter().map(|one| one.invoked_at_ns);
    let ends = operations.iter().filter_map(|one| one.completed_at_ns);
    let mut recording = Recording {
        first_ns: begins.clone().min().unwrap_or_default(),
        last_ns: begins.chain(ends).max().unwrap_or_default(),
        keys: (0..history.keys() as u32).map(|key| history.key(key).to_owned()).collect(),
        functions,
        nodes,
        operations,
        ..Recording::default()
    };
    recording.operations.sort_by_key(|one| one.invoked_at_ns);
    recording
}

fn end(operation: &Operation) -> Option<u64> {
    (operation.completed != NEVER && operation.completed_at_ns != NEVER_NS)
        .then_some(operation.completed_at_ns)
}

/// What is known of each key: one without a finding holds only where the whole history does, for not
/// every violating key need have a finding of its own.
fn keys(analysis: &Analysis, history: &History) -> (Vec<KeyRow>, usize) {
    let mut states: BTreeMap<&str, CheckState> = BTreeMap::new();
    let mut all_hold = false;
    for check in analysis.checks.iter().filter(|check| check.name == "linearizability") {
        all_hold = check.state == CheckState::Holds;
        for finding in &check.findings {
            let state = match finding.witness {
                Some(_) => CheckState::Broken,
                None => CheckState::Undecided,
            };
            let known = states.entry(finding.key.as_deref().unwrap_or_default()).or_insert(state);
            *known = state.max(*known);
        }
    }
    let mut rows: Vec<KeyRow> = (0..history.keys() as u32)
        .map(|number| {
            let key = history.key(number);
            let (class, word) = match states.get(key) {
                Some(CheckState::Broken) => ("bad", "broken"),
                Some(_) => ("warn", "see the findings"),
                None if all_hold => ("good", "holds"),
                None => ("idle", "no violation shown"),
            };
            let operations = history.by_key().operations(number).len();
            KeyRow { key: key.to_owned(), operations, class, word }
        })
        .collect();
    let rank =
        |row: &KeyRow| ["bad", "warn", "idle", "good"].iter().position(|one| *one == row.class);
    rows.sort_by_key(rank);
    let left_out = rows.len().saturating_sub(KEYS_MAX);
    rows.truncate(KEYS_MAX);
    (rows, left_out)
}

/// The first operations of the key with the most, a lane for each client.
fn picture(run: &Run, history: &History) -> Option<Lanes> {
    if run.record.analysis.checks.iter().any(|check| !check.findings.is_empty()) {
        return None;
    }
    let by_key = history.by_key();
    let key = (0..history.keys() as u32).max_by_key(|key| by_key.operations(*key).len())?;
    let shown = by_key.operations(key).iter().take(PICTURE_MAX).enumerate();
    let operations: Vec<WitnessOperation> = shown
        .map(|(place, index)| {
            let one = &history.operations[*index as usize];
            WitnessOperation {
                label: (place + 1).to_string(),
                process: one.process,
                f: one.function.word().to_owned(),
                text: text(history, one),
                invoked_at_ns: one.invoked_at_ns,
                completed_at_ns: end(one),
                outcome: one.outcome.word().to_owned(),
                node: history.node(one).map(str::to_owned),
                term: None,
                essential: true,
                ..WitnessOperation::default()
            }
        })
        .collect();
    let witness = Some(Witness { operations, ..Witness::default() });
    let picture = timeline::draw(run, &Finding { witness, ..Finding::default() })?;
    let all = by_key.operations(key).len();
    let which = match all.min(PICTURE_MAX) {
        shown if shown == all => format!("all its {}", counted(all as u64, "operation")),
        shown => format!("the first {shown} of its {}", counted(all as u64, "operation")),
    };
    let name = match history.key(key) {
        "" => String::new(),
        name => format!("{name} · "),
    };
    Some(Lanes { note: format!("{name}{which}, a lane for each client"), picture })
}

fn text(history: &History, one: &Operation) -> String {
    let (word, value) = (one.function.word(), history.values.words(one.value));
    match (one.function, one.outcome) {
        (Function::Drain, Outcome::Ok) if one.value == Value::UNTOLD => {
            format!("{word} → nothing")
        }
        (Function::Read | Function::Dequeue | Function::Drain, Outcome::Ok) => {
            format!("{word} → {value}")
        }
        (Function::Read | Function::Dequeue | Function::Drain, _) => word.to_owned(),
        (Function::Cas, _) => format!("{word} {value} → {}", history.values.words(one.second)),
        (Function::Acquire | Function::Release | Function::Delete, _) => word.to_owned(),
        _ => format!("{word} {value}"),
    }
}
