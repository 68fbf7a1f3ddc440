//! Every method against brute force: all small histories, and many random ones, of every model.
//!
//! [`shape`] makes one history of each class of equals and says why one is enough; [`word`] has the operations and
//! a meaning of its own; [`case`] finds the truth. Every search of the portfolio, and the method that
//! [`Setting::decide`] takes, must agree with it, and every violation must be confirmed and explained.
//!
//! By default all histories of up to three operations are tried, and a part of those of four and five ([`SAMPLED`]). The
//! environment sets more: `WHITEWATER_EXHAUSTIVE=5` the most operations, `WHITEWATER_RANDOM=20000` how many random histories
//! of each model.

mod case;
mod random;
mod shape;
mod told;
mod word;

use std::collections::HashMap;
use std::io::Cursor;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::machine::{Machine, Step};
use super::object::Object;
use super::search::{Budget, Kind, search_with};
use super::setting::Setting;
use super::witness::{Confirmed, Known};
use crate::history::{self, History};
use crate::object::append::ListObject;
use crate::object::append::prefixes::Prefixes;
use crate::object::counter::CounterObject;
use crate::object::mutex::MutexObject;
use crate::object::owned_mutex::OwnedMutexObject;
use crate::object::queue::QueueObject;
use crate::object::register::call::register_calls;
use crate::object::register::greedy::Greedy;
use crate::object::register::{RegisterObject, Scratch};
use crate::object::semaphore::SemaphoreObject;
use crate::object::set::SetObject;
use crate::object::{
    ModelKind, append, counter, mutex, owned_mutex, queue, register, set, unordered_queue,
};
use crate::options::Options;
use case::Case;
use shape::{Choice, Labels, Shape};
use word::{Alphabet, Ending, Word};

/// Histories that are read and judged at a time, as keys of one file.
const BATCH: usize = 2_000;

/// Beyond so many operations, only one violation in [`EXPLAINED_EVERY`] is explained: explaining takes
/// most of the time.
const EXPLAIN_ALL_UP_TO: usize = if cfg!(debug_assertions) { 2 } else { 4 };
const EXPLAINED_EVERY: u64 = 16;

/// By default: operations, and of how many pairs of a shape and a first word one is tried, with all that may follow. Primes, so
/// that the words of a model do not come in step with them.
const SAMPLED: [(usize, usize); 2] = [(4, 61), (5, 4_001)];

/// How many histories there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    linearizable: u64,
    not: u64,
    undecided: u64,
    explained: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.linearizable += other.linearizable;
        self.not += other.not;
        self.undecided += other.undecided;
        self.explained += other.explained;
    }
}

fn sum(counts: impl Iterator<Item = Counts>) -> Counts {
    let mut all = Counts::default();
    counts.for_each(|one| all += one);
    all
}

/// Compares every search with the truth.
fn searched<M: Machine>(machine: &M, steps: &[Step], truth: bool, budget: &Budget, case: &Case) {
    for kind in Kind::ALL {
        let found = search_with(machine, steps, budget, &[kind], false);
        assert_eq!(found.linearizable, Some(truth), "{kind:?} on\n{}", case.text());
    }
}

fn searched_object<O: Object>(object: &O, own: &[u32], truth: bool, budget: &Budget, case: &Case) {
    let problem = object.problem(own);
    searched(&problem.machine, &problem.steps, truth, budget, case);
    if truth {
        told::parts_have_orders(object, own, budget, case);
    }
}

/// Compares every search of a key's operations with the truth.
fn searched_model(setting: &Setting<'_>, own: &[u32], truth: bool, budget: &Budget, case: &Case) {
    let history = setting.history;
    match setting.model {
        register::KIND => {
            searched_object(&RegisterObject::new(history, own), own, truth, budget, case);
            let mut calls = Vec::new();
            register_calls(history, own, &mut calls);
            // A guess may fail where there is an order, never the other way round.
            let found = Greedy::default().finds_order(&calls);
            assert!(truth || !found, "greedy on\n{}", case.text());
        }
        append::KIND => {
            let object = ListObject::new(history, own);
            searched_object(&object, own, truth, budget, case);
            let (machine, steps, _) = Prefixes::new(history, &object.calls(own));
            searched(&machine, &steps, truth, budget, case);
        }
        set::KIND => {
            searched_object(&SetObject::new(history, own), own, truth, budget, case);
        }
        counter::KIND => {
            searched_object(&CounterObject::new(history, own), own, truth, budget, case);
        }
        queue::KIND => {
            let object = QueueObject::<queue::Queue>::new(history, own);
            searched_object(&object, own, truth, budget, case);
        }
        unordered_queue::KIND => {
            let object = QueueObject::<unordered_queue::UnorderedQueue>::new(history, own);
            searched_object(&object, own, truth, budget, case);
        }
        mutex::KIND => {
            searched_object(&MutexObject::new(history, own), own, truth, budget, case);
        }
        owned_mutex::OWNER_AWARE | owned_mutex::REENTRANT => {
            let is_reentrant = setting.model == owned_mutex::REENTRANT;
            let object = OwnedMutexObject::new(history, own, is_reentrant);
            searched_object(&object, own, truth, budget, case);
        }
        model => {
            let permits = model.count().expect("only semaphores are left");
            let object = SemaphoreObject::new(history, own, permits);
            searched_object(&object, own, truth, budget, case);
        }
    }
}

/// Compares everything with the truth on one history; `key` is its number among the keys.
fn compare(
    setting: &Setting<'_>,
    (key, own): (usize, &[u32]),
    case: &Case,
    scratch: &mut Scratch,
) -> Counts {
    let truth = case.has_order();
    let budget = &Budget::new(Instant::now() + Duration::from_secs(60), 1 << 30);
    searched_model(setting, own, truth, budget, case);
    let decision = setting.decide(own, budget, scratch);
    let mut counts = Counts::default();
    match decision.linearizable {
        None => counts.undecided += 1,
        Some(found) => assert_eq!(found, truth, "{} on\n{}", decision.method, case.text()),
    }
    if truth {
        counts.linearizable += 1;
        return counts;
    }
    counts.not += 1;
    let operations = case.labels.len();
    if operations <= EXPLAIN_ALL_UP_TO || seed_of(&case.labels).is_multiple_of(EXPLAINED_EVERY) {
        let until = Instant::now() + Duration::from_secs(20);
        let budget = budget.ending(until);
        match setting.explain(own, &decision, budget, until + Duration::from_secs(5)) {
            Confirmed::Finding(finding) => {
                told::holds(setting.model, &finding, key, case);
                counts.explained += 1;
            }
            Confirmed::Unconfirmed(why) => {
                panic!("{why}: {} on\n{}", decision.method, case.text())
            }
        }
    }
    counts
}

/// Reads histories as keys of one file, and judges each.
fn judge(model: ModelKind, cases: &[Case]) -> Counts {
    let mut text = String::new();
    for (key, case) in cases.iter().enumerate() {
        case.write(key, &mut text);
    }
    let input = Box::new(Cursor::new(text.into_bytes()));
    let history: History =
        history::read_from("oracle", input, &Options::default()).expect("a good history").history;
    let known = &Known::default();
    let setting =
        Setting { history: &history, model, known, search_only: false, side_by_side: false };
    let mut scratch = Scratch::default();
    sum(cases.iter().enumerate().map(|(number, case)| {
        let key = history.find_key(&format!("k{number}")).expect("every case has its key");
        let counts =
            compare(&setting, (number, history.by_key().operations(key)), case, &mut scratch);
        assert_eq!(counts.undecided, 0, "undecided:\n{}", case.text());
        counts
    }))
}

/// A number that depends on the labels alone.
fn seed_of(labels: &[(Word, Ending)]) -> u64 {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    BuildHasherDefault::<DefaultHasher>::default().hash_one(labels)
}

/// What is tried of a number of operations.
fn alphabet(model: ModelKind, operations: usize) -> Alphabet {
    let values = match (model, operations) {
        (_, 0..=3) | (queue::KIND | unordered_queue::KIND, 4..=5) => 3,
        (owned_mutex::OWNER_AWARE | owned_mutex::REENTRANT, _) => 3,
        (append::KIND | set::KIND, _) => 2,
        (_, 4) => 3,
        _ => 2,
    };
    Alphabet { values, is_rare: operations <= 3, is_silent: operations <= 3 }
}

fn choice(model: ModelKind, alphabet: Alphabet) -> Choice {
    let (answered, unknown) = word::words(model, alphabet);
    let silent = if alphabet.is_silent { word::silent(model, &unknown) } else { Vec::new() };
    let label = |ending| move |&word: &Word| (word, ending);
    let mut returning: Labels = answered.iter().map(label(Ending::Answered)).collect();
    let mut never: Labels = unknown.iter().map(label(Ending::Unknown)).collect();
    for label in silent {
        if label.1 == Ending::Failed { returning.push(label) } else { never.push(label) }
    }
    Choice { returning, never, renamings: word::renamings(model, alphabet.values) }
}

/// All histories of a shape whose first operation has this label.
fn of_shape(model: ModelKind, choice: &Choice, shape: &Shape, first: usize) -> Counts {
    let mut labels = vec![choice.at(shape[0])[first]];
    let mut counts = Counts::default();
    let mut batch = Vec::with_capacity(BATCH);
    choice.each(shape, &mut labels, &mut |labels| {
        let case = Case::of_shape(shape, labels, seed_of(labels));
        if !case.is_well_formed() {
            return;
        }
        batch.push(case);
        if batch.len() == BATCH {
            counts += judge(model, &batch);
            batch.clear();
        }
    });
    counts += judge(model, &batch);
    counts
}

fn number_of(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

#[test]
fn all_small_histories_of_every_model() {
    let (operations_max, sampled) = match std::env::var("WHITEWATER_EXHAUSTIVE") {
        Ok(_) => (number_of("WHITEWATER_EXHAUSTIVE", 3), &[][..]),
        Err(_) => (3, &SAMPLED[..]),
    };
    for model in ModelKind::all() {
        let whole = (1..=operations_max).map(|operations| (operations, 1));
        for (operations, every) in whole.chain(sampled.iter().copied()) {
            let begun = Instant::now();
            let choice = choice(model, alphabet(model, operations));
            let shapes = shape::shapes(operations);
            let parts: Vec<(&Shape, usize)> = shapes
                .iter()
                .flat_map(|shape| (0..choice.at(shape[0]).len()).map(move |first| (shape, first)))
                .step_by(every)
                .collect();
            let counts: Vec<Counts> = parts
                .par_iter()
                .map(|&(shape, first)| of_shape(model, &choice, shape, first))
                .collect();
            let counts = sum(counts.into_iter());
            println!(
                "{}: {operations} operations, 1 of {every}: {} linearizable, {} not, {} explained, {} undecided, {:.1?}",
                model.word(),
                counts.linearizable,
                counts.not,
                counts.explained,
                counts.undecided,
                begun.elapsed()
            );
            assert!(counts.linearizable > 0 || every > 1);
        }
    }
}

#[test]
fn random_histories_of_every_model() {
    let histories = number_of("WHITEWATER_RANDOM", 400) as u64;
    for model in ModelKind::all() {
        let seeds: Vec<u64> = (0..histories).collect();
        let counts: Vec<Counts> = seeds
            .par_chunks(100)
            .map(|seeds| {
                let cases: Vec<Case> =
                    seeds.iter().map(|&seed| random::case(model, 12, seed)).collect();
                judge(model, &cases)
            })
            .collect();
        let counts = sum(counts.into_iter());
        println!(
            "{}: {} linearizable, {} not, {} explained",
            model.word(),
            counts.linearizable,
            counts.not,
            counts.explained
        );
        let few = histories / 20;
        assert!(counts.linearizable > few && counts.not > few, "{}: one-sided", model.word());
    }
}

/// The oracle takes a number for the letter that a list shows, the searches do not: they disagree.
#[test]
#[should_panic(expected = "Frontier on")]
fn a_disagreement_is_noticed() {
    let shape = [(0, 0), (1, 1)];
    let labels = [Word::Write(1), Word::Show(1)].map(|word| (word, Ending::Answered));
    judge(append::KIND, &[Case::of_shape(&shape, &labels, 0)]);
}

/// The reductions of [`shape`] leave the verdict as it is: every word in every order of events, counted by class.
#[test]
fn one_history_of_a_class_stands_for_all() {
    let alphabet = Alphabet { values: 2, is_rare: false, is_silent: false };
    let choice = choice(register::KIND, alphabet);
    let all = Choice { renamings: Vec::new(), ..choice };
    let renamings = word::renamings(register::KIND, 2);
    for shape in shape::shapes(3) {
        let mut truths: HashMap<Labels, bool> = HashMap::new();
        let mut cases = Vec::new();
        all.each(&shape, &mut Vec::new(), &mut |labels| {
            let truth = Case::of_shape(&shape, labels, 0).has_order();
            let again = Case::of_shape(&shape, labels, seed_of(labels) | 1);
            assert_eq!(again.has_order(), truth, "{}", again.text());
            truths.insert(labels.to_vec(), truth);
            cases.push(labels.to_vec());
        });
        for labels in cases {
            for values in &renamings {
                let renamed: Labels =
                    labels.iter().map(|&(word, ending)| (word.renamed(values), ending)).collect();
                let truth = Case::of_shape(&shape, &renamed, 0).has_order();
                assert_eq!(truth, truths[&labels], "{labels:?} {values:?}");
            }
        }
    }
}

/// An indeterminate delete that leaves the state as it is hides an append that is open.
#[test]
fn a_delete_may_come_between_two_appends() {
    let events = [
        (0, "invoke", "append", "\"a\""),
        (1, "invoke", "append", "\"b\""),
        (2, "invoke", "delete", "null"),
        (0, "ok", "append", "\"a\""),
        (1, "ok", "append", "\"b\""),
        (0, "invoke", "read", "null"),
        (0, "ok", "read", "\"a\""),
    ];
    let mut text = String::new();
    for (time, (process, phase, f, value)) in events.into_iter().enumerate() {
        text.push_str(&format!(
            "{{\"process\":{process},\"type\":\"{phase}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value},\
             \"time_ns\":{time}}}\n"
        ));
    }
    let input = Box::new(Cursor::new(text.into_bytes()));
    let history = history::read_from("delete", input, &Options::default()).unwrap().history;
    let setting = Setting {
        history: &history,
        model: append::KIND,
        known: &Known::default(),
        search_only: false,
        side_by_side: false,
    };
    let own = history.by_key().operations(0);
    let budget = Budget::new(Instant::now() + Duration::from_secs(60), 1 << 30);
    let (machine, steps, _) = Prefixes::new(&history, &ListObject::new(&history, own).calls(own));
    for kind in Kind::ALL {
        let found = search_with(&machine, &steps, &budget, &[kind], false);
        assert_eq!(found.linearizable, Some(true), "{kind:?}");
    }
    assert_eq!(setting.decide(own, &budget, &mut Scratch::default()).linearizable, Some(true));
}
