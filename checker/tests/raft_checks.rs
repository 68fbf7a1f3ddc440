//! Every check of Raft's promises, seen to fail on a trace that breaks one and to pass on one that does
//! not.
//!
//! A trace here is a short script: one line an event, `node boot term role event`. Each case changes
//! one thing in a trace that is right, so that the check that fires is the one meant.

mod trace_script;

use trace_script::{Verdicts, check};

/// Three nodes, an election, a few commands, a kill and a restart: nothing wrong.
const CLEAN: &str = "
    1 boot
    2 boot
    3 boot
    1 term 1
    1 vote 1
    1 campaign
    2 term 1
    2 vote 1
    3 term 1
    3 vote 1
    1 leader 1,2 last 0/0
    1 append 1/1..1/1
    2 append 1/1..1/1
    2 durable 1/1
    2 ack 1 1
    1 durable 1/1
    1 commit 1/1 matched 1:1,2:1,3:0
    1 apply 1..1/1
    1 append 2/1..4/1
    3 append 1/1..4/1
    3 durable 4/1
    3 ack 1 4
    1 durable 4/1
    1 commit 4/1 matched 1:4,2:1,3:4
    1 command 2 session 7 sequence 1 fresh
    1 command 3 session 7 sequence 2 fresh
    1 command 4 session 7 sequence 2
    1 apply 2..4/1
    1 read 1 index 4 confirmed 1,3
    2 append 2/1..4/1
    2 durable 4/1
    2 ack 1 4
    2 commit 4/1
    2 command 2 session 7 sequence 1 fresh
    2 command 3 session 7 sequence 2 fresh
    2 command 4 session 7 sequence 2
    2 apply 1..4/1
    2 read 0 index 4
    3 commit 4/1
    3 command 2 session 7 sequence 1 fresh
    3 command 3 session 7 sequence 2 fresh
    3 command 4 session 7 sequence 2
    3 apply 1..4/1
    1 append 5/1..6/1
    1 durable 6/1
    1 killed
    2 term 2
    2 vote 2
    2 campaign
    3 term 2
    3 vote 2
    2 leader 2,3 last 4/1
    2 append 5/2..5/2
    3 append 5/2..5/2
    3 durable 5/2
    3 ack 2 5
    2 durable 5/2
    2 commit 5/2 matched 1:0,2:5,3:5
    2 apply 5..5/2
    1 boot term 1 vote 1 last 6/1
    1 term 2
    1 truncate 5 from 6/1
    1 append 5/2..5/2
    1 durable 5/2
    1 ack 2 5
    1 commit 5/2
    1 command 2 session 7 sequence 1 fresh
    1 command 3 session 7 sequence 2 fresh
    1 command 4 session 7 sequence 2
    1 apply 1..5/2
    2 snapshot 5/2
    2 purge 5
";

#[test]
fn a_clean_trace_passes_every_check() {
    let verdicts = check(CLEAN);
    verdicts.none_fires();
    for name in [
        "leader-per-term",
        "election-quorum",
        "vote-once",
        "log-matching",
        "state-machine-safety",
        "monotonic",
    ] {
        assert!(!verdicts.summary(name).contains("not checked"), "{name} looked at something");
    }
}

/// The clean trace with one line replaced.
fn with(line: &str, replacement: &str) -> Verdicts {
    let changed = CLEAN.replacen(&format!("    {line}\n"), &format!("    {replacement}\n"), 1);
    assert_ne!(changed, CLEAN, "the clean trace has the line {line:?}");
    check(&changed)
}

/// The clean trace with lines after it.
fn and(lines: &str) -> Verdicts {
    check(&format!("{CLEAN}{lines}"))
}

#[test]
fn two_leaders_of_a_term_are_found() {
    let verdicts = and("3 leader 2,3 last 5/2");
    verdicts.fires("leader-per-term", "two-leaders", "In term 2 n2 became leader");
    verdicts.fires("vote-once", "double-vote", "n2 and n3 both counted the vote of n2");
    let evidence = verdicts.evidence("leader-per-term");
    assert!(evidence[0].starts_with("trace/n2.jsonl:"), "{evidence:?}");
    assert!(evidence[1].starts_with("trace/n3.jsonl:"), "{evidence:?}");
}

#[test]
fn a_poll_that_contradicts_a_trace_is_found() {
    let mut polls = trace_script::poll("n3", 2, "leader");
    check_polls(&polls).fires("leader-per-term", "two-leaders", "n3 answered a status request");
    polls = trace_script::poll("n2", 2, "leader");
    check_polls(&polls).none_fires();
    polls = trace_script::poll("n3", 2, "follower");
    check_polls(&polls).none_fires();
}

fn check_polls(polls: &str) -> Verdicts {
    trace_script::check_with(CLEAN, &[("status.jsonl", polls)])
}

#[test]
fn polls_alone_show_two_leaders() {
    let polls = trace_script::poll("n1", 7, "leader") + &trace_script::poll("n2", 7, "leader");
    let verdicts = trace_script::check_with("", &[("status.jsonl", &polls)]);
    verdicts.fires_only("leader-per-term", "two-leaders", "In term 7");
    assert_eq!(verdicts.summary("vote-once"), "not checked: no trace");
}

#[test]
fn a_leader_of_a_minority_is_found() {
    with("1 leader 1,2 last 0/0", "1 leader 1 last 0/0").fires_only(
        "election-quorum",
        "minority-leader",
        "with the votes of n1; voters were n1, n2 and n3",
    );
}

#[test]
fn a_second_vote_in_a_term_is_found_in_one_boot_and_over_a_restart() {
    and("3 vote 1").fires_only("vote-once", "double-vote", "n3 voted for n2 in term 2, and later");
    and("3 killed\n3 boot term 2 last 5/2\n3 vote 1").fires(
        "vote-once",
        "double-vote",
        "n3 voted for n2 in term 2",
    );
}

#[test]
fn a_vote_that_was_not_given_does_not_count() {
    with("3 vote 2", "3 durable 4/1").fires_only(
        "vote-once",
        "vote-never-given",
        "n2 counted the vote of n3 in term 2; the trace of n3 has no vote in that term",
    );
    // The voter was killed after its disk had the vote; its boot line shows it.
    with("3 vote 2", "3 killed\n3 boot term 2 vote 2 last 4/1").none_fires();
}

#[test]
fn a_different_prefix_of_the_same_entry_is_found() {
    and("3 append 6/2..6/2 chain 7\n2 append 6/2..6/2").fires(
        "log-matching",
        "logs-diverge",
        "The entry at index 6 of term 2",
    );
}

#[test]
fn different_states_after_the_same_index_are_found() {
    with("2 apply 5..5/2", "2 apply 5..5/2 state 9").fires(
        "state-machine-safety",
        "states-diverge",
        "the same log, and states with hashes",
    );
    with("3 apply 1..4/1", "3 apply 1..4/3").fires(
        "state-machine-safety",
        "states-diverge",
        "entries of terms 1 and 3",
    );
}

#[test]
fn what_goes_back_is_found() {
    with("1 boot term 1 vote 1 last 6/1", "1 boot term 0 last 6/1").fires(
        "monotonic",
        "term-went-back",
        "n1 was in term 1 and is in term 0 now",
    );
    and("3 commit 3/1").fires("monotonic", "commit-went-back", "had committed up to 4 and now");
    and("1 apply 4..4/1").fires("monotonic", "applied-out-of-order", "applied 4 to 4 when 6");
    and("3 apply 5..5/2").fires("monotonic", "applied-uncommitted", "applied up to 5 having");
}
