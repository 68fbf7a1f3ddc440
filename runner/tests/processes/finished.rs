//! The targets that come with the toolkit, from one end to the other, where their servers are installed.
//!
//! What is not installed is skipped, and said so in a line that begins with `skipped:`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::{Bench, processes};

/// What names a program to a run: as a variable of the environment does, or nothing for that of PATH. `None`: there is
/// none, and the test is skipped.
fn installed(variable: &str, name: &str, arguments: &[&str]) -> Option<String> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let program = named.clone().unwrap_or_else(|| PathBuf::from(name));
    let mut command = Command::new(&program);
    let ran = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if ran.is_ok_and(|status| status.success()) {
        return Some(
            named.map_or_else(String::new, |named| format!(" --server {}", named.display())),
        );
    }
    let words = arguments.join(" ");
    eprintln!(
        "skipped: `{} {words}` does not run here ({variable} names another)",
        program.display()
    );
    None
}

/// A run of it that is decided, after which no process is left.
fn run(line: &str, exit: i32) -> serde_json::Value {
    let bench = Bench::new();
    let verdict = bench.run_decided(line).expect(exit).json();
    let run = bench.latest();
    assert_eq!(processes(run.file_name().unwrap().to_str().unwrap()), [0; 0]);
    verdict
}

#[test]
fn the_server_of_the_tutorial_passes_a_short_run() {
    if installed("WHITEWATER_TEST_PYTHON", "python3", &["--version"]).is_some() {
        run(
            "--target minimal --nodes 3 --time 5s --seed 1 --faults none --clients 4 --rate 100",
            0,
        );
    }
}

#[test]
fn etcd_passes_a_run_with_faults_of_every_default_kind() {
    let Some(etcd) = installed("WHITEWATER_TEST_ETCD", "etcd", &["--version"]) else { return };
    let line =
        "--target etcd --nodes 3 --time 8s --seed 11 --faults kill,pause,partition --rate 200";
    let verdict = run(&format!("{line}{etcd}"), 0);
    for family in ["kill", "pause", "partition"] {
        assert!(verdict["faults_effective"][family].as_u64() >= Some(1), "{verdict}");
    }
}

#[test]
fn etcd_that_reads_from_any_member_is_caught() {
    let Some(etcd) = installed("WHITEWATER_TEST_ETCD", "etcd", &["--version"]) else { return };
    let line = "--target etcd --etcd-reads serializable --nodes 3 --time 15s --seed 1 --faults partition --clients 6";
    run(&format!("{line} --rate 200{etcd}"), 1);
}

#[test]
fn pysyncobj_passes_a_run_with_partitions() {
    let variable = "WHITEWATER_TEST_PYSYNCOBJ";
    let Some(python) = installed(variable, "python3", &["-c", "import pysyncobj"]) else { return };
    let line =
        "--target pysyncobj --nodes 3 --time 8s --seed 2 --faults partition --clients 6 --rate 80";
    run(&format!("{line}{python}"), 0);
}
