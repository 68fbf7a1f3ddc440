//! Random histories of a dozen operations: what a random order answers, sometimes with a wrong answer.

use super::case::{Case, Moment};
use super::word::{Alphabet, Ending, Word, drain, observation, words};
use crate::generate::Random;
use crate::object::ModelKind;

fn pick<T: Copy>(random: &mut Random, all: &[T]) -> Option<T> {
    (!all.is_empty()).then(|| all[random.below(all.len() as u64) as usize])
}

/// An operation that has begun and not ended.
struct Open {
    place: usize,
    has_effect: bool,
    process: u8,
}

/// Moments of operations of one history at most, each element of a drain counted: what the truth is found for.
const PARTS_MAX: usize = 14;

/// How many moments the operations have whose words are settled.
fn parts(case: &Case) -> usize {
    let puts_in = case.labels.iter().filter(|label| label.0.puts_in()).count();
    case.labels.iter().map(|label| label.0.parts(puts_in).len()).sum()
}

/// The words that a process may have: those of a lock that knows its holder have its own number.
fn own(words: &[Word], process: u8) -> Vec<Word> {
    let first = words.iter().filter(|word| word.process().is_none_or(|process| process == 1));
    let of_process = |word: &Word| match word.process() {
        Some(_) => word.renamed(&[process; 2]),
        None => *word,
    };
    first.map(of_process).collect()
}

/// A history of up to `operations_max` operations on a few processes. Everything follows from the seed.
pub(super) fn case(model: ModelKind, operations_max: usize, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let alphabet = Alphabet {
        values: 1 + random.below(4) as u8,
        is_rare: random.below(2) == 0,
        is_silent: false,
    };
    let (answered, unknown) = words(model, alphabet);
    let operations = 3 + random.below(operations_max as u64 - 2) as usize;
    let processes = 2 + random.below(4) as usize;
    // In percent: outcomes that nobody knows, failures, answers that need not fit.
    let (lost, failed) = (random.below(3) * 10, random.below(2) * 5);
    // What a semaphore answers fits nearly always.
    let wrong = random.below(3) * if model.count().is_some() { 24 } else { 8 };
    let mut case = Case::default();
    let mut open: Vec<Open> = Vec::new();
    // Processes that have no open operation; one whose operation is lost begins no other.
    let mut idle: Vec<u8> = Vec::new();
    let mut processes_all = 0;
    let mut state = 0;
    while case.labels.len() < operations || !open.is_empty() {
        if case.labels.len() < operations && open.len() < processes && random.below(2) == 0 {
            let place = case.labels.len();
            case.labels.push((answered[0], Ending::Answered));
            case.moments.push(Moment::Begin(place));
            processes_all += u8::from(idle.is_empty());
            let process = idle.pop().unwrap_or(processes_all);
            open.push(Open { place, has_effect: false, process });
            continue;
        }
        if open.is_empty() {
            continue;
        }
        let chosen = random.below(open.len() as u64) as usize;
        let place = open[chosen].place;
        if open[chosen].has_effect {
            case.moments.push(Moment::End(place));
            idle.push(open.swap_remove(chosen).process);
            continue;
        }
        let process = open[chosen].process;
        let (answered, unknown) = (own(&answered, process), own(&unknown, process));
        if random.below(100) < lost
            && let Some(word) = pick(&mut random, &unknown)
        {
            case.labels[place] = (word, Ending::Unknown);
            if random.below(2) == 0 {
                state = word.step(state).unwrap_or(state);
            }
            open.swap_remove(chosen);
            continue;
        }
        if random.below(100) < failed
            && let Some(word) = pick(&mut random, &unknown)
        {
            case.labels[place] = (word, Ending::Failed);
            open[chosen].has_effect = true;
            continue;
        }
        let has_room = parts(&case) + 3 <= PARTS_MAX;
        let own = observation(model, state).or(drain(model, state).filter(|_| has_room));
        let all = answered.iter().copied().chain(own);
        let fitting: Vec<Word> = all.filter(|word| word.step(state).is_some()).collect();
        let is_wrong = random.below(100) < wrong;
        let word = pick(&mut random, if is_wrong { &answered } else { &fitting });
        if let Some(word) = word {
            case.labels[place].0 = word;
            state = word.step(state).unwrap_or(state);
        } else {
            case.labels[place] = (answered[0], Ending::Failed);
        }
        open[chosen].has_effect = true;
    }
    case
}
