//! Messages obey rules, answers find who asked, and no node can hold the router up: checked with real pipes.

use std::io::{PipeReader, PipeWriter, Write};
use std::path::PathBuf;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};

use super::*;
use crate::proxy::Rule;

const DEADLINE: Duration = Duration::from_secs(5);

/// A node's ends of its pipes.
struct Node {
    stdin: Lines<BufReader<pipe::Receiver>>,
    stdout: PipeWriter,
}

impl Node {
    async fn reads(&mut self) -> Value {
        let line = timeout(DEADLINE, self.stdin.next_line()).await.expect("a line was awaited");
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    }

    fn prints(&mut self, dest: &str, body: &Value) {
        let message = json!({ "src": "n", "dest": dest, "body": body });
        self.stdout.write_all(format!("{message}\n").as_bytes()).unwrap();
    }
}

struct Bench {
    router: Arc<Router>,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let network = Arc::new(Network::of_messages(2, 2));
        let router = Arc::new(Router::new(network, 2, Dice::new(1, 0)));
        Self { router, folder: tempfile::tempdir().unwrap() }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// A node of which nothing is read yet.
    fn unread(&self, node: u32) -> (PipeReader, PipeWriter) {
        let (theirs, stdin) = io::pipe().unwrap();
        let (stdout, out) = io::pipe().unwrap();
        self.router.attach(node, Pipes { stdin, stdout }, &self.log()).unwrap();
        (theirs, out)
    }

    /// A node that has not answered init.
    fn unready(&self, node: u32) -> Node {
        let (theirs, stdout) = self.unread(node);
        let stdin = pipe::Receiver::from_owned_fd(theirs.into()).unwrap();
        Node { stdin: BufReader::new(stdin).lines(), stdout }
    }

    async fn ready(&self, node: u32) -> Node {
        let mut own = self.unready(node);
        let init = own.reads().await;
        assert_eq!(
            (&init["body"]["type"], &init["dest"]),
            (&json!("init"), &json!(format!("n{node}")))
        );
        own.prints("c0", &json!({ "type": "init_ok", "in_reply_to": init["body"]["msg_id"] }));
        self.until("init_ok", || self.router.look(node).is_ok()).await;
        own
    }

    fn set(&self, from: Party, to: Party, rule: Rule) {
        self.router.network.direction(from, to).unwrap().set(rule);
    }

    fn blocked(&self, from: Party, to: Party) -> u64 {
        self.router.network.direction(from, to).unwrap().counters().bytes_blocked
    }

    async fn until(&self, what: &str, fact: impl Fn() -> bool) {
        let waiting = async {
            while !fact() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("{what} was awaited"));
    }
}

const N1: Party = Party::Node(1);
const N2: Party = Party::Node(2);

fn read() -> Value {
    json!({ "type": "read", "key": 1 })
}

#[tokio::test]
async fn nobody_is_asked_before_it_is_ready_and_answers_find_who_asked() {
    let bench = Bench::new();
    let mut caller = bench.router.caller(1);
    let lost = caller.ask(1, read(), DEADLINE).await.unwrap_err();
    assert!(!lost.is_sent && lost.reason.contains("does not run"), "{lost:?}");
    let unready = bench.unready(2);
    let lost = caller.ask(2, read(), DEADLINE).await.unwrap_err();
    assert!(!lost.is_sent && lost.reason.contains("not answered init"), "{lost:?}");
    drop(unready);
    let mut node = bench.ready(1).await;
    for value in [7, 8] {
        let answers = async {
            let request = node.reads().await;
            assert_eq!(request["src"], "c2");
            let asked = request["body"]["msg_id"].as_u64().unwrap();
            let answer = |to: u64, value: u32| json!({ "type": "read_ok", "in_reply_to": to, "value": value });
            // To somebody else, to an earlier request, and twice.
            node.prints("c1", &answer(asked, 99));
            node.prints("c2", &answer(asked - 1, 98));
            node.prints("c2", &answer(asked, value));
            node.prints("c2", &answer(asked, 97));
        };
        let (answer, ()) = tokio::join!(caller.ask(1, read(), DEADLINE), answers);
        assert_eq!(answer.unwrap()["value"], value);
    }
    assert_eq!(bench.router.notes(), [""; 0]);
}

#[tokio::test]
async fn a_message_against_a_block_is_lost_and_counted_and_the_other_way_is_open() {
    let bench = Bench::new();
    let (mut one, mut two) = (bench.ready(1).await, bench.ready(2).await);
    let note = |number: u32| json!({ "type": "note", "number": number });
    bench.set(N1, N2, Rule::Block);
    one.prints("n2", &note(1));
    bench.until("a blocked message", || bench.blocked(N1, N2) > 0).await;
    two.prints("n1", &note(2));
    assert_eq!(one.reads().await["body"]["number"], 2);
    assert_eq!(bench.router.pairs(), BTreeSet::from([(2, 1)]));
    bench.set(N1, N2, Rule::Pass);
    one.prints("n2", &note(3));
    assert_eq!(two.reads().await["body"]["number"], 3, "what was blocked does not come later");
    bench.set(Party::Client(0), N1, Rule::Block);
    let lost = bench.router.caller(0).ask(1, read(), Duration::from_millis(20)).await.unwrap_err();
    assert!(lost.is_sent, "who waits for an answer cannot know that nothing arrived");
    one.prints("n1", &note(4));
    assert_eq!(one.reads().await["body"]["number"], 4, "a node reaches itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_paused_node_has_not_read_is_lost_when_it_is_cut_off_but_for_what_is_in_its_pipe() {
    let bench = Bench::new();
    let mut one = bench.ready(1).await;
    let (unread, _out) = bench.unread(2);
    let long = json!({ "type": "note", "text": "x".repeat(4_000) });
    for _ in 0..100 {
        one.prints("n2", &long);
    }
    let carried = || bench.router.network.direction(N1, N2).unwrap().counters().bytes_passed;
    bench.until("a full pipe", || carried() > 40_000).await;
    bench.set(N1, N2, Rule::Block);
    let before = carried();
    let (mut unread, mut read) = (unread, io::sink());
    std::thread::spawn(move || io::copy(&mut unread, &mut read));
    bench.until("a message to be blocked", || bench.blocked(N1, N2) > 0).await;
    assert_eq!(carried(), before, "nothing crosses against the rule");
}

#[tokio::test]
async fn slow_messages_arrive_late_and_those_that_are_reset_do_not() {
    let bench = Bench::new();
    let (mut one, mut two) = (bench.ready(1).await, bench.ready(2).await);
    bench.set(N1, N2, Rule::late(Duration::from_millis(30), Duration::ZERO));
    let sent = Instant::now();
    one.prints("n2", &json!({ "type": "slow" }));
    assert_eq!(two.reads().await["body"]["type"], "slow");
    assert!(sent.elapsed() >= Duration::from_millis(30));
    bench.set(N1, N2, Rule::Reset);
    one.prints("n2", &json!({ "type": "lost" }));
    let counters = || bench.router.network.direction(N1, N2).unwrap().counters();
    bench.until("a reset", || counters().connections_reset == 1).await;
    assert!(counters().bytes_slowed > 0);
}

#[tokio::test]
async fn what_is_no_message_is_told_in_the_log_and_the_notes_and_a_flood_holds_nobody_up() {
    let bench = Bench::new();
    let mut one = bench.ready(1).await;
    let (_unread, _out) = bench.unread(2);
    one.stdout.write_all(b"hello\n").unwrap();
    let mut stdout = one.stdout.try_clone().unwrap();
    let flood = std::thread::spawn(move || {
        let note = format!("{{\"dest\":\"n2\",\"body\":{{\"x\":\"{}\"}}}}\n", "x".repeat(200));
        for _ in 0..2 * INBOX_MAX {
            stdout.write_all(note.as_bytes()).unwrap();
        }
        for _ in 0..6 {
            stdout.write_all(&vec![b'x'; 1 << 20]).unwrap();
        }
        stdout.write_all(b"\n").unwrap();
    });
    bench.until("the flood to be read", || flood.is_finished()).await;
    one.prints("n1", &json!({ "type": "after" }));
    assert_eq!(one.reads().await["body"]["type"], "after");
    let notes = bench.router.notes();
    assert!(notes[0].contains("n1 printed 2 lines that are no messages"), "{notes:?}");
    assert!(notes[0].contains("longer than 4 MiB"), "{notes:?}");
    assert!(notes[1].contains("n2 read too slowly"), "{notes:?}");
    let log = std::fs::read_to_string(bench.log()).unwrap();
    assert!(log.contains("no message: “hello” on stdout, which is no JSON"), "{log}");
    let error = bench.router.look(2).unwrap_err();
    assert_eq!(error, "it has not answered init");
}

#[tokio::test]
async fn who_waits_for_a_node_that_ends_is_told_at_once_and_its_next_life_is_another() {
    let bench = Bench::new();
    let mut node = bench.ready(1).await;
    let mut caller = bench.router.caller(0);
    let ends = async {
        node.reads().await;
        drop(node);
    };
    let (lost, ()) = tokio::join!(caller.ask(1, read(), 10 * DEADLINE), ends);
    let lost = lost.unwrap_err();
    assert!(lost.is_sent && lost.reason == "n1 ended before it answered", "{lost:?}");
    assert!(bench.router.look(1).is_err());
    let _again = bench.ready(1).await;
}
