//! What clients ask of the cluster.
//!
//! Everything but the [`driver`] is pure. A workload's [`Generator`] says what to do next and learns from
//! answers; who asks, when, and of which node is a [`Client`]'s business. The driver does what clients want
//! on a real cluster, the simulator's queue on a virtual one.

mod append;
mod client;
mod driver;
mod generator;
mod habit;
mod keys;
mod register;
mod shared;
mod tally;

use bytes::Bytes;
use serde_json::Value;

use whitewater_target::{Change, Offers};

use crate::plan::workload_plan::WorkloadPlan;

pub(crate) use client::{Client, ClientSetup, Doze, Input, Step};
pub(crate) use driver::{Crew, Worker};
pub(crate) use generator::Generator;
pub(crate) use habit::Habit;
pub(crate) use shared::{Shared, Task, Work};
pub(crate) use tally::{Counts, Tally};

/// The workloads a user may ask for.
pub(crate) const NAMES: [&str; 2] = [register::NAME, append::NAME];

/// The kinds of operation of a workload, with their shares in percent: those that its target offers.
pub(crate) fn kinds(workload: &WorkloadPlan) -> Vec<(&'static str, u32)> {
    let all = all_kinds(&workload.name).iter().copied();
    all.filter(|(kind, _)| !workload.without.iter().any(|missing| missing == kind)).collect()
}

/// The same, whatever a target offers.
fn all_kinds(workload: &str) -> &'static [(&'static str, u32)] {
    match workload {
        append::NAME => &append::KINDS,
        _ => &register::KINDS,
    }
}

/// Fits a workload to what clients of a target can ask for.
///
/// # Errors
/// Where nothing that changes a key is left of it; in words.
pub(crate) fn offered(workload: WorkloadPlan, offers: Offers) -> Result<WorkloadPlan, String> {
    let is_missing = |kind: &str| match kind {
        "cas" => !offers.cas,
        "append" => !offers.append,
        _ => false,
    };
    let kinds = all_kinds(&workload.name);
    let without: Vec<String> =
        kinds.iter().filter(|(kind, _)| is_missing(kind)).map(|(kind, _)| (*kind).into()).collect();
    if without.len() + 1 == kinds.len() {
        return Err(format!(
            "--workload {} needs a target whose clients can {}: describe how they do, or take --workload {}",
            workload.name,
            without.join(" and "),
            register::NAME
        ));
    }
    Ok(WorkloadPlan { without, ..workload })
}

/// One operation on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// The key.
    pub(crate) key: String,
    /// The place among the keys in use that the key held.
    pub(crate) slot: usize,
    /// What to do.
    pub(crate) action: Action,
    /// The node that is asked first; `None`: whichever the client asks.
    pub(crate) node: Option<u32>,
}

/// What to do with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Read it.
    Read,
    /// Set it to a value never used before.
    Write(u64),
    /// Set it to a value never used before, where it holds a value seen before.
    Cas(Option<u64>, u64),
    /// Append a word never used before.
    Append(String),
}

impl Action {
    /// The history's word.
    pub(crate) fn f(&self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Write(_) => "write",
            Action::Cas(..) => "cas",
            Action::Append(_) => "append",
        }
    }

    /// The history's value at the beginning.
    pub(crate) fn value(&self) -> Value {
        match self {
            Action::Read => Value::Null,
            Action::Write(value) => (*value).into(),
            Action::Cas(from, to) => Value::Array(vec![Value::from(*from), Value::from(*to)]),
            Action::Append(word) => word.clone().into(),
        }
    }

    /// What to send; `None`: a read changes nothing.
    pub(crate) fn change(&self) -> Option<Change> {
        let bytes = |value: u64| Bytes::from(value.to_string());
        Some(match self {
            Action::Read => return None,
            Action::Write(value) => Change::Put(bytes(*value)),
            Action::Cas(from, to) => Change::Cas { expected: from.map(bytes), new: bytes(*to) },
            Action::Append(word) => Change::Append(Bytes::from(word.clone())),
        })
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It took effect; a read says what it saw.
    Ok(Option<Value>),
    /// A cas that found this instead.
    Mismatch(Value),
    /// It took no effect.
    Fail,
    /// Nobody knows.
    Info,
}

/// A stored value as the history writes it: a whole number where the workload wrote one, text
/// otherwise. What no client wrote is text as well, and the checker will say so.
pub(crate) fn stored_value(workload: &str, stored: Option<&Bytes>) -> Value {
    let Some(bytes) = stored else { return Value::Null };
    let text = String::from_utf8_lossy(bytes);
    if workload == register::NAME
        && let Ok(number) = text.parse::<u64>()
    {
        return number.into();
    }
    text.into_owned().into()
}
