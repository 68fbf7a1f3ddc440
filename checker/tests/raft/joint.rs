//! Whom a finding names: the voter set that lacked a majority, and the one node that contradicts itself.

use crate::script::check;

/// One election of three nodes, a commit, and then a joint membership that n1 brings in.
const JOINT: &str = "
    1 boot
    2 boot
    3 boot
    1 term 1
    1 vote 1
    1 campaign
    2 term 1
    2 vote 1
    1 leader 1,2 last 0/0
    1 append 1/1..1/1
    2 append 1/1..1/1
    2 durable 1/1
    2 ack 1 1
    1 durable 1/1
    1 commit 1/1 matched 1:1,2:1,3:0
    1 append 2/1..2/1
    1 config 2 1,4,5 outgoing 1,2,3
    1 durable 2/1
    2 append 2/1..2/1
    2 config 2 1,4,5 outgoing 1,2,3
    2 durable 2/1
    2 ack 1 2
";

#[test]
fn a_commit_names_the_voter_set_that_lacked_it() {
    let with = |line: &str| check(&format!("{JOINT}{line}"));
    with("1 commit 2/1 matched 1:2,2:2,3:0,4:2,5:0").none_fires();
    with("1 commit 2/1 matched 1:2,2:2,3:0,4:0,5:0").fires_only(
        "commit-rule",
        "minority-commit",
        "; of the new voters n1, n4 and n5 only n1.",
    );
    with("1 commit 2/1 matched 1:2,2:1,3:0,4:2,5:0").fires_only(
        "commit-rule",
        "minority-commit",
        "; of the old voters n1, n2 and n3 only n1.",
    );
}

#[test]
fn an_election_names_the_voter_set_that_lacked_it() {
    let lead = |votes: &str| {
        let line = format!("4 boot\n2 term 2\n2 vote 2\n2 campaign\n2 leader {votes} last 2/1");
        check(&format!("{JOINT}{line}"))
    };
    // n1 and n4 did not tell of such a vote, which is another check's finding.
    lead("2,3,4").fires(
        "election-quorum",
        "minority-leader",
        "; of the new voters n1, n4 and n5 only n4. Another candidate",
    );
    lead("2,4,5").fires(
        "election-quorum",
        "minority-leader",
        "; of the old voters n1, n2 and n3 only n2. Another candidate",
    );
}

#[test]
fn a_node_that_contradicts_itself_is_not_called_two_nodes() {
    let again = |boot: &str| check(&format!("{JOINT}2 killed\n{boot}"));
    again("2 boot term 1 vote 1 last 2/1").none_fires();
    again("2 boot term 1 vote 1 last 2/1 chain 7").fires(
        "log-matching",
        "logs-diverge",
        "on n1 and chain",
    );
    let one = JOINT.replace("    1 append 2/1..2/1\n", "").replace("    1 durable 2/1\n", "");
    let restarted = check(&format!("{one}2 killed\n2 boot term 1 vote 1 last 2/1 chain 7"));
    restarted.fires("log-matching", "log-changed", "before a restart, and after it, the chain was");
    let running = check(&format!("{one}2 durable 2/1 chain 7"));
    running.fires("log-matching", "log-changed", "first, and later, without a restart between,");
    let applied =
        "2 commit 1/1\n2 apply 1..1/1\n2 killed\n2 boot term 1 vote 1 last 2/1\n2 commit 1/1\n";
    let twice = |apply: &str| check(&format!("{JOINT}{applied}{apply}"));
    twice("2 apply 1..1/1").none_fires();
    twice("2 apply 1..1/1 state 9").fires_only(
        "state-machine-safety",
        "state-changed",
        "Of what n2 had after applying index 1 it told, before a restart and after it: the same log",
    );
}
