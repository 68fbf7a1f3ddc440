//! A run in memory is judged as its folder is.

use whitewater_checker::observation::StatusPoll;
use whitewater_checker::{Options, Recorded, Verdict, check_recorded};

use crate::script;

const TWO_LEADERS: &str = "
    1 boot
    2 boot
    1 term 1
    1 vote 1
    2 term 1
    2 vote 2
    1 leader 1,3 last 0/0
    2 leader 2,3 last 0/0
";

#[test]
fn evidence_names_the_lines_that_a_folder_would_hold() {
    let trace = script::records(TWO_LEADERS);
    let status = [StatusPoll { node: "n2".into(), time_ns: 9_000, term: 1, ..Default::default() }];
    let recorded = Recorded { trace: &trace, status: &status, ..Recorded::default() };
    let analysis = check_recorded(&recorded, &Options::default()).unwrap();
    assert_eq!(analysis.verdict, Verdict::Violation);
    let check = analysis.checks.iter().find(|check| check.name == "leader-per-term").unwrap();
    let evidence = &check.findings[0].evidence;
    assert!(evidence[0].starts_with(r#"trace/n1.jsonl:4: {"node":1,"boot":1,"seq":4,"#));
    assert!(evidence[1].starts_with(r#"trace/n2.jsonl:4: {"node":2,"boot":1,"seq":4,"#));

    let folder = script::check(TWO_LEADERS);
    assert_eq!(folder.evidence("leader-per-term"), evidence);
}

#[test]
fn a_poll_is_evidence_too() {
    let leader = |node: &str| StatusPoll {
        node: node.into(),
        role: "leader".into(),
        term: 3,
        ..StatusPoll::default()
    };
    let status = [leader("n1"), leader("n4")];
    let recorded = Recorded { status: &status, ..Recorded::default() };
    let analysis = check_recorded(&recorded, &Options::default()).unwrap();
    let check = analysis.checks.iter().find(|check| check.name == "leader-per-term").unwrap();
    assert!(check.findings[0].evidence[1].starts_with(r#"status.jsonl:2: {"node":"n4""#));
    assert_eq!(check.findings[0].nodes, ["n1", "n4"]);
}
