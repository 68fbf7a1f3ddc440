//! Every way to make the tool end with an error: each is told in one sentence that says what, where and what
//! to do, in no language of a library.

use std::fs;

use crate::harness::{Bench, Outcome};

/// Words of libraries and of Rust that mean nothing to whoever called.
const FOREIGN: [&str; 13] = [
    "os error",
    "struct ",
    "u32",
    "u64",
    "usize",
    "Some(",
    "Err(",
    "Error {",
    "caused by",
    "out of range integral",
    "invalid type",
    "expected value",
    "stream did not contain",
];

/// The sentence of an outcome.
fn sentence(outcome: &Outcome) -> &str {
    let line = outcome.stderr.lines().find(|line| line.starts_with("error: "));
    let line = line.unwrap_or_else(|| panic!("no sentence: {outcome:?}"));
    let more = outcome.stderr.lines().skip_while(|it| *it != line).skip(1);
    let is_usage = |it: &&str| {
        it.is_empty()
            || it.starts_with(' ')
            || it.starts_with("Usage")
            || it.starts_with("For more")
    };
    let more: Vec<&str> = more.filter(|it| !is_usage(it)).collect();
    assert!(more.is_empty(), "more than one sentence: {more:?} in {outcome:?}");
    line
}

/// The call, its exit code, and what the sentence has to name.
type Case = (String, i32, &'static [&'static str]);

fn plan(bench: &Bench, name: &str) -> String {
    format!("run --plan {}", bench.path(name).display())
}

/// Files and folders that are not what they should be.
fn of_reading(bench: &Bench) -> Vec<Case> {
    vec![
        (
            plan(bench, "missing.json"),
            2,
            &["could not read the plan", "missing.json", "check how it is written"],
        ),
        (plan(bench, "folder"), 2, &["folder: it is a folder; name a file"]),
        (
            plan(bench, "newer.json"),
            2,
            &["newer.json", "schema_version 9 is newer", "newer whitewater"],
        ),
        (
            plan(bench, "words.json"),
            2,
            &["words.json is no plan: it is not JSON", "line 1 column 1", "--plan"],
        ),
        (plan(bench, "array.json"), 2, &["it is not one JSON object", "plan.json is one"]),
        (plan(bench, "empty.json"), 2, &["it is empty"]),
        (plan(bench, "typed.json"), 2, &["expected a whole number", "column"]),
        (plan(bench, "bytes.json"), 2, &["no text in UTF-8"]),
        ("check nothing.jsonl".into(), 2, &["no run `nothing.jsonl`", "ls"]),
        (
            format!("check {}", bench.path("bytes.json").display()),
            2,
            &["bytes.json:1:3", "expected JSON in UTF-8"],
        ),
        (format!("check {}", bench.path("folder").display()), 2, &["is not a run", "ls"]),
        ("check /dev/null".into(), 2, &["a device; copy what it holds"]),
        ("check /proc/self/mem".into(), 4, &["could not read /proc/self/mem"]),
        (
            format!("check {} --report /nowhere/x.html", bench.path("history.jsonl").display()),
            4,
            &["could not write /nowhere/x.html"],
        ),
        (
            format!("check {} --junit /nowhere/x.xml", bench.path("history.jsonl").display()),
            4,
            &["could not write /nowhere/x.xml"],
        ),
        (
            format!("check {} --export /nowhere/x.edn", bench.path("history.jsonl").display()),
            4,
            &["could not write /nowhere/x.edn"],
        ),
        ("check /nowhere/x --generate operations=10".into(), 4, &["could not write /nowhere/x"]),
        ("check x --memory 4GB".into(), 2, &["--memory", "4GiB"]),
        ("show abcd".into(), 2, &["run.json", "schema_version 99 is newer", "newer whitewater"]),
        ("report abcd".into(), 2, &["schema_version 99 is newer"]),
        ("show missing".into(), 2, &["no run `missing`", "ls"]),
        ("report latest".into(), 2, &["no latest run"]),
        (
            format!("ls --runs-dir {}", bench.path("words.json").display()),
            4,
            &["could not read", "words.json: a part of the path is a file"],
        ),
        ("replay-journal missing".into(), 2, &["no run `missing`"]),
        (format!("replay-journal {}", bench.path("words.json").display()), 2, &["is no journal"]),
    ]
}

/// Servers and those who talk to them.
fn of_talking(bench: &Bench) -> Vec<Case> {
    vec![
        (
            "kv --endpoints 127.0.0.1:1 --timeout 100ms get a".into(),
            4,
            &["127.0.0.1:1: nothing listens there", "cluster"],
        ),
        ("kv --endpoints nohost get a".into(), 2, &["--endpoints", "a host and a port"]),
        (
            "kv --endpoints no.such.host.invalid:1 --timeout 100ms get a".into(),
            4,
            &["no.such.host.invalid"],
        ),
        ("server --node-id 1 --listen 127.0.0.1:0 --data-dir /proc/x".into(), 4, &["/proc/x"]),
        (
            format!(
                "server --node-id 1 --listen 127.218.8.2:7199 --data-dir {}",
                bench.path("data").display()
            ),
            4,
            &["could not listen on 127.218.8.2:7199: it is in use"],
        ),
        (
            "cluster --base-port 65535".into(),
            2,
            &["--base-port 65535 leaves no room", "choose one from"],
        ),
        ("frobnicate".into(), 2, &["'frobnicate'"]),
    ]
}

/// Runs that cannot be what was asked for.
fn of_running(bench: &Bench) -> Vec<Case> {
    vec![
        (
            "run --server /nowhere".into(),
            2,
            &["--server /nowhere: there is no such file", "name the server's program"],
        ),
        ("run --server /".into(), 2, &["--server /: not a file; name"]),
        ("run --server /etc/passwd".into(), 2, &["not executable; try"]),
        ("run --port 0".into(), 2, &["--port", "1..=65535"]),
        (
            "run --port 7199 --address-block 127.218.8".into(),
            4,
            &["127.218.8.2:7199", "choose another"],
        ),
        (
            format!("run --runs-dir {}", bench.path("words.json").display()),
            4,
            &["could not create the folder of runs", "name another path"],
        ),
        ("run --runs-dir /proc/x".into(), 4, &["could not create the folder of runs /proc/x"]),
        ("run --time 99999999999999h".into(), 2, &["--time", "at most 720h"]),
        ("run --operation-deadline 721h".into(), 2, &["--operation-deadline", "at most 720h"]),
        ("run --nodes 2".into(), 2, &["`partition` needs more nodes than 2; leave it out"]),
        ("run --faults none,kill".into(), 2, &["stands alone: leave"]),
        ("run --rate 5 --time 20s".into(), 2, &["--rate 5", "the least --rate for this is"]),
        ("run --time 2s".into(), 2, &["--time 2s is too short", "the least --time is"]),
        ("sim --time 1s".into(), 2, &["the least --time is"]),
        ("sim --seeds 5..1".into(), 2, &["--seeds", "the lower seed comes first"]),
        (
            format!(
                "sim --seeds 1 --keep --time 8s --runs-dir {}",
                bench.path("words.json").display()
            ),
            4,
            &["could not create the folder of runs"],
        ),
        ("mutants --only nobody".into(), 2, &["--only", "known are"]),
        (
            "mutants --real 1 --only no-dedupe --real-time 1s".into(),
            4,
            &["exit code 2", "the least --time is"],
        ),
        ("bench soak --time 18446744073709551s".into(), 2, &["--time", "between 100ms and 1h"]),
    ]
}

#[test]
fn every_error_is_one_sentence_that_says_what_where_and_what_to_do() {
    let bench = Bench::new();
    let write = |name: &str, bytes: &[u8]| fs::write(bench.path(name), bytes).unwrap();
    write("newer.json", br#"{"schema_version": 9}"#);
    write("words.json", b"hello");
    write("array.json", b"[]");
    write("empty.json", b"");
    write("typed.json", br#"{"schema_version": 1, "seed": "one"}"#);
    write("bytes.json", b"\xff\xfe\x00");
    write("history.jsonl", b"");
    fs::create_dir_all(bench.path("runs/2026-01-01T00-00-00Z-abcd")).unwrap();
    write("runs/2026-01-01T00-00-00Z-abcd/run.json", br#"{"schema_version": 99}"#);
    fs::create_dir(bench.path("folder")).unwrap();
    let squatter = std::net::TcpListener::bind("127.218.8.2:7199").unwrap();
    let mut wrong = Vec::new();
    let cases = [of_reading(&bench), of_talking(&bench), of_running(&bench)].concat();
    for (call, exit, names) in cases {
        let outcome = bench.call(&call);
        if outcome.exit != exit {
            wrong.push(format!("exit {} of `{call}`: {}", outcome.exit, outcome.stderr));
            continue;
        }
        let told = sentence(&outcome);
        let missing = names.iter().filter(|name| !told.contains(**name));
        wrong.extend(missing.map(|name| format!("`{name}` is not in\n{told}\nof `{call}`")));
        let foreign = FOREIGN.iter().filter(|word| told.contains(**word));
        wrong.extend(foreign.map(|word| format!("`{word}` is in\n{told}\nof `{call}`")));
    }
    drop(squatter);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
