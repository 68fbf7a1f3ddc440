//! Stored runs of every ending, and of an older version: each command says the same of each.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use whitewater_checker::fact::Fact;

const RECORDING: Fact = Fact::Recording { schema_version: 2, canary: false };
const ID: &str = "2026-11-28T04-42-15Z-1516";

/// A folder of runs with one run in it.
struct Stored {
    runs: tempfile::TempDir,
}

impl Stored {
    fn new() -> Stored {
        let stored = Stored { runs: tempfile::tempdir().unwrap() };
        fs::create_dir(stored.run()).unwrap();
        // A plan that requires nothing.
        fs::write(stored.run().join("plan.json"), "{}").unwrap();
        stored
    }

    fn run(&self) -> PathBuf {
        self.runs.path().join(ID)
    }

    /// Exit code, stdout and stderr.
    fn call(&self, arguments: &str) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_whitewater"))
            .args(arguments.split_whitespace())
            .env("WHITEWATER_RUNS_DIR", self.runs.path())
            .env_remove("GITHUB_STEP_SUMMARY")
            .env_remove("GITHUB_ACTIONS")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// The last object that a command prints.
    fn json(&self, arguments: &str) -> Value {
        let (_, stdout, stderr) = self.call(arguments);
        let object = serde_json::from_str(&stdout).ok();
        object.unwrap_or_else(|| {
            let last = stdout.lines().last().unwrap_or_default();
            serde_json::from_str(last).unwrap_or_else(|_| panic!("{arguments}: {stdout}{stderr}"))
        })
    }

    /// Asserts that every command says this verdict and these broken checks.
    fn agree(&self, name: &str, verdict: &str, broken: &[&str], exit: i32) {
        assert_eq!(self.call(&format!("check {ID}")).0, exit, "{name}");
        let checked = self.json(&format!("check {ID} --json"));
        assert_eq!(
            (&checked["verdict"], names(&checked["checks"])),
            (&verdict.into(), owned(broken)),
            "{name}: check"
        );
        let (code, _, stderr) = self.call(&format!("report {ID}"));
        assert_eq!(code, 0, "{name}: {stderr}");
        let shown = self.json(&format!("show {ID} --json"));
        let of_show = (&shown["verdict"], names(&shown["analysis"]["checks"]));
        assert_eq!(of_show, (&verdict.into(), owned(broken)), "{name}: show");
        assert_eq!(self.json("ls --json")["verdict"], verdict, "{name}: ls");
        let word = verdict.to_uppercase();
        let word = word.as_str();
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        let report = read(self.run().join("report.html"));
        assert!(report.contains(word), "{name}: report.html has no {word}");
        let summary = read(self.run().join("summary.md"));
        assert!(summary.contains(word), "{name}: summary.md has no {word}");
        whitewater_reports::write_index(self.runs.path()).unwrap();
        let index = read(self.runs.path().join("index.html"));
        assert!(index.contains(word), "{name}: index.html has no {word}");
        let junit = read(self.run().join("junit.xml"));
        let failures = junit.matches("<failure").count();
        assert_eq!(failures > 0, verdict == "violation", "{name}: {junit}");
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The names of the broken checks.
fn names(checks: &Value) -> Vec<String> {
    let broken = checks.as_array().unwrap().iter().filter(|check| check["state"] == "broken");
    broken.map(|check| check["name"].as_str().unwrap().to_owned()).collect()
}

/// A history of a write and a read of `seen`, in the phases of a whole run, with facts.
fn write_history(run: &Path, seen: u64, facts: &[Fact]) {
    let phase = |name: &str| {
        format!(
            r#"{{"process":"nemesis","type":"info","f":"phase","value":{{"name":"{name}"}},"time_ns":2}}"#
        )
    };
    let operation = |kind: &str, f: &str, value: &str| {
        format!(
            r#"{{"process":1,"type":"{kind}","f":"{f}","key":"k","value":{value},"time_ns":3}}"#
        )
    };
    let fact = |fact: &Fact| serde_json::to_string(&fact.event()).unwrap();
    let mut lines = vec![fact(&RECORDING), phase("start"), phase("warm-up")];
    lines.extend([
        operation("invoke", "write", "1"),
        operation("ok", "write", "1"),
        operation("invoke", "read", "null"),
        operation("ok", "read", &seen.to_string()),
        phase("end"),
    ]);
    lines.extend(facts.iter().map(fact));
    fs::write(run.join("history.jsonl"), lines.join("\n") + "\n").unwrap();
}

/// Name, value read, facts, verdict, broken checks, exit code of `check`.
type Ending = (&'static str, u64, Vec<Fact>, &'static str, &'static [&'static str], i32);

#[test]
fn every_command_says_the_same_of_every_ending() {
    let text = || "n3 is no voter again".to_owned();
    let end = || Fact::End {};
    let interrupted = || Fact::Interrupted { signal: "SIGTERM".to_owned() };
    let endings: [Ending; 9] = [
        ("pass", 1, vec![end()], "pass", &[], 0),
        ("violation", 7, vec![end()], "violation", &["linearizability"], 1),
        ("unhealed", 1, vec![Fact::Unhealed { trouble: text() }, end()], "undecided", &[], 3),
        ("cut short", 1, vec![Fact::Incomplete { reason: text() }, end()], "undecided", &[], 3),
        ("interrupted", 1, vec![interrupted(), end()], "undecided", &[], 3),
        (
            "interrupted with a violation",
            7,
            vec![interrupted(), end()],
            "violation",
            &["linearizability"],
            1,
        ),
        ("killed", 1, vec![], "undecided", &[], 3),
        ("killed with a violation", 7, vec![], "violation", &["linearizability"], 1),
        ("environment", 1, vec![Fact::Environment { reason: text() }, end()], "error", &[], 4),
    ];
    for (name, seen, facts, verdict, broken, exit) in endings {
        let stored = Stored::new();
        write_history(&stored.run(), seen, &facts);
        // Without a record, as after a kill; then with the one that `check --write` makes.
        stored.agree(name, verdict, broken, exit);
        assert_eq!(stored.call(&format!("check {ID} --write")).0, exit, "{name}");
        let record: Value =
            serde_json::from_slice(&fs::read(stored.run().join("run.json")).unwrap()).unwrap();
        assert_eq!((&record["schema_version"], &record["verdict"]), (&2.into(), &verdict.into()));
        assert_eq!(record["judged"]["budget_ms"], 60_000, "{name}");
        stored.agree(name, verdict, broken, exit);
    }
}

#[test]
fn journals_that_part_from_the_rules_are_judged_from_their_file() {
    let stored = Stored::new();
    write_history(&stored.run(), 1, &[Fact::End {}]);
    let line = r#"{"schema_version":1,"journal":"n1-boot1.journal","node":"n1","boot":1,"steps":7,"entries":0,"torn":false,"divergence":{"step":7,"headline":"the recorded node says no vote","lines":[]}}"#;
    fs::write(stored.run().join("conformance.jsonl"), line).unwrap();
    stored.agree("journal divergence", "violation", &["conformance"], 1);
    fs::write(stored.run().join("conformance.jsonl"), line.replace("\":1,", "\":9,")).unwrap();
    let (exit, _, stderr) = stored.call(&format!("check {ID}"));
    assert_eq!(exit, 2);
    assert!(stderr.contains("conformance.jsonl: schema_version 9 is newer than 1"), "{stderr}");
}

/// A run that the build before version 2 left: three nodes, two kills, too few cas for a pass.
fn version_1() -> Stored {
    let stored = Stored::new();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/version_1/run"), &stored.run());
    stored
}

/// Copies a folder; what is compressed in the repository is not in a run.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        match name.strip_suffix(".gz") {
            None if path.is_dir() => copy(&path, &to.join(name)),
            None => drop(fs::copy(&path, to.join(name)).unwrap()),
            Some(plain) => {
                let mut text = flate2::read::GzDecoder::new(File::open(&path).unwrap());
                io::copy(&mut text, &mut File::create(to.join(plain)).unwrap()).unwrap();
            }
        }
    }
}

#[test]
fn a_run_of_version_1_opens_in_every_command() {
    let stored = version_1();
    stored.agree("version 1", "undecided", &[], 3);
    let (_, shown, _) = stored.call(&format!("show {ID}"));
    assert!(shown.contains("cas operations succeeded during the faults"), "{shown}");
    let before = fs::read(stored.run().join("run.json")).unwrap();
    assert_eq!(
        stored.json(&format!("show {ID} --json"))["schema_version"],
        1,
        "nothing was rewritten"
    );
    stored.call(&format!("check {ID} --write"));
    assert_ne!(fs::read(stored.run().join("run.json")).unwrap(), before);
    assert_eq!(stored.json(&format!("show {ID} --json"))["schema_version"], 2);
    stored.agree("version 1, judged again", "undecided", &[], 3);
}

#[test]
fn another_verdict_than_the_records_is_said_with_both_builds_and_budgets() {
    let stored = version_1();
    let path = stored.run().join("run.json");
    let record = fs::read_to_string(&path).unwrap();
    assert_eq!(stored.json(&format!("check {ID} --json"))["recorded"], Value::Null);
    let mut passed: Value = serde_json::from_str(&record).unwrap();
    passed["verdict"] = "pass".into();
    passed["schema_version"] = 2.into();
    passed["judged"] = serde_json::json!({
        "tool_version": "0.0.9", "tool_commit": "abc", "budget_ms": 5000, "memory_bytes": 1 << 30,
    });
    let passed = serde_json::to_string_pretty(&passed).unwrap();
    fs::write(&path, &passed).unwrap();
    let (exit, said, _) = stored.call(&format!("check {ID} --budget 7s"));
    assert_eq!(exit, 3);
    let words = [
        "pass, by whitewater 0.0.9 (abc), budget 5.0 s and 1024 MiB",
        "undecided, by whitewater",
        "budget 7.0 s and 2048 MiB",
        "--write",
    ];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), passed, "only --write rewrites");
    stored.call(&format!("check {ID} --write"));
    assert_eq!(stored.json(&format!("check {ID} --json"))["recorded"], Value::Null);
}

#[test]
fn a_newer_version_is_refused_with_both_named() {
    let stored = version_1();
    fs::write(stored.run().join("run.json"), r#"{"schema_version":3,"verdict":[]}"#).unwrap();
    let refused = |stored: &Stored, file: &str| {
        let said = format!("{file}: schema_version 3 is newer than 2");
        // What was recorded by other rules would be judged by the wrong ones.
        for command in ["show", "report", "check"] {
            let (exit, _, stderr) = stored.call(&format!("{command} {ID}"));
            assert_eq!(exit, 2, "{command}: {stderr}");
            assert!(stderr.contains(&said), "{command}: {stderr}");
        }
    };
    refused(&stored, "run.json");
    assert!(stored.call("ls").1.contains("schema_version 3 is newer than 2"));
    // A runner that was killed leaves the version in the history alone.
    let killed = Stored::new();
    write_history(&killed.run(), 1, &[]);
    let path = killed.run().join("history.jsonl");
    let newer =
        fs::read_to_string(&path).unwrap().replace("\"schema_version\":2", "\"schema_version\":3");
    fs::write(&path, newer).unwrap();
    refused(&killed, "history.jsonl");
    let refused = stored.call("check - --write");
    assert_eq!(refused.0, 2, "{refused:?}");
}

/// A run of eight operations on three keys (five ok, one rejected, two unknown, of which one has no
/// completion) and three faults (two with an effect, one skipped). A read of k2 saw `seen`.
fn write_counted(run: &Path, seen: u64) {
    let mut lines = vec![serde_json::to_string(&RECORDING.event()).unwrap()];
    let mut line = |process: u64, kind: &str, f: &str, key: &str, value: &str| {
        let time_ns = 1_000 * (lines.len() as u64 + 1);
        lines.push(format!(
            r#"{{"process":{process},"type":"{kind}","f":"{f}","key":"{key}","value":{value},"time_ns":{time_ns}}}"#
        ));
    };
    let operations = [
        ("ok", "write", "k1", "1", "1"),
        ("ok", "read", "k1", "null", "1"),
        ("ok", "write", "k2", "2", "2"),
        ("ok", "cas", "k2", "[2,3]", "[2,3]"),
        ("ok", "read", "k2", "null", &seen.to_string()),
        ("fail", "cas", "k2", "[7,8]", "[7,8]"),
        ("info", "write", "k3", "4", "4"),
    ];
    for (process, (outcome, f, key, asked, answered)) in (0..).zip(operations) {
        line(process, "invoke", f, key, asked);
        line(process, outcome, f, key, answered);
    }
    line(7, "invoke", "write", "k3", "5");
    lines.push(serde_json::to_string(&Fact::End {}.event()).unwrap());
    fs::write(run.join("history.jsonl"), lines.join("\n") + "\n").unwrap();
    let fault = |id: u32, status: &str, is_effective: bool| {
        let at = if is_effective { "3000" } else { "null" };
        format!(
            r#"{{"id":{id},"kind":"kill","scope":"process-down","name":"kill -9 leader","target":"leader","nodes":["n1"],"detail":"n1","planned_at_ns":2000,"started_at_ns":{at},"effective_at_ns":{at},"healed_at_ns":{at},{status},"effects":[],"effective":{is_effective},"leader_hit":true}}"#
        )
    };
    let skipped = r#""status":"skipped","reason":"no node led""#;
    let installed = r#""status":"installed""#;
    let faults = [fault(1, installed, true), fault(2, skipped, false), fault(3, installed, true)];
    fs::write(run.join("faults.jsonl"), faults.join("\n") + "\n").unwrap();
}

#[test]
fn every_surface_counts_the_same() {
    for (seen, verdict) in [(3, "pass"), (9, "violation")] {
        let stored = Stored::new();
        write_counted(&stored.run(), seen);
        let checked = stored.json(&format!("check {ID} --json"));
        assert_eq!(
            (&checked["verdict"], &checked["operations"], &checked["keys"]),
            (&verdict.into(), &8.into(), &3.into())
        );
        assert!(stored.call(&format!("check {ID}")).1.contains("8 operations, 3 keys"));
        assert_eq!(stored.call(&format!("report {ID}")).0, 0);
        let read = |name: &str| fs::read_to_string(stored.run().join(name)).unwrap();
        let summary = read("summary.md");
        let words = ["5 ok, 1 rejected, 2 unknown", "3 faults, 2 with an observed effect"];
        words.iter().for_each(|words| assert!(summary.contains(words), "{words}: {summary}"));
        // What the index tells.
        let figures: Value = serde_json::from_str(&read("figures.json")).unwrap();
        let counted = ["ok", "fail", "info", "faults", "faults_effective"];
        assert_eq!(counted.map(|name| figures[name].as_u64().unwrap()), [5, 1, 2, 3, 2]);
        let report = read("report.html");
        let checks = checked["checks"].as_array().unwrap().iter();
        let broken = checks.filter(|check| check["state"] == "broken");
        let found: usize = broken.map(|check| check["findings"].as_array().unwrap().len()).sum();
        let mut words = vec!["3 recorded, 2 with an observed effect", "8 operations"];
        if verdict == "violation" {
            words.push("of 8, by");
            words.push("3 faults in the run");
            assert_eq!(found, 1, "{checked}");
        }
        words.iter().for_each(|words| assert!(report.contains(words), "{words}\n{report}"));
        let failures = read("junit.xml").matches("<failure").count();
        assert_eq!(failures, found, "one check with one finding");
    }
}
