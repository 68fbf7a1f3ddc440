//! A history written out as Jepsen's `history.edn`, for a second opinion by Knossos or another
//! checker.
//!
//! Values keep their meaning; independent keys become `[key value]` tuples, as `jepsen.independent`
//! writes them, unless there is only one object. A cas that was rejected and said what it saw keeps that
//! in `:saw`. The nemesis's events are left out.

use std::io::{self, Write};

use serde_json::Value as Json;

use super::{Function, History, NEVER, Operation, Outcome, Value, drain};

/// Writes all client operations, one map a line, in real-time order.
pub fn edn(history: &History, out: &mut dyn Write) -> io::Result<()> {
    let mut events: Vec<(u32, u32, bool)> = Vec::with_capacity(2 * history.operations.len());
    // Of a drain only the first element's: its event tells them all.
    let told = |operation: &Operation| {
        operation.function != Function::Drain
            || operation.second.number().is_none_or(|place| place == 0)
    };
    for (index, operation) in history.operations.iter().enumerate() {
        if !told(operation) {
            continue;
        }
        events.push((operation.invoked, index as u32, true));
        if operation.completed != NEVER {
            events.push((operation.completed, index as u32, false));
        }
    }
    events.sort_unstable();
    let one_object = history.keys() == 1 && history.key(0).is_empty();
    let mut out = io::BufWriter::new(out);
    for key in 0..history.keys() as u32 {
        let initial = history.initial(key);
        if initial != Value::NIL {
            let value = text(&history.values.json(initial));
            let key = match one_object {
                true => String::new(),
                false => format!(", :key {}", Json::from(history.key(key))),
            };
            writeln!(out, "{{:process :init, :type :ok, :f :init{key}, :value {value}}}")?;
        }
    }
    for (number, (_, index, is_invocation)) in events.into_iter().enumerate() {
        let operation = &history.operations[index as usize];
        let value = value(history, index, is_invocation);
        let value = if one_object {
            value
        } else {
            format!("[{} {value}]", text(&Json::from(history.key(operation.key))))
        };
        let (kind, time) = match (is_invocation, operation.outcome) {
            (true, _) => ("invoke", operation.invoked_at_ns),
            (false, outcome) => (outcome.word(), operation.completed_at_ns),
        };
        let time = match history.has_times {
            true => format!(", :time {time}"),
            false => String::new(),
        };
        write!(
            out,
            "{{:index {number}{time}, :type :{kind}, :process {}, :f :{}, :value {value}",
            operation.process,
            operation.function.word(),
        )?;
        if !is_invocation && operation.outcome == Outcome::Fail {
            // Without it, a failed cas would say that the value was another.
            write!(out, ", :error :no-effect")?;
        }
        if !is_invocation
            && operation.outcome == Outcome::Rejected
            && operation.saw == Value::UNTOLD
        {
            // Jepsen's `fail` says nothing about the value; this one does.
            write!(out, ", :rejected true")?;
        }
        if !is_invocation && operation.saw != Value::UNTOLD {
            write!(out, ", :saw {}", text(&history.values.json(operation.saw)))?;
        }
        writeln!(out, "}}")?;
    }
    out.flush()
}

fn value(history: &History, index: u32, is_invocation: bool) -> String {
    let operation = &history.operations[index as usize];
    let show = |value: Value| text(&history.values.json(value));
    let unanswered = is_invocation || operation.outcome != Outcome::Ok;
    match operation.function {
        Function::Read | Function::Dequeue | Function::Drain if unanswered => "nil".to_owned(),
        Function::Drain => {
            let parts = drain::parts(&history.operations[index as usize..]);
            let taken = parts.iter().filter(|part| part.value != Value::UNTOLD);
            let taken: Vec<String> = taken.map(|part| show(part.value)).collect();
            format!("[{}]", taken.join(" "))
        }
        Function::Cas => format!("[{} {}]", show(operation.value), show(operation.second)),
        Function::Contains if !unanswered => {
            format!("[{} {}]", show(operation.value), operation.second.number() == Some(1))
        }
        _ => show(operation.value),
    }
}

/// A JSON value as EDN text.
fn text(json: &Json) -> String {
    match json {
        Json::Null => "nil".to_owned(),
        Json::Array(members) => {
            let members: Vec<String> = members.iter().map(text).collect();
            format!("[{}]", members.join(" "))
        }
        Json::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{} {}", Json::from(name.as_str()), text(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}
