//! The words of a finding while they are being put together, and what they may rest on.
//!
//! An operation is named with a mark that becomes its label once all that are shown are known, so whatever the text
//! names is in the witness, and in its file.

use super::{Case, words};
use crate::history::Operation;

/// Encloses the index of an operation that the text names.
const MARK: char = '\u{1}';

/// What a violation is called and how it is told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The slug.
    pub(crate) anomaly: &'static str,
    /// One sentence without values.
    pub(crate) headline: &'static str,
    /// Sentences with values; operations carry marks.
    pub(crate) explanation: String,
}

impl Told {
    pub(crate) fn new(anomaly: &'static str, headline: &'static str, explanation: String) -> Told {
        Told { anomaly, headline, explanation }
    }
}

/// The operations that a text names, in its order.
pub(crate) fn named(text: &str) -> Vec<u32> {
    text.split(MARK).skip(1).step_by(2).filter_map(|index| index.parse().ok()).collect()
}

/// The text with each operation's label in place of its mark.
pub(crate) fn labelled(text: &str, label_of: &dyn Fn(u32) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    for (place, part) in text.split(MARK).enumerate() {
        match part.parse() {
            Ok(index) if place % 2 == 1 => out.push_str(&label_of(index)),
            _ => out.push_str(part),
        }
    }
    out
}

impl Case<'_> {
    /// `client 3’s “read → 5” (C)`.
    pub(crate) fn one(&self, index: u32) -> String {
        let operation = self.operation(index);
        format!("{}’s {}", words::client(operation), self.quoted(index))
    }

    /// The same at the beginning of a sentence, with the node.
    pub(crate) fn capital_one(&self, index: u32) -> String {
        let operation = self.operation(index);
        format!("{}’s {}", words::capital_client(operation), self.quoted_on(index))
    }

    /// `“read → 5” (C)`.
    pub(crate) fn quoted(&self, index: u32) -> String {
        let text = words::operation(self.history, self.operation(index));
        format!("“{text}” {}", self.label(index))
    }

    /// `“read → 5” (C) on n3`.
    pub(crate) fn quoted_on(&self, index: u32) -> String {
        let node = words::on_node(self.history, self.operation(index));
        format!("{}{node}", self.quoted(index))
    }

    /// `(C)`.
    pub(crate) fn label(&self, index: u32) -> String {
        format!("({MARK}{index}{MARK})")
    }

    /// `30.0 ms later`: how long after the end of one operation another began.
    pub(crate) fn later(&self, before: u32, after: u32) -> String {
        words::later(self.history, self.operation(before), self.operation(after))
    }

    /// The same at the beginning of a sentence.
    pub(crate) fn capital_later(&self, before: u32, after: u32) -> String {
        words::capital(&self.later(before, after))
    }

    /// The minimal set's operations with their indices.
    pub(crate) fn own(&self) -> impl Iterator<Item = (u32, &Operation)> + Clone {
        self.operations.iter().map(|&index| (index, self.operation(index)))
    }

    /// The minimal set without the blocked operation.
    pub(crate) fn others(&self) -> impl Iterator<Item = (u32, &Operation)> + Clone {
        self.own().filter(|&(index, _)| index != self.blocked)
    }

    /// The key's operations with their indices.
    pub(crate) fn whole(&self) -> impl Iterator<Item = (u32, &Operation)> + Clone {
        self.all.iter().map(|&index| (index, self.operation(index)))
    }
}
