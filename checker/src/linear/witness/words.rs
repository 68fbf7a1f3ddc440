//! Operations in words.

use crate::history::{Function, History, NEVER_NS, Operation, Outcome, Value};

/// Longest value shown whole; longer ones keep their ends, where the difference usually is.
const VALUE_CHARS: usize = 80;

/// What an operation did: `read → 37`, `write 41`, `cas 3 → 5 rejected, saw 4`.
pub(crate) fn operation(history: &History, operation: &Operation) -> String {
    let first = value(history, operation.value);
    let second = value(history, operation.second);
    let text = match operation.function {
        Function::Read => match operation.outcome {
            Outcome::Ok => format!("read → {first}"),
            _ => "read".to_owned(),
        },
        Function::Dequeue => match operation.outcome {
            Outcome::Ok if operation.value == Value::NIL => "dequeue → empty".to_owned(),
            Outcome::Ok => format!("dequeue → {first}"),
            _ => "dequeue".to_owned(),
        },
        Function::Drain => match operation.outcome {
            Outcome::Ok if operation.part().is_none() => "drain → nothing".to_owned(),
            Outcome::Ok => format!("drain → {first}"),
            _ => "drain".to_owned(),
        },
        Function::Contains => match operation.outcome {
            Outcome::Ok if operation.second.number() == Some(1) => {
                format!("contains {first} → yes")
            }
            Outcome::Ok => format!("contains {first} → no"),
            _ => format!("contains {first}"),
        },
        Function::Cas => match operation.outcome {
            Outcome::Rejected if operation.saw == Value::UNTOLD => {
                format!("cas {first} → {second} rejected")
            }
            Outcome::Rejected => {
                format!("cas {first} → {second} rejected, saw {}", value(history, operation.saw))
            }
            _ => format!("cas {first} → {second}"),
        },
        Function::Delete | Function::Acquire | Function::Release => {
            operation.function.word().to_owned()
        }
        function => format!("{} {first}", function.word()),
    };
    match operation.outcome {
        Outcome::Info => format!("{text} (outcome unknown)"),
        Outcome::Fail => format!("{text} (failed)"),
        Outcome::Ok | Outcome::Rejected => text,
    }
}

/// A value, shortened in the middle where it is long.
pub(crate) fn value(history: &History, value: Value) -> String {
    shortened(&history.values.words(value))
}

/// A value in words, shortened in the middle where it is long.
pub(crate) fn shortened(words: &str) -> String {
    let length = words.chars().count();
    if length <= VALUE_CHARS {
        return words.to_owned();
    }
    let half = VALUE_CHARS / 2;
    let first: String = words.chars().take(half).collect();
    let last: String = words.chars().skip(length - half).collect();
    format!("{first} … {last}")
}

/// The client of an operation: `client 6`.
pub(crate) fn client(operation: &Operation) -> String {
    format!("client {}", operation.process)
}

/// The same at the beginning of a sentence.
pub(crate) fn capital_client(operation: &Operation) -> String {
    format!("Client {}", operation.process)
}

/// ` on n3`, where the node is known.
pub(crate) fn on_node(history: &History, operation: &Operation) -> String {
    history.node(operation).map_or_else(String::new, |node| format!(" on {node}"))
}

/// How long one operation began after another had ended: `208 ms later`. Without times, or where they contradict
/// the order of the events, only `later`.
pub(crate) fn later(history: &History, before: &Operation, after: &Operation) -> String {
    match gap_ns(history, before, after) {
        Some(gap) => format!("{} later", duration(gap)),
        None => "later".to_owned(),
    }
}

/// The time from the end of one operation to the beginning of another, nanoseconds; `None` where the history does not
/// say.
pub(crate) fn gap_ns(history: &History, before: &Operation, after: &Operation) -> Option<u64> {
    if !history.has_times || before.completed_at_ns == NEVER_NS {
        return None;
    }
    after.invoked_at_ns.checked_sub(before.completed_at_ns)
}

/// With a capital first letter.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// `once`, `twice`, `3 times`.
pub(crate) fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// `A`, `A and B`, `A, B and C`.
pub(crate) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [alone] => alone.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A length of time with three significant digits.
pub(crate) fn duration(nanoseconds: u64) -> String {
    let milliseconds = nanoseconds as f64 / 1e6;
    match milliseconds {
        ms if ms >= 10_000.0 => format!("{:.1} s", ms / 1e3),
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms if ms >= 1.0 => format!("{ms:.1} ms"),
        ms => format!("{ms:.3} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(208_400_000), "208 ms");
        assert_eq!(duration(2_340_000), "2.3 ms");
        assert_eq!(duration(1_000), "0.001 ms");
        assert_eq!(duration(12_340_000_000), "12.3 s");
    }
}
