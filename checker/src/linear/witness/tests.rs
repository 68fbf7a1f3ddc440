//! The clock is looked at often enough on every path: in each search, in the second checker, while a violation is shrunk,
//! and while it is told. Counted, not timed: see [`Looks`].

use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Asked, Case, Confirmed, Explain, Known, Told, confirm, fallback, shrink, tiny};
use crate::history::{self, History};
use crate::linear::machine::{Machine, Need, Step};
use crate::linear::object::{Object, Problem};
use crate::linear::search::looks::Looks;
use crate::linear::search::{Budget, Kind, search_with};
use crate::object::counter::CounterObject;
use crate::object::register::RegisterObject;
use crate::options::Options;

/// Steps of a machine, and operations looked through, that may lie between two looks: some milliseconds.
const WORK_MAX: u64 = 200_000;

/// A machine whose steps are counted.
#[derive(Clone)]
struct Watched<M> {
    machine: M,
    looks: Arc<Looks>,
}

impl<M: Machine> Machine for Watched<M> {
    fn initial(&mut self) -> u32 {
        self.machine.initial()
    }

    fn step(&mut self, state: u32, operation: u32) -> Option<u32> {
        self.looks.work(1);
        self.machine.step(state, operation)
    }

    fn observes(&self, operation: u32) -> bool {
        self.machine.observes(operation)
    }

    fn overwrites(&self, operation: u32) -> bool {
        self.machine.overwrites(operation)
    }

    fn is_cell(&self) -> bool {
        self.machine.is_cell()
    }

    fn needs(&self, operation: u32) -> Need {
        self.machine.needs(operation)
    }

    fn leaves(&self, operation: u32) -> Option<u32> {
        self.machine.leaves(operation)
    }

    fn operations(&self) -> usize {
        self.machine.operations()
    }

    fn bytes(&self) -> usize {
        self.machine.bytes()
    }
}

/// An object whose work is counted.
struct WatchedObject<O> {
    object: O,
    looks: Arc<Looks>,
}

impl<O: Object> Object for WatchedObject<O> {
    type Machine = Watched<O::Machine>;

    fn problem(&self, operations: &[u32]) -> Problem<Self::Machine> {
        self.looks.work(operations.len() as u64);
        let Problem { machine, steps, operations } = self.object.problem(operations);
        Problem { machine: Watched { machine, looks: self.looks.clone() }, steps, operations }
    }

    fn close(&self, operations: &[u32]) -> Option<Vec<u32>> {
        self.looks.work(operations.len() as u64);
        self.object.close(operations)
    }

    fn words(&self, machine: &Self::Machine, state: u32) -> String {
        self.object.words(&machine.machine, state)
    }
}

impl<O: Object> Explain for WatchedObject<O> {
    fn explain(&self, case: &Case<'_>) -> Told {
        fallback(case, "")
    }
}

/// One key: `clients` clients, each with an operation open all the time, write and read few values, or add to a
/// counter and read it. The last read sees what nobody can have left, so there is no order, and that takes long to find.
fn history(f: &str, operations: u64, clients: u64, values: u64) -> History {
    let mut random = crate::generate::Random::new(11);
    let mut text = String::new();
    let mut time = 0;
    let mut line = |process: u64, kind: &str, f: &str, value: &str| {
        time += 1;
        text.push_str(&format!(
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value},\
             \"time_ns\":{time}}}\n"
        ));
    };
    for number in 0..operations {
        let client = number % clients;
        let value = (1 + random.below(values)).to_string();
        if number >= clients {
            line(client, "ok", f, "null");
        }
        line(client, "invoke", f, &value);
    }
    for client in 0..clients.min(operations) {
        line(client, "ok", f, "null");
    }
    line(0, "invoke", "read", "null");
    line(0, "ok", "read", "1000000");
    let input = Box::new(Cursor::new(text.into_bytes()));
    history::read_from("hard", input, &Options::default()).expect("a good history").history
}

#[test]
fn each_search_looks_at_the_clock_often_and_ends_with_it() {
    let history = history("write", 600, 30, 4);
    let own = history.by_key().operations(0);
    let problem = RegisterObject::new(&history, own).problem(own);
    let counters = self::history("add", 60, 20, 1_000_000);
    let own = counters.by_key().operations(0);
    let counted = CounterObject::new(&counters, own).problem(own);
    for kind in Kind::ALL {
        for end in [3, 200] {
            ends_with_the_clock(kind, &problem.machine, &problem.steps, end);
            let decided = ends_with_the_clock(kind, &counted.machine, &counted.steps, end);
            assert!(!decided, "{kind:?}: too easy");
        }
    }
}

/// Searches; whether there was an answer before the time was up.
fn ends_with_the_clock<M: Machine>(kind: Kind, machine: &M, steps: &[Step], end: u64) -> bool {
    let (budget, looks) = Budget::counted(end);
    let watched = Watched { machine: machine.clone(), looks: looks.clone() };
    let found = search_with(&watched, steps, &budget, &[kind], false);
    let decided = found.linearizable.is_some();
    match decided {
        true => assert!(looks.looks() < end, "{kind:?}"),
        false => assert_eq!(looks.looks(), end, "{kind:?} goes on after the time is up"),
    }
    assert!(looks.most() < WORK_MAX, "{kind:?}: {} steps without a look", looks.most());
    decided
}

#[test]
fn the_second_checker_looks_at_the_clock_often_and_ends_with_it() {
    let history = history("add", 36, 36, 1_000_000);
    let own = history.by_key().operations(0);
    let (budget, looks) = Budget::counted(20);
    let object = WatchedObject { object: CounterObject::new(&history, own), looks: looks.clone() };
    let problem = object.problem(own);
    let processes = vec![0; problem.steps.len()];
    let order = tiny::Order::RealTime;
    let decided = tiny::decide(&problem.machine, &problem.steps, &processes, order, &budget);
    assert_eq!(decided, None);
    assert_eq!(looks.looks(), 20);
    assert!(looks.most() < WORK_MAX / 10, "{}", looks.most());
}

#[test]
fn shrinking_and_telling_look_at_the_clock_often_and_end_with_it() {
    // So many that none of the steps over all operations may be taken for each of them without a look.
    let history = history("write", 3_000, 3, 1_000_000);
    let own = history.by_key().operations(0);
    for end in [1, 5, 50, 1_000] {
        let (budget, looks) = Budget::counted(end);
        let object = RegisterObject::new(&history, own);
        let object = WatchedObject { object, looks: looks.clone() };
        let shrunk = shrink::shrink(&object, own.to_vec(), &budget);
        assert!(shrunk.operations.len() == 1 || !shrunk.is_minimal);
        assert!(looks.most() < WORK_MAX, "{} while shrinking, of {end}", looks.most());

        // What could not be made smaller has to be told in the time that is left.
        let (budget, looks) = Budget::counted(end);
        let object = RegisterObject::new(&history, own);
        let object = WatchedObject { object, looks: looks.clone() };
        let far = Instant::now() + Duration::from_secs(3600);
        let asked = Asked {
            history: &history,
            known: &Known::default(),
            all: own,
            core: None,
            failed: None,
            budget: Budget::clone(&budget),
            end: far,
        };
        let is_told = matches!(confirm(&object, &asked), Confirmed::Finding(_));
        assert!(is_told || end < 1_000);
        assert!(looks.most() < WORK_MAX, "{} while telling, of {end}", looks.most());
        assert!(looks.looks() < end + 100, "{} looks of {end}", looks.looks());
    }
}
