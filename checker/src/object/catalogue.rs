//! Every datatype there is, in one list: what a history may be about, what `--model` takes, what the documentation lists.

use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};

use super::card::Card;
use super::kind::ModelKind;

/// The datatypes, in the order of the documentation. The first is what a history is about if nothing tells another one.
pub(crate) static CARDS: &[&Card] = &[
    &super::register::CARD,
    &super::append::CARD,
    &super::set::CARD,
    &super::counter::CARD,
    &super::queue::CARD,
    &super::unordered_queue::CARD,
    &super::mutex::CARD,
    &super::owned_mutex::OWNER_AWARE_CARD,
    &super::owned_mutex::REENTRANT_CARD,
    &super::semaphore::CARD,
];

/// A datatype's card.
pub(crate) fn card(kind: ModelKind) -> &'static Card {
    let mut cards = CARDS.iter().copied();
    cards.find(|card| card.word == kind.word()).expect("every kind is of a card that is listed")
}

impl ModelKind {
    /// Every model, in the order of the documentation. Of those that count something, the one with two.
    pub fn all() -> impl Iterator<Item = ModelKind> + Clone {
        CARDS.iter().map(|card| ModelKind::new(card.word, card.counted.map(|_| 2)))
    }

    /// All of them for a person: `register, append or semaphore=N (of N permits)`.
    pub fn listed() -> String {
        let name = |card: &&Card| match card.counted {
            Some(counted) => format!("{}=N (of N {counted}s)", card.word),
            None => card.word.to_owned(),
        };
        let names: Vec<String> = CARDS.iter().map(name).collect();
        let (last, others) = names.split_last().expect("the list has cards");
        format!("{} or {last}", others.join(", "))
    }

    /// What several of its objects are called: `registers`, `append lists`.
    pub fn plural(self) -> String {
        let card = card(self);
        match (card.counted, self.count()) {
            (Some(counted), Some(1)) => format!("{} of 1 {counted}", card.plural),
            (Some(counted), Some(count)) => format!("{} of {count} {counted}s", card.plural),
            _ => card.plural.to_owned(),
        }
    }
}

/// ```
/// use whitewater_checker::object::{ModelKind, semaphore};
///
/// assert_eq!("semaphore=3".parse(), Ok(semaphore::of(3)));
/// assert!("semaphore".parse::<ModelKind>().is_err());
/// ```
impl FromStr for ModelKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        for card in CARDS {
            let (word, rest) = (card.word, text.strip_prefix(card.word));
            match (card.counted, rest) {
                (None, Some("")) => return Ok(card.kind()),
                (Some(counted), Some(rest)) => {
                    let count = rest.strip_prefix('=').and_then(|number| number.parse().ok());
                    let count = count.filter(|&count| count > 0).ok_or_else(|| {
                        format!("{text:?} does not say how many {counted}s there are: {word}=N, with N from 1")
                    })?;
                    return Ok(ModelKind::new(word, Some(count)));
                }
                _ => {}
            }
        }
        let count = |card: &Card| card.counted.map_or("", |_| "=N");
        let known = CARDS.iter().map(|card| format!("{}{}", card.word, count(card)));
        let known: Vec<String> = known.collect();
        Err(format!("known are {}", known.join(", ")))
    }
}

impl<'de> Deserialize<'de> for ModelKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Function;

    /// How the row of a card in the documentation begins: its word, and what its operations are called.
    fn row(card: &Card) -> String {
        let function = |function: &Function| {
            let words = Function::WORDS[*function as usize].1;
            let others = words[1..].iter().map(|word| format!(" (`{word}`)"));
            format!("`{}`{}", words[0], others.collect::<String>())
        };
        let count = card.counted.map_or("", |_| "=N");
        let functions: Vec<String> = card.functions.iter().map(function).collect();
        format!("| `{}{count}` | {} |", card.word, functions.join(", "))
    }

    #[test]
    fn the_documentation_has_every_model_with_its_operations() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/checker.md");
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines = text.lines().skip_while(|line| !line.starts_with("| `--model` |")).skip(2);
        for card in CARDS {
            let line = lines.next().unwrap_or_default();
            assert!(line.starts_with(&row(card)), "docs/checker.md: {line}, not {} …", row(card));
        }
        assert_eq!(lines.next(), Some(""), "docs/checker.md has more models than there are");
    }

    #[test]
    fn names_are_found_and_none_begins_like_one_that_counts() {
        for (place, card) in CARDS.iter().enumerate() {
            assert!(!card.functions.is_empty());
            for other in CARDS.iter().skip(place + 1) {
                assert_ne!(card.word, other.word);
            }
            for other in CARDS.iter().filter(|other| other.counted.is_some()) {
                assert!(card.word == other.word || !card.word.starts_with(other.word));
            }
            let other = card.other.map(|other| super::card(other.parse().unwrap()));
            assert!(other.is_none_or(|other| other.functions == card.functions));
        }
        assert!((CARDS[0].tells)(&crate::history::History::default()));
    }
}
