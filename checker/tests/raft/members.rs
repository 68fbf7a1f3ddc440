//! Who may be voted for, and who the members are.

use whitewater_checker::analysis::CheckState;

use crate::script::check;

/// A leader brings in a fourth node; everyone commits that.
const MEMBERS: &str = "
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
    1 append 1/1..2/1
    1 config 2 1,2,3,4 outgoing 1,2,3
    2 append 1/1..2/1
    2 config 2 1,2,3,4 outgoing 1,2,3
    2 durable 2/1
    2 ack 1 2
    1 durable 2/1
    3 append 1/1..2/1
    3 config 2 1,2,3,4 outgoing 1,2,3
    3 durable 2/1
    3 ack 1 2
    1 commit 2/1 matched 1:2,2:2,3:2,4:0
    1 append 3/1..3/1
    1 config 3 1,2,3,4
    1 durable 3/1
    2 append 3/1..3/1
    2 config 3 1,2,3,4
    2 durable 3/1
    2 ack 1 3
    2 commit 2/1
    3 append 3/1..3/1
    3 config 3 1,2,3,4
    3 durable 3/1
    3 ack 1 3
    1 commit 3/1 matched 1:3,2:3,3:3,4:0
    2 commit 3/1
    3 commit 3/1
";

const AGREE: &str = "members-agree";

#[test]
fn members_that_differ_at_a_committed_index_are_found() {
    let clean = check(MEMBERS);
    clean.none_fires();
    assert_eq!(clean.state(AGREE), CheckState::Holds);
    let with = |line: &str, other: &str| {
        let changed = MEMBERS.replacen(&format!("    {line}\n"), &format!("    {other}\n"), 1);
        assert_ne!(changed, MEMBERS);
        check(&changed)
    };
    with("3 config 3 1,2,3,4", "3 config 3 1,2,3").fires_only(
        AGREE,
        "members-differ",
        "At index 3, which is committed, the voters are n1, n2, n3 and n4 for n1 and n1, n2 and n3 for n3.",
    );
    // A node that did not learn of the change at all.
    with("3 config 3 1,2,3,4", "3 campaign").fires_only(AGREE, "members-differ", "At index 3");
}

#[test]
fn members_that_a_snapshot_or_a_disk_brings_are_compared_too() {
    let and = |lines: &str| check(&format!("{MEMBERS}{lines}"));
    let start = "4 boot joins\n4 term 1\n4 install 3/1\n";
    and(&format!("{start}4 config 3 1,2,3,4\n4 append 4/1..4/1\n4 durable 4/1\n1 append 4/1..4/1\n1 durable 4/1\n1 commit 4/1 matched 1:4,2:4,3:3,4:4\n2 append 4/1..4/1\n2 durable 4/1\n4 commit 4/1"))
        .none_fires();
    let tail = "1 append 4/1..4/1\n2 append 4/1..4/1\n2 durable 4/1\n4 append 4/1..4/1\n4 durable 4/1\n1 durable 4/1\n1 commit 4/1 matched 1:4,2:4,3:3,4:4\n4 commit 4/1";
    and(&format!("{start}4 config 3 1,2,4\n{tail}")).fires_only(
        AGREE,
        "members-differ",
        "for n1 and n1, n2 and n4 for n4",
    );
    // The words of a snapshot's members may come before or after those of its state.
    let before = start.replace("4 install 3/1\n", "4 config 3 1,2,3,4\n4 install 3/1\n");
    and(&format!("{before}{tail}")).none_fires();
    and("3 killed\n3 boot term 1 vote 1 last 3/1 voters 1,2,3\n3 commit 3/1").fires_only(
        AGREE,
        "members-differ",
        "for n1 and n1, n2 and n3 for n3",
    );
}

/// What was never committed may differ: a later leader's entry took the place of the change.
#[test]
fn members_that_were_never_committed_are_not_compared() {
    let undone = "
        1 append 4/1..4/1
        1 config 4 1,2,3
        1 durable 4/1
        2 term 2
        2 vote 2
        2 campaign
        3 term 2
        3 vote 2
        4 boot joins
        2 leader 2,3,4 last 3/1
        2 append 4/2..4/2
        2 durable 4/2
        3 append 4/2..4/2
        3 durable 4/2
        3 ack 2 4
        1 term 2
        1 truncate 4 from 4/1
        1 config 3 1,2,3,4
        1 append 4/2..4/2
        1 durable 4/2
        1 ack 2 4
        2 commit 4/2 matched 1:4,2:4,3:4,4:0
        1 commit 4/2
    ";
    let verdicts = check(&format!("{MEMBERS}{undone}"));
    assert_eq!(verdicts.state(AGREE), CheckState::Holds, "{verdicts}");
}

const VOTES: &str = "vote-for-candidate";

#[test]
fn a_vote_for_a_node_that_did_not_campaign_is_found() {
    let and = |lines: &str| check(&format!("{MEMBERS}{lines}"));
    assert_eq!(and("").state(VOTES), CheckState::Holds);
    let vote = "3 term 2\n3 vote 2\n";
    and(&format!("{vote}2 term 3")).fires_only(
        VOTES,
        "vote-without-campaign",
        "n3 voted for n2 in term 2; the trace of n2 goes past that and has no campaign in that term",
    );
    // It is still in an earlier term, and told something after the vote.
    and(&format!("{vote}2 append 4/1..4/1")).fires_only(VOTES, "vote-without-campaign", "n3 voted");
    and(&format!("{vote}2 term 2\n2 vote 2\n2 campaign")).none_fires();
}

/// The candidate's last lines may be missing: it tells nothing more, or was started in that term.
#[test]
fn a_vote_for_a_node_whose_trace_is_not_whole_is_not_judged() {
    let and = |lines: &str| check(&format!("{MEMBERS}{lines}"));
    let vote = "3 term 2\n3 vote 2\n";
    and(vote).none_fires();
    and(&format!("{vote}2 killed\n2 boot term 2 vote 2 last 3/1 voters 1,2,3,4\n2 term 3"))
        .none_fires();
    and("3 term 2\n3 vote 5").none_fires();
}
