//! Work that takes long is never silent: a bar on a terminal, a line every 15 s elsewhere, always on stderr.
//!
//! Whoever works says how far it is; a thread tells it, so that a step that takes minutes is told of as well.
//! Nothing goes to stdout, which is the result's.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::progress::{Loudness, print_error};
use crate::terminal::{bar_style, shown};

/// Pause between two lines: a CI log stays readable, and a hung job is noticed.
const EVERY: Duration = Duration::from_secs(15);
/// How often a bar moves by itself.
const BAR_TICK: Duration = Duration::from_millis(200);

/// How far some work is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    /// What is done: `checking`.
    what: String,
    done: u64,
    /// 0: nobody knows.
    total: u64,
    /// What is counted: `keys`.
    unit: &'static str,
    /// What else is known by now: `2 did not pass`.
    note: String,
}

impl State {
    /// `checking, 120 of 10000 keys, 2 did not pass`.
    fn line(&self) -> String {
        let Self { what, done, total, unit, note } = self;
        let count = match (*done, *total) {
            (_, 0) if unit.is_empty() => String::new(),
            (done, 0) => format!(", {done} {unit}"),
            (done, total) => format!(", {done} of {total} {unit}"),
        };
        let note = if note.is_empty() { String::new() } else { format!(", {note}") };
        format!("{what}{count}{note}")
    }
}

/// Some work under way, until it is dropped.
pub(crate) struct LongWork {
    shared: Arc<Shared>,
    /// Dropped first: that ends the thread.
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    bar: Option<ProgressBar>,
}

impl LongWork {
    /// Begins to tell of `what`; of nothing where that is not wanted.
    pub(crate) fn begin(what: &str, loudness: Loudness) -> Self {
        // Where both streams are one terminal, JSON lines and a bar would write over each other.
        let is_bar = io::stderr().is_terminal() && !(loudness.json && io::stdout().is_terminal());
        let bar = (is_bar && !loudness.quiet).then(ProgressBar::no_length);
        if let Some(bar) = &bar {
            bar.enable_steady_tick(BAR_TICK);
        }
        let shared = Arc::new(Shared { state: Mutex::default(), bar });
        let (end, is_over) = mpsc::channel();
        let thread = (!is_bar && !loudness.quiet).then(|| {
            let (shared, start) = (shared.clone(), Instant::now());
            thread::spawn(move || {
                let wait =
                    |pause| is_over.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout);
                tell_every(EVERY, wait, || start.elapsed(), &shared, print_error);
            })
        });
        let work = Self { shared, end: Some(end), thread };
        work.at(what, 0, 0, "");
        work
    }

    /// So far it is: `total` 0 where nobody knows how far it goes.
    pub(crate) fn at(&self, what: &str, done: u64, total: u64, unit: &'static str) {
        let mut state = self.shared.state();
        let is_new = state.what != what || (state.total == 0) != (total == 0);
        what.clone_into(&mut state.what);
        (state.done, state.total, state.unit) = (done, total, unit);
        if let Some(bar) = &self.shared.bar {
            if is_new {
                bar.set_style(bar_style(match total {
                    0 => "{spinner} {msg}  {elapsed}",
                    _ => "{wide_bar} {percent:>3} %  {msg}  {eta}",
                }));
            }
            if total > 0 {
                bar.set_length(total);
                bar.set_position(done);
            }
            bar.set_message(shown(&state.line()).into_owned());
        }
    }

    /// One more is done; a note on what is known by now.
    pub(crate) fn step(&self, note: &str) {
        let State { what, done, total, unit, .. } = {
            let mut state = self.shared.state();
            note.clone_into(&mut state.note);
            state.clone()
        };
        self.at(&what, done + 1, total, unit);
    }

    /// Prints something, with the bar out of its way.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        match &self.shared.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Drop for LongWork {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It prints, and does nothing else that could fail.
            let _ = thread.join();
        }
        if let Some(bar) = &self.shared.bar {
            bar.finish_and_clear();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a line after each pause, as long as `wait` says that the work goes on.
fn tell_every(
    every: Duration,
    wait: impl Fn(Duration) -> bool,
    elapsed: impl Fn() -> Duration,
    shared: &Shared,
    tell: impl Fn(&str),
) {
    while wait(every) {
        let line = shared.state().line();
        tell(&format!("[{:7.1}s] {line}", elapsed().as_secs_f64()));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    fn silent() -> LongWork {
        LongWork::begin("checking", Loudness { json: false, quiet: true })
    }

    #[test]
    fn a_line_is_told_every_15_s_whether_or_not_something_moved() {
        let work = silent();
        let (now, waits) = (Cell::new(Duration::ZERO), Cell::new(0));
        let lines = RefCell::new(Vec::new());
        let wait = |pause: Duration| {
            assert_eq!(pause, Duration::from_secs(15));
            now.set(now.get() + pause);
            waits.set(waits.get() + 1);
            match waits.get() {
                2 => work.at("checking", 120, 10_000, "keys"),
                4 => work.step("2 did not pass"),
                _ => {}
            }
            // The work ends in the fifth pause.
            waits.get() < 5
        };
        let tell = |line: &str| lines.borrow_mut().push(line.to_owned());
        tell_every(EVERY, wait, || now.get(), &work.shared, tell);
        let expected = [
            "[   15.0s] checking",
            "[   30.0s] checking, 120 of 10000 keys",
            "[   45.0s] checking, 120 of 10000 keys",
            "[   60.0s] checking, 121 of 10000 keys, 2 did not pass",
        ];
        assert_eq!(*lines.borrow(), expected);
    }

    #[test]
    fn where_nobody_knows_how_far_it_goes_the_count_stands_alone() {
        let work = silent();
        work.at("reading", 7, 0, "bytes");
        assert_eq!(work.shared.state().line(), "reading, 7 bytes");
    }

    #[test]
    fn the_thread_ends_with_the_work_and_not_a_pause_later() {
        let start = Instant::now();
        // Told to a file or a pipe, as tests are.
        drop(LongWork::begin("checking", Loudness::default()));
        assert!(start.elapsed() < EVERY, "{:?}", start.elapsed());
        assert!(silent().thread.is_none(), "quiet is quiet");
    }
}
