//! Events become operations: every completion finds its invocation.
//!
//! Chunks arrive in file order. What cannot have been recorded by a correct client is an error with
//! its line: a completion without an invocation, an operation completed twice, a process with two open
//! operations, an event of a process after its `info`.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::line::{Chunk, Initially, RawEvent};
use super::operation::{Function, NEVER, NEVER_NS, NO_NODE, Operation, Outcome};
use super::value::Value;
use super::{ByKey, Command, History};
use crate::error::CheckError;
use crate::event::EventType;
use crate::options::Initial;

/// Process numbers below this are looked up in a plain table.
const DENSE_PROCESSES: u64 = 1 << 20;

/// Most events and operations: positions are 32 bits, and the highest one means "never".
const EVENTS_MAX: u64 = u32::MAX as u64 - 1;

/// What a process is doing.
#[derive(Clone, Copy, Debug, Default)]
enum Doing {
    /// Nothing was heard of it.
    #[default]
    Unknown,
    /// This operation is open.
    Open(u32),
    /// This operation was its last, completed at this position.
    Idle(u32, u32),
    /// This operation ended in `info`: the process is retired.
    Retired(u32),
}

/// Builds a history from chunks.
#[derive(Debug)]
pub(crate) struct Assembler {
    file: String,
    history: History,
    dense: Vec<Doing>,
    sparse: HashMap<u64, Doing>,
    /// Operations of each key.
    counts: Vec<u32>,
    /// Positions of the chunks before.
    base: u64,
    /// What `init` events say, with the positions of those.
    initial: Vec<(u64, Initially)>,
}

impl Assembler {
    /// Starts an empty history; `file` is only named in errors.
    pub(crate) fn new(file: &str) -> Self {
        Assembler {
            file: file.to_owned(),
            history: History::default(),
            dense: Vec::new(),
            sparse: HashMap::new(),
            counts: Vec::new(),
            base: 0,
            initial: Vec::new(),
        }
    }

    /// Takes the next chunk.
    pub(crate) fn take(&mut self, chunk: Chunk) -> Result<(), CheckError> {
        if self.base + u64::from(chunk.positions) > EVENTS_MAX {
            let (file, limit) = (self.file.clone(), EVENTS_MAX);
            return Err(CheckError::TooLarge { file, what: "events", limit });
        }
        let keys: Vec<u32> =
            chunk.keys.texts().map(|text| self.history.keys.intern(text)).collect();
        self.counts.resize(self.history.keys.len(), 0);
        let nodes: Vec<u16> = chunk.nodes.texts().map(|name| self.node(name)).collect();
        let values: Vec<Value> =
            chunk.values.0.texts().map(|text| self.history.values.intern_text(text)).collect();
        let translated = |value: Value| match value.table_place() {
            Some(place) => values[place as usize],
            None => value,
        };
        let mut commands = chunk.commands.iter().peekable();
        for (number, raw) in chunk.events.iter().enumerate() {
            let event = RawEvent {
                key: keys[raw.key as usize],
                node: nodes.get(usize::from(raw.node)).copied().unwrap_or(NO_NODE),
                value: translated(raw.value),
                second: translated(raw.second),
                saw: translated(raw.saw),
                ..*raw
            };
            let operation = match event.kind {
                EventType::Invoke => self.begin(&event)?,
                _ => self.end(&event)?,
            };
            while let Some(&(_, session, sequence)) =
                commands.next_if(|(event, ..)| *event as usize == number)
            {
                self.history.commands.push(Command { operation, session, sequence });
            }
        }
        let base = self.base;
        self.initial.extend(
            chunk
                .initial
                .into_iter()
                .map(|initially| (base + u64::from(initially.position), initially)),
        );
        self.history
            .nemesis
            .extend(chunk.nemesis.into_iter().map(|(line, event)| (base as u32 + line, event)));
        if let Some(error) = chunk.error {
            return Err(self.error(base + u64::from(error.line), error.column, error.message));
        }
        self.base += u64::from(chunk.positions);
        Ok(())
    }

    /// The history; operations still open count as `info`. `asked` is what the caller says that keys begin as.
    pub(crate) fn finish(mut self, asked: &Initial) -> Result<History, CheckError> {
        self.begin_keys(asked)?;
        self.history.events = self.base;
        self.history.operations.shrink_to_fit();
        // The invocation and the completion may both tell the command.
        self.history.commands.sort_unstable_by_key(|command| command.operation);
        self.history.commands.dedup();
        self.history.by_key = ByKey::new(&self.history.operations, &self.counts);
        Ok(self.history)
    }

    /// Settles what keys begin as: what the caller says of a key, else what the file says, else what the caller
    /// says of all.
    fn begin_keys(&mut self, asked: &Initial) -> Result<(), CheckError> {
        if asked.is_empty() && self.initial.is_empty() {
            return Ok(());
        }
        let all = asked.all.as_ref().map_or(Value::NIL, |json| self.intern_initial(json));
        let mut initial = vec![all; self.history.keys.len()];
        let mut told_at: HashMap<u32, u64> = HashMap::new();
        for (position, Initially { key, value, .. }) in std::mem::take(&mut self.initial) {
            // A key that nobody uses begins as whatever it likes.
            let Some(key) = self.history.keys.find(&key) else { continue };
            let value = self.intern_initial(&value);
            if let Some(first) = told_at.insert(key, position)
                && initial[key as usize] != value
            {
                let name = self.history.keys.text(key);
                let message = format!("key {name:?} begins as another value at line {first}");
                return Err(self.error(position, 1, message));
            }
            initial[key as usize] = value;
        }
        for (key, value) in &asked.keys {
            let Some(number) = self.history.keys.find(key) else {
                let (file, key) = (self.file.clone(), key.clone());
                return Err(CheckError::NoSuchKey { file, key });
            };
            initial[number as usize] = self.intern_initial(value);
        }
        self.history.initial = initial;
        Ok(())
    }

    /// Members of a list are values of their own: a set's elements, a queue's.
    fn intern_initial(&mut self, json: &Json) -> Value {
        for member in json.as_array().into_iter().flatten() {
            self.history.values.intern(member);
        }
        self.history.values.intern(json)
    }

    fn node(&mut self, name: &str) -> u16 {
        u16::try_from(self.history.nodes.intern(name)).unwrap_or(NO_NODE)
    }

    fn doing(&mut self, process: u64) -> &mut Doing {
        if process >= DENSE_PROCESSES {
            return self.sparse.entry(process).or_default();
        }
        let place = process as usize;
        if self.dense.len() <= place {
            self.dense.resize(place + 1, Doing::Unknown);
        }
        &mut self.dense[place]
    }

    #[inline]
    fn begin(&mut self, event: &RawEvent) -> Result<u32, CheckError> {
        let number = self.history.operations.len() as u32;
        let doing = self.doing(event.process);
        match *doing {
            Doing::Unknown | Doing::Idle(..) => *doing = Doing::Open(number),
            Doing::Open(open) => {
                let since = self.history.operations[open as usize].invoked;
                let message = format!(
                    "process {} begins an operation while the one it began at line {since} is open",
                    event.process
                );
                return Err(self.error_at(event, message));
            }
            Doing::Retired(last) => return Err(self.after_info(event, last)),
        }
        self.counts[event.key as usize] += 1;
        self.history.operations.push(Operation {
            process: event.process,
            invoked_at_ns: event.time_ns,
            completed_at_ns: NEVER_NS,
            invoked: self.position(event),
            completed: NEVER,
            key: event.key,
            value: event.value,
            second: event.second,
            saw: Value::UNTOLD,
            term: event.term,
            node: event.node,
            function: event.function,
            outcome: Outcome::Info,
        });
        Ok(number)
    }

    #[inline]
    fn end(&mut self, event: &RawEvent) -> Result<u32, CheckError> {
        let position = self.position(event);
        let doing = self.doing(event.process);
        let number = match *doing {
            Doing::Open(open) => open,
            Doing::Unknown => {
                let message =
                    format!("process {} completes an operation it never began", event.process);
                return Err(self.error_at(event, message));
            }
            Doing::Idle(last, completed) => {
                let began = self.history.operations[last as usize].invoked;
                let message = format!(
                    "process {} completes its operation twice: it began at line {began} and was \
                     already complete at line {completed}",
                    event.process
                );
                return Err(self.error_at(event, message));
            }
            Doing::Retired(last) => return Err(self.after_info(event, last)),
        };
        *doing = match event.kind {
            EventType::Info => Doing::Retired(number),
            _ => Doing::Idle(number, position),
        };
        let operation = &mut self.history.operations[number as usize];
        if operation.function != event.function || operation.key != event.key {
            let message = self.mismatch(event, number);
            return Err(self.error_at(event, message));
        }
        complete(operation, event, position);
        Ok(number)
    }

    fn position(&self, event: &RawEvent) -> u32 {
        // `take` has checked that this fits.
        (self.base + u64::from(event.position)) as u32
    }

    fn mismatch(&self, event: &RawEvent, number: u32) -> String {
        let operation = &self.history.operations[number as usize];
        format!(
            "process {} completes a {} of key {:?}, but began a {} of key {:?} at line {}",
            event.process,
            event.function.word(),
            self.history.keys.text(event.key),
            operation.function.word(),
            self.history.keys.text(operation.key),
            operation.invoked,
        )
    }

    fn after_info(&self, event: &RawEvent, last: u32) -> CheckError {
        let began = self.history.operations[last as usize].invoked;
        let message = format!(
            "process {} goes on after its operation begun at line {began} ended in info; a process \
             number is retired by info, its client goes on under a new one",
            event.process
        );
        self.error_at(event, message)
    }

    fn error_at(&self, event: &RawEvent, message: String) -> CheckError {
        self.error(u64::from(self.position(event)), 1, message)
    }

    fn error(&self, line: u64, column: u32, message: String) -> CheckError {
        CheckError::Malformed { file: self.file.clone(), line, column: u64::from(column), message }
    }
}

#[inline]
fn complete(operation: &mut Operation, event: &RawEvent, position: u32) {
    operation.outcome = match event.kind {
        EventType::Ok => Outcome::Ok,
        EventType::Fail if event.function == Function::Cas && !event.has_error => Outcome::Rejected,
        EventType::Fail => Outcome::Fail,
        EventType::Info | EventType::Invoke => Outcome::Info,
    };
    if operation.outcome != Outcome::Info {
        operation.completed = position;
        operation.completed_at_ns = event.time_ns;
    }
    if operation.outcome == Outcome::Ok && event.function.value_is_answer() {
        operation.value = event.value;
        operation.second = event.second;
    }
    if operation.outcome == Outcome::Rejected {
        operation.saw = event.saw;
    }
    if event.node != NO_NODE {
        operation.node = event.node;
    }
    if event.term != 0 {
        operation.term = event.term;
    }
}
