//! One small history: its truth by brute force, and its text.

use std::fmt::Write as _;

use super::shape::NEVER_RETURNS;
use super::word::{Ending, Word};
use crate::generate::Random;

/// Operations of a case at most: a packed list has room for so many.
const OPERATIONS_MAX: usize = 16;

/// Something that happens to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// It begins.
    Begin(usize),
    /// It ends, with an answer or a failure. What never ends is indeterminate.
    End(usize),
}

/// A history of one object.
#[derive(Clone, Debug, Default)]
pub(super) struct Case {
    pub(super) labels: Vec<(Word, Ending)>,
    pub(super) moments: Vec<Moment>,
}

impl Case {
    /// A shape with labels. Which of the events of a run comes first is the seed's choice: it decides nothing.
    pub(super) fn of_shape(shape: &[(u8, u8)], labels: &[(Word, Ending)], seed: u64) -> Case {
        let mut random = Random::new(seed);
        let mut moments = Vec::with_capacity(2 * shape.len());
        let turns = shape.iter().map(|&(begin, _)| begin).max().map_or(0, |last| last + 1);
        for turn in 0..turns {
            let of = |chosen: fn(&(u8, u8)) -> u8, make: fn(usize) -> Moment| {
                let places = (0..shape.len()).filter(move |&place| chosen(&shape[place]) == turn);
                places.map(make).collect::<Vec<_>>()
            };
            for mut run in [of(|one| one.0, Moment::Begin), of(|one| one.1, Moment::End)] {
                for place in (1..run.len()).rev() {
                    run.swap(place, random.below(place as u64 + 1) as usize);
                }
                moments.extend(run);
            }
        }
        debug_assert!(shape.iter().all(|one| one.1 == NEVER_RETURNS || one.1 < turns));
        Case { labels: labels.to_vec(), moments }
    }

    /// Whether the operations of every process are one behind the other, and none comes after one that never ended.
    pub(super) fn is_well_formed(&self) -> bool {
        let mut open: Vec<u8> = Vec::new();
        self.moments.iter().all(|&moment| match moment {
            Moment::Begin(place) => self.labels[place].0.process().is_none_or(|process| {
                open.push(process);
                open.iter().filter(|&&other| other == process).count() == 1
            }),
            Moment::End(place) => {
                open.retain(|&process| Some(process) != self.labels[place].0.process());
                true
            }
        })
    }

    /// Whether some order explains every answer: for every set of operations, all states that an allowed order of
    /// them can lead to. A drain is several, one behind the other.
    pub(super) fn has_order(&self) -> bool {
        let says = |place: usize| match self.labels[place].1 {
            Ending::Answered => true,
            Ending::Failed => false,
            // Without its answer, an observation says nothing.
            Ending::Unknown => !matches!(
                self.labels[place].0,
                Word::Read(_) | Word::Show(_) | Word::Members(_) | Word::Sum(_)
            ),
        };
        let puts_in = |label: &&(Word, Ending)| label.0.puts_in() && label.1 != Ending::Failed;
        let taken_max = self.labels.iter().filter(puts_in).count();
        let mut parts: Vec<Word> = Vec::new();
        let mut own: Vec<std::ops::Range<usize>> = Vec::new();
        for (place, (word, _)) in self.labels.iter().enumerate() {
            let begin = parts.len();
            if says(place) {
                parts.extend(word.parts(taken_max));
            }
            own.push(begin..parts.len());
        }
        let mut before = vec![0usize; parts.len()];
        let mut required = 0usize;
        for &moment in &self.moments {
            match moment {
                Moment::Begin(place) => {
                    for part in own[place].clone() {
                        let in_turn = if part > own[place].start { 1 << (part - 1) } else { 0 };
                        before[part] = required | in_turn;
                    }
                }
                Moment::End(place) => own[place].clone().for_each(|part| required |= 1 << part),
            }
        }
        let mut states: Vec<Vec<u64>> = vec![Vec::new(); 1 << parts.len()];
        states[0].push(0);
        for done in 0..1usize << parts.len() {
            if states[done].is_empty() {
                continue;
            }
            if done & required == required {
                return true;
            }
            for (part, word) in parts.iter().enumerate() {
                if done >> part & 1 == 1 || before[part] & !done != 0 {
                    continue;
                }
                for at in 0..states[done].len() {
                    for next in word.steps(states[done][at]) {
                        let target = &mut states[done | 1 << part];
                        if !target.contains(&next) {
                            target.push(next);
                        }
                    }
                }
            }
        }
        false
    }

    /// Appends the history as the object `key`, on processes of its own.
    pub(super) fn write(&self, key: usize, text: &mut String) {
        let mut processes = vec![0; self.labels.len()];
        let mut free: Vec<usize> = (0..OPERATIONS_MAX).rev().collect();
        for (time, &moment) in self.moments.iter().enumerate() {
            let (place, is_end) = match moment {
                Moment::Begin(place) => (place, false),
                Moment::End(place) => (place, true),
            };
            if !is_end && let Some(process) = free.pop() {
                processes[place] = process;
            }
            let (word, ending) = self.labels[place];
            let (name, begin, end) = word.json();
            let (kind, more) = match (is_end, ending, word) {
                (false, ..) => ("invoke", String::new()),
                (_, Ending::Failed, _) => ("fail", ",\"error\":\"refused\"".to_owned()),
                (_, _, Word::Saw(_, 0)) => ("fail", ",\"saw\":{\"is\":null}".to_owned()),
                (_, _, Word::Saw(_, saw)) => ("fail", format!(",\"saw\":{{\"is\":{saw}}}")),
                (_, _, word) if word.is_rejection() => ("fail", String::new()),
                _ => ("ok", String::new()),
            };
            let value = if is_end && ending == Ending::Answered { end } else { begin };
            let at = key * 2 * OPERATIONS_MAX + time;
            let process = word.process().map_or(processes[place], usize::from);
            let process = key * OPERATIONS_MAX + process;
            if is_end {
                free.push(processes[place]);
            }
            let _ = writeln!(
                text,
                "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{name}\",\"key\":\"k{key}\",\
                 \"value\":{value},\"time_ns\":{at}{more}}}"
            );
        }
    }

    /// The history alone.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.write(0, &mut text);
        text
    }
}
