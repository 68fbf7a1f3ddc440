//! What values mean, however they are written: numbers in strings, values that are no text, floats that are whole.

use std::io::Cursor;

use whitewater_checker::object::{append, counter};
use whitewater_checker::{Options, Verdict, check_reader};

/// Judges a list's operations one after the other, `f value outcome`.
fn list_verdict(script: &str) -> Verdict {
    let mut text = String::new();
    for (process, line) in script.lines().enumerate() {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        for (kind, value) in
            [("invoke", if words[0] == "read" { "null" } else { words[2] }), (words[1], words[2])]
        {
            text.push_str(&format!(
                r#"{{"process":{process},"type":"{kind}","f":"{}","key":"k","value":{value},"time_ns":1}}"#,
                words[0]
            ));
            text.push('\n');
        }
    }
    let input = Box::new(Cursor::new(text.into_bytes()));
    let options = Options { model: Some(append::KIND), ..Options::default() };
    check_reader("script", input, &options).expect("a good history").0.verdict
}

#[test]
fn a_number_in_a_string_is_its_digits_however_the_string_is_taken_apart() {
    assert_eq!(list_verdict("append ok 1\nappend ok 2\nread ok \"12\""), Verdict::Pass);
    // "1" begins like "12", so the string can be read in two ways.
    assert_eq!(list_verdict("append ok 1\nappend ok 12\nread ok \"112\""), Verdict::Pass);
    assert_eq!(list_verdict("append ok 1\nappend ok 12\nread ok \"121\""), Verdict::Violation);
    assert_eq!(list_verdict("append ok 1\nappend ok 12\nread ok 112"), Verdict::Pass);
}

#[test]
fn what_puts_no_text_into_a_string_is_a_member_of_a_list() {
    for value in ["\"\"", "null", "[]"] {
        let append = format!("append ok {value}\n");
        assert_eq!(list_verdict(&format!("{append}read ok [{value}]")), Verdict::Pass, "{value}");
        let twice = list_verdict(&format!("{append}read ok [{value},{value}]"));
        assert_eq!(twice, Verdict::Violation, "{value}");
        assert_eq!(list_verdict(&format!("{append}read ok []")), Verdict::Violation, "{value}");
        assert_eq!(list_verdict(&format!("{append}read ok \"\"")), Verdict::Pass, "{value}");
    }
    assert_eq!(list_verdict("append ok \"\"\nread ok [null]"), Verdict::Violation);
    // A list that was written whole: members all the same.
    let written = "write ok [1,\"x\"]\nappend ok \"\"\nappend ok \"x\"\n";
    assert_eq!(list_verdict(&format!("{written}read ok [1,\"x\",\"\",\"x\"]")), Verdict::Pass);
    assert_eq!(list_verdict(&format!("{written}read ok [1,\"x\",\"x\"]")), Verdict::Violation);
    assert_eq!(list_verdict("write ok \"x\"\nread ok [\"x\"]"), Verdict::Pass);
}

#[test]
fn a_counter_counts_in_whole_numbers_however_they_are_written() {
    let verdict = |script: &str| -> Result<Verdict, String> {
        let input = Box::new(Cursor::new(script.to_owned().into_bytes()));
        let options = Options { model: Some(counter::KIND), ..Options::default() };
        let checked = check_reader("script", input, &options);
        checked.map(|(analysis, _)| analysis.verdict).map_err(|error| error.to_string())
    };
    let script = |value: &str, read: &str| {
        format!(
            "{{\"process\":0,\"type\":\"invoke\",\"f\":\"add\",\"value\":{value},\"time_ns\":1}}\n\
             {{\"process\":0,\"type\":\"ok\",\"f\":\"add\",\"value\":{value},\"time_ns\":1}}\n\
             {{\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"value\":null,\"time_ns\":1}}\n\
             {{\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":{read},\"time_ns\":1}}\n"
        )
    };
    assert_eq!(verdict(&script("2.0", "2.0")), Ok(Verdict::Pass));
    assert_eq!(verdict(&script("2", "2.0")), Ok(Verdict::Pass));
    assert_eq!(verdict(&script("2", "3.0")), Ok(Verdict::Violation));
    assert_eq!(verdict(&script("null", "1")), Ok(Verdict::Pass));
    for (value, read, line) in
        [("2", "\"x\"", 4), ("18446744073709551615", "1", 1), ("0.5", "0.5", 1), ("[1]", "1", 1)]
    {
        let error = verdict(&script(value, read)).expect_err(value);
        assert!(error.starts_with(&format!("script:{line}: ")), "{error}");
        assert!(error.contains("whole numbers"), "{error}");
    }
}
