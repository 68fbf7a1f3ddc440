//! Every model on longer histories: linearizable by construction they pass, with one answer changed they
//! do not.
//!
//! Clients take turns at random; an operation takes effect when it ends, so its answer is the object's
//! at that moment and the order of the ends is a valid one.

use std::io::Cursor;
use std::time::Duration;

use serde_json::{Value, json};
use whitewater_checker::generate::Random;
use whitewater_checker::object::{
    ModelKind, append, counter, owned_mutex, queue, register, set, unordered_queue,
};
use whitewater_checker::{Options, Verdict, check_reader};

const CLIENTS: usize = 6;

/// An object that plays itself.
struct Object {
    model: ModelKind,
    members: Vec<u64>,
    sum: i64,
    /// Who holds it, each as often as it does.
    held_by: Vec<usize>,
    next: u64,
}

impl Object {
    fn begin(&mut self, client: usize, random: &mut Random) -> (&'static str, Value) {
        self.next += 1;
        let fresh = json!(self.next);
        match (self.model, random.below(3)) {
            (append::KIND, 0) => ("read", Value::Null),
            (append::KIND, _) => ("append", json!(format!("x{fresh}y"))),
            (set::KIND, 0) if !self.members.is_empty() => {
                let place = random.below(self.members.len() as u64) as usize;
                ("remove", json!(self.members[place]))
            }
            (set::KIND, 1) => ("contains", json!(1 + random.below(self.next))),
            (set::KIND, _) => ("add", fresh),
            (counter::KIND, 0) => ("read", Value::Null),
            (counter::KIND, _) => ("add", json!(1 + random.below(9))),
            (queue::KIND | unordered_queue::KIND, 0) => match random.below(4) {
                0 => ("drain", Value::Null),
                _ => ("dequeue", Value::Null),
            },
            (queue::KIND | unordered_queue::KIND, _) => ("enqueue", fresh),
            (owned_mutex::REENTRANT, 0) if self.holds(client) => ("acquire", Value::Null),
            (model, 0) if model.count().is_some() && self.holds(client) => ("acquire", Value::Null),
            (_, _) if self.holds(client) => ("release", Value::Null),
            (register::KIND, _) => unreachable!("registers have their own generator"),
            (_, _) => ("acquire", Value::Null),
        }
    }

    fn holds(&self, client: usize) -> bool {
        self.held_by.contains(&client)
    }

    fn may_acquire(&self, client: usize) -> bool {
        match (self.model, self.model.count()) {
            (_, Some(permits)) => self.held_by.len() < permits as usize,
            (owned_mutex::REENTRANT, _) => self.held_by.iter().all(|holder| *holder == client),
            _ => self.held_by.is_empty(),
        }
    }

    /// The answer, or `None` where the operation cannot end now.
    fn end(&mut self, client: usize, f: &str, value: &Value) -> Option<Value> {
        let number = value.as_u64().unwrap_or(0);
        match f {
            "append" | "enqueue" => self.members.push(self.number(value)),
            "add" if self.model == counter::KIND => self.sum += number as i64,
            "add" => self.members.push(number),
            "remove" => self.members.retain(|member| *member != number),
            "contains" => return Some(json!([number, self.members.contains(&number)])),
            "read" if self.model == counter::KIND => return Some(json!(self.sum)),
            "read" => {
                let texts = self.members.iter().map(|member| format!("x{member}y"));
                return Some(json!(texts.collect::<String>()));
            }
            "dequeue" if self.members.is_empty() => return None,
            "dequeue" if self.model == unordered_queue::KIND => {
                return Some(json!(self.members.pop()));
            }
            "dequeue" => return Some(json!(self.members.remove(0))),
            "drain" => return Some(json!(std::mem::take(&mut self.members))),
            "acquire" if !self.may_acquire(client) => return None,
            "acquire" => self.held_by.push(client),
            _ => {
                let place = self.held_by.iter().position(|holder| *holder == client);
                self.held_by.remove(place.expect("it holds what it gives back"));
            }
        }
        Some(value.clone())
    }

    fn number(&self, value: &Value) -> u64 {
        let text = value.as_str().map(|text| text.trim_matches(['x', 'y']));
        text.map_or_else(|| value.as_u64().unwrap_or(0), |text| text.parse().unwrap_or(0))
    }
}

/// Events of a history, in order: process, type, f, value.
type Events = Vec<(usize, &'static str, &'static str, Value)>;

fn play(model: ModelKind, operations: usize, seed: u64) -> Events {
    let mut random = Random::new(seed);
    let mut object = Object { model, members: Vec::new(), sum: 0, held_by: Vec::new(), next: 0 };
    let mut open: Vec<Option<(&'static str, Value)>> = vec![None; CLIENTS];
    let mut events = Events::new();
    let mut begun = 0;
    while begun < operations {
        let client = random.below(CLIENTS as u64) as usize;
        match open[client].take() {
            None => {
                let (f, value) = object.begin(client, &mut random);
                events.push((client, "invoke", f, value.clone()));
                open[client] = Some((f, value));
                begun += 1;
            }
            Some((f, value)) => match object.end(client, f, &value) {
                Some(answer) => events.push((client, "ok", f, answer)),
                None => {
                    open[client] = Some((f, value));
                    // Nobody may be able to end: then somebody begins, or the history is over.
                    begun += usize::from(open.iter().all(Option::is_some));
                }
            },
        }
    }
    events
}

fn verdict(events: &Events, model: ModelKind) -> Verdict {
    let mut text = String::new();
    for (time, (process, kind, f, value)) in events.iter().enumerate() {
        text.push_str(&format!(
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value},\
             \"time_ns\":{time}}}\n"
        ));
    }
    let options =
        Options { model: Some(model), budget: Duration::from_secs(20), ..Options::default() };
    let (analysis, report) =
        check_reader("played", Box::new(Cursor::new(text.into_bytes())), &options)
            .expect("a played history is well formed");
    assert_ne!(analysis.verdict, Verdict::Undecided, "{report:?}");
    analysis.verdict
}

/// Changes the last answer that can be changed into one that no order explains.
fn plant(events: &mut Events) {
    let place = events.iter().rposition(|(_, kind, f, _)| {
        *kind == "ok" && matches!(*f, "read" | "dequeue" | "drain" | "contains" | "release")
    });
    let (_, _, f, value) = &mut events[place.expect("an answer")];
    match (*f, &*value) {
        ("contains", _) => *value = json!([1_000_000, true]),
        ("drain", _) => *value = json!([1_000_000]),
        ("read", Value::String(text)) => *value = json!(format!("{text}{text}xnobodyy")),
        ("release", _) => {
            // More releases than there can be acquires still under way.
            for other in CLIENTS..2 * CLIENTS + 4 {
                events.push((other, "invoke", "release", Value::Null));
                events.push((other, "ok", "release", Value::Null));
            }
        }
        _ => *value = json!(1_000_000),
    }
}

#[test]
fn played_histories_pass_and_planted_ones_do_not() {
    let models = ModelKind::all().filter(|model| *model != register::KIND);
    for model in models {
        for seed in 0..6 {
            let mut events = play(model, 120, seed);
            assert_eq!(verdict(&events, model), Verdict::Pass, "{} seed {seed}", model.word());
            plant(&mut events);
            assert_eq!(verdict(&events, model), Verdict::Violation, "{} seed {seed}", model.word());
        }
    }
}

#[test]
fn long_lists_and_queues_are_decided_by_their_own_order() {
    for model in [append::KIND, queue::KIND] {
        let begun = std::time::Instant::now();
        assert_eq!(verdict(&play(model, 2000, 1), model), Verdict::Pass);
        assert!(begun.elapsed() < Duration::from_secs(10), "{}: not linear", model.word());
    }
}
