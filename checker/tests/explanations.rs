//! Each kind of violation is called by its name and told with its values; each witness is minimal, ordered
//! and reasoned.

use std::collections::BTreeMap;
use std::io::Cursor;

use whitewater_checker::analysis::{Finding, OperationId};
use whitewater_checker::event::{Event, EventType, Process};
use whitewater_checker::{Options, Verdict, check_reader};

/// A history in shorthand, one event a word group: `1+w5` process 1 begins to write 5; `1.` it succeeds; `1!`
/// it fails with an error; `1x` it is rejected, `1x5` having
/// seen 5; `1?` unknown; `1=5` it succeeds with the answer 5. Each
/// event is 10 ms after the one before.
fn history(script: &str) -> String {
    let mut text = String::new();
    let mut open: Vec<(String, String)> = vec![Default::default(); 10];
    for (number, word) in script.split_whitespace().enumerate() {
        let process: usize = word[..1].parse().expect("a process");
        let (phase, rest) = word[1..].split_at(1);
        let mut saw = None;
        let (mut kind, mut more) = ("ok", "");
        match phase {
            "+" => {
                kind = "invoke";
                open[process] = begin(rest);
            }
            "." => {}
            "=" => open[process].1 = rest.to_owned(),
            "!" => (kind, more) = ("fail", ",\"error\":\"refused\""),
            "x" if rest.is_empty() => kind = "fail",
            "x" => {
                (kind, more) = ("fail", saw.insert(format!(",\"saw\":{{\"is\":{rest}}}")).as_str())
            }
            _ => (kind, more) = ("info", ",\"error\":\"timeout\""),
        }
        let (f, value) = &open[process];
        let time = (number + 1) * 10_000_000;
        text.push_str(&format!(
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value},\
             \"time_ns\":{time},\"node\":\"n{process}\"{more}}}\n"
        ));
    }
    text
}

fn begin(operation: &str) -> (String, String) {
    let (name, value) = operation.split_at(1);
    let f = match name {
        "w" => "write",
        "c" => "cas",
        "a" => "append",
        "q" => "enqueue",
        "d" => "dequeue",
        "x" => "delete",
        "l" => "acquire",
        "u" => "release",
        "s" => "add",
        _ => "read",
    };
    (f.to_owned(), if value.is_empty() { "null".to_owned() } else { value.to_owned() })
}

fn violation(script: &str) -> Finding {
    violation_of(&history(script))
}

/// The finding of a history, which its file tells once more.
fn violation_of(text: &str) -> Finding {
    let judged = |text: &str| {
        let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
        let (analysis, _) = check_reader("script", input, &Options::default()).expect("a history");
        assert_eq!(analysis.verdict, Verdict::Violation, "{text}");
        analysis.checks[0].findings[0].clone()
    };
    let finding = judged(text);
    let file = file(&finding, text);
    let again = judged(&file);
    let told = |finding: &Finding| {
        let witness = finding.witness.clone().expect("a witness");
        let words = [&finding.anomaly, &finding.headline, &finding.explanation].map(String::clone);
        (words, witness.initial, witness.order, witness.blocked, witness.slots)
    };
    assert_eq!(told(&again), told(&finding), "{text}\nits file:\n{file}");
    finding
}

/// The file of a finding's witness.
fn file(finding: &Finding, text: &str) -> String {
    let file = &finding.witness.as_ref().expect("a witness").file;
    let mut lines = file.head(finding.key.as_deref());
    let mut begun = BTreeMap::new();
    for line in text.lines() {
        let event: Event = serde_json::from_str(line).expect("an event");
        let Process::Client(process) = event.process else { continue };
        if event.kind == EventType::Invoke {
            begun.insert(process, event.time_ns);
        }
        let is_it = |id: &OperationId| {
            id.process == process && begun.get(&process) == Some(&id.invoked_at_ns)
        };
        if file.operations.iter().any(is_it) {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    lines
}

#[track_caller]
fn tells(script: &str, anomaly: &str, operations: usize, words: &[&str]) -> Finding {
    let finding = violation(script);
    assert_eq!(finding.anomaly, anomaly, "{script}\n{finding:#?}");
    for words in words {
        assert!(finding.explanation.contains(words), "{words:?} in {:?}", finding.explanation);
    }
    let witness = finding.witness.as_ref().expect("a witness");
    let essential = witness.operations.iter().filter(|operation| operation.essential).count();
    assert_eq!(essential, operations, "{script}\n{witness:#?}");
    finding
}

#[test]
fn stale_read() {
    let words = [
        "Client 2’s “write 6” (B) on n2 was acknowledged. 30.0 ms later client 3",
        "got 5, which is older",
    ];
    let finding = tells("1+w5 1. 2+w6 2. 4+r 4=6 3+r 3=5", "stale-read", 3, &words);
    let witness = finding.witness.unwrap();
    assert_eq!(witness.initial, "absent");
    assert_eq!(
        witness.order.iter().map(|step| step.state.as_str()).collect::<Vec<_>>(),
        ["5", "6"]
    );
    // C is the read that shows 6: for context.
    assert_eq!(witness.blocked.as_deref(), Some("D"));
    assert_eq!(witness.slots.len(), 3);
    assert_eq!(witness.slots[1].place, "between A and B");
    assert!(witness.slots[1].reason.starts_with("real time: B had ended"), "{:?}", witness.slots);
    assert!(
        witness.slots[2].reason.starts_with("wrong value: D is “read → 5”"),
        "{:?}",
        witness.slots
    );
    let gap = witness.gap.unwrap();
    assert_eq!((gap.before.as_str(), gap.after.as_str(), gap.gap_ns), ("B", "D", 30_000_000));
    assert!(witness.weaker.unwrap().starts_with("sequential consistency"));
    assert_eq!(finding.key.as_deref(), Some("k"));
    assert_eq!(finding.nodes, ["n1", "n2", "n3"]);
}

#[test]
fn stale_read_shown_by_another_read() {
    let words = ["had shown 6, from client 2", "which is older"];
    tells("1+w5 1. 2+w6 4+r 4=6 3+r 3=5 2.", "stale-read", 4, &words);
}

#[test]
fn lost_write() {
    let words = ["No later read in this history shows 6."];
    tells("1+w5 1. 2+w6 2. 3+r 3=5 4+r 4=5", "lost-write", 3, &words);
}

/// Nobody looked again before another value was written: the answer may have been stale as well.
#[test]
fn what_was_replaced_before_anybody_looked_again_is_not_called_lost() {
    let words = ["Nobody else looked for 6 before client 1’s “write 7”"];
    tells("1+w5 1. 2+w6 2. 3+r 3=5 1+w7 1. 4+r 4=7", "stale-read", 3, &words);
    // Somebody looked in between, or what came then did nothing.
    tells("1+w5 1. 2+w6 2. 3+r 3=5 4+r 4=5 1+w7 1.", "lost-write", 3, &[]);
    tells("1+w5 1. 2+w6 2. 3+r 3=5 1+w7 1!", "lost-write", 3, &[]);
}

#[test]
fn never_written_and_failed_and_future() {
    // A cas that was tried again met what its first try had left.
    let words = ["“cas 5 → 6 rejected, saw 6” (A) on n2 was rejected", "But it found 6 there"];
    tells("1+w5 1. 2+c[5,6] 2x6", "failed-write-read", 1, &words);
    tells("1+w5 1. 3+r 3=9", "never-written", 1, &["no client ever wrote 9"]);
    let words =
        ["Client 1’s “write 5 (failed)” (A) on n1 was reported as failed", "“read → 5” (B) saw 5"];
    let finding = tells("1+w5 1! 3+r 3=5", "failed-write-read", 1, &words);
    let shown = finding.witness.unwrap().operations;
    assert_eq!(shown.iter().filter(|operation| !operation.essential).count(), 1, "for context");
    tells("3+r 3=5 1+w5 1.", "future-read", 2, &["was the first, and began 10.0 ms later"]);
}

#[test]
fn split_read() {
    let words = ["overlapped", "both orders were seen"];
    tells("1+w5 2+w6 3+r 3=5 4+r 4=6 3+r 3=5 1. 2.", "split-read", 5, &words);
}

#[test]
fn lost_update() {
    let words = ["both succeeded on 5, which only client 1’s"];
    tells("1+w5 1. 2+c[5,6] 2. 3+c[5,7] 3.", "lost-update", 3, &words);
    let words = ["got 5, which is older", "overwrote an update that it had not seen"];
    tells("1+w5 1. 2+w6 2. 3+c[5,7] 3.", "lost-update", 3, &words);
}

/// The witness does not go back to the beginning of the chain.
#[test]
fn stale_reads_of_a_long_chain_have_a_short_witness() {
    let mut script = "1+w1 1.".to_owned();
    for value in 1..20 {
        script.push_str(&format!(" 2+c[{value},{}] 2.", value + 1));
    }
    let words = [
        "Client 2’s “cas 19 → 20” (B) on n2 was acknowledged. 10.0 ms later client 3 began “read → 19” (C)",
        "When client 2’s “cas 18 → 19” (A) took effect the value was 18; how it had got there does not matter",
    ];
    tells(&format!("{script} 3+r 3=19"), "lost-write", 3, &words);
    tells(
        &format!("{script} 4+r 4=20 3+r 3=19"),
        "stale-read",
        3,
        &["the value was 18", "which is older"],
    );
    tells(&format!("{script} 3+c[17,99] 3."), "lost-update", 3, &["“cas 16 → 17” (A) took effect"]);
    tells(
        &format!("{script} 4+w50 4. 2+c[20,21] 2."),
        "lost-update",
        3,
        &["“cas 19 → 20” (A) took"],
    );
}

#[test]
fn wrong_rejection() {
    tells("1+w5 1. 2+c[5,6] 2x 3+r 3=5", "wrong-rejection", 2, &["the value was 5 all the time"]);
}

#[test]
fn lists_tell_what_is_missing_twice_or_out_of_order() {
    let words = ["No later read in this history shows"];
    tells("1+a\"x\" 1. 2+a\"y\" 2. 3+r 3=\"y\"", "lost-write", 2, &words);
    let words = ["\"x\" is not in it"];
    tells("1+a\"x\" 1. 3+r 3=\"x\" 3+r 3=\"\"", "stale-read", 2, &words);
    tells("1+a\"x\" 1. 3+r 3=\"xx\"", "duplicate-apply", 2, &["shows it twice"]);
    let script = "1+a\"x\" 2+a\"y\" 3+r 3=\"xy\" 3+r 3=\"yx\" 1. 2.";
    tells(script, "split-read", 4, &["do not begin alike"]);
    tells("1+a\"x\" 1! 3+r 3=\"x\"", "failed-write-read", 1, &["reported as failed"]);
}

#[test]
fn other_models_have_witnesses_too() {
    tells("1+q1 1. 2+d 2=1 3+d 3=1", "duplicate-apply", 3, &["came out twice"]);
    tells(
        "1+q1 1. 1+q2 1. 2+d 2=2 2+d 2=1",
        "not-linearizable",
        4,
        &["in the order in which they went in"],
    );
    tells(
        "1+l 1. 2+l 2.",
        "double-acquire",
        2,
        &["nothing can have released the lock between them"],
    );
    tells("1+s1 1. 2+s2 2. 3+r 3=4", "not-linearizable", 3, &["cannot be reached"]);
    tells("1+s1 1. 2+s2 2. 3+r 3=[2]", "lost-write", 2, &["1 was not in it"]);
}

/// What each class needs, and what it is called where that is missing.
#[test]
fn every_class_says_only_what_the_history_shows() {
    let table: [(&str, &str, usize, &[&str]); 19] = [
        // A failed write counts only if it had begun.
        ("3+r 3=5 1+w5 1!", "never-written", 1, &["had begun to write 5 by then", "10.0 ms later"]),
        ("1+w5 3+r 1! 3=5", "failed-write-read", 1, &["is to be recorded as info"]),
        ("1+w1 1. 2+c[3,5] 2x 3+r 3=5", "failed-write-read", 1, &["was rejected"]),
        // What the key began with is not from the future because it is written again later.
        ("1+w5 1. 3+r 3=null", "lost-write", 2, &["with which the key began"]),
        // Lost is said only where nothing may have replaced it.
        (
            "1+w5 1. 2+w6 2. 4+w7 3+r 3=5",
            "stale-read",
            3,
            &["“write 7 (outcome unknown)” (C) may have"],
        ),
        ("1+w5 1. 2+w6 2. 3+r 3=5 4+r 4=6", "stale-read", 3, &["“read → 6” (D) on n4 shows 6"]),
        // Two writes at a time, both acknowledged.
        (
            "1+w1 2+w2 1. 2. 3+r 3=1 4+r 4=2",
            "split-read",
            4,
            &["after (A) had ended", "overlapped"],
        ),
        // An older value that was seen before the newer write began.
        (
            "1+w5 4+r 4=5 2+w6 2. 3+r 3=5 1.",
            "lost-write",
            4,
            &["“read → 5” (B) had shown it before (C)"],
        ),
        // A cas that changes nothing replaces nothing.
        ("1+w5 1. 2+c[5,5] 2. 3+c[5,6] 3. 4+c[5,7] 4.", "lost-update", 3, &["“cas 5 → 6”"]),
        ("1+l 1. 1+l 1. 1+u 1. 1+u 1.", "double-acquire", 2, &["(A) on n1 was granted", "(B)"]),
        ("1+u 1.", "not-linearizable", 1, &["cannot have its answer", "Nobody held the lock"]),
        ("1+d 1=7 2+q8 2.", "never-written", 1, &["which no client had enqueued"]),
        ("2+q7 2! 1+d 1=7", "failed-write-read", 1, &["“enqueue 7 (failed)” (A)"]),
        ("1+d 1=7 2+q7 2.", "future-read", 2, &["had begun to enqueue it", "10.0 ms later"]),
        ("1+s1 1. 3+r 3=[1,2]", "never-written", 1, &["found 2"]),
        ("1+s1 1. 2+s2 2! 3+r 3=[1,2]", "failed-write-read", 1, &["“add 2 (failed)”"]),
        (
            "1+s1 1. 2+s4 2! 3+r 3=5",
            "failed-write-read",
            2,
            &["“add 4 (failed)”", "not without it"],
        ),
        ("3+r 3=\"x\" 1+a\"x\" 1.", "future-read", 2, &["had begun to append it"]),
        // The element that is told of is the one that the proof is about.
        (
            "1+a\"x\" 1. 2+a\"y\" 2. 3+r 3=\"xyy\"",
            "duplicate-apply",
            2,
            &["\"y\" was appended once"],
        ),
    ];
    for (script, anomaly, operations, words) in table {
        tells(script, anomaly, operations, words);
    }
}

#[test]
fn without_times_there_are_no_durations() {
    let lines = ["0 invoke write 5", "0 ok write 5", "1 invoke read null", "1 ok read null"];
    let text: String = lines
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            format!(
                "{{\"process\":{},\"type\":\"{}\",\"f\":\"{}\",\"value\":{}}}\n",
                words[0], words[1], words[2], words[3]
            )
        })
        .collect();
    let input = Box::new(Cursor::new(text.into_bytes()));
    let (analysis, _) = check_reader("no times", input, &Options::default()).expect("a history");
    let finding = &analysis.checks[0].findings[0];
    assert!(finding.explanation.contains("Later client 1 began"), "{}", finding.explanation);
    assert!(!finding.explanation.contains(" ms"), "{}", finding.explanation);
    let witness = finding.witness.as_ref().expect("a witness");
    assert!(witness.slots.iter().all(|slot| !slot.reason.contains(" ms")), "{:?}", witness.slots);
}

fn operations_in_the_file(finding: &Finding) -> usize {
    finding.witness.as_ref().expect("a witness").file.operations.len()
}

#[test]
fn a_file_has_what_may_have_come_between_and_nothing_that_makes_no_difference() {
    let script = "1+w1 2+x 1. 2. 3+c[1,9] 3x 3+c[1,2] 3.";
    let words = ["all the time", "(A) and client 3’s “cas 1 → 2” (C)"];
    let finding = tells(script, "wrong-rejection", 3, &words);
    assert_eq!(operations_in_the_file(&finding), 4, "with the delete");
    let reads = " 4+r 4=2".repeat(30);
    let finding = tells(&format!("{script}{reads}"), "wrong-rejection", 3, &words);
    assert_eq!(operations_in_the_file(&finding), 4, "and without the reads");
}

#[test]
fn a_file_begins_with_what_the_page_begins_with() {
    let script = "1+c[1,2] 1. 1+c[3,2] 2+w3 3+c[2,1] 1. 2.";
    let finding = tells(script, "future-read", 2, &["(B) on n3 was the first", "the value was 2"]);
    let witness = finding.witness.as_ref().expect("a witness");
    assert_eq!((witness.initial.as_str(), &witness.file.initial), ("absent", &None));
    assert_eq!(operations_in_the_file(&finding), 4, "with what led to the 2");
}

#[test]
fn a_file_has_the_appends_that_take_its_texts_apart() {
    let script = "3+r 1+a\"x\" 2+a\"y\" 3=\"xy\" 2. 1. 1+r 1=\"\"";
    let finding = tells(script, "stale-read", 2, &["“read → \"xy\"” (A) on n3 shows \"y\""]);
    assert_eq!(operations_in_the_file(&finding), 4);
}

#[test]
fn a_file_says_what_its_key_is() {
    let finding = tells("1+a\"x\" 1. 3+r 3=\"q\"", "never-written", 1, &["no client appended"]);
    assert_eq!(operations_in_the_file(&finding), 1);
}

#[test]
fn an_element_is_called_the_same_whatever_else_the_history_holds() {
    let own = history("1+s\"b\" 1. 2+s\"a\" 2. 3+r 3=[\"z\",\"q\"]");
    let other = history("4+s\"q\" 4. 4+s\"a\" 4.").replace("\"k\"", "\"other\"");
    let finding = violation_of(&(other + &own.replace("\"time_ns\":", "\"time_ns\":9")));
    assert_eq!(finding.anomaly, "never-written");
    assert!(finding.explanation.contains("found \"z\", which"), "{}", finding.explanation);
}

/// Of two writes of the same element one empties the list where the other is out of view.
#[test]
fn what_can_only_be_left_out_together_is_left_out() {
    let script = "1+a\"x\" 1. 1+r 2+w\"y\" 3+r 2. 2+w\"y\" 3=\"y\" 1=\"\"";
    tells(script, "stale-read", 2, &["“write \"y\"” (C) may have replaced it"]);
}
