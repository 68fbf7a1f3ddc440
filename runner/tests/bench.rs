//! `whitewater bench` on real processes, with windows too short to say anything about speed: that it measures,
//! what it prints, and that it leaves nothing behind, also when it is interrupted.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Whatever is awaited here takes a second or two; a loaded machine gets much more.
const DEADLINE: Duration = Duration::from_secs(60);

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A folder on the disk that holds the build: the benchmark refuses folders in memory.
fn folder_on_disk() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn bench(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whitewater"));
    command.arg("bench").args(arguments).arg("--runs-dir").arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The objects printed by a benchmark that must succeed; None where it cannot be run here.
fn measure(arguments: &[&str]) -> Option<Vec<Value>> {
    let folder = folder_on_disk();
    let output = bench(arguments, folder.path()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("is on tmpfs") || errors.contains("no `etcd` on PATH") {
        eprintln!("skipped: {errors}");
        return None;
    }
    assert!(output.status.success(), "bench {}: {errors}", arguments.join(" "));
    assert_nothing_is_left(folder.path());
    let lines = String::from_utf8(output.stdout).unwrap();
    Some(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn assert_nothing_is_left(folder: &Path) {
    assert_eq!(processes_naming(folder), Vec::<String>::new(), "processes of {}", folder.display());
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "data was left: {left:?}");
}

/// Every node names its data folder on its command line. The benchmark itself does too, so a process
/// counts only where it names a folder inside.
fn processes_naming(folder: &Path) -> Vec<String> {
    let inside = folder.join("bench-").to_str().unwrap().to_owned();
    let command_line = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).ok();
    let lines = fs::read_dir("/proc").unwrap().flatten().filter_map(command_line);
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(&inside)).collect()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {DEADLINE:?}");
        thread::sleep(POLL_INTERVAL);
    }
}

fn assert_measured(lines: &[Value], target: &str, nodes: usize) {
    let [round, result] = lines else { panic!("a round and a result are expected: {lines:?}") };
    assert_eq!((&round["event"], &result["event"]), (&"round".into(), &"result".into()));
    assert_eq!(round["target"], target);
    assert!(round["operations"].as_u64().unwrap() > 0, "{round}");
    assert_eq!(round["errors"], 0, "{round}");
    assert!(round["p50_us"].as_f64() <= round["p99_us"].as_f64(), "{round}");
    assert!(round["cpu_us_per_operation"].as_f64().unwrap() > 0.0, "{round}");
    let peaks = round["peak_rss_bytes"].as_array().unwrap();
    assert_eq!(peaks.len(), nodes);
    assert!(peaks.iter().all(|peak| peak.as_u64().unwrap() > 1 << 20), "{round}");
    let median = &result["targets"][target]["operations_per_second"]["median"];
    assert_eq!(*median, round["operations_per_second"], "one round is its own median");
}

#[test]
fn the_bundled_server_is_measured_under_puts() {
    let arguments = "server --target bundled --clients 4 --time 500ms --json";
    let arguments: Vec<_> = arguments.split(' ').collect();
    let Some(lines) = measure(&arguments) else { return };
    assert_measured(&lines, "bundled", 3);
    assert_eq!(lines[1]["parameters"]["operation"], "put");
}

#[test]
fn etcd_is_measured_under_gets() {
    let arguments = "server --target etcd --clients 4 --time 500ms --op get --json";
    let arguments: Vec<_> = arguments.split(' ').collect();
    let Some(lines) = measure(&arguments) else { return };
    assert_measured(&lines, "etcd", 3);
    let version = lines[1]["targets"]["etcd"]["version"].as_str().unwrap();
    assert!(version.starts_with("etcd 3."), "{version}");
}

#[test]
fn a_killed_leader_is_replaced_and_comes_back() {
    let arguments: Vec<_> = "failover --target bundled --kills 1 --json".split(' ').collect();
    let Some(lines) = measure(&arguments) else { return };
    let [kill, result] = &lines[..] else { panic!("a kill and a result are expected: {lines:?}") };
    assert!(kill["first_put_ms"].as_f64().unwrap() > 0.0, "{kill}");
    assert!(kill["first_get_ms"].as_f64().unwrap() > 0.0, "{kill}");
    assert_eq!(result["targets"]["bundled"]["first_put_ms"]["p50"], kill["first_put_ms"]);
    assert_eq!(result["ratios"], Value::Null, "one target has nothing to be compared with");
}

/// Two seconds of a soak whose memory objective is this many MiB; exit code and lines.
fn soak(rss_mib_max: &str) -> Option<(i32, Vec<Value>)> {
    let folder = folder_on_disk();
    let line = "soak --rate 200 --time 2s --interval 1s --pause-follower-half --json \
                --worst-share-min 0.01 --rss-mib-max";
    let arguments: Vec<_> = line.split_whitespace().chain([rss_mib_max]).collect();
    let output = bench(&arguments, folder.path()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("is on tmpfs") {
        eprintln!("skipped: {errors}");
        return None;
    }
    assert_nothing_is_left(folder.path());
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Some((output.status.code().unwrap(), lines))
}

#[test]
fn a_soak_weighs_every_node_and_meets_its_objectives() {
    let Some((code, lines)) = soak("1000") else { return };
    assert_eq!(code, 0, "{lines:?}");
    let (result, intervals) = lines.split_last().unwrap();
    assert!(!intervals.is_empty() && result["benchmark"] == "soak", "{lines:?}");
    for interval in intervals {
        assert!(interval["operations_per_second"].as_f64().unwrap() > 0.0, "{interval}");
        assert!(interval["paused"].as_str().unwrap().starts_with('n'), "{interval}");
        let nodes = interval["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 3, "{interval}");
        for node in nodes {
            let of = |name: &str| node[name].as_u64().unwrap();
            assert!(of("rss_bytes") > 1 << 20 && of("rss_bytes") <= of("rss_peak_bytes"), "{node}");
            assert!(of("wal_bytes") > 0 && of("last_index") > 0, "{node}");
        }
    }
}

#[test]
fn a_missed_objective_is_exit_code_5_and_named() {
    let Some((code, lines)) = soak("1") else { return };
    assert_eq!(code, 5, "no server fits into a mebibyte: {lines:?}");
    let outcomes = lines.last().unwrap()["outcomes"].as_array().unwrap();
    let missed: Vec<_> = outcomes.iter().filter(|outcome| outcome["is_met"] == false).collect();
    assert_eq!(missed.len(), 1, "{outcomes:?}");
    assert_eq!(missed[0]["objective"], "rss_peak_bytes");
}

/// Starts a benchmark that would take a minute, and waits until all of its nodes run.
fn interrupted_benchmark(folder: &Path) -> Option<Child> {
    let arguments: Vec<_> = "server --target bundled --clients 2 --time 60s".split(' ').collect();
    let mut child = bench(&arguments, folder).spawn().unwrap();
    let mut has_ended = false;
    wait_until("three nodes run", || {
        has_ended = child.try_wait().unwrap().is_some();
        has_ended || processes_naming(folder).len() >= 3
    });
    if !has_ended {
        return Some(child);
    }
    let errors = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(errors.contains("is on tmpfs"), "the benchmark ended by itself: {errors}");
    eprintln!("skipped: {errors}");
    None
}

#[test]
fn an_interrupted_benchmark_leaves_no_process_and_no_data() {
    let folder = folder_on_disk();
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let Some(mut child) = interrupted_benchmark(folder.path()) else { return };
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        let mut status = None;
        wait_until("the benchmark ends", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(code), "after {signal}");
        assert_nothing_is_left(folder.path());
    }
}

#[test]
fn nodes_die_with_a_benchmark_that_is_killed() {
    let folder = folder_on_disk();
    let Some(mut child) = interrupted_benchmark(folder.path()) else { return };
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("its nodes are gone", || processes_naming(folder.path()).is_empty());
}

/// Exit code and stderr of a benchmark that must not succeed.
fn refused(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn an_absent_etcd_is_said_with_what_to_do() {
    let folder = folder_on_disk();
    let mut command = bench(&["server", "--target", "both"], folder.path());
    let (code, errors) = refused(command.env("PATH", folder.path()));
    assert_eq!(code, 4, "{errors}");
    assert!(errors.contains("no `etcd` on PATH") && errors.contains("etcd-server"), "{errors}");
}

#[test]
fn a_server_build_that_does_not_start_is_quoted() {
    let folder = folder_on_disk();
    let arguments = ["server", "--server", "/nowhere/whitewater", "--time", "1s"];
    let (code, errors) = refused(&mut bench(&arguments, folder.path()));
    if errors.contains("is on tmpfs") {
        eprintln!("skipped: {errors}");
        return;
    }
    assert_eq!(code, 4, "{errors}");
    assert!(
        errors.contains("ended by itself") && errors.contains("/nowhere/whitewater"),
        "{errors}"
    );
    assert_nothing_is_left(folder.path());
}

#[test]
fn a_mistyped_argument_is_a_usage_error_that_says_what_is_possible() {
    let folder = folder_on_disk();
    let cases = [
        (["server", "--target", "zookeeper"], "bundled, etcd, both"),
        (["server", "--op", "cas"], "put, get"),
        (["server", "--time", "10"], "for example 10s"),
        (["server", "--nodes", "0"], "1..=9"),
        (["failover", "--nodes", "2"], "3..=9"),
    ];
    for (arguments, expected) in cases {
        let (code, errors) = refused(&mut bench(&arguments, folder.path()));
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
    }
}
