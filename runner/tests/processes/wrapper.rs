//! Servers behind a script: what befalls a node befalls all of its processes.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::harness::{Bench, WHITEWATER, servers, state, turn, until};

const SOON: Duration = Duration::from_secs(30);

/// A script that starts the bundled server and stays its parent.
fn wrapper(bench: &Bench, start: &str) -> PathBuf {
    let script = bench.path("server.sh");
    fs::write(&script, format!("#!/bin/sh\n{start} {WHITEWATER} \"$@\"\ntrue\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script
}

fn processes(run: &Path) -> Vec<u32> {
    servers(run.file_name().unwrap().to_str().unwrap())
}

#[test]
fn a_server_behind_a_wrapper_is_killed_paused_and_cut_off_like_any_other() {
    let bench = Bench::new();
    let script = wrapper(&bench, "");
    let line = format!("--nodes 3 --time 8s --seed 11 --rate 300 --server {}", script.display());
    let verdict = bench.run_decided(&line).expect(0).json();
    for family in ["kill", "pause", "partition"] {
        assert!(verdict["faults_effective"][family].as_u64().unwrap() >= 1, "{verdict}");
    }
    assert_eq!(processes(&bench.latest()), [0; 0]);
}

#[test]
fn whatever_servers_started_dies_with_a_runner_that_is_killed() {
    let _turn = turn();
    for start in ["", "setsid"] {
        let bench = Bench::new();
        let script = wrapper(&bench, start);
        let line = "run --nodes 3 --time 60s --seed 3 --faults kill --rate 100 --json --server";
        let mut runner = bench.command(&format!("{line} {}", script.display())).spawn().unwrap();
        let run = until("the run's folder", SOON, || bench.path("runs/latest").canonicalize().ok());
        let pids = until("three scripts and three servers", SOON, || {
            let history = fs::read_to_string(run.join("history.jsonl")).unwrap_or_default();
            let pids = processes(&run);
            (history.contains(r#""name":"warm-up""#) && pids.len() >= 6).then_some(pids)
        });
        kill(Pid::from_raw(runner.id().cast_signed()), Signal::SIGKILL).unwrap();
        runner.wait().unwrap();
        until("no process left", SOON, || {
            let is_left = |pid: &&u32| matches!(state(**pid), Some(state) if state != 'Z');
            let left = pids.iter().filter(is_left).count() + processes(&run).len();
            (left == 0).then_some(())
        });
    }
}

#[test]
fn a_server_that_goes_into_the_background_is_told_and_not_left_there() {
    let _turn = turn();
    let bench = Bench::new();
    let script = bench.path("server.sh");
    fs::write(&script, format!("#!/bin/sh\nsetsid {WHITEWATER} \"$@\" &\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let line = "run --nodes 3 --time 8s --seed 3 --faults kill --rate 100 --json --server";
    let outcome = bench.call(&format!("{line} {}", script.display())).expect(4);
    let record = fs::read_to_string(bench.latest().join("run.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let told = "ended at once with exit code 0, and 1 of its processes that were left were killed";
    assert!(record.to_string().contains(told), "{}", outcome.stdout);
    assert_eq!(processes(&bench.latest()), [0; 0]);
}

#[test]
fn a_program_that_is_tied_to_its_parent_keeps_its_standard_input() {
    let own = std::process::id().to_string();
    let mut child = Command::new(WHITEWATER)
        .args(["exec-node", "--parent", &own, "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a request\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a request\n");
}
