//! Files that somebody might have: judged right, or refused with the place and with what was expected.

use whitewater_checker::{Options, Verdict};

use super::{judge, lines, refusal, verdict};

fn passes(text: &str) {
    assert_eq!(verdict(text, &Options::default()), Verdict::Pass, "{text}");
}

/// The text is refused, and the message has all of these.
fn refused(text: &str, wanted: &[&str]) {
    let error = refusal(text, &Options::default());
    for part in wanted {
        assert!(error.contains(part), "{part:?} is not in: {error}\n{text}");
    }
}

/// A write of one value and a read of another, as JSON texts.
fn written_and_read(written: &str, read: &str) -> String {
    lines(&[
        &format!("0 invoke write {written}"),
        &format!("0 ok write {written}"),
        "1 invoke read",
        &format!("1 ok read {read}"),
    ])
}

#[test]
fn a_value_is_itself_however_it_is_written() {
    for (written, read) in [
        ("1", "1.0"),
        ("1", "1e0"),
        ("-0.0", "0"),
        ("[1,[2]]", "[1.0,[2.0]]"),
        ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"),
        ("\"a/b\"", "\"a\\/b\""),
        ("\"ü 🐙\"", "\"\\u00fc \\ud83d\\udc19\""),
        ("null", "null"),
        ("1e300", "1e300"),
        ("18446744073709551615", "18446744073709551615"),
        ("0.12345678901234567890123", "0.12345678901234567890123"),
    ] {
        passes(&written_and_read(written, read));
    }
    for (written, read) in
        [("1", "\"1\""), ("1", "true"), ("null", "0"), ("[1]", "1"), ("1", "1.5")]
    {
        let text = written_and_read(written, read);
        assert_eq!(verdict(&text, &Options::default()), Verdict::Violation, "{text}");
    }
    let edn = "{:process 0, :type :invoke, :f :write, :value -0.0}\n\
               {:process 0, :type :ok, :f :write, :value -0.0}\n\
               {:process 1, :type :invoke, :f :read, :value nil}\n\
               {:process 1, :type :ok, :f :read, :value 0.0}\n";
    passes(edn);
}

#[test]
fn numbers_that_would_be_rounded_are_refused() {
    let (one, other) = ("123456789012345678901234567890", "123456789012345678901234567891");
    refused(&written_and_read(one, other), &["file:1:60: a whole number that 64 bits", "a string"]);
    refused(&written_and_read("[1,18446744073709551616]", "1"), &["file:1:63: a whole number"]);
    let array = format!("[{}]", written_and_read(one, one).trim().replace('\n', ",\n"));
    refused(&array, &["file:1:61: a whole number that 64 bits"]);
    // In a string they are letters.
    passes(&written_and_read(&format!("\"{one}\""), &format!("\"{one}\"")));
    assert_eq!(
        verdict(
            &written_and_read(&format!("\"{one}\""), &format!("\"{other}\"")),
            &Options::default()
        ),
        Verdict::Violation
    );
}

#[test]
fn line_ends_and_blank_lines_say_nothing() {
    let text = written_and_read("1", "1");
    passes(&text.replace('\n', "\r\n"));
    passes(&text.replace('\n', "\n\n \n"));
    passes(&text.replace('\n', " \t\n"));
    passes(text.trim_end());
    let log =
        "INFO jepsen.util - 0\t:invoke\t:write\t1\r\nINFO jepsen.util - 0\t:ok\t:write\t1\r\n";
    passes(log);
    passes(
        "{:process 0, :type :invoke, :f :write, :value 1}\r\n{:process 0, :type :ok, :f :write, :value 1}\r\n",
    );
}

#[test]
fn what_an_event_lacks_or_has_wrong_is_named_with_its_place() {
    let event = "{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"key\":\"k\",\"value\":1,\"time_ns\":1}\n";
    passes(&(event.to_owned() + &event.replace("invoke", "ok")));
    for (part, other, wanted) in [
        ("\"type\":\"invoke\",", "", vec!["1:", "missing field `type`"]),
        ("\"process\":0,", "", vec!["1:", "missing field `process`"]),
        ("\"f\":\"write\",", "", vec!["1:", "missing field `f`"]),
        ("\"invoke\"", "\"INVOKE\"", vec!["1:", "`INVOKE`, expected one of `invoke`, `ok`"]),
        ("\"process\":0", "\"process\":\"c1\"", vec!["1:", "must be a whole number", "\"c1\""]),
        ("\"process\":0", "\"process\":-1", vec!["1:", "must be a whole number", "not -1"]),
        ("\"process\":0", "\"process\":1.5", vec!["1:", "must be a whole number", "not 1.5"]),
        (
            "\"time_ns\":1",
            "\"time_ns\":-5",
            vec!["1:", "time must be whole nanoseconds from 0 on, not -5"],
        ),
        ("\"time_ns\":1", "\"time\":1.5", vec!["1:", "time must be whole nanoseconds", "not 1.5"]),
        (
            "\"time_ns\":1",
            "\"time\":\"now\"",
            vec!["1:", "time must be whole nanoseconds", "\"now\""],
        ),
        (
            "\"time_ns\":1",
            "\"index\":-1",
            vec!["1:", "index must be a whole number from 0 on, not -1"],
        ),
        ("write", "nap", vec!["1:", "unknown operation `nap`; known are read, write"]),
        ("write", "cas", vec!["1:", "cas needs a value of [from, to], not 1"]),
        ("1,\"time_ns\"", "\u{0},\"time_ns\"", vec!["1:60: a zero byte: expected JSON in UTF-8"]),
    ] {
        let text = event.replace(part, other);
        assert_ne!(text, event);
        refused(&text, &wanted);
    }
    let edn = "{:process 0, :type :invoke, :f :write, :value 1, :time -5}";
    refused(edn, &["file:1:1", ":time must be a whole number from 0 on, not -5"]);
    refused("[[{:process 0}]]", &["file:1:2: expected an event"]);
    refused(
        "[{:process 0, :type :invoke, :f :read}\n",
        &["file:1:1: a bracket that nothing closes"],
    );
}

#[test]
fn null_is_a_value_and_no_value_is_none() {
    let write = |invoked: &str, completed: &str| {
        format!(
            "{{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"key\":\"k\"{invoked},\"time_ns\":1}}\n\
             {{\"process\":0,\"type\":\"ok\",\"f\":\"write\",\"key\":\"k\"{completed},\"time_ns\":2}}\n\
             {{\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"key\":\"k\",\"time_ns\":3}}\n\
             {{\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"key\":\"k\",\"value\":5,\"time_ns\":4}}\n"
        )
    };
    refused(&write("", ""), &["file:1: a write needs a value"]);
    passes(&write(",\"value\":5", ""));
    // What it did is told when it ends.
    passes(&write("", ",\"value\":5"));
    let null = write(",\"value\":null", ",\"value\":null").replace(":5", ":null");
    passes(&null);
    refused(
        &lines(&["0 invoke enqueue", "0 ok enqueue", "1 invoke dequeue", "1 ok dequeue"]),
        &["file:1: enqueue needs an element; null is what a dequeue says that found none"],
    );
}

#[test]
fn a_set_says_its_elements_and_whether_it_has_one() {
    let asked = |answer: &str| {
        lines(&[
            "0 invoke add 1",
            "0 ok add 1",
            "1 invoke contains 1",
            &format!("1 ok contains {answer}"),
        ])
    };
    passes(&asked("true"));
    passes(&asked("[1,true]"));
    for answer in ["false", "[1,false]"] {
        let (analysis, _) = judge(&asked(answer), &Options::default()).unwrap();
        assert_eq!(analysis.verdict, Verdict::Violation, "{answer}");
        let witness = analysis.checks[0].findings[0].witness.as_ref().unwrap();
        let texts: Vec<&str> = witness.operations.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(texts, ["add 1", "contains 1 → no"]);
    }
    refused(&asked("1"), &["file:4:51: contains needs a value of [element, true or false], not 1"]);
    let read = |answer: &str| {
        asked("true")
            + &lines(&["1 invoke read", &format!("1 ok read {answer}")])
                .replace("_ns\":", "_ns\":1")
    };
    passes(&read("[1]"));
    refused(
        &read("1"),
        &["file:6: read → 1 is no answer of a set: expected a list of its elements"],
    );
}
