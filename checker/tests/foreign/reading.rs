//! What files of others look like, and in which order their events happened.

use whitewater_checker::options::FailedCas;
use whitewater_checker::{Options, Verdict};

use super::{judge, lines, refusal, verdict};

fn default() -> Options {
    Options::default()
}

fn meaning(failed_cas: FailedCas) -> Options {
    Options { failed_cas: Some(failed_cas), ..Options::default() }
}

/// EDN maps of `process type f value`, without times.
fn edn(events: &[&str], more: &str) -> String {
    let map = |event: &&str| {
        let words: Vec<&str> = event.splitn(4, ' ').collect();
        let (kind, value) = (words[1], words.get(3).unwrap_or(&"nil"));
        let more = if kind == "fail" { more } else { "" };
        format!(
            "{{:process {}, :type :{kind}, :f :{}, :value {value}{more}}}\n",
            words[0], words[2]
        )
    };
    events.iter().map(map).collect()
}

const FAILED_CAS: [&str; 6] = [
    "0 invoke write 3",
    "0 ok write 3",
    "1 invoke cas [3 1]",
    "1 fail cas [3 1]",
    "2 invoke read",
    "2 ok read 3",
];

#[test]
fn a_failed_cas_is_evidence_as_the_format_means_it_or_as_told() {
    let of_ours =
        lines(&FAILED_CAS.map(|event| event.replace("3 1", "3,1")).each_ref().map(String::as_str));
    let log: String = FAILED_CAS
        .iter()
        .map(|event| {
            let words: Vec<&str> = event.splitn(4, ' ').collect();
            format!(
                "{}\t:{}\t:{}\t{}\n",
                words[0],
                words[1],
                words[2],
                words.get(3).unwrap_or(&"nil")
            )
        })
        .collect();
    for (text, without_word) in [
        (edn(&FAILED_CAS, ""), Verdict::Pass),
        (edn(&FAILED_CAS, ", :error nil"), Verdict::Pass),
        (log, Verdict::Pass),
        (of_ours, Verdict::Violation),
    ] {
        assert_eq!(verdict(&text, &default()), without_word, "{text}");
        assert_eq!(verdict(&text, &meaning(FailedCas::Mismatch)), Verdict::Violation, "{text}");
        assert_eq!(verdict(&text, &meaning(FailedCas::Nothing)), Verdict::Pass, "{text}");
        let other = if without_word == Verdict::Pass { "mismatch" } else { "nothing" };
        let (_, report) = judge(&text, &default()).unwrap();
        assert!(
            report.notes[0].ends_with(&format!("say --failed-cas {other}")),
            "{:?}",
            report.notes
        );
    }
    assert_eq!(verdict(&edn(&FAILED_CAS, ", :saw 4"), &default()), Verdict::Violation);
    assert_eq!(verdict(&edn(&FAILED_CAS, ", :saw 3"), &default()), Verdict::Violation);
    assert_eq!(verdict(&edn(&FAILED_CAS, ", :rejected true"), &default()), Verdict::Violation);
    assert_eq!(
        verdict(&edn(&FAILED_CAS, ", :error :net"), &meaning(FailedCas::Mismatch)),
        Verdict::Pass
    );
}

/// A line of a write or read of one key: process, type, f, value, and how it is placed.
fn placed(events: &[(u64, &str, &str, &str, &str)]) -> String {
    let line = |(process, kind, f, value, place): &(u64, &str, &str, &str, &str)| {
        format!(
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"x\",\"value\":{value}{place}}}\n"
        )
    };
    events.iter().map(line).collect()
}

/// Writes of 1 and 2 by one client, and a read of 1 between them by another, lines grouped by client.
fn grouped_by_client(place: impl Fn(u64) -> String) -> String {
    let places: Vec<String> = [1, 2, 5, 6, 3, 4].map(place).into();
    placed(&[
        (0, "invoke", "write", "1", &places[0]),
        (0, "ok", "write", "1", &places[1]),
        (0, "invoke", "write", "2", &places[2]),
        (0, "ok", "write", "2", &places[3]),
        (1, "invoke", "read", "null", &places[4]),
        (1, "ok", "read", "1", &places[5]),
    ])
}

#[test]
fn a_file_that_goes_back_in_time_is_sorted_with_a_note_or_refused() {
    let by_time = grouped_by_client(|at| format!(",\"time_ns\":{}", at * 100));
    let by_index = grouped_by_client(|at| format!(",\"index\":{at}"));
    // The clock of one machine is off: indices go before times.
    let by_both = grouped_by_client(|at| format!(",\"index\":{at},\"time_ns\":{}", 1000 - at));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    for text in [by_time, by_index, by_both] {
        let message = refusal(&text, &default());
        assert!(message.contains("this event is before the one at line"), "{message}");
        std::fs::write(&path, &text).unwrap();
        let (analysis, report) = whitewater_checker::check_history(&path, &default()).unwrap();
        assert_eq!(analysis.verdict, Verdict::Pass, "{text}");
        assert!(report.notes[0].contains("sorted"), "{:?}", report.notes);
        let array = format!("[{}]", text.trim_end().replace('\n', ",\n"));
        let (analysis, report) = judge(&array, &default()).unwrap();
        assert_eq!((analysis.verdict, report.format.as_str()), (Verdict::Pass, "json"));
        assert!(report.notes[0].contains("sorted"), "{:?}", report.notes);
    }
    // Without either the lines are the order.
    let without = grouped_by_client(|_| String::new());
    assert_eq!(verdict(&without, &default()), Verdict::Violation);
    let all_equal = grouped_by_client(|_| ",\"time_ns\":0".to_owned());
    assert_eq!(verdict(&all_equal, &default()), Verdict::Violation);
}

#[test]
fn a_return_and_a_call_of_the_same_instant_overlap() {
    let events = |returned: u64, called: u64| {
        placed(&[
            (0, "invoke", "write", "1", ",\"time_ns\":1"),
            (0, "ok", "write", "1", &format!(",\"time_ns\":{returned}")),
            (1, "invoke", "read", "null", &format!(",\"time_ns\":{called}")),
            (1, "ok", "read", "null", ",\"time_ns\":9"),
        ])
    };
    assert_eq!(verdict(&events(5, 5), &default()), Verdict::Pass);
    assert_eq!(verdict(&events(5, 6), &default()), Verdict::Violation);
    let array = format!("[{}]", events(5, 5).trim_end().replace('\n', ","));
    assert_eq!(verdict(&array, &default()), Verdict::Pass);
    // The last instant of a file too, and one that only the index orders.
    let last = events(9, 9);
    assert_eq!(verdict(&last, &default()), Verdict::Pass);
}

#[test]
fn a_completion_with_another_value_is_what_was_done() {
    for (f, asked, done, read) in
        [("write", "1", "2", "2"), ("append", "\"a\"", "\"b\"", "\"b\""), ("add", "1", "5", "5")]
    {
        let text = lines(&[
            &format!("0 invoke {f} {asked}"),
            &format!("0 ok {f} {done}"),
            "1 invoke read",
            &format!("1 ok read {read}"),
        ]);
        let (analysis, report) = judge(&text, &default()).unwrap();
        assert_eq!(analysis.verdict, Verdict::Pass, "{text}");
        assert!(
            report.notes.iter().any(|note| note.contains("first at line 2")),
            "{:?}",
            report.notes
        );
        let silent = text.replacen(
            &format!("\"ok\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{done}"),
            &format!("\"ok\",\"f\":\"{f}\",\"key\":\"k\",\"value\":null"),
            1,
        );
        assert_ne!(silent, text);
        assert_eq!(
            verdict(&silent, &default()),
            Verdict::Violation,
            "null says nothing:\n{silent}"
        );
    }
    let cas = lines(&["0 invoke write 1", "0 ok write 1", "0 invoke cas [1,2]", "0 ok cas 2"]);
    assert!(refusal(&cas, &default()).starts_with("file:4:"), "{}", refusal(&cas, &default()));
}

#[test]
fn arrays_and_vectors_say_line_and_column() {
    let event = |kind: &str, value: &str| {
        format!(
            "{{\"process\":0,\"type\":\"{kind}\",\"f\":\"read\",\"key\":\"k\",\"value\":{value},\"time_ns\":1}}"
        )
    };
    let (invoke, ok) = (event("invoke", "null"), event("ok", "null"));
    assert_eq!(verdict(&format!(" [ {invoke} ,\n{ok}\n]\n"), &default()), Verdict::Pass);
    for (text, place, what) in [
        (format!("[{invoke},\n {ok},\n  7]"), "file:3:3", "expected an event"),
        (format!("[{invoke}\n{ok}]"), "file:2:1", "expected a comma"),
        (format!("[{invoke},{ok}"), "file:1:1", "an array that nothing closes"),
        (format!("[{invoke},\n{{\"process\":1"), "file:2:1", "an object that nothing closes"),
        (format!("[{invoke},{ok}] 8"), "file:1:", "nothing behind the array"),
        (
            format!("[{invoke},\n  {}]", ok.replace("ok", "done")),
            "file:2:",
            "unknown variant `done`",
        ),
        (format!("[{invoke},\n  {ok},\n {ok}]"), "file:3:2", "completes its operation twice"),
        (
            "[{:process 0 :type :invoke :f :read}\n  {:process 0 :type :ok :f :cas}]".to_owned(),
            "file:2:3",
            "completes a cas",
        ),
        ("[{:process 0 :type :invoke :f :cas :value 7}]".to_owned(), "file:1:2", "[from, to]"),
        (
            "[{:process 0 :type :invoke :f :read}\n 7]".to_owned(),
            "file:2:2",
            "expected an event, a map",
        ),
        (
            "[{:process 0 :type :invoke :f :read}\n\n {:process 0 :type :ok :f :read :value 0xZZ}]"
                .to_owned(),
            "file:3:",
            "not a number: 0xZZ",
        ),
    ] {
        let message = refusal(&text, &default());
        assert!(message.starts_with(place) && message.contains(what), "{message}\nfor\n{text}");
    }
}

#[test]
fn clojure_values_are_read() {
    for value in [
        "0x7f8f",
        "-0xff",
        "10N",
        "123456789012345678901234567890N",
        "1/3",
        "#object[java.lang.Object 0x5e91993f \"x\"]",
        "#inst \"2026\"",
        "##NaN",
        "2r101",
        "^{:a 1} [1]",
        "#\"[a-z]\"",
        "1.5M",
    ] {
        let write = |read: &str| {
            format!(
                "{{:process 0, :type :invoke, :f :write, :value {value}}}\n{{:process 0, :type :ok, :f :write, :value {value}}}\n\
                 #knossos.op.Op{{:process 1, :type :invoke, :f :read, :value nil}}\n{{:process 1, :type :ok, :f :read, :value {read}}}\n"
            )
        };
        assert_eq!(verdict(&write(value), &default()), Verdict::Pass, "{value}");
        assert_eq!(verdict(&write("4711"), &default()), Verdict::Violation, "{value}");
    }
    let marked = format!("\u{feff}{}", edn(&["0 invoke write 1", "0 ok write 1"], ""));
    assert_eq!(verdict(&marked, &default()), Verdict::Pass);
    let marked = format!("\u{feff}{}", lines(&["0 invoke write 1", "0 ok write 1"]));
    assert_eq!(verdict(&marked, &default()), Verdict::Pass);
}

#[test]
fn keys_in_values_are_keys_of_cas_and_transactions_too() {
    let flat = |read: &str| {
        edn(
            &[
                "0 invoke write [\"a\" 1]",
                "0 ok write [\"a\" 1]",
                "1 invoke cas [\"a\" 1 2]",
                "1 ok cas [\"a\" 1 2]",
                "0 invoke read [\"a\" nil]",
                &format!("0 ok read [\"a\" {read}]"),
            ],
            "",
        )
    };
    assert_eq!(verdict(&flat("2"), &default()), Verdict::Pass);
    assert_eq!(verdict(&flat("1"), &default()), Verdict::Violation);
    let txn = |read: &str| {
        edn(
            &[
                "0 invoke txn [[:w 7 1]]",
                "0 ok txn [[:w 7 1]]",
                "1 invoke txn [[:r 7 nil]]",
                &format!("1 ok txn [[:r 7 {read}]]"),
            ],
            "",
        )
    };
    assert_eq!(verdict(&txn("1"), &default()), Verdict::Pass);
    assert_eq!(verdict(&txn("nil"), &default()), Verdict::Violation);
    let message = refusal(
        &edn(&["0 invoke write 1", "0 ok write 1", "0 invoke txn [[:r 1 nil] [:w 2 3]]"], ""),
        &default(),
    );
    assert!(message.starts_with("file:3:1: this txn has 2 operations"), "{message}");
}

#[test]
fn a_log_is_told_by_its_events_behind_any_preamble() {
    let text = "2025-06-23 13:09:50,000{GMT}\tINFO\t[main] jepsen.core: Test version abc\n{:name \"x\",\n :nodes [\"n1\"]}\n\
                2025-06-23 13:09:52,409{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:invoke\t:write\t1\n\
                2025-06-23 13:09:52,419{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:ok\t:write\t1\n\
                2025-06-23 13:09:52,509{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:invoke\t:read\tnil\n\
                2025-06-23 13:09:52,519{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:ok\t:read\t0x1\n";
    let (analysis, report) = judge(text, &default()).unwrap();
    assert_eq!(
        (analysis.verdict, report.format.as_str(), report.operations),
        (Verdict::Pass, "log", 2)
    );
}

#[test]
fn a_witness_says_where_its_operations_are() {
    let text = "[{:index 10 :process 0 :type :invoke :f :write :value [\"a\" 1]}\n {:index 11 :process 0 :type :ok :f :write :value [\"a\" 1]}\n\n \
                {:index 12 :process 1 :type :invoke :f :read :value [\"a\" nil]}\n {:index 13 :process 1 :type :ok :f :read :value [\"a\" nil]}]";
    let (analysis, _) = judge(text, &default()).unwrap();
    let finding = &analysis.checks[0].findings[0];
    assert_eq!(finding.key.as_deref(), Some("a"));
    let operations = &finding.witness.as_ref().unwrap().operations;
    let places: Vec<_> = operations.iter().map(|one| (one.process, one.line, one.index)).collect();
    assert_eq!(places, [(0, Some(1), Some(10)), (1, Some(4), Some(12))]);
}
