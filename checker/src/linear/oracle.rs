//! Every method against plain permutations: all small histories, and many random ones, of every model.
//!
//! The oracle tries all orders, without memory, without anything shared with the methods under test. By
//! default all histories of up to three operations on three processes are tried, and a seeded sample of
//! longer ones; `WHITEWATER_EXHAUSTIVE=4` (or 5) tries all longer ones too, which takes minutes.

use std::io::Cursor;
use std::time::{Duration, Instant};

use super::key::{Scratch, Setting};
use super::machine::{Machine, Step};
use super::object::{
    CounterObject, ListObject, MutexObject, Object, Problem, QueueObject, RegisterObject, SetObject,
};
use super::search::{Budget, Kind, search_with};
use super::witness::Confirmed;
use crate::history::{self, History, NEVER};
use crate::options::{ModelKind, Options};

/// Whether some order of the steps is valid. Tries them all.
fn has_order<M: Machine>(
    machine: &mut M,
    steps: &[Step],
    state: u32,
    left: &mut Vec<usize>,
) -> bool {
    if left.iter().all(|&place| steps[place].returned == NEVER) {
        return true;
    }
    let first_return = left.iter().map(|&place| steps[place].returned).min().unwrap_or(NEVER);
    for choice in 0..left.len() {
        let place = left[choice];
        if steps[place].invoked > first_return {
            continue;
        }
        if let Some(next) = machine.step(state, steps[place].operation) {
            left.remove(choice);
            let found = has_order(machine, steps, next, left);
            left.insert(choice, place);
            if found {
                return true;
            }
        }
    }
    false
}

/// An operation of the generator: word, value at the invocation, value at the ok.
type Kinds = &'static [(&'static str, &'static str, &'static str)];

const REGISTER: Kinds = &[
    ("write", "1", "1"),
    ("write", "2", "2"),
    ("read", "null", "1"),
    ("read", "null", "2"),
    ("read", "null", "null"),
    ("cas", "[1,2]", "[1,2]"),
    ("cas!", "[1,3]", "[1,3]"),
    ("delete", "null", "null"),
];
const LIST: Kinds = &[
    ("append", "\"a\"", ""),
    ("append", "\"b\"", ""),
    ("read", "null", "\"\""),
    ("read", "null", "\"a\""),
    ("read", "null", "\"ab\""),
    ("read", "null", "\"b\""),
    ("write", "\"b\"", ""),
    ("delete", "null", ""),
];
const SET: Kinds = &[
    ("add", "1", ""),
    ("add", "2", ""),
    ("remove", "1", ""),
    ("contains", "1", "[1,true]"),
    ("contains", "1", "[1,false]"),
    ("read", "null", "[]"),
    ("read", "null", "[1]"),
    ("read", "null", "[2,1]"),
];
const COUNTER: Kinds = &[
    ("add", "1", ""),
    ("add", "2", ""),
    ("read", "null", "0"),
    ("read", "null", "1"),
    ("read", "null", "3"),
];
const QUEUE: Kinds = &[
    ("enqueue", "1", ""),
    ("enqueue", "2", ""),
    ("dequeue", "null", "1"),
    ("dequeue", "null", "2"),
    ("dequeue", "null", "null"),
];
const MUTEX: Kinds = &[("acquire", "null", ""), ("release", "null", "")];

const MODELS: [(ModelKind, Kinds); 6] = [
    (ModelKind::Register, REGISTER),
    (ModelKind::Append, LIST),
    (ModelKind::Set, SET),
    (ModelKind::Counter, COUNTER),
    (ModelKind::Queue, QUEUE),
    (ModelKind::Mutex, MUTEX),
];

const PROCESSES: usize = 3;

/// An event of a small history.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// A process begins an operation of a kind.
    Begin(usize, usize),
    /// It succeeds.
    End(usize),
    /// It fails.
    Fail(usize),
}

/// A history in the making. What never ends is indeterminate.
#[derive(Clone, Default)]
struct Draft {
    moves: Vec<Move>,
    open: [Option<usize>; PROCESSES],
    begun: usize,
}

impl Draft {
    fn apply(&self, next: Move) -> Draft {
        let mut draft = self.clone();
        draft.moves.push(next);
        match next {
            Move::Begin(process, kind) => {
                draft.open[process] = Some(kind);
                draft.begun += 1;
            }
            Move::End(process) | Move::Fail(process) => draft.open[process] = None,
        }
        draft
    }

    /// All histories of `operations` operations that continue this one.
    fn each(&self, kinds: Kinds, operations: usize, see: &mut impl FnMut(&Draft)) {
        if self.begun == operations {
            see(self);
        }
        let used = self.moves.iter().filter_map(|one| match one {
            Move::Begin(process, _) => Some(*process + 1),
            _ => None,
        });
        // Processes are interchangeable: a new one is always the next.
        let processes = PROCESSES.min(used.max().unwrap_or(0) + 1);
        for process in 0..processes {
            if self.open[process].is_some() {
                self.apply(Move::End(process)).each(kinds, operations, see);
            } else if self.begun < operations {
                for kind in 0..kinds.len() {
                    self.apply(Move::Begin(process, kind)).each(kinds, operations, see);
                }
            }
        }
    }

    /// A random history.
    fn random(random: &mut Random, kinds: Kinds, operations: usize) -> Draft {
        let mut draft = Draft::default();
        while draft.begun < operations
            || random.below(3) > 0 && draft.open.iter().any(Option::is_some)
        {
            let process = random.below(PROCESSES as u64) as usize;
            if draft.open[process].is_none() {
                if draft.begun < operations {
                    let kind = random.below(kinds.len() as u64) as usize;
                    draft = draft.apply(Move::Begin(process, kind));
                }
            } else if random.below(12) == 0 {
                draft = draft.apply(Move::Fail(process));
            } else {
                draft = draft.apply(Move::End(process));
            }
        }
        draft
    }

    fn text(&self, kinds: Kinds) -> String {
        let mut text = String::new();
        let mut open = [0; PROCESSES];
        for (time, one) in self.moves.iter().enumerate() {
            let (process, kind, phase) = match *one {
                Move::Begin(process, kind) => {
                    open[process] = kind;
                    (process, kind, "invoke")
                }
                Move::End(process) => (process, open[process], "ok"),
                Move::Fail(process) => (process, open[process], "fail"),
            };
            let (word, begin, end) = kinds[kind];
            // `cas!` is rejected where others succeed.
            let is_rejected = word == "cas!" && phase == "ok";
            let phase_word = if is_rejected { "fail" } else { phase };
            let error = if phase == "fail" { ",\"error\":\"no\"" } else { "" };
            let value = match (phase, end) {
                ("ok", end) if !end.is_empty() => end,
                _ => begin,
            };
            let f = word.trim_end_matches('!');
            text.push_str(&format!(
                "{{\"process\":{process},\"type\":\"{phase_word}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value},\
                 \"time_ns\":{time}{error}}}\n"
            ));
        }
        text
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn truth<M: Machine>(problem: &Problem<M>) -> bool {
    let mut machine = problem.machine.clone();
    let state = machine.initial();
    let mut left: Vec<usize> = (0..problem.steps.len()).collect();
    has_order(&mut machine, &problem.steps, state, &mut left)
}

/// Compares every search with the truth, and returns it.
fn searched<O: Object>(object: &O, operations: &[u32], text: &str) -> bool {
    let problem = object.problem(operations);
    let truth = truth(&problem);
    let budget = Budget::new(Instant::now() + Duration::from_secs(60), 1 << 30);
    for kind in Kind::ALL {
        let found = search_with(&problem.machine, &problem.steps, &budget, &[kind], false);
        assert_eq!(found.linearizable, Some(truth), "{kind:?} on\n{text}");
    }
    truth
}

/// Compares everything with the truth on one history; true if it is linearizable.
fn compare(model: ModelKind, text: &str) -> bool {
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let history: History =
        history::read_from("oracle", input, &Options::default()).unwrap().history;
    let all: Vec<u32> = (0..history.operations.len() as u32).collect();
    let truth = match model {
        ModelKind::Register => searched(&RegisterObject::new(&history, &all), &all, text),
        ModelKind::Append => searched(&ListObject::new(&history, &all), &all, text),
        ModelKind::Set => searched(&SetObject::new(&history, &all), &all, text),
        ModelKind::Counter => searched(&CounterObject::new(&history, &all), &all, text),
        ModelKind::Queue => searched(&QueueObject::new(&history, &all), &all, text),
        ModelKind::Mutex => searched(&MutexObject::new(&history, &all), &all, text),
    };
    let setting = Setting { history: &history, model, search_only: false, side_by_side: false };
    let budget = Budget::new(Instant::now() + Duration::from_secs(60), 1 << 30);
    let decision = setting.decide(&all, &budget, &mut Scratch::default());
    assert_eq!(decision.linearizable, Some(truth), "{} on\n{text}", decision.method);
    if !truth {
        match setting.explain(&all, &decision, Instant::now() + Duration::from_secs(20)) {
            Confirmed::Finding(finding) => {
                let witness = finding.witness.expect("a witness");
                assert!(!witness.operations.is_empty(), "an empty witness of\n{text}");
            }
            Confirmed::Unconfirmed(why) => panic!("{why}: {} on\n{text}", decision.method),
        }
    }
    truth
}

#[test]
fn all_small_histories_of_every_model() {
    let operations_max = std::env::var("WHITEWATER_EXHAUSTIVE")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(2);
    for (model, kinds) in MODELS {
        // Few kinds make few histories: one operation more.
        let operations_max = operations_max + usize::from(kinds.len() <= 5);
        for operations in 1..=operations_max {
            let (mut good, mut bad) = (0u64, 0u64);
            Draft::default().each(kinds, operations, &mut |draft| {
                if compare(model, &draft.text(kinds)) { good += 1 } else { bad += 1 }
            });
            println!("{}: {operations} operations: {good} linearizable, {bad} not", model.word());
            assert!(good > 0);
        }
    }
}

#[test]
fn random_histories_of_every_model() {
    for (model, kinds) in MODELS {
        let (mut good, mut bad) = (0, 0);
        for seed in 0..700 {
            let mut random = Random(seed);
            let operations = 3 + random.below(5) as usize;
            let text = Draft::random(&mut random, kinds, operations).text(kinds);
            if compare(model, &text) { good += 1 } else { bad += 1 }
        }
        println!("{}: {good} linearizable, {bad} not", model.word());
        assert!(good > 20 && bad > 20, "{}: the sample is one-sided", model.word());
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
    assert!(compare(ModelKind::Append, &text));
}
