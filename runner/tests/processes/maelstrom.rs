//! Nodes that speak Maelstrom's protocol on their standard input and output, written in Python.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Bench, Outcome, servers, turn};

/// A description of the node beside this test, and a folder for its runs; `None`: there is no Python here, which is said.
fn described(switch: &str) -> Option<(Bench, String)> {
    if !Command::new("python3").arg("--version").output().is_ok_and(|it| it.status.success()) {
        eprintln!("skipped: there is no python3 here, in which the nodes are written");
        return None;
    }
    let bench = Bench::new();
    let node = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processes/maelstrom/node.py");
    fs::copy(node, bench.path("node.py")).unwrap();
    let file = bench.path("nodes.toml");
    let text = format!("kind = \"maelstrom\"\ncommand = \"python3 node.py {switch}\"\n");
    fs::write(&file, text).unwrap();
    Some((bench, file.display().to_string()))
}

fn run(bench: &Bench, file: &str) -> Outcome {
    bench.run_decided(&format!("--target {file} --nodes 3 --time 15s --seed 5 --rate 300"))
}

#[test]
fn a_right_node_on_stdin_and_stdout_passes_with_partitions_and_pauses_that_were_seen() {
    let Some((bench, file)) = described("") else { return };
    let verdict = run(&bench, &file).expect(0).json();
    for family in ["pause", "partition"] {
        assert!(verdict["faults_effective"][family].as_u64().unwrap() >= 1, "{verdict}");
    }
    assert!(verdict["faults_effective"].get("kill").is_none(), "it keeps nothing: {verdict}");
    let run = bench.latest();
    assert_eq!(servers(run.file_name().unwrap().to_str().unwrap()), [0; 0]);
    let log = fs::read_to_string(run.join("logs/n2.log")).unwrap();
    assert_eq!(log, "starting n2\n", "what it prints to stderr, and nothing else");
}

#[test]
fn a_node_that_answers_reads_from_its_own_copy_is_caught() {
    let Some((bench, file)) = described("--stale") else { return };
    run(&bench, &file).expect(1);
    let summary = fs::read_to_string(bench.latest().join("summary.md")).unwrap();
    assert!(summary.contains("stale read"), "{summary}");
}

#[test]
fn a_trial_tells_who_sent_to_whom_and_what_was_printed_that_is_no_message() {
    let Some((bench, file)) = described("--rude") else { return };
    let _turn = turn();
    let told = bench.call(&format!("try {file}")).expect(0).stdout;
    for line in [
        "a read through n3: the value that was written",
        "who sent to whom: messages on 4 of 6 ordered pairs; never linked: n2-n3",
        "n1 printed 4 lines that are no messages, at last",
        "which is for `lin-kv`, and here are only nodes n1 to n3 and clients",
        "what was acknowledged, after kill -9 of every node: gone, as the description says",
        "what is left: no process",
    ] {
        assert!(told.contains(line), "no “{line}” in\n{told}");
    }
}

#[test]
fn what_makes_no_sense_for_such_nodes_is_refused_and_one_that_says_nothing_is_told() {
    let Some((bench, file)) = described("") else { return };
    let _turn = turn();
    let refused = bench.call(&format!("run --target {file} --faults kill --time 8s")).expect(2);
    assert!(refused.stderr.contains("a kill loses data by design"), "{}", refused.stderr);
    let refused = bench.call(&format!("run --target {file} --tier proxy --time 8s")).expect(2);
    assert!(refused.stderr.contains("speak on stdin and stdout"), "{}", refused.stderr);
    let text = "kind = \"maelstrom\"\ncommand = [\"sh\", \"-c\", \"echo ready; cat > all\"]\n[times]\nrestart = \"1s\"\n";
    fs::write(&file, text).unwrap();
    let told = bench.call(&format!("try {file}")).expect(4).stdout;
    let line = "n1 was not ready within 1 s: it has not answered init, and said “ready” on stdout, which is no JSON";
    assert!(told.contains(line), "{told}");
}
