//! Service-level objectives: what a run is to come to beside being right.
//!
//! An objective is `NAME OP VALUE` without more: `failover_p95<3s`, `served>=99%`, `operations_ok>=1000`. The
//! names are the [`Figure`]s, which are read from [`Statistics`]; `OP` is one of `<`, `<=`, `>` and `>=`; a
//! value is a decimal number with the unit that its figure has ([`Unit`]). Objectives stand in `plan.json`, so
//! that a folder is held against them alike wherever and whenever it is.
//!
//! A missed objective says nothing of the promises that the checks watch: it leaves the verdict alone. What was
//! never seen (a failover, where no leader was lost) is neither met nor missed.

mod figure;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use figure::{Figure, Unit};

use crate::statistics::Statistics;

/// A bound for one figure of a run. In files it is its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Objective {
    /// What is held against the bound.
    pub figure: Figure,
    /// How.
    pub comparison: Comparison,
    /// In nanoseconds, percent or as a plain number, by the figure's unit.
    pub bound: f64,
    /// As it was written.
    text: String,
}

// A bound is read from decimal digits, so it is never NaN.
impl Eq for Objective {}

/// How a figure has to stand to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The longer ones first: they begin like the shorter ones.
    const ALL: [(&'static str, Comparison); 4] = [
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];

    fn holds(self, seen: f64, bound: f64) -> bool {
        match self {
            Comparison::Less => seen < bound,
            Comparison::LessOrEqual => seen <= bound,
            Comparison::Greater => seen > bound,
            Comparison::GreaterOrEqual => seen >= bound,
        }
    }
}

/// Why a text is no objective; says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectiveError {
    /// No comparison in it.
    #[error(
        "`{0}` compares nothing: expected NAME OP VALUE with one of < <= > >=, such as failover_p95<3s"
    )]
    NoComparison(String),
    /// No such figure.
    #[error("`{0}` is no figure of a run; known are {known}", known = Figure::names())]
    UnknownFigure(String),
    /// No number with the figure's unit.
    #[error(
        "`{value}` is no {unit} for {figure}: expected {unit}, such as {figure}{operator}{example}"
    )]
    WrongValue {
        /// What stands there.
        value: String,
        /// The figure's name.
        figure: &'static str,
        /// The comparison.
        operator: &'static str,
        /// What is expected, in words.
        unit: &'static str,
        /// A value that would do.
        example: &'static str,
    },
    /// Whatever happens, it is met, or missed.
    #[error("`{0}` says nothing: whatever happens, it is {1}")]
    Foregone(String, &'static str),
}

impl FromStr for Objective {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let text: String = text.split_whitespace().collect();
        let none = || ObjectiveError::NoComparison(text.clone());
        let at = text.find(['<', '>']).ok_or_else(none)?;
        let (name, rest) = text.split_at(at);
        let (operator, comparison) =
            Comparison::ALL.into_iter().find(|(it, _)| rest.starts_with(it)).ok_or_else(none)?;
        let figure =
            Figure::of_name(name).ok_or_else(|| ObjectiveError::UnknownFigure(name.to_owned()))?;
        let value = &rest[operator.len()..];
        let unit = figure.unit();
        let bound = unit.read(value).ok_or_else(|| ObjectiveError::WrongValue {
            value: value.to_owned(),
            figure: figure.name(),
            operator,
            unit: unit.words(),
            example: unit.example(),
        })?;
        let objective = Objective { figure, comparison, bound, text };
        match objective.foregone() {
            None => Ok(objective),
            Some(how) => Err(ObjectiveError::Foregone(objective.text, how)),
        }
    }
}

impl TryFrom<String> for Objective {
    type Error = ObjectiveError;

    fn try_from(text: String) -> Result<Self, ObjectiveError> {
        text.parse()
    }
}

impl From<Objective> for String {
    fn from(objective: Objective) -> String {
        objective.text
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Objective {
    /// What it comes to whatever is seen, where that is so: no figure is negative, no share above 100 %.
    fn foregone(&self) -> Option<&'static str> {
        let holds = |seen| self.comparison.holds(seen, self.bound);
        let most = if self.figure.unit() == Unit::Share { 100.0 } else { f64::INFINITY };
        match (holds(0.0), holds(most)) {
            (true, true) => Some("met"),
            (false, false) => Some("missed"),
            _ => None,
        }
    }

    /// A figure as it is written, with so many digits that it stands to the bound as it does.
    fn shown(&self, seen: f64) -> String {
        let holds = |seen| self.comparison.holds(seen, self.bound);
        let (rounded, text) = self.figure.unit().write(seen);
        if holds(rounded) == holds(seen) { text } else { self.figure.unit().write_exactly(seen) }
    }
}

/// What became of the objectives of a run. Part of `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcomes {
    /// Met, with what was seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objectives_met: Vec<Seen>,
    /// Missed, with what was seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objectives_missed: Vec<Seen>,
    /// Neither: nothing happened that they could be held against.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objectives_not_measured: Vec<NotMeasured>,
}

/// An objective, and what its figure was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// `failover_p95<3s`.
    pub objective: String,
    /// `3.412s`: a value as objectives are written with.
    pub seen: String,
}

/// An objective whose figure has no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotMeasured {
    /// `failover_p95<3s`.
    pub objective: String,
    /// `no leader was lost and replaced`.
    pub why: String,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.objective, self.seen)
    }
}

impl fmt::Display for NotMeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.objective, self.why)
    }
}

impl Outcomes {
    /// Holds figures against objectives.
    pub fn of(objectives: &[Objective], statistics: &Statistics) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for objective in objectives {
            let text = objective.text.clone();
            let Some(seen) = objective.figure.of(statistics) else {
                let why = objective.figure.without().to_owned();
                outcomes.objectives_not_measured.push(NotMeasured { objective: text, why });
                continue;
            };
            let list = match objective.comparison.holds(seen, objective.bound) {
                true => &mut outcomes.objectives_met,
                false => &mut outcomes.objectives_missed,
            };
            list.push(Seen { objective: text, seen: objective.shown(seen) });
        }
        outcomes
    }

    /// Whether there were no objectives.
    pub fn is_empty(&self) -> bool {
        self.objectives_met.is_empty()
            && self.objectives_missed.is_empty()
            && self.objectives_not_measured.is_empty()
    }

    /// What is not as it was wanted, a line each: `objective missed: p99<50ms, seen 61.2ms`.
    pub fn lines(&self) -> Vec<String> {
        let missed = self.objectives_missed.iter();
        let missed =
            missed.map(|it| format!("objective missed: {}, seen {}", it.objective, it.seen));
        let not_measured = self.objectives_not_measured.iter();
        let not_measured =
            not_measured.map(|it| format!("objective not measured: {}, {}", it.objective, it.why));
        missed.chain(not_measured).collect()
    }
}
