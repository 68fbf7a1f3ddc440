//! What is recorded for every way an operation can go, against a scripted cluster.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;
use crate::target::{NodeSetup, Pending, Probe};
use whitewater_processes::Launch;

/// Replies by node, in order; what is not scripted stays silent.
type Script = VecDeque<(u32, Result<Answered, Setback>)>;

#[derive(Clone, Default)]
struct Scripted {
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<u32>>>,
}

impl Target for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn launch(&self, _node: &NodeSetup) -> Launch {
        unreachable!("nothing is started")
    }

    fn client(&self, _addresses: BTreeMap<u32, SocketAddr>) -> Box<dyn target::Client> {
        Box::new(ScriptedClient { cluster: self.clone(), session: Some((5, 0)) })
    }

    fn probe(&self, _addresses: BTreeMap<u32, SocketAddr>) -> Arc<dyn Probe> {
        unreachable!("nothing is polled")
    }
}

struct ScriptedClient {
    cluster: Scripted,
    session: Option<(u64, u64)>,
}

impl target::Client for ScriptedClient {
    fn open_session(
        &mut self,
        _node: u32,
        _deadline: Duration,
    ) -> Pending<'_, Result<(), Setback>> {
        self.session = Some((9, 0));
        Box::pin(async { Ok(()) })
    }

    fn has_session(&self) -> bool {
        self.session.is_some()
    }

    fn drop_session(&mut self) {
        self.session = None;
    }

    fn begin(&mut self, request: Request) -> Option<(u64, u64)> {
        if request.command.is_read() {
            return None;
        }
        self.session.as_mut()?.1 += 1;
        self.session
    }

    fn call(&mut self, node: u32, deadline: Duration) -> Pending<'_, Result<Answer, Setback>> {
        Box::pin(async move {
            self.cluster.asked.lock().unwrap().push(node);
            let next = self.cluster.script.lock().unwrap().pop_front();
            match next {
                Some((expected, reply)) => {
                    assert_eq!(node, expected, "the client asked another node");
                    reply.map(|result| Answer { result, node, term: Some(7) })
                }
                None => {
                    tokio::time::sleep(deadline).await;
                    Err(setback(SetbackKind::Unreachable, true, "no answer"))
                }
            }
        })
    }
}

fn setback(kind: SetbackKind, is_indefinite: bool, reason: &str) -> Setback {
    Setback { is_indefinite, kind, reason: reason.into() }
}

struct Bench {
    client: Client,
    recorder: Recorder,
    cluster: Scripted,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(
        habit: Habit,
        script: impl IntoIterator<Item = (u32, Result<Answered, Setback>)>,
    ) -> Self {
        let cluster = Scripted::default();
        cluster.script.lock().unwrap().extend(script);
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(folder.path()).unwrap();
        let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let client = Client::new(ClientSetup {
            number: 0,
            clients: 10,
            habit,
            addresses: (1..=3).map(|node| (node, nowhere)).collect(),
            target: &cluster,
            recorder: recorder.clone(),
            dice: Dice::new(1, 0),
            deadline: Duration::from_millis(100),
            workload: "register".into(),
        });
        Self { client, recorder, cluster, folder }
    }

    async fn perform(&mut self, action: Action) -> Outcome {
        self.client.perform(&Operation { key: "k1".into(), slot: 0, action }).await
    }

    fn history(&self) -> Vec<Event> {
        self.recorder.flush().unwrap();
        let text = std::fs::read_to_string(self.folder.path().join("history.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_write_follows_the_redirect_and_repeats_its_command() {
    let redirect = setback(SetbackKind::Redirect(3), false, "not leader");
    let script = [(1, Err(redirect)), (3, Ok(Answered::Written))];
    let mut bench = Bench::new(Habit::Roaming, script);
    assert_eq!(bench.perform(Action::Write(41)).await, Outcome::Ok(None));
    let history = bench.history();
    assert_eq!(history.len(), 2, "retries are one operation: {history:?}");
    assert_eq!(history[1].kind, EventType::Ok);
    assert_eq!((history[1].node.as_deref(), history[1].term), (Some("n3"), Some(7)));
    assert_eq!(history[1].command, Some((5, 1)));
    assert_eq!(history[1].value, 41);
}

#[tokio::test]
async fn a_write_nobody_answers_is_unknown_and_retires_process_and_session() {
    let mut bench = Bench::new(Habit::Pinned(2), []);
    assert_eq!(bench.perform(Action::Write(41)).await, Outcome::Info);
    assert!(!bench.client.connection.has_session());
    bench.cluster.script.lock().unwrap().push_back((2, Ok(Answered::Value(None))));
    bench.perform(Action::Read).await;
    let history = bench.history();
    assert_eq!(history[1].kind, EventType::Info);
    assert_eq!(history[1].error.as_deref(), Some("no answer"));
    assert_eq!(history[2].process, Process::Client(10), "process 0 is retired");
}

#[tokio::test]
async fn a_write_that_may_have_taken_effect_stays_unknown_after_definite_refusals() {
    let script = [
        (1, Err(setback(SetbackKind::Unreachable, true, "connection reset"))),
        (2, Err(setback(SetbackKind::SessionLost, false, "unknown session"))),
    ];
    let mut bench = Bench::new(Habit::Roaming, script);
    assert_eq!(bench.perform(Action::Write(41)).await, Outcome::Info);
}

#[tokio::test]
async fn a_write_refused_for_certain_fails_with_its_reason() {
    let script = [(1, Err(setback(SetbackKind::Hopeless, false, "invalid")))];
    let mut bench = Bench::new(Habit::Roaming, script);
    assert_eq!(bench.perform(Action::Write(41)).await, Outcome::Fail);
    let history = bench.history();
    assert_eq!((history[1].kind, history[1].error.as_deref()), (EventType::Fail, Some("invalid")));
}

#[tokio::test]
async fn a_read_nobody_answers_fails_and_keeps_the_process() {
    let mut bench = Bench::new(Habit::Pinned(1), []);
    assert_eq!(bench.perform(Action::Read).await, Outcome::Fail);
    assert!(bench.history()[1].error.is_some());
    assert!(bench.client.connection.has_session());
}

#[tokio::test]
async fn a_rejected_cas_tells_what_it_saw() {
    let script = [(1, Ok(Answered::Mismatch(Some("4".into()))))];
    let mut bench = Bench::new(Habit::Roaming, script);
    assert_eq!(bench.perform(Action::Cas(Some(3), 5)).await, Outcome::Mismatch(4.into()));
    let history = bench.history();
    assert_eq!(history[0].value, serde_json::json!([3, 5]));
    assert_eq!(history[1].kind, EventType::Fail);
    assert_eq!(history[1].error, None, "an error would hide the observation");
    assert_eq!(history[1].saw, Some(Seen { is: 4.into() }));
}

#[tokio::test]
async fn a_pinned_client_returns_to_its_node_and_a_roaming_one_stays_with_the_leader() {
    for (habit, expected) in [(Habit::Pinned(1), [1, 3, 1]), (Habit::Roaming, [1, 3, 3])] {
        let script = [
            (1, Err(setback(SetbackKind::Redirect(3), false, "not leader"))),
            (3, Ok(Answered::Written)),
            (expected[2], Ok(Answered::Written)),
        ];
        let mut bench = Bench::new(habit, script);
        bench.perform(Action::Write(1)).await;
        bench.perform(Action::Write(2)).await;
        assert_eq!(*bench.cluster.asked.lock().unwrap(), expected);
    }
}

#[test]
fn pinned_clients_cover_every_node() {
    let homes: std::collections::BTreeSet<u32> = (0..10)
        .filter_map(|client| match Habit::of(client, 5) {
            Habit::Pinned(home) => Some(home),
            Habit::Roaming => None,
        })
        .collect();
    assert_eq!(homes, (1..=5).collect());
}
