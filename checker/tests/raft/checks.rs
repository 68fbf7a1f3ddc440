//! Every check of Raft's promises, seen to fail on a trace that breaks one and to pass on one that does
//! not.
//!
//! A trace here is a short script: one line an event, `node boot term role event`. Each case changes
//! one thing in a trace that is right, so that the check that fires is the one meant.

use whitewater_checker::analysis::CheckState;

use crate::script::{self, Verdicts, check};

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
    1 begin-read 1 index 4
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
        "election-restriction",
        "log-matching",
        "state-machine-safety",
        "monotonic",
        "commit-immutable",
        "leader-completeness",
        "commit-rule",
        "durable-first",
        "boot-equals-disk",
        "read-index",
        "leader-append-only",
        "append-entries",
        "snapshot",
        "exactly-once",
    ] {
        assert_ne!(verdicts.state(name), CheckState::NotExercised, "{name} looked at something");
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
    let mut polls = script::poll("n3", 2, "leader");
    check_polls(&polls).fires("leader-per-term", "two-leaders", "n3 answered a status request");
    polls = script::poll("n2", 2, "leader");
    check_polls(&polls).none_fires();
    polls = script::poll("n3", 2, "follower");
    check_polls(&polls).none_fires();
}

fn check_polls(polls: &str) -> Verdicts {
    script::check_with(CLEAN, &[("status.jsonl", polls)])
}

#[test]
fn polls_alone_show_two_leaders() {
    let polls = script::poll("n1", 7, "leader") + &script::poll("n2", 7, "leader");
    let verdicts = script::check_with("", &[("status.jsonl", &polls)]);
    verdicts.fires_only("leader-per-term", "two-leaders", "In term 7");
    assert_eq!(verdicts.summary("vote-once"), "no trace");
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
fn a_vote_for_a_log_that_is_behind_is_found() {
    with("3 vote 2", "3 vote 2 last 4/1 own 5/1").fires_only(
        "election-restriction",
        "vote-for-old-log",
        "whose log ended at index 4 of term 1; its own ended at index 5 of term 1",
    );
    with("3 vote 2", "3 vote 2 last 9/1 own 4/2").fires_only(
        "election-restriction",
        "vote-for-old-log",
        "index 9 of term 1; its own ended at index 4 of term 2",
    );
    with("3 vote 2", "3 vote 2 last 4/2 own 9/1").none_fires();
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
fn an_entry_that_is_reported_as_matching_and_does_not_is_found() {
    // n1 keeps its entry of term 1 where the leader has one of term 2, and says that they match.
    let kept = "1 truncate 5 from 6/1\n    1 append 5/2..5/2\n    1 durable 5/2\n    1 ack 2 5\n    1 commit 5/2";
    with(kept, "1 ack 2 5").fires(
        "log-matching",
        "unmatched-entry",
        "There n1 has an entry of term 1, and the leader one of term 2.",
    );
}

#[test]
fn entries_that_are_taken_behind_another_one_than_the_leaders_are_found() {
    // n1 keeps its entry of term 1 at index 5 and takes the leader's next one.
    let tail = "1 truncate 5 from 6/1\n    1 append 5/2..5/2\n    1 durable 5/2\n    1 ack 2 5\n    1 commit 5/2";
    let behind = "2 append 6/2..6/2\n    1 truncate 6 from 6/1\n    1 append 6/2..6/2";
    with(tail, behind).fires(
        "log-matching",
        "unmatched-entry",
        "Before them, at index 5, it has an entry of term 1, and the leader one of term 2.",
    );
}

#[test]
fn what_is_reported_as_matching_beyond_the_leaders_log_is_found() {
    with("3 ack 2 5", "3 ack 2 9").fires(
        "log-matching",
        "unmatched-entry",
        "match up to index 9; the log of n2 ended at index 5.",
    );
    // A leader that was killed may have told of it in lines that are missing.
    let killed = "3 ack 2 9\n    2 killed\n    2 boot term 2 vote 2 last 5/2";
    assert_ne!(with("3 ack 2 5", killed).state("log-matching"), CheckState::Broken);
}

#[test]
fn a_follower_that_removes_what_its_leader_has_is_found() {
    and("3 truncate 4 from 5/2").fires(
        "append-entries",
        "needless-truncate",
        "n3 removed its log from index 4 on, where it had an entry of term 1; so has n2, the leader of term 2.",
    );
}

#[test]
fn a_follower_that_commits_its_own_entries_is_found() {
    with("1 term 2", "1 term 2\n    1 commit 5/1").fires(
        "append-entries",
        "commit-beyond-match",
        "n1 committed up to index 5, where it had an entry of term 1. n2, the leader of term 2, has one of term 2",
    );
    // One that keeps it has a log that is not the leader's: that is another rule.
    let kept = "1 truncate 5 from 6/1\n    1 append 5/2..5/2\n    1 durable 5/2\n    1 ack 2 5\n    1 commit 5/2";
    let verdicts = with(kept, "1 ack 2 5\n    1 commit 5/1");
    assert_eq!(verdicts.state("append-entries"), CheckState::Holds);
    assert_eq!(verdicts.state("log-matching"), CheckState::Broken);
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
        "term-lower-at-start",
        "n1 was in term 1 and is in term 0 now",
    );
    and("1 term 0").fires("monotonic", "term-went-back", "and is in term 0 now");
    and("3 commit 3/1").fires("monotonic", "commit-went-back", "had committed up to 4 and now");
    and("1 apply 4..4/1").fires("monotonic", "applied-out-of-order", "applied 4 to 4 when 6");
    and("3 apply 5..5/2").fires("monotonic", "applied-uncommitted", "applied up to 5 having");
}

#[test]
fn a_committed_entry_that_is_replaced_or_removed_is_found() {
    with("2 commit 4/1", "2 commit 4/2").fires(
        "commit-immutable",
        "commit-replaced",
        "At index 4 n1 committed an entry of term 1",
    );
    and("3 truncate 4 from 5/2").fires(
        "commit-immutable",
        "commit-removed",
        "n3 removed its log from index 4 on, having committed up to 4",
    );
}

#[test]
fn a_leader_that_lacks_a_commit_is_found_whichever_is_told_first() {
    with("2 leader 2,3 last 4/1", "2 leader 2,3 last 3/1").fires(
        "leader-completeness",
        "leader-lacks-commit",
        "When n2 was elected leader of term 2, its log ended at index 3",
    );
    with("1 killed", "1 commit 6/1 matched 1:6,2:6,3:0\n1 killed").fires(
        "leader-completeness",
        "leader-lacks-commit",
        "index 6 of term 1 was committed",
    );
    // The deposed leader learns of it when its successor already leads.
    let late = "2 leader 2,3 last 4/1\n1 commit 6/1 matched 1:6,2:6,3:0";
    with("2 leader 2,3 last 4/1", late).fires(
        "leader-completeness",
        "leader-lacks-commit",
        "its log ended at index 4",
    );
    let other = "
        3 term 3
        3 truncate 5 from 5/2
        3 append 5/1..6/1
        3 vote 3
        3 leader 2,3 last 6/1
    ";
    and(other).fires("leader-completeness", "leader-lacks-commit", "had an entry of term 1 there");
}

#[test]
fn commits_against_the_rule_are_found() {
    with("2 commit 5/2 matched 1:0,2:5,3:5", "2 commit 4/1 matched 1:0,2:5,3:5").fires(
        "commit-rule",
        "old-term-committed",
        "n2 committed index 4 of term 1 by counting, as leader of term 2",
    );
    with("2 commit 5/2 matched 1:0,2:5,3:5", "2 commit 5/2 matched 1:0,2:5,3:4").fires_only(
        "commit-rule",
        "minority-commit",
        "with matches n1 0, n2 5, n3 4; voters were n1, n2 and n3",
    );
    with("2 durable 5/2", "2 campaign").fires(
        "commit-rule",
        "undurable-commit",
        "n2 counted itself for index 5 and was durable only up to 4",
    );
    let undurable = CLEAN
        .replace("    3 append 5/2..5/2\n", "")
        .replace("    3 durable 5/2\n", "")
        .replace("    3 ack 2 5\n", "");
    check(&undurable).fires_only(
        "commit-rule",
        "undurable-commit",
        "n2 counted n3 for entries up to index 5 of term 2",
    );
}

#[test]
fn what_is_acknowledged_or_applied_before_it_is_durable_is_found() {
    with("3 durable 5/2", "3 campaign").fires_only(
        "durable-first",
        "not-durable",
        "n3 acknowledged up to index 5 when its log was durable up to 4",
    );
    and("3 append 6/2..6/2\n3 commit 6/2\n3 apply 5..6/2").fires_only(
        "durable-first",
        "not-durable",
        "n3 applied up to index 6 when its log was durable up to 5",
    );
}

/// n3 is started with an empty disk, in place of the n3 before, and gets the log again.
#[test]
fn a_node_that_was_replaced_owes_nothing_and_one_that_was_not_does() {
    let again = "\n3 term 2\n3 append 1/1..5/2\n3 durable 5/2\n3 commit 5/2\n3 apply 1..5/2";
    and(&format!("3 killed\n3 boot joins{again}")).none_fires();
    let lost = and("3 killed\n3 boot");
    lost.fires("boot-equals-disk", "disk-forgot", "its log ended at index 0 of term 0");
    lost.fires("monotonic", "term-lower-at-start", "n3 was in term 2 and is in term 0 now");
    // From then on it has to remember as everybody does.
    let forgot = and(&format!("3 killed\n3 boot joins{again}\n3 killed\n3 boot term 2 last 4/1"));
    forgot.fires("boot-equals-disk", "disk-forgot", "having applied up to 5");
}

#[test]
fn a_disk_that_forgets_is_found() {
    let boot = |line: &str| with("1 boot term 1 vote 1 last 6/1", line);
    let forgot = |line: &str, words: &str| {
        boot(line).fires("boot-equals-disk", "disk-forgot", words);
    };
    forgot("1 boot term 0 last 6/1", "it was in term 0, having been in 1");
    forgot("1 boot term 1 last 6/1", "its vote for n1 in term 1 was gone");
    forgot("1 boot term 1 vote 2 last 6/1", "its vote in term 1 was for n2, not for n1");
    forgot("1 boot term 1 vote 1 last 3/1", "its log ended at index 3 of term 1, having applied");
    forgot("1 boot term 1 vote 1 last 5/1", "having been durable up to index 6");
    and("2 killed\n2 boot term 2 vote 2 last 5/2").fires_only(
        "boot-equals-disk",
        "disk-forgot",
        "its snapshot ended at index 0, having been written up to 5",
    );
}

#[test]
fn a_disk_that_knows_more_than_was_told_is_right() {
    let boot = |line: &str| with("1 boot term 1 vote 1 last 6/1", line).none_fires();
    boot("1 boot term 1 vote 1 last 9/1");
    boot("1 boot term 2 last 6/1");
    // A later leader had cut the log, and the node did not live to tell.
    boot("1 boot term 2 last 5/2");
    boot("1 boot term 2 last 4/1");
    and("2 killed\n2 boot term 2 vote 2 snapshot 5/2").none_fires();
}

#[test]
fn reads_against_the_rule_are_found() {
    with("1 read 1 index 4 confirmed 1,3", "1 read 1 index 4 confirmed 1").fires_only(
        "read-index",
        "read-unconfirmed",
        "served a read at index 4 with round 1 confirmed by n1; voters were n1, n2 and n3",
    );
    with("2 read 0 index 4", "2 read 0 index 5").fires_only(
        "read-index",
        "read-too-early",
        "read at index 5 having applied up to 4",
    );
    with("2 append 5/2..5/2", "2 append 5/2..5/2\n2 read 1 index 4 confirmed 2,3").fires_only(
        "read-index",
        "read-before-commit",
        "n2 in term 2 read at index 4, an entry of an earlier term",
    );
    let back = "1 read 1 index 4 confirmed 1,3\n1 read 2 index 3 confirmed 1,3";
    with("1 read 1 index 4 confirmed 1,3", back).fires_only(
        "read-index",
        "read-went-back",
        "read at 3 in round 2 and at 4 in round 1",
    );
}

/// The deposed leader serves a read with a round that it claims a majority confirmed.
#[test]
fn a_read_that_misses_another_leaders_commit_is_found() {
    let commit = "    2 commit 5/2 matched 1:0,2:5,3:5\n";
    let (begin, serve) = ("    1 begin-read 2 index 4\n", "    1 read 2 index 4 confirmed 1,3\n");
    let story = |lines: String| {
        CLEAN.replacen("    1 killed\n", "", 1).replacen(commit, &(lines + "    1 killed\n"), 1)
    };
    check(&story([commit, begin, serve].concat())).fires_only(
        "read-index",
        "read-missed-commit",
        "n1 in term 1 served a read that began in term 1 at index 4; before it began, n2 had told that \
         5/2 is committed",
    );
    // Whatever is committed after it began may be missing.
    check(&story([begin, commit, serve].concat())).none_fires();
}

/// Found by the simulator, seed 289.
#[test]
fn a_read_that_the_old_leader_confirmed_may_be_told_by_the_new_one() {
    let late = CLEAN
        .replacen("    2 read 0 index 4\n", "", 1)
        .replacen("    2 apply 1..4/1\n", "    2 apply 1..3/1\n", 1)
        .replacen(
            "    2 append 5/2..5/2\n",
            "    2 append 5/2..5/2\n    2 apply 4..4/1\n    2 read 0 index 4\n",
            1,
        );
    assert!(late.contains("2 apply 4..4/1\n    2 read 0 index 4"), "{late}");
    check(&late).none_fires();
}

#[test]
fn a_read_of_an_earlier_reign_may_be_told_in_the_next() {
    let again = "
        2 stepdown
        2 term 3
        2 vote 2
        2 campaign
        3 term 3
        3 vote 2
        2 leader 2,3 last 5/2
        2 read 9 index 5 confirmed 2,3
    ";
    and(again).none_fires();
}

#[test]
fn a_leader_that_does_not_only_append_is_found() {
    and("2 truncate 5 from 5/2").fires("leader-append-only", "leader-truncates", "n2 removed its");
    and("2 append 5/2..6/2").fires_only(
        "leader-append-only",
        "leader-overwrites",
        "n2 wrote index 5 when its log ended at 5, as leader of term 2",
    );
    and("2 append 6/1..6/1").fires_only(
        "leader-append-only",
        "foreign-term",
        "n2 appended entries of terms 1 to 1",
    );
}

#[test]
fn snapshots_that_go_back_or_come_too_late_are_found() {
    with("2 snapshot 5/2", "2 snapshot 6/2").fires_only(
        "snapshot",
        "snapshot-ahead",
        "n2 wrote a snapshot up to index 6 having applied 5",
    );
    with("2 purge 5", "2 purge 6").fires_only(
        "snapshot",
        "purged-too-early",
        "n2 dropped its log up to 6, its snapshot covering 5",
    );
    and("2 install 4/1").fires_only(
        "snapshot",
        "snapshot-went-back",
        "n2 installed a snapshot up to index 4 having applied 5",
    );
    with("2 snapshot 5/2", "2 snapshot 5/2 state 3").fires_only(
        "state-machine-safety",
        "state-changed",
        "the same log, and states with hashes",
    );
    and("3 install 5/2\n3 append 6/2..6/2\n3 durable 6/2").none_fires();
}

#[test]
fn a_command_that_takes_effect_twice_is_found() {
    with("1 command 4 session 7 sequence 2", "1 command 4 session 7 sequence 2 fresh").fires(
        "exactly-once",
        "applied-twice",
        "Command 2 of session 7 took effect at index 3 (told by n1) and again at index 4",
    );
    with("2 command 3 session 7 sequence 2 fresh", "2 command 3 session 7 sequence 2").fires_only(
        "exactly-once",
        "nodes-disagree",
        "n2 took it for a repetition",
    );
}

/// A write that a later read lacks is lost where no trace has it take effect, and the read is stale where one has.
#[test]
fn traces_tell_a_lost_write_from_a_stale_read() {
    let history = |sequence: u64| {
        let event = |process: u64, kind: &str, f: &str, value: &str, time_ns: u64| {
            let command = match f {
                "write" => format!(",\"command\":[7,{sequence}]"),
                _ => String::new(),
            };
            format!(
                "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value},\
                 \"time_ns\":{time_ns},\"node\":\"n1\"{command}}}\n"
            )
        };
        event(1, "invoke", "write", "5", 90)
            + &event(1, "ok", "write", "5", 91)
            + &event(2, "invoke", "read", "null", 92)
            + &event(2, "ok", "read", "null", 93)
    };
    let applied = script::check_with(CLEAN, &[("history.jsonl", &history(1))]);
    applied.fires("linearizability", "stale-read", "has it take effect, at index");
    let lost = script::check_with(CLEAN, &[("history.jsonl", &history(3))]);
    lost.fires("linearizability", "lost-write", "and no trace has it take effect");
}

#[test]
fn a_command_that_was_acknowledged_and_never_applied_is_found() {
    let write = |sequence: u64| {
        let event = |kind: &str, time_ns: u64| {
            format!(
                r#"{{"process":1,"type":"{kind}","f":"write","key":"k","value":{sequence},"time_ns":{time_ns},"node":"n1","command":[7,{sequence}]}}"#
            )
        };
        format!("{}\n{}\n", event("invoke", 2 * sequence), event("ok", 2 * sequence + 1))
    };
    let history = write(1) + &write(2);
    script::check_with(CLEAN, &[("history.jsonl", &history)]).none_fires();
    let history = history + &write(3);
    let verdicts = script::check_with(CLEAN, &[("history.jsonl", &history)]);
    verdicts.fires_only(
        "exactly-once",
        "acknowledged-not-applied",
        "n1 answered command 3 of session 7 with success",
    );
    assert!(verdicts.evidence("exactly-once")[0].starts_with("history.jsonl:6: {"));
}
