//! Keys that hold something before the record begins.

use whitewater_checker::object::set;
use whitewater_checker::options::Initial;
use whitewater_checker::{Options, Verdict};

use super::{judge, lines, refusal, verdict};

fn with(texts: &[&str]) -> Options {
    let mut initial = Initial::default();
    texts.iter().for_each(|text| initial.take(text));
    Options { initial, ..Options::default() }
}

const REGISTER: [&str; 6] = [
    "0 invoke read",
    "0 ok read 42",
    "1 invoke cas [42,7]",
    "1 ok cas [42,7]",
    "0 invoke read",
    "0 ok read 7",
];

fn init(value: &str) -> String {
    format!(
        "{{\"process\":\"init\",\"type\":\"ok\",\"f\":\"init\",\"key\":\"k\",\"value\":{value}}}\n"
    )
}

#[test]
fn a_register_begins_as_it_is_told() {
    let text = lines(&REGISTER);
    assert_eq!(verdict(&text, &Options::default()), Verdict::Violation);
    assert_eq!(verdict(&text, &with(&["42"])), Verdict::Pass);
    assert_eq!(verdict(&text, &with(&["41"])), Verdict::Violation);
    // A key's own value goes before that of all, and both before the file's.
    assert_eq!(verdict(&text, &with(&["k=42", "41"])), Verdict::Pass);
    assert_eq!(verdict(&text, &with(&["k=41", "42"])), Verdict::Violation);
    assert_eq!(verdict(&(init("42") + &text), &Options::default()), Verdict::Pass);
    assert_eq!(verdict(&(text.clone() + &init("42")), &Options::default()), Verdict::Pass);
    assert_eq!(verdict(&(init("42") + &text), &with(&["41"])), Verdict::Pass);
    assert_eq!(verdict(&(init("42") + &text), &with(&["k=41"])), Verdict::Violation);
}

#[test]
fn null_is_a_value_like_others_where_a_register_begins_as_something_else() {
    let read_null = lines(&["0 invoke read", "0 ok read null"]);
    assert_eq!(verdict(&read_null, &with(&["42"])), Verdict::Violation);
    let deleted = ["0 invoke delete", "0 ok delete", "0 invoke read", "0 ok read null"];
    assert_eq!(verdict(&lines(&deleted), &with(&["42"])), Verdict::Pass);
    let still_there = ["0 invoke delete", "0 ok delete", "0 invoke read", "0 ok read 42"];
    let (analysis, _) = judge(&lines(&still_there), &with(&["42"])).unwrap();
    let finding = &analysis.checks[0].findings[0];
    assert_eq!(finding.anomaly, "lost-write", "{}", finding.explanation);
    assert_eq!(finding.witness.as_ref().unwrap().initial, "42");
}

#[test]
fn searches_begin_there_too() {
    // 1 is written twice, so the zones do not apply.
    let events = |last: &'static str| {
        lines(&[
            "0 invoke write 1",
            "1 invoke write 1",
            "2 invoke write 2",
            "3 invoke read",
            "3 ok read 42",
            "3 invoke read",
            "3 ok read 1",
            "3 invoke read",
            last,
            "0 ok write 1",
            "1 ok write 1",
            "2 ok write 2",
        ])
    };
    assert_eq!(verdict(&events("3 ok read 2"), &with(&["42"])), Verdict::Pass);
    assert_eq!(verdict(&events("3 ok read 42"), &with(&["42"])), Verdict::Violation);
}

#[test]
fn counters_sets_and_queues_begin_as_they_are_told() {
    let counter = lines(&["0 invoke add 2", "0 ok add 2", "0 invoke read", "0 ok read 12"]);
    assert_eq!(verdict(&counter, &with(&["10"])), Verdict::Pass);
    assert_eq!(verdict(&counter, &with(&["9"])), Verdict::Violation);
    let set = |read: &str| {
        lines(&["0 invoke add 2", "0 ok add 2", "0 invoke read", &format!("0 ok read {read}")])
    };
    for (initial, read, expected) in [
        ("[1]", "[1,2]", Verdict::Pass),
        ("[1]", "[2]", Verdict::Violation),
        ("[]", "[1,2]", Verdict::Violation),
        ("[\"a\"]", "[2,\"a\"]", Verdict::Pass),
        ("[\"a\"]", "[2,\"b\"]", Verdict::Violation),
    ] {
        assert_eq!(verdict(&set(read), &with(&[initial])), expected, "{initial} {read}");
    }
    let queue = |first: &str, second: &str| {
        lines(&[
            "0 invoke enqueue 2",
            "0 ok enqueue 2",
            "0 invoke dequeue",
            &format!("0 ok dequeue {first}"),
            "0 invoke dequeue",
            &format!("0 ok dequeue {second}"),
        ])
    };
    assert_eq!(verdict(&queue("1", "2"), &with(&["[1]"])), Verdict::Pass);
    assert_eq!(verdict(&queue("2", "1"), &with(&["[1]"])), Verdict::Violation);
    assert_eq!(verdict(&queue("1", "2"), &Options::default()), Verdict::Violation);
}

#[test]
fn what_cannot_be_begun_with_is_refused() {
    let lock = lines(&["0 invoke acquire", "0 ok acquire"]);
    assert!(refusal(&lock, &with(&["true"])).contains("begins as free"));
    let list = lines(&["0 invoke append \"a\"", "0 ok append \"a\""]);
    assert!(refusal(&list, &with(&["b"])).contains("begins as empty"));
    let counter = lines(&["0 invoke add 2", "0 ok add 2", "0 invoke read", "0 ok read 2"]);
    assert!(
        refusal(&counter, &with(&["b"]))
            .contains("a counter begins as a whole number, not as \"b\"")
    );
    let options = Options { model: Some(set::KIND), ..with(&["1"]) };
    assert!(refusal(&lines(&["0 invoke add 2"]), &options).contains("a list of its elements"));
    assert!(refusal(&lock, &with(&["x=1"])).contains("given for key \"x\", and no operation"));
    let twice = init("1") + &init("2") + &lines(&REGISTER);
    assert_eq!(
        refusal(&twice, &Options::default()),
        "file:2:1: key \"k\" begins as another value at line 1"
    );
}

#[test]
fn a_hint_says_what_the_first_reads_agree_on() {
    let (_, report) = judge(&lines(&REGISTER), &Options::default()).unwrap();
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert!(report.notes[0].ends_with("say --initial k=42"), "{:?}", report.notes);
    // Reads that disagree, or a value that somebody wrote, say nothing of the kind.
    let mut disagree = REGISTER;
    disagree[1] = "0 ok read 43";
    let (_, report) = judge(&lines(&disagree), &Options::default()).unwrap();
    assert!(report.notes.iter().all(|note| note.ends_with("--initial k=43")), "{:?}", report.notes);
    let stale = ["0 invoke read", "0 ok read 1", "0 invoke write 1", "0 ok write 1"];
    let (analysis, report) = judge(&lines(&stale), &Options::default()).unwrap();
    assert_eq!(analysis.verdict, Verdict::Violation);
    assert!(report.notes.is_empty(), "{:?}", report.notes);
}
