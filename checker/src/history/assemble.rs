//! Events become operations: every completion finds its invocation.
//!
//! Chunks arrive in file order. What cannot have been recorded by a correct client is an error with
//! its line: a completion without an invocation, an operation completed twice, a process with two open
//! operations, an event of a process after its `info`.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::compact::{CompactEvent, NONE, Place, PlacedEvent};
use super::drain;
use super::line::{Chunk, Initially};
use super::operation::{Function, NEVER, NEVER_NS, NO_NODE, Operation, Outcome};
use super::order::{self, By, Disorder, Member, Moment, Watch};
use super::value::Value;
use super::{ByKey, Command, History};
use crate::error::CheckError;
use crate::event::{Event, EventType};
use crate::fact::Fact;
use crate::options::Initial;
use crate::run_folder::SCHEMA_VERSION;
use crate::version::Newer;

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

/// How a file is taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// A cas that failed without an error says that the value was another.
    pub(crate) is_mismatch: bool,
    /// All events are collected and sorted, not taken as they come.
    pub(crate) is_sorted: bool,
}

/// Builds a history from chunks.
#[derive(Debug)]
pub(crate) struct Assembler {
    file: String,
    manner: Manner,
    watch: Watch,
    moment: Moment,
    /// Events waiting to be sorted, and their commands by line and column.
    waiting: Vec<PlacedEvent>,
    waiting_commands: HashMap<(u32, u32), (u64, u64)>,
    /// Completions with another value than their invocation's, and the first one's line.
    replaced: (u64, u64),
    has_drain: bool,
    /// An operation does not say when it began.
    has_untold_time: bool,
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
    pub(crate) fn new(file: &str, manner: Manner) -> Self {
        Assembler {
            file: file.to_owned(),
            manner,
            watch: Watch::default(),
            moment: Moment::default(),
            waiting: Vec::new(),
            waiting_commands: HashMap::new(),
            replaced: (0, 0),
            has_drain: false,
            has_untold_time: false,
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
        if let Some(newer) = chunk.nemesis.iter().find_map(|(_, event)| newer(event)) {
            return Err(CheckError::Newer { file: self.file.clone(), newer });
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
        let base = self.base as u32;
        for (number, raw) in chunk.events.iter().enumerate() {
            let place = chunk.places.of(number, raw);
            let event = PlacedEvent {
                event: CompactEvent {
                    position: base + raw.position,
                    key: keys[raw.key as usize],
                    node: nodes.get(usize::from(raw.node)).copied().unwrap_or(NO_NODE),
                    value: translated(raw.value),
                    second: translated(raw.second),
                    saw: translated(raw.saw),
                    ..*raw
                },
                place: Place { line: base + place.line, ..place },
            };
            if self.manner.is_sorted {
                while let Some(&(_, session, sequence)) =
                    commands.next_if(|(event, ..)| *event as usize == number)
                {
                    self.waiting_commands
                        .insert((event.place.line, event.place.column), (session, sequence));
                }
                self.waiting.push(event);
                continue;
            }
            let seen = self.watch.see(&event, u64::from(event.place.line));
            seen.map_err(|disorder| self.disorder(disorder))?;
            let operation = self.event(&event)?;
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
        self.take_sorted()?;
        self.begin_keys(asked)?;
        self.settle_times();
        if self.has_drain {
            drain::expand(&mut self.history, &mut self.counts);
        }
        self.history.events = self.base;
        self.history.operations.shrink_to_fit();
        // The invocation and the completion may both tell the command.
        self.history.commands.sort_unstable_by_key(|command| command.operation);
        self.history.commands.dedup();
        (self.history.by_key, self.history.census) =
            ByKey::new(&self.history.operations, &self.counts);
        Ok(self.history)
    }

    /// Takes the events that waited to be sorted.
    fn take_sorted(&mut self) -> Result<(), CheckError> {
        let mut events = std::mem::take(&mut self.waiting);
        if events.is_empty() {
            return Ok(());
        }
        let (by, disorder) = order::sort(&mut events);
        self.watch.by = by;
        if let Some(Disorder { line, after }) = disorder {
            let what = if by == By::Index { "indices" } else { "times" };
            self.history.notes.push(format!(
                "the lines are not in the order of their {what} (line {line} is before line {after}): \
                 they were sorted by them"
            ));
        }
        self.history.lines =
            std::iter::once(0).chain(events.iter().map(|event| event.place.line)).collect();
        for (place, mut event) in events.into_iter().enumerate() {
            event.event.position = place as u32 + 1;
            let operation = self.event(&event)?;
            if let Some(&(session, sequence)) =
                self.waiting_commands.get(&(event.place.line, event.place.column))
            {
                self.history.commands.push(Command { operation, session, sequence });
            }
        }
        Ok(())
    }

    #[inline]
    fn event(&mut self, event: &PlacedEvent) -> Result<u32, CheckError> {
        if self.watch.by == By::Index {
            let place = event.position as usize;
            self.history.indices.resize(place + 1, NONE);
            self.history.indices[place] = event.place.index;
        }
        let operation = match event.kind {
            EventType::Invoke => self.begin(event)?,
            _ => self.end(event)?,
        };
        if self.watch.by == By::Time && event.kind != EventType::Info {
            let is_return = event.kind != EventType::Invoke;
            let member = Member { position: event.position, operation, is_return };
            let moved = self.moment.add(event.time_ns, member);
            if !moved.is_empty() {
                self.move_all(moved);
            }
        }
        Ok(operation)
    }

    /// Calls and returns of one moment get their places.
    fn move_all(&mut self, moved: Vec<(u32, Member)>) {
        let lines: Vec<(u32, u64)> = moved
            .iter()
            .map(|&(position, member)| (position, self.history.line(member.position)))
            .collect();
        for (position, member) in moved {
            let operation = &mut self.history.operations[member.operation as usize];
            let place =
                if member.is_return { &mut operation.completed } else { &mut operation.invoked };
            *place = position;
        }
        self.history
            .moved
            .extend(lines.into_iter().map(|(position, line)| (position, line as u32)));
    }

    /// Whether the file has times that say anything, and what the last moment of them was.
    fn settle_times(&mut self) {
        let operations = &self.history.operations;
        let told = |&at: &u64| at != NONE;
        let mut times = operations.iter().map(|operation| operation.invoked_at_ns).filter(told);
        let first = times.next();
        // A clock that never moves is none: everything would overlap.
        let moves = self.moment.is_later || times.any(|at| Some(at) != first);
        self.history.has_times = !self.has_untold_time && first.is_some() && moves;
        if self.watch.by == By::Time && self.moment.is_later {
            let moved = self.moment.rearranged();
            self.move_all(moved);
        }
        if !self.history.has_times {
            for operation in &mut self.history.operations {
                operation.invoked_at_ns = u64::from(operation.invoked) * 1000;
                if operation.completed != NEVER {
                    operation.completed_at_ns = u64::from(operation.completed) * 1000;
                }
            }
        }
        let (replaced, line) = self.replaced;
        if replaced > 0 {
            self.history.notes.push(format!(
                "{replaced} {} with another value than asked for (first at line {line}): what \
                 {} done is taken from there",
                if replaced == 1 { "operation completes" } else { "operations complete" },
                if replaced == 1 { "it has" } else { "they have" },
            ));
        }
    }

    fn disorder(&self, Disorder { line, after }: Disorder) -> CheckError {
        CheckError::Disorder { file: self.file.clone(), line, after }
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
    fn begin(&mut self, event: &PlacedEvent) -> Result<u32, CheckError> {
        let number = self.history.operations.len() as u32;
        let doing = self.doing(event.process);
        match *doing {
            Doing::Unknown | Doing::Idle(..) => *doing = Doing::Open(number),
            Doing::Open(open) => {
                let since = self.history.line(self.history.operations[open as usize].invoked);
                let message = format!(
                    "process {} begins an operation while the one it began at line {since} is open",
                    event.process
                );
                return Err(self.error_at(event, message));
            }
            Doing::Retired(last) => return Err(self.after_info(event, last)),
        }
        self.counts[event.key as usize] += 1;
        self.has_drain |= event.function == Function::Drain;
        self.has_untold_time |= event.time_ns == NONE;
        self.history.operations.push(Operation {
            process: event.process,
            invoked_at_ns: event.time_ns,
            completed_at_ns: NEVER_NS,
            invoked: event.position,
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
    fn end(&mut self, event: &PlacedEvent) -> Result<u32, CheckError> {
        let position = event.position;
        let doing = self.doing(event.process);
        let number = match *doing {
            Doing::Open(open) => open,
            Doing::Unknown => {
                let message =
                    format!("process {} completes an operation it never began", event.process);
                return Err(self.error_at(event, message));
            }
            Doing::Idle(last, completed) => {
                let began = self.history.line(self.history.operations[last as usize].invoked);
                let completed = self.history.line(completed);
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
        let is_replaced = complete(operation, event, self.manner.is_mismatch);
        if operation.outcome == Outcome::Rejected
            && operation.saw == Value::UNTOLD
            && !event.is_rejected
            || operation.outcome == Outcome::Fail
                && event.function == Function::Cas
                && !event.has_error
        {
            self.history.ambiguous.push(number);
        }
        if is_replaced {
            let first =
                if self.replaced.0 == 0 { u64::from(event.place.line) } else { self.replaced.1 };
            self.replaced = (self.replaced.0 + 1, first);
        }
        Ok(number)
    }

    fn mismatch(&self, event: &PlacedEvent, number: u32) -> String {
        let operation = &self.history.operations[number as usize];
        format!(
            "process {} completes a {} of key {:?}, but began a {} of key {:?} at line {}",
            event.process,
            event.function.word(),
            self.history.keys.text(event.key),
            operation.function.word(),
            self.history.keys.text(operation.key),
            self.history.line(operation.invoked),
        )
    }

    fn after_info(&self, event: &PlacedEvent, last: u32) -> CheckError {
        let began = self.history.line(self.history.operations[last as usize].invoked);
        let message = format!(
            "process {} goes on after its operation begun at line {began} ended in info; a process \
             number is retired by info, its client goes on under a new one",
            event.process
        );
        self.error_at(event, message)
    }

    fn error_at(&self, event: &PlacedEvent, message: String) -> CheckError {
        self.error(u64::from(event.place.line), event.place.column, message)
    }

    fn error(&self, line: u64, column: u32, message: String) -> CheckError {
        CheckError::Malformed { file: self.file.clone(), line, column: u64::from(column), message }
    }
}

/// Completes an operation; says whether it did something else than it was asked for.
#[inline]
fn complete(operation: &mut Operation, event: &PlacedEvent, is_mismatch: bool) -> bool {
    let is_rejection = event.saw != Value::UNTOLD || event.is_rejected || is_mismatch;
    operation.outcome = match event.kind {
        EventType::Ok => Outcome::Ok,
        EventType::Fail if event.function == Function::Cas && !event.has_error && is_rejection => {
            Outcome::Rejected
        }
        EventType::Fail => Outcome::Fail,
        EventType::Info | EventType::Invoke => Outcome::Info,
    };
    if operation.outcome != Outcome::Info {
        operation.completed = event.position;
        operation.completed_at_ns = event.time_ns;
    }
    let mut is_replaced = false;
    if operation.outcome == Outcome::Ok && event.value != Value::UNTOLD {
        let is_other = (operation.value, operation.second) != (event.value, event.second);
        is_replaced = is_other && !event.function.value_is_answer();
        operation.value = event.value;
        operation.second = event.second;
    }
    // An answer without the element that was asked for.
    if operation.outcome == Outcome::Ok
        && event.value == Value::UNTOLD
        && event.second != Value::UNTOLD
    {
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
    is_replaced
}

/// Whether an event says that the history is of a later version than this build.
fn newer(event: &Event) -> Option<Newer> {
    match Fact::of(event).filter(|_| event.f == "recording")? {
        Fact::Recording { schema_version, .. } => {
            Newer::than(SCHEMA_VERSION, schema_version.into())
        }
        _ => None,
    }
}
