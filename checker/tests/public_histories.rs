//! Every public history with a known verdict is decided, and decided right.
//!
//! The histories belong to other projects (porcupine, Knossos) and are not part of this repository. They
//! are looked for in `../shared/histories` beside the workspace; without them this test says so and passes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use whitewater_checker::history::{self, export};
use whitewater_checker::options::FailedCas;
use whitewater_checker::{Options, Verdict, check_history, check_reader};

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

/// A history as Knossos has it: EDN in which a cas that failed says nothing beside that.
fn as_knossos_writes_it(file: &Path) -> String {
    let source = history::read(file, &Options::default()).expect("a public history");
    let mut edn = Vec::new();
    export::edn(&source.history, &mut edn).expect("memory takes it");
    let edn = String::from_utf8(edn).expect("EDN is text");
    assert!(!edn.contains(":saw"), "{}", file.display());
    edn.replace(", :error :no-effect", "").replace(", :rejected true", "")
}

/// In Jepsen's formats `fail` is no evidence: Knossos's good histories stay good, and where the other reading finds a
/// violation both readings can be had, and the check says so.
#[test]
fn good_histories_of_knossos_stay_good_without_errors() {
    let Some(folder) = folder() else { return };
    let expected = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap();
    let (mut good, mut differing) = (0, 0);
    for line in expected.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let file = line["file"].as_str().unwrap();
        if !file.starts_with("knossos") || line["expected"] == "Illegal" {
            continue;
        }
        good += 1;
        let edn = as_knossos_writes_it(&folder.join(file));
        let judge = |failed_cas| {
            let options = Options { budget: BUDGET, failed_cas, ..Options::default() };
            let input = Box::new(std::io::Cursor::new(edn.clone().into_bytes()));
            let (analysis, report) = check_reader(file, input, &options).unwrap();
            (analysis.verdict, report.notes)
        };
        let (verdict, notes) = judge(None);
        assert_ne!(verdict, Verdict::Violation, "{file}: {notes:?}");
        assert_eq!(judge(Some(FailedCas::Nothing)).0, verdict, "{file}");
        let (other, _) = judge(Some(FailedCas::Mismatch));
        let is_told = notes.iter().any(|note| note.ends_with("say --failed-cas mismatch"));
        assert_eq!(other == Verdict::Violation, is_told, "{file}: {other}, {notes:?}");
        differing += u64::from(is_told);
    }
    assert!(good > 100 && differing > 0, "{good} good, {differing} with two readings");
    say(&format!(
        "{good} good histories stay good, {differing} of them only as Jepsen means `fail`"
    ));
}
