//! The witness as reports draw it: labels, the longest order, the slots, the gap.

use super::shrink::{Shrunk, observes};
use super::tiny::{self, Order};
use super::{Case, Explain, SHOWN_MAX, words};
use crate::analysis::{Finding, Gap, OrderStep, Slot, Witness, WitnessOperation};
use crate::history::{History, NEVER_NS, Operation, Outcome};
use crate::linear::machine::Machine;
use crate::linear::object::Object;

/// The blocked operation and a valid order of the others.
struct Blocked {
    operation: u32,
    /// The others, in a valid order.
    order: Vec<u32>,
}

/// Draws up the finding of a minimal violation.
pub(super) fn finding<O: Explain>(
    object: &O,
    history: &History,
    all: &[u32],
    shrunk: &Shrunk,
) -> Finding {
    let operations = &shrunk.operations;
    let blocked = find_blocked(object, history, operations);
    let named = blocked
        .as_ref()
        .map_or_else(|| last_returned(history, operations), |blocked| blocked.operation);
    let case = Case { history, all, operations, blocked: named };
    let told = object.explain(&case);
    let mut explanation = told.explanation;
    if !shrunk.is_minimal {
        explanation.push_str(" (The set of operations may not be the smallest: time was up.)");
    }
    for (index, state) in object.presumed(operations) {
        let operation = case.operation(index);
        explanation.push_str(&format!(
            " When {}’s “{}” took effect the value was {state}; how it had got there does not matter here.",
            words::client(operation),
            words::operation(history, operation),
        ));
    }
    let mut context: Vec<u32> = told.context;
    context.retain(|index| !operations.contains(index));
    let witness = witness(object, &case, blocked.as_ref(), &context);
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
        nodes,
        evidence: Vec::new(),
        witness: Some(witness),
    }
}

/// The operation that the story is about: one without which the others have an order. Observations tell
/// it best, late ones better than early ones.
fn find_blocked<O: Object>(object: &O, history: &History, operations: &[u32]) -> Option<Blocked> {
    let mut candidates: Vec<u32> = operations
        .iter()
        .copied()
        .filter(|&index| history.operations[index as usize].outcome != Outcome::Info)
        .collect();
    candidates.sort_by_key(|&index| {
        let invoked = history.operations[index as usize].invoked;
        (observes(object, index), invoked)
    });
    let mut best: Option<Blocked> = None;
    while let Some(operation) = candidates.pop() {
        let rest: Vec<u32> =
            operations.iter().copied().filter(|&index| index != operation).collect();
        // What makes no sense without the blocked one is left out of the order too.
        let Some(rest) = object.close(&rest) else { continue };
        let Some((decision, indices)) = order_of(object, history, &rest, Order::RealTime) else {
            continue;
        };
        let is_longer = best.as_ref().is_none_or(|best| decision.longest.len() > best.order.len());
        if decision.linearizable && is_longer {
            let order = decision.longest.iter().map(|&place| indices[place]).collect();
            best = Some(Blocked { operation, order });
        }
    }
    best
}

fn order_of<O: Object>(
    object: &O,
    history: &History,
    operations: &[u32],
    order: Order,
) -> Option<(tiny::Decision, Vec<u32>)> {
    let problem = object.problem(operations);
    let processes: Vec<u64> = problem
        .operations
        .iter()
        .map(|&index| history.operations[index as usize].process)
        .collect();
    let decision = tiny::decide(&problem.machine, &problem.steps, &processes, order)?;
    Some((decision, problem.operations))
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
    context: &[u32],
) -> Witness {
    let history = case.history;
    let mut shown: Vec<(u32, bool)> =
        case.operations.iter().take(SHOWN_MAX).map(|&index| (index, true)).collect();
    shown.extend(context.iter().take(3).map(|&index| (index, false)));
    shown.sort_unstable();
    let label_of = |index: u32| {
        let place = shown.iter().position(|&(other, _)| other == index);
        place.map_or_else(|| "…".to_owned(), label)
    };
    let operations = shown
        .iter()
        .enumerate()
        .map(|(place, &(index, essential))| {
            let operation = case.operation(index);
            WitnessOperation {
                label: label(place),
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
            }
        })
        .collect();
    let mut problem = object.problem(case.operations);
    let initial_state = problem.machine.initial();
    let mut witness = Witness {
        initial: object.words(&problem.machine, initial_state),
        operations,
        weaker: weaker(object, case),
        ..Witness::default()
    };
    if let Some(blocked) = blocked {
        let mut replay = Replay { object, case, problem, label_of: &label_of };
        replay.fill(blocked, &mut witness);
    }
    witness
}

/// A weaker promise that the operations keep.
fn weaker<O: Object>(object: &O, case: &Case<'_>) -> Option<String> {
    let (decision, _) = order_of(object, case.history, case.operations, Order::Process)?;
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
    problem: crate::linear::object::Problem<O::Machine>,
    label_of: &'a dyn Fn(u32) -> String,
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
                label: (self.label_of)(operation),
                state: self.object.words(&self.problem.machine, state),
            });
        }
        witness.blocked = Some((self.label_of)(blocked.operation));
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
                state: self.object.words(&self.problem.machine, states[place]),
                reason: self.tell(&reason),
            });
        }
        witness.gap = fitting.or(any).map(|(ended, began)| {
            let (before, after) = (self.case.operation(ended), self.case.operation(began));
            Gap {
                before: (self.label_of)(ended),
                after: (self.label_of)(began),
                gap_ns: after.invoked_at_ns.saturating_sub(before.completed_at_ns),
            }
        });
    }

    fn step(&mut self, state: u32, operation: u32) -> Option<u32> {
        let place = self.problem.operations.iter().position(|&index| index == operation)?;
        self.problem.machine.step(state, self.problem.steps[place].operation)
    }

    fn place(&self, order: &[u32], place: usize) -> String {
        let before = place.checked_sub(1).map(|place| (self.label_of)(order[place]));
        let after = order.get(place).map(|&operation| (self.label_of)(operation));
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
                    let state = self.object.words(&self.problem.machine, state);
                    return Some(Reason::Answer { operation, state });
                }
            }
        }
        None
    }

    fn tell(&self, reason: &Reason) -> String {
        match reason {
            Reason::RealTime { ended, began } => {
                let gap = words::gap(self.case.operation(*ended), self.case.operation(*began));
                let (ended, began) = ((self.label_of)(*ended), (self.label_of)(*began));
                format!("real time: {ended} had ended {gap} before {began} began")
            }
            Reason::Answer { operation, state } => {
                let text = words::operation(self.case.history, self.case.operation(*operation));
                let label = (self.label_of)(*operation);
                format!("wrong value: {label} is “{text}”, but the value would be {state}")
            }
        }
    }
}
