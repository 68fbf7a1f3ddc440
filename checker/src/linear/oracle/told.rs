//! What a finding says, tried against the history: its operations are a proof, none of them is there for nothing, the
//! text, the order and the slots name operations that are shown and say what is so of them, and its file says
//! the same once more.

use std::io::Cursor;
use std::time::{Duration, Instant};

use super::case::Case;
use crate::analysis::{Finding, Witness, WitnessOperation};
use crate::history::{self, History};
use crate::linear::object::Object;
use crate::linear::search::Budget;
use crate::linear::setting::Setting;
use crate::linear::witness::{Confirmed, Known, tiny};
use crate::object::register::Scratch;
use crate::object::{self, ModelKind, register, set};
use crate::options::Options;

/// Operations of which every selection is left out; of more, one at a time.
const SELECTED_MAX: usize = 5;

/// Whatever is left out of a history that has an order, what [`Object::close`] keeps has one too.
pub(super) fn parts_have_orders<O: Object>(object: &O, own: &[u32], budget: &Budget, case: &Case) {
    let left_out: Vec<u64> = match own.len() {
        0..=SELECTED_MAX => (1..1 << own.len()).collect(),
        more => (0..more).map(|place| 1 << place).collect(),
    };
    for out in left_out {
        let rest = (0..own.len()).filter(|place| out >> place & 1 == 0).map(|place| own[place]);
        let Some(rest) = object.close(&rest.collect::<Vec<u32>>()) else { continue };
        let problem = object.problem(&rest);
        let processes = vec![0; problem.steps.len()];
        let found = tiny::decide(
            &problem.machine,
            &problem.steps,
            &processes,
            tiny::Order::RealTime,
            budget,
        );
        let found = found.expect("few operations");
        assert!(found.linearizable, "{rest:?} of {own:?}\n{}", case.text());
    }
}

/// Tries a finding of the key `key`.
pub(super) fn holds(model: ModelKind, finding: &Finding, key: usize, case: &Case) {
    let mut all = String::new();
    case.write(key, &mut all);
    let witness = finding.witness.as_ref().expect("a witness");
    names(finding, witness, &all);
    slots(model, witness, &all);
    let essential = witness.operations.iter().filter(|operation| operation.essential);
    let needed = essential.clone().filter(|operation| operation.is_needed).count();
    // Elsewhere some operations cannot be left out one by one: additions to a counter, dequeues without an answer.
    let is_whole = !matches!(model, register::KIND | set::KIND);
    let all_needed = needed == essential.count();
    assert!(all_needed || is_whole, "not minimal: {finding:#?}\n{all}");
    again(model, finding, witness, &all);
}

fn operation<'a>(witness: &'a Witness, label: &str, all: &str) -> &'a WitnessOperation {
    let mut operations = witness.operations.iter();
    let found = operations.find(|operation| operation.label == label);
    found.unwrap_or_else(|| panic!("{label} is not in {witness:#?}\n{all}"))
}

/// Every label that is named stands for an operation that is shown, with its own words.
fn names(finding: &Finding, witness: &Witness, all: &str) {
    for (place, _) in finding.explanation.match_indices("” (") {
        let (before, after) = finding.explanation.split_at(place);
        let label = after["” (".len()..].split(')').next().expect("a label");
        let text = before.rsplit('“').next().expect("a quotation");
        assert_eq!(operation(witness, label, all).text, text, "{finding:#?}\n{all}");
    }
    let order = witness.order.iter().map(|step| &step.label).chain(&witness.blocked);
    order.for_each(|label| assert_eq!(&operation(witness, label, all).label, label));
    assert!(!finding.explanation.contains(['…', '\u{1}']), "{finding:#?}");
    assert!(!finding.explanation.contains("these 1 "), "{finding:#?}");
}

/// Every reason is so: the two operations are as the times say, and the answer does not fit the state.
fn slots(model: ModelKind, witness: &Witness, all: &str) {
    let Some(blocked) = &witness.blocked else { return };
    assert_eq!(witness.slots.len(), witness.order.len() + 1);
    let place_of = |label: &str| witness.order.iter().position(|step| step.label == label);
    for (place, slot) in witness.slots.iter().enumerate() {
        if let Some(reason) = slot.reason.strip_prefix("real time: ") {
            let words: Vec<&str> = reason.split(' ').collect();
            let (ended, began) = (words[0], words[words.len() - 2]);
            let end = operation(witness, ended, all).completed_at_ns.expect("it ended");
            assert!(end < operation(witness, began, all).invoked_at_ns, "{slot:?}\n{all}");
            // The slot has the two the other way round.
            let is_wrong = match (ended == blocked, began == blocked) {
                (true, false) => place_of(began).expect("in the order") < place,
                (false, true) => place_of(ended).expect("in the order") >= place,
                _ => false,
            };
            assert!(is_wrong, "{slot:?} {witness:#?}\n{all}");
        } else if model == register::KIND {
            let state = match place {
                0 => &witness.initial,
                place => &witness.order[place - 1].state,
            };
            assert_eq!(&slot.state, state);
            wrong_value(witness, slot, place, all);
        } else {
            assert!(slot.reason.starts_with("wrong value: "), "{slot:?}\n{all}");
        }
    }
}

/// The value after a register operation in words, if it can have its answer.
fn after(text: &str, value: &str) -> Option<String> {
    let text = text.trim_end_matches(" (outcome unknown)");
    if let Some(read) = text.strip_prefix("read → ") {
        return (read == value).then(|| value.to_owned());
    }
    if let Some(written) = text.strip_prefix("write ") {
        return Some(written.to_owned());
    }
    let Some(cas) = text.strip_prefix("cas ") else { return Some("absent".to_owned()) };
    let (from, rest) = cas.split_once(" → ")?;
    match rest.split_once(" rejected") {
        None => (from == value).then(|| rest.to_owned()),
        Some((_, "")) => (from != value).then(|| value.to_owned()),
        Some((_, saw)) => {
            let saw = saw.trim_start_matches(", saw ");
            (saw == value && saw != from).then(|| value.to_owned())
        }
    }
}

fn wrong_value(witness: &Witness, slot: &crate::analysis::Slot, place: usize, all: &str) {
    let blocked = witness.blocked.as_deref().expect("a blocked operation");
    let reason = slot.reason.strip_prefix("wrong value: ").expect("a wrong value");
    let (label, rest) = reason.split_once(" is “").expect("an operation");
    let (text, value) = rest.split_once("”, but the value would be ").expect("a value");
    assert_eq!(operation(witness, label, all).text, text);
    let mut state = slot.state.clone();
    let after_it = witness.order[place..].iter().map(|step| step.label.as_str());
    for next in [blocked].into_iter().chain(after_it) {
        let text = &operation(witness, next, all).text;
        match after(text, &state) {
            Some(_) if next == label => panic!("it fits: {slot:?} {witness:#?}\n{all}"),
            Some(then) => state = then,
            None => {
                assert_eq!((next, state.as_str()), (label, value), "{witness:#?}\n{all}");
                return;
            }
        }
    }
    panic!("nothing is wrong: {slot:?} {witness:#?}\n{all}");
}

/// The file of the witness has the same finding.
fn again(model: ModelKind, finding: &Finding, witness: &Witness, all: &str) {
    let mut text = witness.file.head(finding.key.as_deref());
    let ids = &witness.file.operations;
    let mut open = std::collections::HashMap::new();
    for line in all.lines() {
        let event: crate::event::Event = serde_json::from_str(line).expect("an event");
        let crate::event::Process::Client(process) = event.process else { continue };
        if event.kind == crate::event::EventType::Invoke {
            open.insert(process, event.time_ns);
        }
        let is_it = |id: &&crate::analysis::OperationId| {
            id.process == process && open.get(&process) == Some(&id.invoked_at_ns)
        };
        if ids.iter().any(|id| is_it(&id)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    let input = Box::new(Cursor::new(text.clone().into_bytes()));
    let history: History =
        history::read_from("file", input, &Options::default()).expect("a history").history;
    let told = object::model("file", &history, None).expect("a model");
    assert_eq!(told, model, "{text}");
    let known = &Known::new(&history, None);
    let setting =
        Setting { history: &history, model, known, search_only: false, side_by_side: false };
    let until = Instant::now() + Duration::from_secs(20);
    let own = history.by_key().operations(0);
    let budget = Budget::new(until, 1 << 30);
    let decision = setting.decide(own, &budget, &mut Scratch::default());
    assert_eq!(decision.linearizable, Some(false), "{finding:#?}\n{all}\nits file:\n{text}");
    let Confirmed::Finding(other) = setting.explain(own, &decision, budget, until) else {
        panic!("unconfirmed: {finding:#?}\n{all}\nits file:\n{text}");
    };
    let told = |finding: &Finding| {
        [finding.anomaly.clone(), finding.headline.clone(), finding.explanation.clone()]
    };
    assert_eq!(told(&other), told(finding), "{finding:#?}\n{all}\nits file:\n{text}");
    let other = other.witness.expect("a witness");
    assert_eq!(other.slots, witness.slots, "{all}\nits file:\n{text}");
}
