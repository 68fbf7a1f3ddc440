//! The witness as reports draw it: labels, the longest order, the slots, the gap.

use super::shrink::{Shrunk, observes};
use super::tiny::{self, Order};
use super::{Asked, Case, Explain, SHOWN_MAX, file, shrink, told, words};
use crate::analysis::{Finding, Gap, OrderStep, Slot, Witness, WitnessOperation};
use crate::history::{History, NEVER_NS, Operation, Outcome, Value};
use crate::linear::machine::Machine;
use crate::linear::object::{Object, Problem};
use crate::linear::search::Budget;

/// What a key held before the first operation, where operations that are left out may have changed it.
const AN_EARLIER_VALUE: &str = "an earlier value";

/// The blocked operation and a valid order of the others.
struct Blocked {
    operation: u32,
    /// The others, in a valid order.
    order: Vec<u32>,
}

/// Draws up the finding of a minimal violation.
pub(super) fn finding<O: Explain>(object: &O, asked: &Asked<'_>, shrunk: &Shrunk) -> Finding {
    let (history, operations) = (asked.history, &shrunk.operations);
    let budget = &asked.budget.ending(asked.end);
    let blocked = find_blocked(object, history, operations, budget);
    let named = blocked
        .as_ref()
        .map_or_else(|| last_returned(history, operations), |blocked| blocked.operation);
    let case = Case {
        history,
        all: asked.all,
        operations,
        blocked: named,
        is_blocked: blocked.is_some(),
        initial: asked
            .all
            .first()
            .map_or(Value::NIL, |&index| history.initial(history.operations[index as usize].key)),
        known: asked.known,
        budget,
    };
    let told = object.explain(&case);
    let mut explanation = told.explanation;
    if !shrunk.is_minimal {
        explanation.push_str(" (The set of operations may not be the smallest: time was up.)");
    }
    for (index, state) in object.presumed(operations) {
        explanation.push_str(&format!(
            " When {} took effect the value was {state}; how it had got there does not matter here.",
            case.one(index),
        ));
    }
    let mut context: Vec<u32> = told::named(&explanation);
    context.retain(|index| operations.binary_search(index).is_err());
    context.sort_unstable();
    context.dedup();
    let shown = Shown::new(operations, &context);
    let explanation = told::labelled(&explanation, &|index| shown.label(index));
    let mut witness = witness(object, &case, blocked.as_ref(), &shown);
    witness.file = file::file(object, &case, &context);
    let at = case.blocked();
    let mut nodes: Vec<String> = operations
        .iter()
        .filter_map(|&index| history.node(case.operation(index)))
        .map(str::to_owned)
        .collect();
    nodes.sort();
    nodes.dedup();
    let key = history.key(at.key);
    Finding {
        anomaly: told.anomaly.to_owned(),
        headline: told.headline.to_owned(),
        explanation,
        key: (!key.is_empty()).then(|| key.to_owned()),
        at_ns: (at.completed_at_ns != NEVER_NS).then_some(at.completed_at_ns),
        until_ns: None,
        nodes,
        witness: Some(witness),
        ..Finding::default()
    }
}

/// The operations of a witness with their labels: the essential ones and those that the text names.
struct Shown(Vec<(u32, bool)>);

impl Shown {
    fn new(essential: &[u32], context: &[u32]) -> Shown {
        let mut shown: Vec<(u32, bool)> =
            essential.iter().take(SHOWN_MAX).map(|&index| (index, true)).collect();
        shown.extend(context.iter().map(|&index| (index, false)));
        shown.sort_unstable();
        Shown(shown)
    }

    fn label(&self, index: u32) -> String {
        let place = self.0.binary_search_by_key(&index, |shown| shown.0);
        place.map_or_else(|_| "…".to_owned(), label)
    }
}

/// The operation that the story is about: one without which the others have an order. Observations tell
/// it best, late ones better than early ones.
fn find_blocked<O: Object>(
    object: &O,
    history: &History,
    operations: &[u32],
    budget: &Budget,
) -> Option<Blocked> {
    let mut candidates: Vec<u32> = operations
        .iter()
        .copied()
        .filter(|&index| history.operations[index as usize].outcome != Outcome::Info)
        .collect();
    candidates.sort_by_key(|&index| {
        let operation = &history.operations[index as usize];
        (observes(object, index) || operation.function.value_is_answer(), operation.invoked)
    });
    let problem = object.problem(operations);
    let mut best: Option<Blocked> = None;
    while let Some(operation) = candidates.pop() {
        if budget.is_over() {
            break;
        }
        let rest: Vec<u32> =
            operations.iter().copied().filter(|&index| index != operation).collect();
        // What makes no sense without the blocked one is left out of the order too.
        let Some(rest) = object.close(&rest) else { continue };
        let order = order_of(&problem, history, &rest, Order::RealTime, budget);
        let Some((decision, indices)) = order else { continue };
        let is_longer = best.as_ref().is_none_or(|best| decision.longest.len() > best.order.len());
        if decision.linearizable && is_longer {
            let order = decision.longest.iter().map(|&place| indices[place]).collect();
            best = Some(Blocked { operation, order });
        }
    }
    best
}

/// Judges some of a problem's operations, whose answers mean what they mean in the whole.
fn order_of<M: Machine>(
    problem: &Problem<M>,
    history: &History,
    operations: &[u32],
    order: Order,
    budget: &Budget,
) -> Option<(tiny::Decision, Vec<u32>)> {
    let (mut steps, mut indices, mut processes) = (Vec::new(), Vec::new(), Vec::new());
    for (step, &index) in problem.steps.iter().zip(&problem.operations) {
        if operations.binary_search(&index).is_ok() {
            steps.push(*step);
            indices.push(index);
            processes.push(history.operations[index as usize].process);
        }
    }
    Some((tiny::decide(&problem.machine, &steps, &processes, order, budget)?, indices))
}

fn last_returned(history: &History, operations: &[u32]) -> u32 {
    let completed = |index: &u32| history.operations[*index as usize].completed_at_ns;
    let returned = operations.iter().filter(|index| completed(index) != NEVER_NS);
    returned.max_by_key(|index| completed(index)).or(operations.last()).copied().unwrap_or(0)
}

/// `A`, `B`, …, `Z`, `A1`, ….
fn label(place: usize) -> String {
    let letter = char::from(b'A' + (place % 26) as u8);
    if place < 26 { letter.to_string() } else { format!("{letter}{}", place / 26) }
}

fn witness<O: Object>(
    object: &O,
    case: &Case<'_>,
    blocked: Option<&Blocked>,
    shown: &Shown,
) -> Witness {
    let history = case.history;
    let needed = shrink::needed(object, case.operations, case.budget);
    let operations = shown
        .0
        .iter()
        .map(|&(index, essential)| {
            let operation = case.operation(index);
            WitnessOperation {
                label: shown.label(index),
                process: operation.process,
                f: operation.function.word().to_owned(),
                text: words::operation(history, operation),
                invoked_at_ns: operation.invoked_at_ns,
                completed_at_ns: Some(operation.completed_at_ns).filter(|&at| at != NEVER_NS),
                outcome: operation.outcome.word().to_owned(),
                line: Some(history.line(operation.invoked)),
                index: history.index(operation.invoked),
                node: history.node(operation).map(str::to_owned),
                term: (operation.term != 0).then_some(u64::from(operation.term)),
                essential,
                is_needed: needed.contains(&index),
            }
        })
        .collect();
    let mut problem = object.problem(case.operations);
    let initial_state = problem.machine.initial();
    let initial = match file::is_start_open(object, case) {
        true => AN_EARLIER_VALUE.to_owned(),
        false => object.words(&problem.machine, initial_state),
    };
    let mut witness =
        Witness { initial, operations, weaker: weaker(object, case), ..Witness::default() };
    if let Some(blocked) = blocked {
        let initial = witness.initial.clone();
        let mut replay = Replay { object, case, problem, shown, initial };
        replay.fill(blocked, &mut witness);
    }
    witness
}

/// A weaker promise that the operations keep.
fn weaker<O: Object>(object: &O, case: &Case<'_>) -> Option<String> {
    let problem = object.problem(case.operations);
    let (decision, _) =
        order_of(&problem, case.history, case.operations, Order::Process, case.budget)?;
    decision.linearizable.then(|| {
        "sequential consistency: there is an order that keeps what each client did in its order, only \
         not one that keeps real time between clients"
            .to_owned()
    })
}

/// Replays the order of the others with the blocked operation in each slot.
struct Replay<'a, O: Object> {
    object: &'a O,
    case: &'a Case<'a>,
    problem: Problem<O::Machine>,
    shown: &'a Shown,
    /// The state before the first operation, in words.
    initial: String,
}

/// Why a slot does not work.
enum Reason {
    /// The first had ended before the second began, and would come after it.
    RealTime { ended: u32, began: u32 },
    /// An operation does not have its answer: which, and in which state.
    Answer { operation: u32, state: String },
}

impl<O: Object> Replay<'_, O> {
    fn fill(&mut self, blocked: &Blocked, witness: &mut Witness) {
        let mut state = self.problem.machine.initial();
        let mut states = vec![state];
        for &operation in &blocked.order {
            state = self.step(state, operation).unwrap_or(state);
            states.push(state);
            witness.order.push(OrderStep {
                label: self.shown.label(operation),
                state: self.object.words(&self.problem.machine, state),
            });
        }
        witness.blocked = Some(self.shown.label(blocked.operation));
        let mut fitting = None;
        let mut any = None;
        for place in 0..=blocked.order.len() {
            let (reason, value_fits) = self.reason(blocked, &states, place);
            if let Reason::RealTime { ended, began } = reason {
                any = Some((ended, began));
                if value_fits {
                    fitting = Some((ended, began));
                }
            }
            witness.slots.push(Slot {
                place: self.place(&blocked.order, place),
                state: match place {
                    0 => self.initial.clone(),
                    _ => self.object.words(&self.problem.machine, states[place]),
                },
                reason: self.tell(&reason),
            });
        }
        witness.gap = fitting.or(any).map(|(ended, began)| {
            let (before, after) = (self.case.operation(ended), self.case.operation(began));
            Gap {
                before: self.shown.label(ended),
                after: self.shown.label(began),
                gap_ns: after.invoked_at_ns.saturating_sub(before.completed_at_ns),
            }
        });
    }

    fn step(&mut self, state: u32, operation: u32) -> Option<u32> {
        let place = self.problem.operations.iter().position(|&index| index == operation)?;
        self.problem.machine.step(state, self.problem.steps[place].operation)
    }

    fn place(&self, order: &[u32], place: usize) -> String {
        let before = place.checked_sub(1).map(|place| self.shown.label(order[place]));
        let after = order.get(place).map(|&operation| self.shown.label(operation));
        match (before, after) {
            (None, None) => "alone".to_owned(),
            (None, Some(after)) => format!("before {after}"),
            (Some(before), None) => format!("after {before}"),
            (Some(before), Some(after)) => format!("between {before} and {after}"),
        }
    }

    /// Why the blocked operation cannot stand before `order[place]`, and whether its answer would fit.
    fn reason(&mut self, blocked: &Blocked, states: &[u32], place: usize) -> (Reason, bool) {
        let answer = self.answer(blocked, states[place], place);
        let own = *self.case.operation(blocked.operation);
        let ended = |operation: &Operation, other: &Operation| operation.completed < other.invoked;
        let order = &blocked.order;
        let after_me =
            order[..place].iter().copied().find(|&index| ended(&own, self.case.operation(index)));
        let before_me = order[place..]
            .iter()
            .rev()
            .copied()
            .find(|&index| ended(self.case.operation(index), &own));
        let real_time = match (before_me, after_me) {
            (Some(ended), _) => Some(Reason::RealTime { ended, began: blocked.operation }),
            (None, Some(began)) => Some(Reason::RealTime { ended: blocked.operation, began }),
            (None, None) => None,
        };
        match (real_time, answer) {
            (Some(reason), answer) => (reason, answer.is_none()),
            (None, Some(answer)) => (answer, false),
            // Cannot be: then the order would be valid with it.
            (None, None) => {
                (Reason::Answer { operation: blocked.operation, state: String::new() }, true)
            }
        }
    }

    /// The first operation that would not have its answer with the blocked one at this place.
    fn answer(&mut self, blocked: &Blocked, state: u32, place: usize) -> Option<Reason> {
        let rest = [blocked.operation];
        let mut state = state;
        for &operation in rest.iter().chain(&blocked.order[place..]) {
            match self.step(state, operation) {
                Some(next) => state = next,
                None => {
                    let state = match place == 0 && operation == blocked.operation {
                        true => self.initial.clone(),
                        false => self.object.words(&self.problem.machine, state),
                    };
                    return Some(Reason::Answer { operation, state });
                }
            }
        }
        None
    }

    fn tell(&self, reason: &Reason) -> String {
        match reason {
            Reason::RealTime { ended, began } => {
                let (before, after) = (self.case.operation(*ended), self.case.operation(*began));
                let gap = words::gap_ns(self.case.history, before, after);
                let gap = gap.map_or_else(String::new, |gap| words::duration(gap) + " ");
                let (ended, began) = (self.shown.label(*ended), self.shown.label(*began));
                format!("real time: {ended} had ended {gap}before {began} began")
            }
            Reason::Answer { operation, state } => {
                let text = words::operation(self.case.history, self.case.operation(*operation));
                let label = self.shown.label(*operation);
                format!("wrong value: {label} is “{text}”, but the value would be {state}")
            }
        }
    }
}
