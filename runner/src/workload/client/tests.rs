//! Golden scripts: what one client asks, waits for and records, told in what ends its waits.
//!
//! A script begins with `client NUMBER`, of three nodes unless it says otherwise. Each command prints what is
//! recorded and what the client does next. `UPDATE_GOLDENFILES=1` writes the outcomes anew, for review.

use std::collections::{BTreeSet, VecDeque};
use std::error::Error;
use std::time::Duration;

use super::*;
use crate::plan::WorkloadPlan;

/// What a script can say. Times are in milliseconds.
#[derive(Debug, goldenscript::Command)]
enum Line {
    /// A client that has done nothing yet.
    Client {
        number: u32,
        #[arg(key)]
        nodes: Option<u32>,
        #[arg(key)]
        pause: Option<u64>,
        #[arg(key)]
        doze: Option<u64>,
    },
    /// Work as the generator says.
    Load,
    /// No more work.
    Stop,
    /// One more operation of a list.
    Read(String),
    /// One more operation of a list.
    Write { key: String, value: u64 },
    /// One more operation of a list.
    Cas { key: String, from: u64, to: u64 },
    /// How many operations of the list came to nothing.
    Unanswered,
    /// This node left for good.
    Forget(u32),
    /// Time passes.
    Pass(u64),
    /// The wait is over.
    Wake,
    /// A session is open.
    Opened(u64),
    /// The change is made.
    Written,
    /// The value that was read.
    Value(#[arg(optional)] String),
    /// The value that the cas found instead.
    Mismatch(String),
    /// Another node leads.
    Redirect(u32),
    /// There is no leader.
    Later,
    /// Nothing listens there.
    Refused,
    /// The connection breaks.
    Reset,
    /// No answer comes until the deadline.
    Silent,
    /// The session is unknown.
    Lost,
    /// The request is wrong.
    Wrong,
}

/// Runs one script.
struct Script {
    client: Client,
    shared: Shared,
    now_ns: u64,
    /// What the client waits for.
    step: Step,
}

impl HistoryWriter for Vec<Event> {
    fn event(&mut self, event: Event) -> u64 {
        self.push(event);
        0
    }
}

impl goldenscript::Runner for Script {
    type Command = Line;

    fn run(
        &mut self,
        line: &Line,
        _context: &goldenscript::Context,
    ) -> Result<String, Box<dyn Error>> {
        let input = match line {
            Line::Wake => {
                let Step::Wait { until_ns } = self.step else { return Ok(self.step(Input::Woken)) };
                self.now_ns = self.now_ns.max(until_ns);
                Input::Woken
            }
            Line::Opened(id) => self.answer(Answered::Opened(*id)),
            Line::Written => self.answer(Answered::Written),
            Line::Value(value) if value.is_empty() => self.answer(Answered::Value(None)),
            Line::Value(value) => self.answer(Answered::Value(Some(value.clone().into()))),
            Line::Mismatch(value) => self.answer(Answered::Mismatch(Some(value.clone().into()))),
            Line::Redirect(node) => {
                no(Next::Leader { node: *node, address: String::new() }, "not leader")
            }
            Line::Later => no(Next::Later, "no leader"),
            Line::Refused => no(Next::Elsewhere, "connection refused"),
            Line::Lost => no(Next::NewSession, "unknown session"),
            Line::Wrong => no(Next::GiveUp, "invalid"),
            Line::Reset => Input::Settled(Err(Setback::unreachable(true, "connection reset"))),
            Line::Silent => {
                let Step::Ask { deadline_ns, .. } = self.step else {
                    return Err("nothing is asked")?;
                };
                let patience = Duration::from_nanos(deadline_ns - self.now_ns);
                self.now_ns = deadline_ns;
                Input::Settled(Err(Setback::silence(true, patience)))
            }
            other => return Ok(self.arrange(other)),
        };
        Ok(self.step(input))
    }
}

fn no(next: Next, reason: &str) -> Input {
    Input::Settled(Err(Setback { is_indefinite: false, next, reason: reason.into() }))
}

impl Script {
    fn new() -> Self {
        let shared = Shared::new(
            &WorkloadPlan {
                name: "register".into(),
                clients: 10,
                keys: 2,
                rate: 0,
                operation_deadline_ms: 1000,
                operations_per_key: 300,
                unknown_per_key: 20,
                without: Vec::new(),
                reads_at_every_node: false,
            },
            3,
        );
        Self { client: client(0, 3), shared, now_ns: 0, step: Step::Rest }
    }

    /// What is no input of the client.
    fn arrange(&mut self, line: &Line) -> String {
        match line {
            Line::Client { number, nodes, pause, doze } => {
                let nodes = nodes.unwrap_or(3);
                let for_ns = doze.unwrap_or_default() * MILLISECOND;
                self.client = Client::new(ClientSetup {
                    pause_ns: pause.unwrap_or_default() * MILLISECOND,
                    doze: doze.map(|_| Doze { in_a_million: 1_000_000, for_ns }),
                    ..setup(*number, nodes)
                });
                return self.step(Input::Woken);
            }
            Line::Load => self.shared.work = Work::Load,
            Line::Stop => self.shared.work = Work::Nothing,
            Line::Read(key) => self.list(key, Action::Read),
            Line::Write { key, value } => self.list(key, Action::Write(*value)),
            Line::Cas { key, from, to } => self.list(key, Action::Cas(Some(*from), *to)),
            Line::Unanswered => return self.shared.unanswered.to_string(),
            Line::Forget(node) => self.client.forget_home(*node),
            Line::Pass(time) => self.now_ns += time * MILLISECOND,
            other => unreachable!("{other:?} is an input"),
        }
        String::new()
    }

    fn list(&mut self, key: &str, action: Action) {
        let task = Task {
            operation: Operation { key: key.into(), slot: 0, action, node: None },
            tried: 0,
        };
        match &mut self.shared.work {
            Work::List(list) => list.push_back(task),
            work => *work = Work::List(VecDeque::from([task])),
        }
    }

    /// The asked node, in term 7.
    fn answer(&self, result: Answered) -> Input {
        let Step::Ask { node, .. } = self.step else { panic!("nothing is asked") };
        Input::Settled(Ok(Answer { result, node, term: Some(7) }))
    }

    fn step(&mut self, input: Input) -> String {
        let mut history = Vec::new();
        self.step = self.client.step(self.now_ns, input, &mut self.shared, &mut history);
        let lines = history.iter().map(recorded).chain([self.next()]);
        lines.collect::<Vec<_>>().join("\n")
    }

    fn next(&self) -> String {
        let now = self.now_ns / MILLISECOND;
        match &self.step {
            Step::Rest => format!("{now}: rest"),
            Step::Wait { until_ns } => format!("{now}: wait until {}", until_ns / MILLISECOND),
            Step::Ask { node, request, deadline_ns } => {
                let request = match request {
                    Request::OpenSession => "a session".into(),
                    Request::Get { key, leader_only: true } => format!("{key}, as a leader"),
                    Request::Get { key, .. } => key.clone(),
                    Request::Write { key, change, command } => {
                        format!("{change:?} of {key} as {command:?}")
                    }
                };
                format!("{now}: ask n{node} for {request} until {}", deadline_ns / MILLISECOND)
            }
        }
    }
}

fn recorded(event: &Event) -> String {
    let Event { process: Process::Client(process), kind, f, key, value, .. } = event else {
        panic!("{event:?} is no client's")
    };
    let mut line = format!("  {process} {kind:?} {f} {} {value}", key.as_deref().unwrap_or("-"));
    let mut add = |name: &str, text: Option<String>| {
        line.extend(text.map(|text| format!(" {name} {text}")));
    };
    add("at", event.node.clone());
    add("term", event.term.map(|term| term.to_string()));
    add("as", event.command.map(|command| format!("{command:?}")));
    add("saw", event.saw.as_ref().map(|saw| saw.is.to_string()));
    add("error:", event.error.clone());
    line
}

fn setup(number: u32, nodes: u32) -> ClientSetup {
    ClientSetup {
        number,
        clients: 10,
        nodes,
        seed: 1,
        deadline_ns: 1_000 * MILLISECOND,
        pause_ns: 0,
        doze: None,
    }
}

fn client(number: u32, nodes: u32) -> Client {
    Client::new(setup(number, nodes))
}

#[test]
fn pinned_clients_cover_every_node() {
    let homes: BTreeSet<u32> = (0..10)
        .filter_map(|client| match Habit::of(client, 5) {
            Habit::Pinned(home) => Some(home),
            Habit::Roaming => None,
        })
        .collect();
    assert_eq!(homes, (1..=5).collect());
}

/// One test for each script, and one that no script is forgotten.
macro_rules! scripts {
    ($($name:ident)*) => {
        const LISTED: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                let path = std::path::Path::new(FOLDER).join(stringify!($name));
                goldenscript::run(&mut Script::new(), path).unwrap();
            }
        )*
    };
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/workload/client/scripts");

#[test]
fn every_script_in_the_folder_is_run() {
    let names = std::fs::read_dir(FOLDER).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, LISTED, "the list is in alphabetical order");
}

scripts! {
    a_change_follows_the_redirect_and_repeats_its_command
    a_change_nobody_answers_is_unknown_and_retires_process_and_session
    a_change_of_the_final_list_without_a_session_is_never_sent
    a_change_refused_for_certain_fails_with_its_reason
    a_change_that_may_have_taken_effect_stays_unknown_after_definite_refusals
    a_client_keeps_its_rate_and_does_not_make_up_for_a_long_wait
    a_client_that_dozes_outlasts_its_session
    a_pinned_client_only_reads_and_waits_for_its_node
    a_pinned_client_returns_to_its_node
    a_pinned_client_whose_node_left_for_good_roams
    a_read_nobody_answers_fails_and_keeps_the_process
    a_rejected_cas_tells_what_it_saw
    a_roaming_client_stays_with_the_leader
    a_server_without_sessions_is_not_sent_an_unknown_change_again
    a_session_that_cannot_be_had_is_not_asked_for_again_at_once
    an_operation_of_the_final_list_is_tried_three_times
}
