//! Locks that are acquired or released out of turn.

use whitewater_checker::{Options, Verdict};

use super::{judge, lines};

/// The anomaly and the operations of the witness.
fn witness(events: &[&str]) -> (String, Vec<String>) {
    let (analysis, _) = judge(&lines(events), &Options::default()).expect("a good history");
    assert_eq!(analysis.verdict, Verdict::Violation);
    let finding = &analysis.checks[0].findings[0];
    let operations = &finding.witness.as_ref().expect("a witness").operations;
    let text = |one: &whitewater_checker::analysis::WitnessOperation| {
        format!("{} {}", one.process, one.text)
    };
    (finding.anomaly.clone(), operations.iter().map(text).collect())
}

#[test]
fn a_lock_that_is_acquired_twice_names_the_two_acquires() {
    let twice = [
        "0 invoke acquire",
        "0 ok acquire",
        "0 invoke acquire",
        "0 ok acquire",
        "0 invoke release",
        "0 ok release",
        "0 invoke release",
        "0 ok release",
        "1 invoke acquire",
        "1 ok acquire",
    ];
    let acquires = vec!["0 acquire".to_owned(), "0 acquire".to_owned()];
    assert_eq!(witness(&twice), ("double-acquire".to_owned(), acquires));
    // Turns before it change nothing about what is told.
    let before = ["2 invoke acquire", "2 ok acquire", "2 invoke release", "2 ok release"];
    let (anomaly, operations) = witness(&[&before[..], &twice].concat());
    assert_eq!(anomaly, "double-acquire");
    assert!(
        operations.ends_with(&["0 acquire".to_owned(), "0 acquire".to_owned()]),
        "{operations:?}"
    );
}

#[test]
fn a_witness_never_leaves_out_the_acquire_that_makes_a_release_lawful() {
    let released_twice = [
        "0 invoke acquire",
        "0 ok acquire",
        "0 invoke release",
        "0 ok release",
        "0 invoke release",
        "0 ok release",
        "1 invoke acquire",
        "1 ok acquire",
    ];
    let (_, operations) = witness(&released_twice);
    assert_eq!(operations, ["0 acquire", "0 release", "0 release"]);
}
