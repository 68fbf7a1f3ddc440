//! Reads of a list taken apart into elements, each long list stored once.

use hashbrown::HashMap;
use serde_json::Value as Json;

use crate::history::{Function, History, Outcome, Value};

/// A list that some read showed; shorter reads are its prefixes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    pub(crate) elements: Vec<u32>,
    /// In strings: the text, and where each element ends.
    text: String,
    ends: Vec<usize>,
}

/// What a read showed: the first `length` elements of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) sequence: u32,
    pub(crate) length: u32,
}

/// All lists of a key.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub(crate) sequences: Vec<Sequence>,
    /// What each ok read showed, by operation.
    pub(crate) shown: HashMap<u32, Shown>,
    /// The element that each append or write stands for, by operation; `None`: the empty list.
    pub(crate) element_of: HashMap<u32, Option<u32>>,
    /// Elements without any operation: no list can hold them.
    pub(crate) unknown: Vec<u32>,
    elements: HashMap<String, u32>,
    /// The elements that are whole numbers, by number: lists of those need not be written out as text.
    numbers: HashMap<i64, u32>,
}

/// Why reads could not be taken apart: a text can be read in several ways, or lists were written whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

impl Lists {
    /// Takes a key's reads apart.
    pub(crate) fn new(history: &History, operations: &[u32]) -> Result<Lists, Ambiguous> {
        let mut lists = Lists::default();
        let mut words = Words::default();
        let is_of_members = is_of_members(history, operations);
        for &index in operations {
            let operation = &history.operations[index as usize];
            if operation.outcome == Outcome::Fail {
                continue;
            }
            match operation.function {
                Function::Write if is_written_list(&history.values.json(operation.value)) => {
                    return Err(Ambiguous);
                }
                Function::Append | Function::Write => {
                    let json = history.values.json(operation.value);
                    let text = text_of(&json);
                    // An empty text puts nothing into a string, but is a member of a list like any other.
                    let is_member = is_of_members && operation.function == Function::Append;
                    let element =
                        (is_member || !text.is_empty()).then(|| lists.element(&name_of(&json)));
                    if let Some(element) = element.filter(|_| !text.is_empty()) {
                        words.add(&text, element);
                    }
                    lists.element_of.insert(index, element);
                }
                _ => {}
            }
        }
        for &index in operations {
            let operation = &history.operations[index as usize];
            if operation.function == Function::Read && operation.outcome == Outcome::Ok {
                let shown = lists.show(history, operation.value, &words)?;
                lists.shown.insert(index, shown);
            }
        }
        Ok(lists)
    }

    /// The elements that a read showed.
    pub(crate) fn elements(&self, shown: Shown) -> &[u32] {
        match self.sequences.get(shown.sequence as usize) {
            Some(sequence) => &sequence.elements[..shown.length as usize],
            None => &[],
        }
    }

    /// An element's name: the text of what was appended, or of what no operation explains.
    pub(crate) fn name(&self, element: u32) -> Option<&str> {
        let mut names = self.elements.iter();
        names.find(|&(_, &number)| number == element).map(|(name, _)| name.as_str())
    }

    /// The name of the element that a value is.
    pub(crate) fn name_of(json: &Json) -> String {
        name_of(json)
    }

    /// A written text and an appended one are the same element: so are the lists they make.
    fn element(&mut self, text: &str) -> u32 {
        let next = self.elements.len() as u32;
        *self.elements.entry(text.to_owned()).or_insert(next)
    }

    fn show(&mut self, history: &History, value: Value, words: &Words) -> Result<Shown, Ambiguous> {
        match history.values.json(value) {
            Json::Null => Ok(Shown { sequence: u32::MAX, length: 0 }),
            Json::Array(members) => Ok(self.show_list(&members)),
            other => self.show_text(&text_of(&other), words),
        }
    }

    fn show_list(&mut self, members: &[Json]) -> Shown {
        let mut elements = Vec::with_capacity(members.len());
        for member in members {
            elements.push(self.member(member));
        }
        let length = elements.len() as u32;
        self.sequences.push(Sequence { elements, ..Sequence::default() });
        self.merge_last(length)
    }

    /// The element of a list's member; one that no operation stands for is told as unknown.
    fn member(&mut self, member: &Json) -> u32 {
        let number = member.as_i64();
        if let Some(&element) = number.and_then(|number| self.numbers.get(&number)) {
            return element;
        }
        let text = name_of(member);
        let element = match self.elements.get(&text) {
            Some(&element) => element,
            None => {
                let element = self.element(&text);
                self.unknown.push(element);
                element
            }
        };
        if let Some(number) = number {
            self.numbers.insert(number, element);
        }
        element
    }

    /// If the newest sequence continues another, or is continued by it, one of the two is enough.
    fn merge_last(&mut self, length: u32) -> Shown {
        let last = self.sequences.len() - 1;
        let (before, new) = self.sequences.split_at_mut(last);
        let new = &mut new[0];
        for (number, other) in before.iter_mut().enumerate().rev() {
            let common = new.elements.len().min(other.elements.len());
            if common > 0 && new.elements[..common] == other.elements[..common] {
                if new.elements.len() > other.elements.len() {
                    std::mem::swap(new, other);
                }
                self.sequences.pop();
                return Shown { sequence: number as u32, length };
            }
        }
        Shown { sequence: last as u32, length }
    }

    fn show_text(&mut self, text: &str, words: &Words) -> Result<Shown, Ambiguous> {
        if text.is_empty() {
            return Ok(Shown { sequence: u32::MAX, length: 0 });
        }
        for (number, sequence) in self.sequences.iter_mut().enumerate().rev() {
            if sequence.text.is_empty() {
                // It ends in something unknown; nothing continues it.
                continue;
            }
            if sequence.text.starts_with(text) {
                if let Ok(place) = sequence.ends.binary_search(&text.len()) {
                    return Ok(Shown { sequence: number as u32, length: place as u32 + 1 });
                }
            } else if text.starts_with(sequence.text.as_str()) {
                let unknown = words.split(text, sequence)?;
                let length = sequence.elements.len() as u32;
                let shown = Shown { sequence: number as u32, length };
                return Ok(self.with_unknown(shown, unknown));
            }
        }
        let mut sequence = Sequence::default();
        let unknown = words.split(text, &mut sequence)?;
        let shown =
            Shown { sequence: self.sequences.len() as u32, length: sequence.elements.len() as u32 };
        self.sequences.push(sequence);
        Ok(self.with_unknown(shown, unknown))
    }

    /// Adds the rest of a text that no element explains as an element that does not exist.
    fn with_unknown(&mut self, shown: Shown, unknown: Option<String>) -> Shown {
        let Some(rest) = unknown else { return shown };
        // No text of an operation begins like it, so it is new.
        let element = self.element(&rest);
        self.unknown.push(element);
        let sequence = &self.sequences[shown.sequence as usize];
        let mut elements = sequence.elements[..shown.length as usize].to_vec();
        elements.push(element);
        let length = elements.len() as u32;
        self.sequences.push(Sequence { elements, ..Sequence::default() });
        Shown { sequence: self.sequences.len() as u32 - 1, length }
    }
}

/// Its elements could be anybody's.
fn is_written_list(json: &Json) -> bool {
    json.as_array().is_some_and(|members| !members.is_empty())
}

/// Whether reads show lists, and not strings.
pub(crate) fn is_of_members(history: &History, operations: &[u32]) -> bool {
    operations
        .iter()
        .map(|&index| &history.operations[index as usize])
        .filter(|operation| {
            operation.function == Function::Read && operation.outcome == Outcome::Ok
        })
        .any(|read| history.values.is_list(read.value))
}

/// A value's name among the elements. Those that put no text into a string have names as well, and different ones.
fn name_of(json: &Json) -> String {
    let text = text_of(json);
    if text.is_empty() { format!("\0{json}") } else { text }
}

/// A value as the text it puts into a string.
pub(crate) fn text_of(json: &Json) -> String {
    match json {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(members) if members.is_empty() => String::new(),
        other => other.to_string(),
    }
}

/// All texts that operations put into a string, as a tree of bytes.
#[derive(Debug, Default)]
struct Words {
    /// (node, byte) to node. Node 0 is the root.
    children: HashMap<(u32, u8), u32>,
    ends: HashMap<u32, u32>,
    nodes: u32,
}

impl Words {
    fn add(&mut self, text: &str, element: u32) {
        let mut node = 0;
        for byte in text.bytes() {
            let next = self.nodes + 1;
            let child = *self.children.entry((node, byte)).or_insert(next);
            self.nodes = self.nodes.max(child);
            node = child;
        }
        self.ends.insert(node, element);
    }

    /// All elements that a text may begin with, and where they end.
    fn beginnings(&self, text: &str, found: &mut Vec<(usize, u32)>) {
        let mut node = 0;
        for (place, byte) in text.bytes().enumerate() {
            match self.children.get(&(node, byte)) {
                Some(&child) => node = child,
                None => return,
            }
            if let Some(&element) = self.ends.get(&node) {
                found.push((place + 1, element));
            }
        }
    }

    /// Continues a sequence up to a whole text; returns the rest that no element explains.
    fn split(&self, text: &str, sequence: &mut Sequence) -> Result<Option<String>, Ambiguous> {
        let mut at = sequence.text.len();
        while at < text.len() {
            let mut found = Vec::new();
            self.beginnings(&text[at..], &mut found);
            match found.as_slice() {
                [] => {
                    text[..at].clone_into(&mut sequence.text);
                    return Ok(Some(text[at..].to_owned()));
                }
                [(length, element)] => {
                    at += length;
                    sequence.elements.push(*element);
                    sequence.ends.push(at);
                }
                _ => return Err(Ambiguous),
            }
        }
        text.clone_into(&mut sequence.text);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str]) -> Words {
        let mut words = Words::default();
        for (element, text) in texts.iter().enumerate() {
            words.add(text, element as u32);
        }
        words
    }

    #[test]
    fn a_text_is_split_where_it_can_be_in_one_way_only() {
        let words = words(&["x1y", "x2y", "x12y"]);
        let mut sequence = Sequence::default();
        assert_eq!(words.split("x2yx12yx1y", &mut sequence), Ok(None));
        assert_eq!(sequence.elements, [1, 2, 0]);
        assert_eq!(sequence.ends, [3, 7, 10]);
        let mut sequence = Sequence::default();
        assert_eq!(words.split("x2yx3y", &mut sequence), Ok(Some("x3y".to_owned())));
        assert_eq!(sequence.elements, [1]);
    }

    #[test]
    fn overlapping_texts_are_ambiguous() {
        let words = words(&["1", "12"]);
        assert_eq!(words.split("12", &mut Sequence::default()), Err(Ambiguous));
    }
}
