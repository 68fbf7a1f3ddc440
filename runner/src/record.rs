//! Writes what happens: the history and its companions, one JSON object a line.
//!
//! An event is stamped and written under one lock, so the order of lines is the order of times. An
//! invocation is stamped before its request leaves and a completion after its reply arrived: the
//! recorded interval contains the true one, which can hide a violation and never invent one.
//!
//! Lines reach the file within [`FLUSH_EVERY`], whatever becomes of the runner. A history cut short
//! is still a true history: its end is a moment of the run.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use whitewater_checker::event::Event;
use whitewater_checker::fact::Fact;
use whitewater_checker::fault::FaultRecord;
use whitewater_checker::observation::{ProcessChange, ProcessEvent, StatusPoll};
use whitewater_checker::run_folder::{FAULTS, HISTORY, Lines, PROCESSES, STATUS};
use whitewater_server::clock::monotonic_ns;

use crate::nemesis::nemesis_event;

/// What a kill -9 of the runner can lose at most.
const FLUSH_EVERY: Duration = Duration::from_millis(50);

/// Where a history goes: the file of a real run, the memory of a simulated one.
pub(crate) trait HistoryWriter {
    /// Stamps and writes an event; returns its time.
    fn event(&mut self, event: Event) -> u64;

    /// The nemesis does something.
    fn nemesis(&mut self, f: &str, value: Value) -> u64 {
        self.event(nemesis_event(f, value))
    }

    /// What a runner notes of its own run.
    fn fact(&mut self, fact: &Fact) -> u64 {
        self.event(fact.event())
    }

    /// A phase begins.
    fn phase(&mut self, name: &str, deadline_ms: Option<u64>) -> u64 {
        let mut value = json!({ "name": name });
        if let Some(deadline_ms) = deadline_ms {
            value["deadline_ms"] = deadline_ms.into();
        }
        self.nemesis("phase", value)
    }
}

impl HistoryWriter for Recorder {
    fn event(&mut self, event: Event) -> u64 {
        Recorder::event(self, event)
    }
}

/// The open files of a run. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    files: Arc<Files>,
}

#[derive(Debug)]
struct Files {
    history: Mutex<Lines<Event>>,
    status: Mutex<Lines<StatusPoll>>,
    processes: Mutex<Lines<ProcessEvent>>,
    faults: Mutex<Lines<FaultRecord>>,
    failure: watch::Sender<Option<String>>,
}

impl Recorder {
    /// Creates the files of a new run in `folder`.
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        let files = Arc::new(Files {
            history: Mutex::new(HISTORY.create(folder)?),
            status: Mutex::new(STATUS.create(folder)?),
            processes: Mutex::new(PROCESSES.create(folder)?),
            faults: Mutex::new(FAULTS.create(folder)?),
            failure: watch::Sender::new(None),
        });
        let weak = Arc::downgrade(&files);
        thread::Builder::new().name("recorder".into()).spawn(move || keep_flushed(&weak))?;
        Ok(Self { files })
    }

    /// Stamps and writes an event of the history; returns its time.
    pub(crate) fn event(&self, mut event: Event) -> u64 {
        let mut lines = self.files.history.lock().unwrap_or_else(PoisonError::into_inner);
        event.time_ns = monotonic_ns();
        let time_ns = event.time_ns;
        let result = lines.write(&event);
        drop(lines);
        self.note(result);
        time_ns
    }

    /// Writes an answer to a status poll.
    pub(crate) fn status(&self, poll: &StatusPoll) {
        self.append(&self.files.status, poll);
    }

    /// Stamps and writes a change in a process's life.
    pub(crate) fn process(&self, node: &str, pid: u32, change: ProcessChange) {
        let time_ns = monotonic_ns();
        let event = ProcessEvent { node: node.to_owned(), time_ns, pid, change };
        self.append(&self.files.processes, &event);
    }

    /// Writes what became of a fault.
    pub(crate) fn fault(&self, record: &FaultRecord) {
        self.append(&self.files.faults, record);
    }

    /// Makes every line reach its file.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.files.flush()
    }

    /// Waits until writing fails (a full disk), and says how.
    pub(crate) async fn failed(&self) -> String {
        let mut failure = self.files.failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(failure) => failure.clone().unwrap_or_default(),
            Err(_) => "the recorder has ended".into(),
        }
    }

    fn append<T: Serialize>(&self, lines: &Mutex<Lines<T>>, line: &T) {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let result = lines.write(line);
        drop(lines);
        self.note(result);
    }

    fn note(&self, result: io::Result<()>) {
        if let Err(error) = result {
            self.files.fail(&error);
        }
    }
}

impl Files {
    fn flush(&self) -> io::Result<()> {
        flush(&self.history)?;
        flush(&self.status)?;
        flush(&self.processes)?;
        flush(&self.faults)
    }

    fn fail(&self, error: &io::Error) {
        self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            failure.get_or_insert_with(|| error.to_string());
            is_first
        });
    }
}

fn keep_flushed(files: &Weak<Files>) {
    loop {
        thread::sleep(FLUSH_EVERY);
        let Some(files) = files.upgrade() else { return };
        if let Err(error) = files.flush() {
            files.fail(&error);
            return;
        }
    }
}

fn flush<T: Serialize>(lines: &Mutex<Lines<T>>) -> io::Result<()> {
    lines.lock().unwrap_or_else(PoisonError::into_inner).flush()
}

#[cfg(test)]
mod tests {
    use whitewater_checker::event::{EventType, Process};

    use super::*;

    fn event(process: u64) -> Event {
        let write = EventType::Invoke;
        let event = Event::new(Process::Client(process), write, "write", json!(1));
        Event { key: Some("k1".into()), ..event }
    }

    #[test]
    fn lines_of_many_threads_are_in_order_of_time() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(folder.path()).unwrap();
        let writers: Vec<_> = (0..4)
            .map(|process| {
                let recorder = recorder.clone();
                thread::spawn(move || {
                    for _ in 0..500 {
                        recorder.event(event(process));
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        recorder.flush().unwrap();
        let text = std::fs::read_to_string(folder.path().join("history.jsonl")).unwrap();
        let times: Vec<u64> =
            text.lines().map(|line| serde_json::from_str::<Event>(line).unwrap().time_ns).collect();
        assert_eq!(times.len(), 2000);
        assert!(times.is_sorted());
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        // The kernel's own full disk: every write to it fails with ENOSPC.
        std::os::unix::fs::symlink("/dev/full", folder.path().join("history.jsonl")).unwrap();
        let recorder = Recorder::create(folder.path()).unwrap();
        recorder.event(event(1));
        let failed = tokio::time::timeout(Duration::from_secs(5), recorder.failed()).await;
        let text = failed.expect("the failure was awaited");
        assert!(text.contains("history.jsonl") && text.contains("No space left"), "{text}");
    }
}
