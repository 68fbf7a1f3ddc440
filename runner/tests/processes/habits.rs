//! A server with every bad habit there is, and a shim with every one: what is told of each, and that nothing is left.
//!
//! The servers are scripts of tests/targets/; a case is one habit, tried by `try` or by a run.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::harness::{Bench, Outcome, finish, processes, turn};

/// Cases at a time: each of them mostly waits.
const AT_A_TIME: usize = 8;
/// Attempts at a case; a busy machine spoils one now and then.
const ATTEMPTS: u32 = 3;
const FILES: [(&str, &str); 3] = [
    ("habits.py", include_str!("../targets/habits.py")),
    ("habits_shim.py", include_str!("../targets/habits_shim.py")),
    ("minimal.py", include_str!("../../target/targets/minimal.py")),
];
const HTTP: &str = r#"
[client.http]
read = { get = "/keys/{key}", value = "/value" }
write = { put = "/keys/{key}", body = "{value}" }
cas = { post = "/keys/{key}", body = '{"old":{old|json},"new":{new|json}}', swapped = "/swapped", value = "/value" }
"#;
const TRY: &str = "try t.toml --nodes 1";
const RUN: &str =
    "run --target t.toml --nodes 1 --time 5s --faults none --seed 1 --clients 4 --rate 100 --json";

/// One habit.
struct Case {
    name: &'static str,
    /// The second line of the description.
    command: String,
    client: String,
    line: &'static str,
    exit: i32,
    /// All of it is told.
    told: &'static [&'static str],
    /// How long a node may take to be ready.
    restart: &'static str,
}

fn case(name: &'static str, exit: i32, told: &'static [&'static str]) -> Case {
    let command = format!("python3 {{here}}/habits.py {name} {{id}} {{dir}} {{all.http}}");
    Case { name, command, client: HTTP.into(), line: TRY, exit, told, restart: "5s" }
}

fn shim(name: &'static str, exit: i32, told: &'static [&'static str]) -> Case {
    let client = format!("\n[client.shim]\ncommand = \"python3 habits_shim.py {name}\"\n");
    let command = "python3 {here}/habits.py none {id} {dir} {all.http}".into();
    Case { command, client, ..case(name, exit, told) }
}

fn running(case: Case) -> Case {
    Case { line: RUN, ..case }
}

/// Descriptions and processes that are wrong before anything is asked.
fn starts() -> Vec<Case> {
    let started = |name, command: &str, exit, told| Case {
        command: command.into(),
        ..case(name, exit, told)
    };
    vec![
        started(
            "no-such-program",
            "no-such-server {id}",
            4,
            &["n1", "no-such-server", "t.toml, line 2, `command`"],
        ),
        started("no-such-place", "server {id} {porst}", 2, &["t.toml, line 2", "{porst}", "^^^"]),
        case(
            "exits",
            4,
            &[
                "n1 ended at once with exit code 3",
                "unknown option --data",
                "t.toml, line 2, `command`",
            ],
        ),
        Case {
            restart: "1s",
            ..case(
                "never-ready",
                4,
                &[
                    "n1 was not ready within 1 s",
                    "nothing listens there",
                    "t.toml, line 2, `command`",
                ],
            )
        },
        case(
            "background",
            4,
            &[
                "n1 ended at once with exit code 0",
                "processes that were left were killed",
                "line 2, `command`: the flag that keeps it in the foreground",
            ],
        ),
        Case {
            line: "try t.toml --nodes 3",
            ..case(
                "same-port",
                4,
                &[
                    "ended at once with exit code 1",
                    "Address already in use",
                    "t.toml, line 2, `command`: its arguments: {host} and the declared ports",
                ],
            )
        },
        Case {
            line: "try t.toml --nodes 1 --port 7600",
            ..case("wildcard", 0, &["n1 on port 7", "of every address", "A run would be sound"])
        },
        case(
            "ignores-term",
            0,
            &["limited  the end: n1 had to be killed", "t.toml, line 3, stop_within", "no process"],
        ),
    ]
}

/// Answers that are wrong.
fn answers() -> Vec<Case> {
    vec![
        case("none", 0, &["A run would be sound"]),
        case(
            "html",
            2,
            &[
                "WRONG    a read through n1",
                "<!DOCTYPE html>",
                "the answer is not JSON",
                "t.toml, line 6, read",
            ],
        ),
        case(
            "half",
            2,
            &["WRONG    a read through n1", "the answer is not JSON", "t.toml, line 6, read"],
        ),
        case(
            "error-text",
            2,
            &["absent, and `1001` was written and acknowledged", "t.toml, line 7, write: `ok`"],
        ),
        case(
            "other-key",
            2,
            &[
                "once another key was written: the value `2000`, and `1001` was written",
                "t.toml, line 6, read",
                "{key} in the request",
            ],
        ),
        case(
            "refuses",
            2,
            &[
                "a first acknowledged write: none within 5 s",
                "answered 500",
                "no quorum",
                "may have happened",
                "t.toml, line 7, write",
            ],
        ),
        case(
            "forgets",
            2,
            &["absent, and `1001` was written and acknowledged", "t.toml, line 7, write"],
        ),
        case("stale", 2, &["absent, and `1001` was written and acknowledged", "reads = \"stale\""]),
        running(case("forgets", 1, &["linearizability"])),
        running(case("stale", 1, &["linearizability", "stale read"])),
        running(case("done-unsaid", 0, &["PASS"])),
        running(case("refuses", 4, &["0 ok write"])),
    ]
}

/// Shims.
fn shims() -> Vec<Case> {
    vec![
        shim(
            "dies",
            2,
            &[
                "the shim ended in the midst of a request (exit status: 1), and said on stderr “cannot reach the server”",
                "may have happened",
                "t.toml, line 5, [client.…]: the program",
            ],
        ),
        Case {
            client: "\n[client.shim]\ncommand = \"no-such-shim\"\n".into(),
            ..shim(
                "no-such-shim",
                2,
                &["no program `no-such-shim`", "did not happen", "line 5, [client.…]: the program"],
            )
        },
        shim(
            "hangs",
            2,
            &[
                "the shim gave no answer within 1000 ms",
                "may have happened",
                "line 5, [client.…]: the program",
            ],
        ),
        shim(
            "floods",
            2,
            &[
                "lines that answer nothing, at last “INFO still connecting”",
                "line 5, [client.…]: the program",
            ],
        ),
        shim(
            "stderr",
            2,
            &[
                "the shim gave no answer within 1000 ms, and said on stderr “",
                "\"ok\": true",
                "on stdout",
            ],
        ),
        shim("chats", 0, &["A run would be sound"]),
        shim("out-of-order", 0, &["A run would be sound"]),
        running(shim("dies-sometimes", 0, &["PASS"])),
    ]
}

#[test]
fn whatever_a_server_does_wrong_is_told_with_the_line_and_nothing_is_left_of_it() {
    if !python_is_there() {
        return;
    }
    let _turn = turn();
    let bench = Bench::new();
    // Those that take long begin first.
    let mut cases: Vec<Case> = [answers(), shims(), starts()].into_iter().flatten().collect();
    cases.sort_by_key(|case| case.line == RUN);
    let (cases, wrong) = (Mutex::new(cases), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(case) = cases.lock().unwrap().pop() else { return };
                    let told = (1..=ATTEMPTS).map(|attempt| carried_out(&bench, &case, attempt));
                    let amiss: Vec<String> = told.map_while(Result::err).collect();
                    if amiss.len() == usize::try_from(ATTEMPTS).unwrap() {
                        wrong.lock().unwrap().push(amiss.concat());
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

fn python_is_there() -> bool {
    let mut python = Command::new("python3");
    let is_there =
        python.arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("skipped: bad habits need python3");
    }
    is_there
}

/// Carries a case out in a folder of its own; what is amiss.
fn carried_out(bench: &Bench, case: &Case, attempt: u32) -> Result<(), String> {
    let way = case.line.split(' ').next().unwrap();
    let folder = bench.path(&format!("{way}-{}-{attempt}", case.name));
    fs::create_dir(&folder).unwrap();
    for (name, text) in FILES {
        fs::write(folder.join(name), text).unwrap();
    }
    let (head, tail) = ("ports = [\"http\"]", "\n[times]\nelection = \"100ms\"\n");
    let text = format!(
        "{head}\ncommand = \"{}\"\nstop_within = \"500ms\"\n{}{tail}restart = \"{}\"\n",
        case.command, case.client, case.restart
    );
    fs::write(folder.join("t.toml"), text).unwrap();
    let mut command = bench.command(case.line);
    command
        .current_dir(&folder)
        .env("TMPDIR", &folder)
        .env("WHITEWATER_RUNS_DIR", folder.join("runs"));
    let outcome = finish(command.spawn().unwrap(), case.line);
    let amiss = amiss(case, &folder, &outcome);
    if amiss.is_empty() {
        return Ok(());
    }
    let Outcome { exit, stdout, stderr, .. } = outcome;
    Err(format!(
        "\n{}: {}\nexit code {exit}\n{stdout}\n{stderr}",
        folder.display(),
        amiss.join("; ")
    ))
}

fn amiss(case: &Case, folder: &Path, outcome: &Outcome) -> Vec<String> {
    let told = format!("{}\n{}", outcome.stdout, outcome.stderr);
    // What is told for people is wrapped.
    let words: Vec<&str> = told.split_whitespace().collect();
    let words = words.join(" ");
    let is_missing = |text: &&&str| !told.contains(**text) && !words.contains(**text);
    let missing = case.told.iter().filter(is_missing).map(|text| format!("`{text}` is not told"));
    let exit = (outcome.exit != case.exit).then(|| format!("exit code {} was expected", case.exit));
    let left = processes(&folder.display().to_string());
    let left = (!left.is_empty()).then(|| format!("processes {left:?} are left"));
    missing.chain(exit).chain(left).chain(failed_for_nothing(folder)).collect()
}

/// Changes that a run has down as failed though they were sent: none of these servers refuses one. A cas may miss.
fn failed_for_nothing(folder: &Path) -> Vec<String> {
    let history = fs::read_to_string(folder.join("runs/latest/history.jsonl")).unwrap_or_default();
    let is_sent = |line: &&str| {
        let is_change = line.contains(r#""f":"write""#) || line.contains(r#""f":"cas""#);
        let is_known = ["connect to", "it holds", "another value", "cannot be compared"];
        line.contains(r#""type":"fail""#)
            && is_change
            && line.contains(r#""error""#)
            && !is_known.iter().any(|known| line.contains(known))
    };
    history.lines().filter(is_sent).map(|line| format!("recorded as failed: {line}")).collect()
}
