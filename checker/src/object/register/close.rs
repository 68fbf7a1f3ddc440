//! Registers as objects.
//!
//! In a part of a history, a cas whose expected value nobody in the part may have written counts as a write of
//! its new value: what led to the expected one is left out. That asks less than the cas did. A valid order of the
//! whole, with the others left out, is a valid order of the part: a write fits everywhere, and every other operation
//! that needs a value has all its possible writers in the part, so the one it had the value from is there and
//! nothing has come between them. So a part without an order proves that the whole has none, and a witness need not go
//! back to the beginning of a chain of cas.

use std::collections::HashMap;

use super::call::{Call, Codes, Effect, NIL, register_calls};
use super::machine::Register;
use crate::history::{History, NEVER};
use crate::linear::object::{Object, Problem, Supports};

/// One register.
pub(crate) struct RegisterObject<'a> {
    history: &'a History,
    codes: Codes,
    /// Every call that may change it.
    writers: Vec<Call>,
    /// Writers by value.
    by_value: HashMap<u32, Vec<u32>>,
}

impl<'a> RegisterObject<'a> {
    pub(crate) fn new(history: &'a History, operations: &[u32]) -> Self {
        let mut writers = Vec::new();
        register_calls(history, operations, &mut writers);
        writers.retain(|call| call.leaves().is_some());
        let mut by_value: HashMap<u32, Vec<u32>> = HashMap::new();
        for writer in &writers {
            by_value.entry(writer.leaves().unwrap_or(NIL)).or_default().push(writer.index);
        }
        RegisterObject { history, codes: Codes::of(history, operations), writers, by_value }
    }

    fn calls(&self, operations: &[u32]) -> Vec<Call> {
        let mut calls = Vec::new();
        register_calls(self.history, operations, &mut calls);
        for place in self.unexplained(&calls) {
            let call = &mut calls[place];
            (call.effect, call.a, call.b) = (Effect::Write, call.b, NIL);
        }
        calls
    }

    /// The places of cas whose expected value is not explained by the other calls.
    fn unexplained(&self, calls: &[Call]) -> Vec<usize> {
        let overwriting = Overwriting::new(calls);
        let is_unexplained = |call: &Call| {
            call.effect == Effect::Cas && !self.has_writers(calls, &overwriting, call)
        };
        (0..calls.len()).filter(|&place| is_unexplained(&calls[place])).collect()
    }

    /// Whether every writer that a call may have its value from is among the calls: without its own writer, it
    /// would borrow another's.
    fn has_writers(&self, calls: &[Call], overwriting: &Overwriting, call: &Call) -> bool {
        let Some(value) = call.needs() else { return true };
        let newest = overwriting.newest_before(call.invoked);
        let stays = |index: &u32| calls.binary_search_by_key(index, |call| call.index).is_ok();
        let writers = self.writers_of(value);
        // One is kept in any case: a reader without it would tell of a value never written.
        (writers.is_empty() || writers.iter().any(stays))
            && writers.iter().all(|index| {
                let writer = &self.history.operations[*index as usize];
                // It began too late, or something else has surely come after it.
                writer.invoked > call.returned || writer.completed < newest || stays(index)
            })
    }

    fn writers_of(&self, value: u32) -> &[u32] {
        self.by_value.get(&value).map_or(&[], Vec::as_slice)
    }

    /// Whether "the value was not a" still means something: nothing that was left out could have been what
    /// changed it. Or the whole has no order anyway: the only write of a came before, and something that surely took effect
    /// found a afterwards, so a was there all the time.
    fn negative_stays(&self, negative: &Call, kept: &[Call]) -> bool {
        let of_value =
            |call: &&Call| call.leaves() == Some(negative.a) || call.needs() == Some(negative.a);
        if self.writers_of(negative.a).len() == 1 && negative.a != NIL {
            let before = kept
                .iter()
                .filter(|call| call.leaves() == Some(negative.a) || call.effect == Effect::Read)
                .filter(of_value)
                .any(|call| call.returned < negative.invoked);
            let after = kept
                .iter()
                .filter(|call| call.needs() == Some(negative.a))
                // What need not have taken effect proves nothing.
                .any(|call| call.invoked > negative.returned && !call.is_optional());
            if before && after {
                return true;
            }
        }
        let newest = kept
            .iter()
            .filter(|call| call.leaves() == Some(negative.a) && call.returned < negative.invoked)
            .map(|call| call.invoked)
            .max()
            .unwrap_or(0);
        self.writers.iter().all(|writer| {
            writer.leaves() == Some(negative.a)
                || writer.invoked > negative.returned
                || writer.returned < newest
                || kept.iter().any(|call| call.index == writer.index)
        })
    }
}

/// Operations that a file of a witness may have beside the proof, to explain the values that its cas found.
const SUPPORTS_MAX: usize = 200;

impl RegisterObject<'_> {
    /// A writer of what a call needs that is not among some operations: the latest that began before it ended, else one
    /// that began later, which says that the value is not unheard of.
    fn writer_left_out(&self, call: &Call, kept: &[u32]) -> Option<Call> {
        let value = call.needs()?;
        let is_out =
            |writer: &&Call| writer.leaves() == Some(value) && !kept.contains(&writer.index);
        let writers = self.writers.iter().filter(is_out);
        writers.max_by_key(|writer| (writer.invoked < call.returned, writer.invoked)).copied()
    }
}

impl Object for RegisterObject<'_> {
    type Machine = Register;

    fn problem(&self, operations: &[u32]) -> Problem<Register> {
        let calls = self.calls(operations);
        let (machine, steps) = Register::new(&calls);
        let operations = calls.iter().map(|call| call.index).collect();
        Problem { machine, steps, operations }
    }

    fn words(&self, _machine: &Register, state: u32) -> String {
        self.history.values.words(self.codes.value(state))
    }

    /// A reader goes with any of the writers that it may have its value from.
    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        let mut calls = self.calls(operations);
        loop {
            let overwriting = Overwriting::new(&calls);
            let has_writers = |call: &&Call| self.has_writers(&calls, &overwriting, call);
            let kept: Vec<Call> = calls.iter().filter(has_writers).copied().collect();
            let kept: Vec<Call> = kept
                .iter()
                .filter(|call| call.effect != Effect::NotEqual || self.negative_stays(call, &kept))
                .copied()
                .collect();
            if kept.len() == calls.len() {
                return Some(calls.iter().map(|call| call.index).collect());
            }
            calls = kept;
        }
    }

    fn complete(&self, operations: &[u32]) -> Vec<u32> {
        let mut complete: Vec<u32> = operations.to_vec();
        let mut next = 0;
        while let Some(&index) = complete.get(next) {
            next += 1;
            let mut calls = Vec::new();
            register_calls(self.history, &[index], &mut calls);
            for call in calls {
                if let Some(value) = call.needs() {
                    for &writer in self.writers_of(value) {
                        if !complete.contains(&writer) {
                            complete.push(writer);
                        }
                    }
                }
            }
        }
        complete.sort_unstable();
        complete
    }

    /// The operations with the writers of what they saw, and no further back.
    fn nearest(&self, operations: &[u32]) -> Vec<u32> {
        let mut calls = Vec::new();
        register_calls(self.history, operations, &mut calls);
        let seen = calls.iter().filter_map(Call::needs);
        let writers = seen.flat_map(|value| self.writers_of(value));
        let mut nearest: Vec<u32> = operations.iter().chain(writers).copied().collect();
        nearest.sort_unstable();
        nearest.dedup();
        nearest
    }

    fn is_start_known(&self, operations: &[u32]) -> bool {
        let calls = self.calls(operations);
        // What needs the first value is a proof only together with it.
        if calls.iter().any(|call| call.needs() == Some(NIL)) {
            return true;
        }
        let last = calls.iter().map(|call| call.returned).filter(|&at| at != NEVER).max();
        self.writers.iter().all(|writer| {
            Some(writer.invoked) > last || operations.binary_search(&writer.index).is_ok()
        })
    }

    /// A cas whose expected value is taken for granted gets the operation that left it, and if that is a cas too, what
    /// it had found is what the file begins with, or is explained in turn.
    fn supports(&self, operations: &[u32]) -> Supports {
        let mut calls = Vec::new();
        register_calls(self.history, operations, &mut calls);
        let needs_initial = calls.iter().any(|call| call.needs() == Some(NIL));
        let mut kept = operations.to_vec();
        let mut open: Vec<Call> = Vec::new();
        let unexplained = self.unexplained(&calls);
        let writers = |open: &mut Vec<Call>, kept: &mut Vec<u32>, call: &Call| {
            let Some(writer) = self.writer_left_out(call, kept) else { return false };
            kept.push(writer.index);
            let is_explained = |need: u32| {
                let mut left = kept.iter().filter(|&&index| index != writer.index);
                left.any(|index| {
                    let leaves =
                        |other: &Call| other.index == *index && other.leaves() == Some(need);
                    self.writers.iter().any(leaves)
                })
            };
            let is_early = writer.invoked < call.returned;
            if is_early && writer.needs().is_some_and(|need| need != NIL && !is_explained(need)) {
                open.push(writer);
            }
            true
        };
        for place in unexplained {
            writers(&mut open, &mut kept, &calls[place]);
        }
        // Where the proof tells what the key began with, the file begins with nothing else.
        let is_start_told = needs_initial || self.is_start_known(operations);
        let is_free = |call: &Call| {
            let is_needed = calls.iter().any(|other| other.needs() == call.needs());
            !is_start_told && !is_needed
        };
        while kept.len() < operations.len() + SUPPORTS_MAX {
            open.sort_unstable_by_key(|call| call.invoked);
            if open.len() == 1 && is_free(&open[0]) {
                break;
            }
            let Some(latest) = open.pop() else { break };
            if !writers(&mut open, &mut kept, &latest) {
                break;
            }
        }
        let initial = match open.as_slice() {
            [alone] if is_free(alone) => alone.needs().map(|need| self.codes.value(need)),
            _ => None,
        };
        Supports { operations: kept.split_off(operations.len()), initial }
    }

    fn presumed(&self, operations: &[u32]) -> Vec<(u32, String)> {
        let mut calls = Vec::new();
        register_calls(self.history, operations, &mut calls);
        let words = |value: u32| self.history.values.words(self.codes.value(value));
        let unexplained = self.unexplained(&calls).into_iter();
        unexplained.map(|place| (calls[place].index, words(calls[place].a))).collect()
    }
}

/// The writers that returned, by return, with the latest invocation up to each.
struct Overwriting(Vec<(u32, u32)>);

impl Overwriting {
    fn new(calls: &[Call]) -> Overwriting {
        let mut writers: Vec<(u32, u32)> = calls
            .iter()
            .filter(|call| call.leaves().is_some() && !call.is_optional())
            .map(|call| (call.returned, call.invoked))
            .collect();
        writers.sort_unstable();
        for place in 1..writers.len() {
            writers[place].1 = writers[place].1.max(writers[place - 1].1);
        }
        Overwriting(writers)
    }

    /// The latest invocation among the writers that returned before a position: whatever returned before
    /// that was overwritten by then.
    fn newest_before(&self, position: u32) -> u32 {
        let returned = self.0.partition_point(|&(at, _)| at < position);
        returned.checked_sub(1).map_or(0, |last| self.0[last].1)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::options::Options;

    /// What of some operations is kept of a history: process, type, function and value of each event.
    fn closed(events: &[(u32, &str, &str, &str)], operations: &[u32]) -> Option<Vec<u32>> {
        let line = |(time, (process, kind, f, value)): (usize, &(u32, &str, &str, &str))| {
            format!(
                "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value},\
                 \"time_ns\":{time}}}\n"
            )
        };
        let text: String = events.iter().enumerate().map(line).collect();
        let input = Box::new(Cursor::new(text.into_bytes()));
        let source = crate::history::read_from("close", input, &Options::default());
        let history = source.expect("a good history").history;
        RegisterObject::new(&history, history.by_key().operations(0)).close(operations)
    }

    /// The delete may have come between the write and the rejection.
    #[test]
    fn a_rejection_goes_with_what_may_have_been_its_reason_unless_the_value_was_surely_there() {
        let events = [
            (0, "invoke", "write", "1"),
            (1, "invoke", "delete", "null"),
            (0, "ok", "write", "1"),
            (0, "invoke", "cas", "[1,9]"),
            (0, "fail", "cas", "[1,9]"),
            (0, "invoke", "cas", "[1,2]"),
            (1, "ok", "delete", "null"),
        ];
        assert_eq!(closed(&events, &[0, 2, 3]), Some(vec![0, 3]), "the last cas may do nothing");
        let ended = [&events[..], &[(0, "ok", "cas", "[1,2]")]].concat();
        assert_eq!(closed(&ended, &[0, 2, 3]), Some(vec![0, 2, 3]));
    }
}
