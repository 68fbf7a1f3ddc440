//! What people do wrong, and what the machine does not allow: each with a clear word, the right exit
//! code, and nothing left behind.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::harness::{Bench, WHITEWATER, finish, servers, turn};

/// Calls, and asserts the exit code and what stderr says.
fn refused(bench: &Bench, arguments: &str, exit: i32, says: &[&str]) {
    let outcome = bench.call(arguments).expect(exit);
    for word in says {
        assert!(
            outcome.stderr.contains(word),
            "`{word}` is not in: {}\n{}",
            outcome.line,
            outcome.stderr
        );
    }
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let bench = Bench::new();
    refused(
        &bench,
        "run --faults kil",
        2,
        &["'kil'", "kill, pause, partition, link", "similar value exists: 'kill'"],
    );
    refused(&bench, "run --mutant leader-local-reed", 2, &["leader-local-read", "canary"]);
    refused(&bench, "run --workload registers", 2, &["register, append"]);
    refused(&bench, "run --target cockroach", 2, &["bundled"]);
    refused(&bench, "run --bogus", 2, &["--bogus"]);
    refused(&bench, "run --slo p98<5ms", 2, &["`p98` is no figure", "failover_p95", "served"]);
    refused(&bench, "run --slo p99<5", 2, &["time with us, ms, s or m", "p99<50ms"]);
}

#[test]
fn numbers_out_of_range_are_refused() {
    let bench = Bench::new();
    refused(&bench, "run --nodes 0", 2, &["0 is not in 1..=15"]);
    refused(&bench, "run --clients 0", 2, &["--clients"]);
    refused(&bench, "run --time soon", 2, &["such as 300ms, 20s or 5m"]);
    refused(&bench, "run --time 0s", 2, &["above zero"]);
    refused(
        &bench,
        "run --nodes 1 --faults partition",
        2,
        &["`partition` needs more nodes than 1"],
    );
    refused(&bench, "run --faults none,kill", 2, &["stands alone"]);
    refused(&bench, "run --address-block 10.0.0", 2, &["127.7.1"]);
}

#[test]
fn a_folder_that_is_no_run_is_refused_and_left_as_it_was() {
    let bench = Bench::new();
    fs::create_dir(bench.path("notes")).unwrap();
    fs::write(bench.path("notes/todo.txt"), "sleep").unwrap();
    let folder = bench.path("notes").display().to_string();
    for command in ["report", "check", "show", "replay-journal"] {
        refused(&bench, &format!("{command} {folder}"), 2, &["notes is not a run", "run.json"]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "{command}");
    }
}

#[test]
fn what_came_from_the_environment_is_named_by_its_variable() {
    let bench = Bench::new();
    let mut command = bench.command("run");
    command.env("WHITEWATER_TIME", "abc");
    let outcome = finish(command.spawn().unwrap(), "run").expect(2);
    assert!(outcome.stderr.contains("WHITEWATER_TIME"), "{}", outcome.stderr);
    refused(&bench, "run --seed -1", 2, &["'-1' for '--seed <N>'", "expected a whole number"]);
    refused(&bench, "run --address-block 10.0.0", 2, &["--address-block", "begin with 127"]);
}

#[test]
fn a_server_that_cannot_be_run_is_refused_before_anything_starts() {
    let bench = Bench::new();
    refused(
        &bench,
        "run --server /nowhere/server",
        2,
        &["/nowhere/server", "there is no such file"],
    );
    refused(&bench, "run --server /etc/passwd", 2, &["not executable"]);
    assert!(!bench.path("runs").exists());
}

#[test]
fn a_server_that_ends_at_once_is_reported_with_its_last_words() {
    let _turn = turn();
    let bench = Bench::new();
    let server = bench.path("server");
    fs::write(&server, "#!/bin/sh\necho cannot find my heart\nexit 9\n").unwrap();
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).unwrap();
    let outcome =
        bench.call(&format!("run --json --time 8s --server {}", server.display())).expect(4);
    assert_eq!(outcome.json()["verdict"], "error");
    let record = fs::read_to_string(bench.latest().join("run.json")).unwrap();
    assert!(record.contains("exit code 9") && record.contains("cannot find my heart"), "{record}");
}

#[test]
fn a_plan_that_cannot_be_executed_is_refused_with_the_place() {
    let bench = Bench::new();
    let plan = bench.path("plan.json");
    let call = format!("run --plan {}", plan.display());
    refused(&bench, &call, 2, &["plan.json", "there is no such file"]);
    fs::write(&plan, "{\"schema_version\": 1,\n  oops").unwrap();
    refused(&bench, &call, 2, &["plan.json", "line 2 column 3"]);
    fs::write(&plan, "{\"schema_version\": 1, \"sead\": 1}").unwrap();
    refused(&bench, &call, 2, &["unknown field `sead`"]);
    refused(&bench, &format!("{call} --seed 1"), 2, &["--seed", "cannot be used with"]);
}

#[test]
fn a_taken_port_is_an_error_of_the_environment_that_names_it() {
    let bench = Bench::new();
    let _squatter = TcpListener::bind("127.218.7.2:7199").unwrap();
    refused(
        &bench,
        "run --address-block 127.218.7 --port 7199",
        4,
        &["127.218.7.2:7199", "not free"],
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_of_the_environment() {
    let bench = Bench::new();
    fs::write(bench.path("file"), "").unwrap();
    let runs_dir = bench.path("file/runs");
    refused(&bench, &format!("run --runs-dir {}", runs_dir.display()), 4, &["file/runs"]);
    let doctor = bench.call(&format!("doctor --runs-dir {}", runs_dir.display())).expect(4);
    assert!(
        doctor.stdout.contains("broken") && doctor.stdout.contains("to mend it"),
        "{}",
        doctor.stdout
    );
}

#[test]
fn a_full_disk_ends_the_run_and_leaves_nothing() {
    let _turn = turn();
    let bench = Bench::new();
    // A limit on the size of files fails writes as a full disk does, for the runner and its servers.
    let script =
        format!("trap '' XFSZ; ulimit -f 128; exec {WHITEWATER} run --time 20s --seed 1 --json");
    let call = Command::new("sh")
        .args(["-c", &script])
        .env("WHITEWATER_RUNS_DIR", bench.path("runs"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let outcome = crate::harness::finish(call.unwrap(), "run on a full disk").expect(4);
    assert!(format!("{outcome:?}").contains("a file may not grow any more"), "{outcome:?}");
    let id = bench.latest();
    assert!(servers(id.file_name().unwrap().to_str().unwrap()).is_empty(), "servers are left");
}

#[test]
fn runs_that_do_not_exist_are_refused_with_what_to_do() {
    let bench = Bench::new();
    for command in ["check 7f3a", "report 7f3a", "show 7f3a", "check latest"] {
        refused(&bench, command, 2, &["no", "run"]);
    }
}

#[test]
fn a_half_written_run_is_judged_by_what_is_there() {
    let bench = Bench::new();
    let run = bench.path("runs/2026-01-01T00-00-00Z-abcd");
    fs::create_dir_all(&run).unwrap();
    refused(&bench, "check abcd", 2, &["is this a run folder"]);
    let shown = bench.call("show abcd").expect(0).stdout;
    assert!(shown.contains("UNDECIDED") && shown.contains("did not live"), "{shown}");
    assert!(!shown.contains("seed"), "nobody knows it without a plan: {shown}");
    let history = concat!(
        r#"{"process":1,"type":"invoke","f":"write","key":"k","value":1,"time_ns":1}"#,
        "\n",
        r#"{"process":1,"type":"ok","f":"write","key":"k","value":1,"time_ns":2}"#,
        "\n",
        r#"{"process":2,"type":"inv"#,
    );
    fs::write(run.join("history.jsonl"), history).unwrap();
    let outcome = bench.call("check abcd --json");
    assert!(matches!(outcome.exit, 0 | 3), "a torn last line is no error: {outcome:?}");
    assert_eq!(outcome.json()["operations"], 1);
    assert!(bench.call("ls").expect(0).stdout.contains("incomplete"));
}

#[test]
fn a_bad_history_line_is_named_by_file_line_and_column() {
    let bench = Bench::new();
    let file = bench.path("history.jsonl");
    let call = format!("check {}", file.display());
    let line = |kind: &str, process: u32| {
        format!(
            r#"{{"process":{process},"type":"{kind}","f":"read","key":"k","value":null,"time_ns":1}}"#
        )
    };
    fs::write(&file, format!("{}\nnot json\n{}\n", line("invoke", 1), line("ok", 1))).unwrap();
    refused(&bench, &call, 2, &["history.jsonl:2:", "not JSON"]);
    fs::write(&file, [line("invoke", 1), line("ok", 1), line("ok", 1)].join("\n") + "\n").unwrap();
    refused(&bench, &call, 2, &["history.jsonl:3"]);
    fs::write(&file, [line("invoke", 1), line("invoke", 1), line("ok", 1)].join("\n") + "\n")
        .unwrap();
    refused(&bench, &call, 2, &["history.jsonl:2"]);
    let valid = [line("invoke", 1), line("ok", 1)].join("\n") + "\n";
    fs::write(&file, valid).unwrap();
    let outcome = bench.call(&format!("{call} --json")).expect(0);
    let result = outcome.json();
    assert_eq!(
        (&result["verdict"], &result["operations"], &result["keys"]),
        (&"pass".into(), &1.into(), &1.into())
    );
    assert!(result["parse_ms"].is_number() && result["check_ms"].is_number(), "{result}");
    assert!(result["witness"].is_array(), "{result}");
}

#[test]
fn a_history_may_come_by_standard_input() {
    let bench = Bench::new();
    bench.call(&format!("check {} --generate operations=2000", bench.path("h.jsonl").display()));
    let judge = |arguments: &str| {
        let mut command = bench.command(arguments);
        command.stdin(fs::File::open(bench.path("h.jsonl")).unwrap());
        finish(command.spawn().unwrap(), arguments)
    };
    let outcome = judge("check - --json").expect(0);
    assert_eq!(
        (&outcome.json()["operations"], &outcome.json()["verdict"]),
        (&2000.into(), &"pass".into())
    );
    assert!(judge("check - --format edn").expect(2).stderr.contains("standard input:1:"));
    let refused = judge("check - --export other.edn").expect(2);
    assert!(refused.stderr.contains("standard input is read once"), "{}", refused.stderr);
}

#[test]
fn doctor_finds_this_machine_able() {
    let bench = Bench::new();
    let outcome = bench.call("doctor").expect(0);
    for line in ["machine", "addresses", "files", "folder of runs"] {
        assert!(outcome.stdout.contains(line), "{}", outcome.stdout);
    }
    // What was seen in a trial of each family.
    for (family, seen) in [
        ("kill", "ended by signal 9 after"),
        ("pause", "in state T of /proc after"),
        ("partition", "bytes were held back"),
        ("link", "over a link 40 ms slower"),
        ("membership", "had left after"),
        ("transfer", "was asked, and n"),
    ] {
        let line = outcome.stdout.lines().find(|line| line.contains(&format!("fault {family}:")));
        assert!(line.is_some_and(|it| it.starts_with("ok") && it.contains(seen)), "{outcome:?}");
    }
    assert!(servers("doctor").is_empty(), "servers are left");
}

#[test]
fn help_teaches() {
    let bench = Bench::new();
    let help = bench.call("run --help").expect(0).stdout;
    for word in ["Examples:", "--seed", "[default: 60s]", "WHITEWATER_TIME", "partition"] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
    assert!(bench.call("--help").expect(0).stdout.contains("Exit codes:"));
}
