//! What clients were told of their commands, against what traces know of them.

use serde_json::json;
use whitewater_checker::analysis::CheckState;

use crate::script::{self, Verdicts, records};

/// Two commands that a leader commits and applies; it goes on after that. A line every microsecond.
const TRACE: &str = "
    1 boot
    2 boot
    3 boot
    1 term 1
    1 vote 1
    1 campaign
    2 term 1
    2 vote 1
    1 leader 1,2 last 0/0
    1 append 1/1..3/1
    2 append 1/1..3/1
    2 durable 3/1
    2 ack 1 3
    1 durable 3/1
    1 commit 2/1 matched 1:3,2:2,3:0
    1 command 2 session 7 sequence 1 fresh
    1 apply 1..2/1
    1 commit 3/1 matched 1:3,2:3,3:0
    1 command 3 session 7 sequence 2 fresh
    1 apply 3..3/1
    2 commit 3/1
    2 command 2 session 7 sequence 1 fresh
    2 command 3 session 7 sequence 2 fresh
    2 apply 1..3/1
    1 begin-read 1 index 3
    1 read 1 index 3 confirmed 1,2
";

/// A client's command and how it ended, some nanoseconds after a line of the trace was written.
struct Told<'a> {
    sequence: u64,
    function: &'a str,
    outcome: &'a str,
    node: &'a str,
    after: &'a str,
    error: Option<&'a str>,
}

const OK: Told<'_> = Told {
    sequence: 1,
    function: "write",
    outcome: "ok",
    node: "n1",
    after: "1 commit 2/1 matched 1:3,2:2,3:0",
    error: None,
};

fn check(trace: &str, told: &Told<'_>) -> Verdicts {
    let lines: Vec<&str> = trace.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let at = lines.iter().position(|line| *line == told.after).expect("the trace has the line");
    // Lines without an event, such as `killed`, take their time too.
    let time_ns = 1_000 * (at as u64 + 1) + 500;
    assert!(records(trace).iter().any(|record| record.time_ns + 500 == time_ns), "the same clock");
    let value = if told.function == "cas" { json!([1, 2]) } else { json!("1;") };
    let event = |kind: &str, time_ns: u64| {
        let event = json!({
            "process": 1, "type": kind, "f": told.function, "key": "k", "value": value,
            "time_ns": time_ns, "node": told.node, "command": [7, told.sequence],
        });
        let mut event = event;
        if let Some(error) = told.error.filter(|_| kind != "invoke") {
            event["error"] = json!(error);
        }
        format!("{event}\n")
    };
    let history = event("invoke", 1) + &event(told.outcome, time_ns);
    script::check_with(trace, &[("history.jsonl", &history)])
}

const NAME: &str = "answered-after-commit";

#[test]
fn an_answer_that_comes_before_every_commit_is_found() {
    let verdicts = check(TRACE, &OK);
    verdicts.none_fires();
    assert_eq!(verdicts.state(NAME), CheckState::Holds, "{verdicts}");
    let early = check(TRACE, &Told { after: "1 durable 3/1", ..OK });
    early.fires_only(
        NAME,
        "answered-before-commit",
        "n1 answered command 1 of session 7 with success; its entry, index 2, was told to be committed \
         0.0 ms later, first by n1",
    );
    assert!(early.evidence(NAME)[0].starts_with("history.jsonl:2: {"), "{early}");
    assert!(early.evidence(NAME)[1].starts_with("trace/n1.jsonl:8: {"), "{early}");
    // The second command is committed by another commit than the first.
    check(TRACE, &Told { sequence: 2, ..OK }).fires_only(
        NAME,
        "answered-before-commit",
        "its entry, index 3, was told",
    );
}

/// Whichever node is the first to tell a commit, the answer came after it; another node's commit that is
/// told late says nothing.
#[test]
fn the_earliest_commit_of_any_node_counts() {
    let elsewhere = TRACE.replacen("    2 ack 1 3\n", "    2 ack 1 3\n    2 commit 3/1\n", 1);
    let told = Told { after: "1 durable 3/1", ..OK };
    assert_eq!(check(&elsewhere, &told).state(NAME), CheckState::Holds);
    let installed = TRACE.replacen("    2 ack 1 3\n", "    3 install 3/1\n", 1);
    assert_eq!(check(&installed, &told).state(NAME), CheckState::Holds);
}

#[test]
fn an_answer_to_what_is_never_committed_is_found() {
    let lost = check(TRACE, &Told { sequence: 3, ..OK });
    lost.fires(NAME, "answered-before-commit", "no trace has its entry committed, then or later");
    lost.fires("exactly-once", "acknowledged-not-applied", "command 3 of session 7");
}

/// Of a node that was killed, that has no trace, or that says nothing after its answer, lines may be missing.
#[test]
fn an_answer_of_a_node_whose_trace_does_not_go_on_is_not_judged() {
    let early = Told { after: "1 durable 3/1", ..OK };
    let killed = TRACE.split("    1 commit 2/1").next().unwrap().to_owned()
        + "
        1 killed
        2 term 2
        1 boot term 1 vote 1 last 3/1
        1 term 2
        3 term 2
        3 vote 2
        2 vote 2
        2 campaign
        2 leader 2,3 last 3/1
        2 append 4/2..4/2
        3 append 1/1..4/2
        3 durable 4/2
        3 ack 2 4
        2 durable 4/2
        2 commit 4/2 matched 1:0,2:4,3:4
        2 command 2 session 7 sequence 1 fresh
        2 apply 1..4/2
    ";
    assert_eq!(check(&killed, &early).state(NAME), CheckState::NotExercised);
    let alive = killed.replacen("        1 killed\n", "        1 stepdown\n        1 killed\n", 1);
    check(&alive, &early).fires_only(NAME, "answered-before-commit", "first by n2");
    let no_trace = check(TRACE, &Told { node: "n4", ..early });
    assert_eq!(no_trace.state(NAME), CheckState::NotExercised);
    no_trace.none_fires();
    let at_the_end = Told { after: "1 read 1 index 3 confirmed 1,2", sequence: 3, ..OK };
    assert_eq!(check(TRACE, &at_the_end).state(NAME), CheckState::NotExercised);
}

/// Where only repetitions of a command were told, nobody knows when it took effect.
#[test]
fn an_answer_to_a_command_that_was_only_repeated_is_not_judged() {
    let repeated =
        TRACE.replace("command 2 session 7 sequence 1 fresh", "command 2 session 7 sequence 1");
    let verdicts = check(&repeated, &Told { after: "1 durable 3/1", ..OK });
    assert_eq!(verdicts.state(NAME), CheckState::NotExercised, "{verdicts}");
}

#[test]
fn a_command_that_was_reported_as_failed_and_took_effect_is_found() {
    let failed = Told { outcome: "fail", error: Some("not the leader"), ..OK };
    let verdicts = check(TRACE, &failed);
    verdicts.fires_only(
        "exactly-once",
        "failed-but-applied",
        "Command 1 of session 7 was reported as failed, so it must never take effect; n1 told that it took \
         effect at index 2",
    );
    let evidence = verdicts.evidence("exactly-once");
    assert!(evidence[0].starts_with("trace/n1.jsonl:9: {"), "{evidence:?}");
    assert!(evidence[1].starts_with("history.jsonl:2: {"), "{evidence:?}");
    // Nobody applied it, it may have been applied, or it was applied and changed nothing.
    check(TRACE, &Told { sequence: 3, ..failed }).none_fires();
    check(TRACE, &Told { outcome: "info", ..failed }).none_fires();
    let refused = TRACE.replace("sequence 1 fresh", "sequence 1 fresh refused");
    check(&refused, &Told { outcome: "fail", error: Some("too long"), ..OK }).none_fires();
}

/// Of a cas, a trace that never tells a refusal does not say whether it took effect.
#[test]
fn a_failed_cas_is_judged_where_traces_tell_refusals() {
    let mismatch = Told { function: "cas", outcome: "fail", ..OK };
    check(TRACE, &mismatch).none_fires();
    let failed = Told { error: Some("not the leader"), ..mismatch };
    check(TRACE, &failed).none_fires();
    let tells = TRACE.replace("sequence 2 fresh", "sequence 2 fresh refused");
    check(&tells, &failed).fires_only(
        "exactly-once",
        "failed-but-applied",
        "took effect at index 2",
    );
    check(&tells, &Told { sequence: 2, ..failed }).none_fires();
}
