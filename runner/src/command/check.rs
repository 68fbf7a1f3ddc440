//! `whitewater check`: judges a stored run, or a history file of any origin, again.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use whitewater_checker::analysis::{Analysis, Witness};
use whitewater_checker::generate::{Generate, generate};
use whitewater_checker::history;
use whitewater_checker::object::ModelKind;
use whitewater_checker::objectives::Outcomes;
use whitewater_checker::options::{FailedCas, Format, Initial, Progress, ProgressSink};
use whitewater_checker::run_folder::{HISTORY, RUN};
use whitewater_checker::{
    CheckError, HistoryReport, Options, Verdict, check_history, check_reader,
    check_run_with_report, check_source, objectives_of_run,
};

use super::allocator;
use super::check_text::Told;
use super::rejudge::Judgement;
use crate::conformance;
use crate::exit::{Exit, Expectation, Refusal, expected};
use crate::flags::{StoreArguments, duration};
use crate::long_work::LongWork;
use crate::progress::{Loudness, print, print_error, print_json};
use crate::sentence::failed;
use crate::store::Store;

/// What searches may hold where nobody says.
const MEMORY_DEFAULT_BYTES: u64 = 2 << 30;

/// Stands for standard input, as everywhere.
const STANDARD_INPUT: &str = "-";

/// `whitewater check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// A run (a folder, the beginning of its id, latest, last-failed), a history file, or - for
    /// standard input
    #[arg(value_name = "RUN|FILE")]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// How long the checker may search
    #[arg(long, env = "WHITEWATER_CHECK_BUDGET", default_value = "60s", value_parser = duration, value_name = "DURATION")]
    pub(crate) budget: Duration,
    /// How much memory the searches may take, for example 4GiB [default: 2GiB]
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    pub(crate) memory: Option<u64>,
    /// Worker threads; 0: one per core
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,
    /// How a history file is written; told by its content if not given
    #[arg(long, value_name = "FORMAT", value_parser = Format::ALL.map(Format::word))]
    pub(crate) format: Option<String>,
    #[arg(long, value_name = "MODEL", help = model_help())]
    pub(crate) model: Option<ModelKind>,
    /// What every key holds before its first operation (JSON, or a word), or one key: KEY=VALUE.
    /// May be given several times; null if not given
    #[arg(long, value_name = "VALUE|KEY=VALUE")]
    pub(crate) initial: Vec<String>,
    /// What a cas says that failed without an error: the value was another (mismatch; JSON), or
    /// nothing (EDN, logs). Told by the format if not given
    #[arg(long, value_name = "MEANING", value_parser = ["mismatch", "nothing"])]
    pub(crate) failed_cas: Option<String>,
    /// Also write the report as one page
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Also write the checks as a JUnit file
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Also write the history as Jepsen's history.edn, for a second opinion
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// Write a made-up history to FILE instead, for example operations=1000000,keys=10000,seed=1
    #[arg(long, value_name = "SETTINGS")]
    pub(crate) generate: Option<whitewater_checker::generate::Generate>,
    /// Expect a violation, of this check if one is named (a positive control): exit 0 where it is found, 3
    /// where it is not
    #[arg(long, value_name = "violation[:CHECK]")]
    pub(crate) expect: Option<Expectation>,
    /// Of a run: replace the verdict in run.json by this one, and draw its reports and the index again
    #[arg(long)]
    pub(crate) write: bool,
    /// Tell of every check, every finding, and the lines that prove it
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `--model` takes.
fn model_help() -> String {
    format!("What the objects are: {}. Told by the operations if not given", ModelKind::listed())
}

/// Reads an amount of memory: `512MiB`, `4GiB`, or plain bytes.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
        .unwrap_or((text, 1));
    let number: u64 = number.trim().parse().map_err(|_| {
        format!("{text:?} is no amount of memory; write for example 512MiB or 4GiB")
    })?;
    number.checked_mul(unit).ok_or_else(|| format!("{text:?} is more than 64 bits of bytes"))
}

/// Carries out `check`.
pub(crate) fn run(arguments: &CheckArguments) -> anyhow::Result<Exit> {
    if arguments.memory.is_some() {
        allocator::give_back_at_once();
    }
    let path = Path::new(&arguments.subject);
    let in_store = history::in_store(path);
    let path = in_store.as_deref().unwrap_or(path);
    let is_standard_input = arguments.subject == STANDARD_INPUT;
    if is_standard_input && (arguments.generate.is_some() || arguments.export.is_some()) {
        let reason = "standard input is read once; give --generate and --export a file";
        return Err(Refusal::Usage(reason.into()).into());
    }
    if let Some(settings) = arguments.generate {
        return make_up(path, settings);
    }
    if arguments.write && (is_standard_input || path.is_file()) {
        let reason = format!("--write is for a run: a history alone has no {RUN}");
        return Err(Refusal::Usage(reason).into());
    }
    let loudness = Loudness { json: arguments.json, quiet: false };
    let work = Arc::new(LongWork::begin("judging", loudness));
    let judged = judge(arguments, path, is_standard_input, &work)?;
    drop(work);
    tell(arguments, judged)
}

/// Judges what was asked for, with what is to be written on the way.
fn judge(
    arguments: &CheckArguments,
    path: &Path,
    is_standard_input: bool,
    work: &Arc<LongWork>,
) -> anyhow::Result<Judged> {
    let options = options(arguments, work);
    if let Some(target) = &arguments.export {
        export(arguments, path, target, &options)?;
    }
    let wants_report = arguments.report.is_some() || arguments.junit.is_some();
    let is_file = path.exists() && !path.is_dir();
    let mut objectives = Outcomes::default();
    let (analysis, mut figures) = if wants_report && (is_standard_input || is_file) {
        let (analysis, report) = with_report(arguments, path, is_standard_input, &options)?;
        (analysis, of_history(&report))
    } else if is_standard_input {
        let input = Box::new(std::io::stdin());
        let (analysis, report) =
            check_reader("standard input", input, &options).map_err(refused)?;
        (analysis, of_history(&report))
    } else if is_file {
        let (analysis, report) = check_history(path, &options).map_err(refused)?;
        (analysis, of_history(&report))
    } else {
        let judged = of_run(arguments, &options, work)?;
        objectives = judged.objectives;
        (judged.analysis, judged.figures)
    };
    if !objectives.is_empty() {
        figures["objectives"] = json!(objectives);
    }
    Ok(Judged { analysis, figures, objectives })
}

fn tell(arguments: &CheckArguments, judged: Judged) -> anyhow::Result<Exit> {
    let Judged { analysis, figures, objectives } = judged;
    if arguments.json {
        print_json(&result(&analysis, figures));
    } else {
        let told = Told {
            analysis: &analysis,
            figures: &figures,
            objectives: &objectives,
            is_verbose: arguments.verbose,
        };
        print(&told.text());
    }
    let (exit, line) =
        expected(arguments.expect.as_ref(), analysis.verdict, &analysis.broken(), &objectives);
    line.into_iter().for_each(|line| print_error(&line));
    Ok(exit)
}

/// What it came to.
struct Judged {
    analysis: Analysis,
    /// The figures of `--json`.
    figures: Value,
    objectives: Outcomes,
}

fn of_run(
    arguments: &CheckArguments,
    options: &Options,
    work: &LongWork,
) -> anyhow::Result<Judged> {
    let store = Store::new(arguments.store.runs_dir.clone());
    let folder = store.find(&arguments.subject)?;
    let replayed = conformance::has_journals(&folder.path)
        .then(|| conformance::replay_all(&folder.path, work));
    let (analysis, report) =
        check_run_with_report(&folder.path, options, replayed.clone()).map_err(refused)?;
    if arguments.report.is_some() || arguments.junit.is_some() {
        whitewater_reports::write_checked(&folder.path, &analysis, outputs(arguments))
            .context("write what was asked for")?;
    }
    let mut figures = of_history(&report.unwrap_or_default());
    figures["run"] = json!(folder.path);
    let objectives = objectives_of_run(&folder.path).map_err(refused)?;
    let judgement = Judgement { analysis: &analysis, options, objectives: &objectives, replayed };
    figures["recorded"] = judgement.compare(&folder);
    if arguments.write {
        judgement.write(&store, &folder)?;
    }
    Ok(Judged { analysis, figures, objectives })
}

fn outputs(arguments: &CheckArguments) -> whitewater_reports::Outputs<'_> {
    whitewater_reports::Outputs {
        page: arguments.report.as_deref(),
        junit: arguments.junit.as_deref(),
    }
}

/// Judges a history alone and draws it.
fn with_report(
    arguments: &CheckArguments,
    path: &Path,
    is_standard_input: bool,
    options: &Options,
) -> anyhow::Result<(Analysis, HistoryReport)> {
    let name = if is_standard_input { "standard input" } else { &arguments.subject };
    let source = match is_standard_input {
        true => history::read_from(name, Box::new(std::io::stdin()), options),
        false => history::read(path, options),
    };
    let source = source.map_err(refused)?;
    let (analysis, report) = check_source(name, &source, options).map_err(refused)?;
    let command = format!("whitewater check {}", arguments.subject);
    whitewater_reports::write_history(
        &source.history,
        &analysis,
        (name, &command),
        outputs(arguments),
    )
    .context("write what was asked for")?;
    Ok((analysis, report))
}

fn options(arguments: &CheckArguments, work: &Arc<LongWork>) -> Options {
    let word = arguments.format.as_deref();
    let format = Format::ALL.into_iter().find(|one| Some(one.word()) == word);
    let word = arguments.failed_cas.as_deref();
    let failed_cas =
        [FailedCas::Mismatch, FailedCas::Nothing].into_iter().find(|one| Some(one.word()) == word);
    let mut initial = Initial::default();
    arguments.initial.iter().for_each(|text| initial.take(text));
    Options {
        initial,
        failed_cas,
        budget: arguments.budget,
        memory_bytes: arguments.memory.unwrap_or(MEMORY_DEFAULT_BYTES),
        threads: arguments.threads,
        format,
        model: arguments.model,
        progress: Some(sink(work.clone())),
        ..Options::default()
    }
}

/// Tells of bytes while the history is read, then of keys.
fn sink(work: Arc<LongWork>) -> ProgressSink {
    ProgressSink::new(move |progress| match progress {
        Progress::Reading { bytes, bytes_total } => {
            work.at("reading", bytes, bytes_total, "bytes");
        }
        Progress::Checking { keys, keys_total } => work.at("checking", keys, keys_total, "keys"),
    })
}

/// Writes the history as EDN.
fn export(
    arguments: &CheckArguments,
    path: &Path,
    target: &Path,
    options: &Options,
) -> anyhow::Result<()> {
    let source = if path.exists() && !path.is_dir() {
        path.to_owned()
    } else {
        let store = Store::new(arguments.store.runs_dir.clone());
        HISTORY.path(&store.find(&arguments.subject)?.path)
    };
    let source = history::read(&source, options).map_err(refused)?;
    let write = || history::export::edn(&source.history, &mut File::create(target)?);
    write().map_err(|error| {
        Refusal::Environment(failed(&format!("write {}", target.display()), &error))
    })?;
    Ok(())
}

/// Writes a made-up history.
fn make_up(path: &Path, settings: Generate) -> anyhow::Result<Exit> {
    let write = || {
        let mut file = BufWriter::new(File::create_new(path)?);
        let planted = generate(settings, &mut file)?;
        file.flush()?;
        std::io::Result::Ok(planted)
    };
    let planted = write().map_err(|error| {
        Refusal::Environment(failed(&format!("write {}", path.display()), &error))
    })?;
    if !planted {
        print("note: too short to plant the violation that was asked for\n");
    }
    print(&format!("wrote {}\n", path.display()));
    Ok(Exit::of_verdict(Verdict::Pass))
}

/// What cannot be judged is the caller's to mend, except where the machine could not read it.
fn refused(error: CheckError) -> anyhow::Error {
    match error {
        CheckError::Read { path, source } => {
            Refusal::Environment(failed(&format!("read {}", path.display()), &source)).into()
        }
        other => Refusal::Usage(other.to_string()).into(),
    }
}

fn of_history(report: &HistoryReport) -> Value {
    json!({
        "operations": report.operations, "keys": report.keys, "parse_ms": report.parse_ms,
        "check_ms": report.check_ms, "format": report.format, "model": report.model,
        "undecided": report.undecided, "keys_by_method": report.keys_by_method,
        "configurations": report.configurations, "slowest": report.slowest, "notes": report.notes,
    })
}

/// The last line of `--json`.
fn result(analysis: &Analysis, mut figures: Value) -> Value {
    figures["verdict"] = json!(analysis.verdict);
    figures["witness"] = json!(
        witness(analysis)
            .map(|witness| &witness.operations)
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
    );
    figures["checks"] = json!(analysis.checks);
    figures
}

/// The witness of the worst finding that has one.
fn witness(analysis: &Analysis) -> Option<&Witness> {
    analysis
        .checks
        .iter()
        .flat_map(|check| &check.findings)
        .find_map(|found| found.witness.as_ref())
}
