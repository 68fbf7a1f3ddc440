//! What a person sees while a run goes on: bars on a terminal, lines elsewhere, JSON for machines.
//!
//! People are told on stderr, machines on stdout. Every line off a terminal stands for itself: no
//! cursor codes, at most one heartbeat per 15 s.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar};
use serde_json::{Value, json};
use whitewater_checker::fault::{FaultRecord, FaultStatus};

use crate::nemesis::Note;
use crate::terminal::{bar_style, shown};
use crate::workload::Counts;
use whitewater_server::clock::monotonic_ns;

/// Pause between two heartbeat lines: a CI log stays readable, and a hung job is noticed.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loudness {
    /// JSON lines on stdout.
    pub(crate) json: bool,
    /// Nothing on stderr but trouble.
    pub(crate) quiet: bool,
}

/// Tells how a run goes.
pub(crate) struct Progress {
    start: Instant,
    loudness: Loudness,
    bars: Option<Bars>,
    last_heartbeat: Instant,
    log: Option<File>,
}

struct Bars {
    all: MultiProgress,
    time: ProgressBar,
    operations: ProgressBar,
    fault: ProgressBar,
}

/// The numbers of a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    /// Operations so far.
    pub(crate) counts: Counts,
    /// Leader and term.
    pub(crate) leader: Option<(u32, u64)>,
}

impl Progress {
    /// For a run whose fault phase lasts `time`.
    pub(crate) fn new(loudness: Loudness, time: Duration) -> Self {
        let now = Instant::now();
        let wants_bars = !loudness.quiet && io::stderr().is_terminal();
        let bars = wants_bars.then(|| Bars::new(time));
        Self { start: now, loudness, bars, last_heartbeat: now, log: None }
    }

    /// From here on, whatever people are told is also written to this file, in any loudness.
    pub(crate) fn log_to(&mut self, path: &Path) -> io::Result<()> {
        self.log = Some(File::create(path)?);
        Ok(())
    }

    /// Tells a line to people.
    pub(crate) fn say(&self, text: &str) {
        self.write_log(text);
        if self.loudness.quiet {
            return;
        }
        match &self.bars {
            // Fails only where the terminal is gone; then nobody reads.
            Some(bars) => drop(bars.all.println(shown(text))),
            None => print_error(&format!("[{:7.1}s] {text}", self.start.elapsed().as_secs_f64())),
        }
    }

    /// The time is CLOCK_MONOTONIC, as in every record of the run. A log that cannot be written must
    /// not end a run.
    fn write_log(&self, text: &str) {
        if let Some(mut log) = self.log.as_ref() {
            let micros = monotonic_ns() / 1000;
            let _ = writeln!(log, "{}.{:06} {text}", micros / 1_000_000, micros % 1_000_000);
        }
    }

    /// Tells an event to machines.
    pub(crate) fn event(&self, event: &Value) {
        if self.loudness.json {
            print_json(event);
        }
    }

    /// A phase begins.
    pub(crate) fn phase(&self, name: &str) {
        self.event(&json!({"event": "phase", "phase": name}));
        match &self.bars {
            Some(bars) => {
                self.write_log(name);
                bars.time.set_message(name.to_owned());
            }
            None => self.say(name),
        }
    }

    /// A fault struck or is over.
    pub(crate) fn fault(&self, note: &Note) {
        let (word, record) = match note {
            Note::Struck(record) => ("fault", record),
            Note::Over(record) => ("healed", record),
            Note::Begins(_) | Note::Gone(_) => return,
        };
        self.event(&json!({
            "event": word, "id": record.id, "kind": record.kind, "name": record.name,
            "nodes": record.nodes, "effective": record.effective,
        }));
        let text = describe(word, record);
        match &self.bars {
            Some(bars) => {
                self.write_log(&text);
                bars.fault.set_message(shown(&text).into_owned());
            }
            None => self.say(&text),
        }
    }

    /// The numbers of now, `done` into the fault phase.
    pub(crate) fn tick(&mut self, moment: Moment, done: Option<Duration>) {
        let (leader, counts) = (leader_words(moment.leader), moment.counts);
        let text = format!(
            "{} ok  {} rejected  {} unknown  leader {leader}",
            counts.ok, counts.fail, counts.info
        );
        if let Some(bars) = &self.bars {
            bars.operations.set_message(shown(&text).into_owned());
            if let Some(done) = done {
                bars.time.set_position(done.as_millis() as u64);
            }
        } else if self.last_heartbeat.elapsed() >= HEARTBEAT_EVERY {
            self.last_heartbeat = Instant::now();
            self.say(&text);
            self.event(&json!({
                "event": "progress", "operations_ok": counts.ok, "operations_failed": counts.fail,
                "operations_unknown": counts.info,
            }));
        }
    }

    /// Takes the bars away.
    pub(crate) fn finish(&mut self) {
        if let Some(bars) = self.bars.take() {
            // As above: a terminal that is gone needs no clearing.
            let _ = bars.all.clear();
        }
    }
}

impl Bars {
    fn new(time: Duration) -> Self {
        let all = MultiProgress::new();
        let time = all.add(ProgressBar::new(time.as_millis() as u64));
        time.set_style(bar_style("  {msg:9} {wide_bar:.cyan/blue} {percent:>3} %"));
        let operations = all.add(ProgressBar::new_spinner());
        operations.set_style(bar_style("  ops       {msg}"));
        let fault = all.add(ProgressBar::new_spinner());
        fault.set_style(bar_style("  nemesis   {msg}"));
        Self { all, time, operations, fault }
    }
}

fn leader_words(leader: Option<(u32, u64)>) -> String {
    leader.map_or_else(|| "none".into(), |(node, term)| format!("n{node} t{term}"))
}

fn describe(word: &str, record: &FaultRecord) -> String {
    let effect = match &record.status {
        FaultStatus::Skipped { reason } => format!("skipped: {reason}"),
        FaultStatus::Indeterminate { reason } => format!("indeterminate: {reason}"),
        FaultStatus::Installed if !record.effective => "no effect observed".into(),
        FaultStatus::Installed => record.detail.clone(),
    };
    format!("{word} {} {}: {effect}", record.id, record.name)
}

/// Prints one JSON object on a line of stdout; a reader that is gone is not an error of the run.
pub(crate) fn print_json(value: &Value) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{value}").and_then(|()| stdout.flush());
}

/// Prints a line for people on stderr; the same holds.
pub(crate) fn print_error(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", shown(line));
}

/// Prints text for people on stdout; the same holds.
pub(crate) fn print(text: &str) {
    let mut stdout = anstream::stdout().lock();
    let _ = write!(stdout, "{}", shown(text)).and_then(|()| stdout.flush());
}
