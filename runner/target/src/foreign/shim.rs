//! A program of the user's between us and the server: one process for each client, requests on its stdin, answers on
//! its stdout, a JSON object a line, with Maelstrom's error codes.
//!
//! ```text
//! → {"id":7,"node":"n2","address":"127.0.0.2:4222","op":"cas","key":"k1","old":"3","new":"9"}
//! ← {"id":7,"ok":true}   ← {"id":7,"value":"9"}   ← {"id":7,"error":22,"text":"it holds 4"}
//! ```
//!
//! It may block. What is not answered in time is unknown, and the process is killed and started anew, as it would
//! come to the next request too late; before its first answer it has longer, as some take seconds to start. Lines that
//! answer nothing that is asked are left out, up to a number.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::json;
use super::meaning::{Asked, At, Meanings, Reply, refused, shown};
use super::program::{Group, Programs};
use crate::description::{Means, Offer};
use crate::{Answer, Answered, Next, Setback};

/// Longest line; what goes on is no answer.
const LINE_BYTES_MAX: usize = 4 << 20;
/// Answers that wait to be read; then the program's own output waits.
const LINES_WAITING_MAX: usize = 16;
/// So many lines that answer nothing, and the program is given up.
const STRAY_LINES_MAX: u32 = 1_000;
/// A program that ends at once is not started more often than this.
const START_PAUSE: Duration = Duration::from_millis(100);
/// How long a program may take from its start to its first answer: that of a virtual machine takes seconds.
const FIRST_ANSWER: Duration = Duration::from_secs(30);
/// The end of what it prints to stderr is shown where it fails.
const STDERR_BYTES_SHOWN: usize = 400;
/// The kernel writes so much to a pipe as a whole or not at all: PIPE_BUF.
const WHOLE_WRITE_BYTES_MAX: usize = 4_096;

/// What an error code means, as Maelstrom defines them.
pub(super) fn meaning_of(code: i64) -> Means {
    match code {
        // Temporarily unavailable; not the leader.
        11 => Means::NotLeader,
        20 => Means::Absent,
        22 => Means::Mismatch,
        // Node not found, not supported, malformed, abort, already exists, conflict.
        1 | 10 | 12 | 14 | 21 | 30 => Means::Refused,
        // Timeout, crash, and whatever else.
        _ => Means::Unknown,
    }
}

/// One client's process, started when it is first needed.
#[derive(Debug)]
pub(super) struct Shim {
    programs: Programs,
    words: Vec<String>,
    running: Option<Running>,
    asked: u64,
    may_start: Instant,
}

#[derive(Debug)]
struct Running {
    child: Child,
    _group: Group,
    requests: ChildStdin,
    lines: mpsc::Receiver<Vec<u8>>,
    errors: Arc<Mutex<Vec<u8>>>,
    started: Instant,
    has_answered: bool,
}

/// Why there is no answer.
enum Trouble {
    /// The request was not read.
    Unsent(String),
    /// It may have been.
    Sent(String),
    /// It may have been, and the answer may still come.
    Late(String),
}

impl Shim {
    /// Of this command.
    pub(super) fn new(programs: Programs, words: Vec<String>) -> Self {
        Self { programs, words, running: None, asked: 0, may_start: Instant::now() }
    }

    /// Asks.
    pub(super) async fn ask(
        &mut self,
        asked: &Asked,
        at: At<'_>,
        meanings: &Meanings,
        time: Duration,
    ) -> Result<Answer, Setback> {
        let until = Instant::now() + time;
        self.asked += 1;
        let id = self.asked;
        let address = at.places.get(&at.node).map(|place| place.clients().to_string());
        let mut request = json!({
            "id": id, "node": format!("n{}", at.node), "address": address, "op": asked.offer.name(),
        });
        for (name, value) in &asked.words {
            request[*name] = Value::from(value.as_str());
        }
        let line = format!("{request}\n");
        // One that ended while nobody looked has read nothing: it is started again.
        for is_last in [false, true] {
            let mut running = match self.running.take() {
                Some(running) => running,
                None => self.start(until).await.map_err(|reason| refused(Next::Later, reason))?,
            };
            match running.exchange(id, &line, until, time).await {
                Ok(answer) => {
                    running.has_answered = true;
                    self.running = Some(running);
                    return understood(&answer, asked, at, meanings);
                }
                Err(Trouble::Late(reason)) if running.is_starting() => {
                    let reason = reason + &running.words();
                    self.running = Some(running);
                    return Err(Setback::unreachable(asked.is_change(), reason));
                }
                Err(Trouble::Unsent(_)) if !is_last => drop(running),
                Err(Trouble::Unsent(reason)) => {
                    return Err(refused(Next::Later, running.last_words(reason).await));
                }
                Err(Trouble::Sent(reason) | Trouble::Late(reason)) => {
                    let reason = running.last_words(reason).await;
                    return Err(Setback::unreachable(asked.is_change(), reason));
                }
            }
        }
        unreachable!("the second try returns")
    }

    /// Waits for the process to end.
    #[cfg(test)]
    pub(super) async fn ended(&mut self) {
        if let Some(running) = &mut self.running {
            running.child.wait().await.unwrap();
        }
    }

    async fn start(&mut self, until: Instant) -> Result<Running, String> {
        if self.may_start > until {
            return Err("the shim has just ended, and is not started again yet".into());
        }
        sleep_until(self.may_start).await;
        self.may_start = Instant::now() + START_PAUSE;
        let mut command = self.programs.command(&self.words)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| format!("start `{}`: {error}", self.words[0]))?;
        let group = Group::of(&child);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(requests), Some(out), Some(errors)) = pipes else {
            return Err("the shim has no pipes".into());
        };
        let (sender, lines) = mpsc::channel(LINES_WAITING_MAX);
        tokio::spawn(read_lines(BufReader::new(out), sender));
        let tail = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(keep_tail(errors, tail.clone()));
        let started = Instant::now();
        Ok(Running {
            child,
            _group: group,
            requests,
            lines,
            errors: tail,
            started,
            has_answered: false,
        })
    }
}

impl Running {
    async fn exchange(
        &mut self,
        id: u64,
        line: &str,
        until: Instant,
        time: Duration,
    ) -> Result<Value, Trouble> {
        let mut strays = Strays::default();
        // What came too late for earlier requests.
        while let Ok(line) = self.lines.try_recv() {
            strays.note(&line).map_err(Trouble::Unsent)?;
        }
        let write = async {
            self.requests.write_all(line.as_bytes()).await?;
            self.requests.flush().await
        };
        match timeout_at(until, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let reason = format!("the shim reads nothing: {error}");
                return Err(match line.len() <= WHOLE_WRITE_BYTES_MAX {
                    true => Trouble::Unsent(reason),
                    false => Trouble::Sent(reason),
                });
            }
            Err(_) => return Err(Trouble::Sent("the shim does not read its stdin".into())),
        }
        loop {
            match timeout_at(until, self.lines.recv()).await {
                Err(_) => {
                    let silence =
                        format!("the shim gave no answer within {} ms{strays}", time.as_millis());
                    return Err(Trouble::Late(silence));
                }
                Ok(None) => {
                    return Err(Trouble::Sent(format!(
                        "the shim ended in the midst of a request{strays}"
                    )));
                }
                Ok(Some(line)) => match serde_json::from_slice::<Value>(&line) {
                    Ok(answer) if answer["id"] == id => return Ok(answer),
                    _ => strays.note(&line).map_err(Trouble::Sent)?,
                },
            }
        }
    }

    /// Ends it; the reason, with how it ended by itself and what it said of that.
    async fn last_words(mut self, reason: String) -> String {
        // Pipes are closed a moment before the process is gone.
        let grace = Instant::now() + Duration::from_millis(50);
        let ended = timeout_at(grace, self.child.wait()).await;
        let how = match ended {
            Ok(Ok(status)) => format!(" ({status})"),
            _ => String::new(),
        };
        format!("{reason}{how}{}", self.words())
    }

    /// What it said on stderr.
    fn words(&self) -> String {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match String::from_utf8_lossy(&errors).trim() {
            "" => String::new(),
            errors => format!(", and said on stderr {}", shown(errors)),
        }
    }

    fn is_starting(&self) -> bool {
        !self.has_answered && self.started.elapsed() < FIRST_ANSWER
    }
}

/// Lines that answer nothing that is asked.
#[derive(Default)]
struct Strays {
    count: u32,
    last: String,
}

impl Strays {
    fn note(&mut self, line: &[u8]) -> Result<(), String> {
        self.count += 1;
        self.last = shown(&String::from_utf8_lossy(line));
        match self.count > STRAY_LINES_MAX {
            true => Err(format!(
                "the shim printed {} lines that answer nothing, at last {}",
                self.count, self.last
            )),
            false => Ok(()),
        }
    }
}

impl std::fmt::Display for Strays {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.count {
            0 => Ok(()),
            count => write!(
                to,
                "; it printed {count} lines that answer nothing, at last {}: what is no answer belongs on stderr",
                self.last
            ),
        }
    }
}

async fn read_lines(mut out: impl AsyncBufRead + Unpin, to: mpsc::Sender<Vec<u8>>) {
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = (&mut out).take(limit).read_until(b'\n', &mut line).await;
        // Half a line at the end is no answer: it may be half a number.
        if !matches!(read, Ok(1..)) || line.last() != Some(&b'\n') || to.send(line).await.is_err() {
            return;
        }
    }
}

async fn keep_tail(mut errors: ChildStderr, tail: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 1_024];
    while let Ok(length @ 1..) = errors.read(&mut buffer).await {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&buffer[..length]);
        let surplus = tail.len().saturating_sub(STDERR_BYTES_SHOWN);
        tail.drain(..surplus);
    }
}

/// What an answer says.
fn understood(
    answer: &Value,
    asked: &Asked,
    at: At<'_>,
    meanings: &Meanings,
) -> Result<Answer, Setback> {
    let unclear = |says: &str| {
        let reason = format!("the shim's answer {} {says}", shown(&answer.to_string()));
        Setback::unreachable(asked.is_change(), reason)
    };
    if let Some(key) = answer.get("key").and_then(json::text)
        && key != asked.word("key")
    {
        return Err(unclear("is about another key"));
    }
    if let Some(error) = answer.get("error") {
        let code = error.as_i64().ok_or_else(|| unclear("has no number as its error"))?;
        let text = answer.get("text").and_then(json::text).unwrap_or_default();
        let reply = Reply::new(code, text);
        let means = meanings.find(&reply).unwrap_or_else(|| meaning_of(code));
        if (means, asked.offer) == (Means::Mismatch, Offer::Cas)
            && let Some(seen) = answer.get("value")
        {
            return at.mismatch(json::text(seen));
        }
        return at.conclude(means, asked, format!("error {code} {}", reply.shown()));
    }
    match (asked.is_change(), answer.get("value"), answer.get("ok")) {
        (false, Some(value), _) => Ok(at.value(json::text(value))),
        (false, None, _) => Err(unclear("has no value")),
        (true, _, Some(Value::Bool(true))) => Ok(at.answer(Answered::Written)),
        (true, ..) => Err(unclear("says neither \"ok\":true nor an error")),
    }
}
