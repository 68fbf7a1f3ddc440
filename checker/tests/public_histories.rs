//! Every public history with a known verdict is decided, and decided right.
//!
//! The histories belong to other projects (porcupine, Knossos) and are not part of this repository. They
//! are looked for in `../shared/histories` beside the workspace; without them this test says so and passes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use whitewater_checker::{Options, Verdict, check_history};

/// Far more than any of them needs.
const BUDGET: Duration = Duration::from_secs(10);

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/histories");
    if folder.join("expected.jsonl").is_file() {
        return Some(folder);
    }
    say(&format!("skipped: no public histories in {}", folder.display()));
    None
}

#[expect(clippy::print_stdout, reason = "a skipped test must say so, and only its output can")]
fn say(text: &str) {
    println!("{text}");
}

#[test]
fn every_public_history_is_decided_as_known() {
    let Some(folder) = folder() else { return };
    let expected = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap();
    let options = Options { budget: BUDGET, ..Options::default() };
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for line in expected.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let file = line["file"].as_str().unwrap();
        let known = match line["expected"].as_str().unwrap() {
            "Ok" => Verdict::Pass,
            // Nothing was acknowledged in these.
            "Undecided" => Verdict::Undecided,
            "Illegal" => Verdict::Violation,
            other => panic!("{file}: expected.jsonl says `{other}`"),
        };
        let (analysis, report) = check_history(&folder.join(file), &options).unwrap();
        *counts.entry(known.word()).or_default() += 1;
        if analysis.verdict != known {
            wrong.push(format!("{file}: {} instead of {known}, {report:?}", analysis.verdict));
        }
        if known == Verdict::Violation {
            let witness = analysis.checks[0].findings[0].witness.as_ref();
            assert!(witness.is_some_and(|witness| !witness.operations.is_empty()), "{file}");
        }
    }
    assert!(wrong.is_empty(), "wrong verdicts:\n{}", wrong.join("\n"));
    say(&format!("all as known: {counts:?}"));
}
