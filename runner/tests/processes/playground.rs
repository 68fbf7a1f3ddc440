//! `whitewater cluster` and `whitewater kv`, as a person uses them, with real processes.

use std::process::{Child, Command};
use std::time::Duration;

use crate::harness::{Bench, finish, servers, turn, until};

/// Far from the default, so that a cluster somebody plays with is not in the way.
const BASE_PORT: u16 = 27_101;
const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster in the foreground of another terminal.
struct Playground<'a> {
    bench: &'a Bench,
    cluster: Child,
}

impl<'a> Playground<'a> {
    fn start(bench: &'a Bench) -> Playground<'a> {
        let data = bench.path("data");
        let arguments = format!(
            "cluster --nodes 3 --base-port {BASE_PORT} --data-dir {} --mutant no-dedupe",
            data.display()
        );
        Playground { bench, cluster: bench.command(&arguments).spawn().unwrap() }
    }

    fn kv(&self, request: &str) -> crate::harness::Outcome {
        let ports: Vec<_> = (0..3).map(|node| format!("127.0.0.1:{}", BASE_PORT + node)).collect();
        self.bench.call(&format!("kv --timeout 20s --endpoints {} {request}", ports.join(",")))
    }

    fn signal(&self, signal: &str) {
        let pid = self.cluster.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Whether no server of this playground is left.
    fn is_empty(&self) -> bool {
        servers(&self.bench.path("data").display().to_string()).is_empty()
    }
}

#[test]
fn a_person_starts_a_cluster_talks_to_it_and_leaves_nothing() {
    let _turn = turn();
    let bench = Bench::new();
    let playground = Playground::start(&bench);
    playground.kv("put greeting hello").expect(0);
    assert_eq!(playground.kv("get greeting").expect(0).stdout, "hello\n");
    let mismatch = playground.kv("cas greeting bye --expect nothing").expect(1);
    assert!(mismatch.stderr.contains("it is \"hello\""), "{mismatch:?}");
    playground.kv("cas greeting bye --expect hello").expect(0);
    playground.kv("append greeting !").expect(0);
    assert_eq!(playground.kv("get greeting").expect(0).stdout, "bye!\n");
    playground.kv("delete greeting").expect(0);
    assert!(playground.kv("get greeting").expect(1).stderr.contains("absent"));
    playground.kv("cas other 1 --expect-absent").expect(0);
    let status = playground.kv("status --json").expect(0);
    assert_eq!(status.stdout.lines().count(), 3, "{status:?}");
    assert_eq!(status.json()["mutant"], "no-dedupe");
    assert!(playground.kv("status").expect(0).stdout.contains("leader"));

    playground.signal("-INT");
    let is_empty = || playground.is_empty().then_some(());
    until("all servers to end", PATIENCE, is_empty);
    let said = finish(playground.cluster, "cluster").expect(0);
    for words in ["n3", "put greeting hello", "leads with the votes", "MUTANT no-dedupe"] {
        assert!(said.stdout.contains(words), "{words} is not in {}", said.stdout);
    }
}

#[test]
fn servers_die_with_a_cluster_that_is_killed() {
    let _turn = turn();
    let bench = Bench::new();
    let mut playground = Playground::start(&bench);
    playground.kv("put greeting hello").expect(0);
    assert!(!playground.is_empty());
    playground.signal("-KILL");
    playground.cluster.wait().unwrap();
    until("all servers to end", PATIENCE, || playground.is_empty().then_some(()));
}

#[test]
fn a_cluster_that_is_not_there_is_an_error_of_the_environment() {
    let bench = Bench::new();
    let said = bench.call("kv --timeout 300ms --endpoints 127.0.0.1:1 put a b").expect(4);
    assert!(said.stderr.contains("nothing listens there"), "{said:?}");
    bench.call("kv --timeout 300ms --endpoints 127.0.0.1:1 status").expect(4);
    bench.call("kv put a").expect(2);
    bench.call("kv cas a b").expect(2);
}

#[test]
fn a_server_refuses_settings_that_contradict_each_other() {
    let bench = Bench::new();
    let data = bench.path("n1");
    let base = format!("server --node-id 1 --listen 127.0.0.1:0 --data-dir {}", data.display());
    let said = bench.call(&format!("{base} --peer 1=127.0.0.1:2")).expect(2);
    assert!(said.stderr.contains("named as its own peer"), "{said:?}");
    let said = bench.call(&format!("{base} --heartbeat 200ms")).expect(2);
    assert!(said.stderr.contains("two heartbeats"), "{said:?}");
    let said = bench.call(&format!("{base} --mutant no-dedup")).expect(2);
    assert!(said.stderr.contains("known are") && said.stderr.contains("no-dedupe"), "{said:?}");
}
