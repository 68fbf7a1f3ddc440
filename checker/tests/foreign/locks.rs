//! Locks that are acquired or released out of turn.

use whitewater_checker::object::{ModelKind, mutex, owned_mutex, semaphore};
use whitewater_checker::{Options, Verdict};

use super::{judge, lines, refusal, verdict};

/// The anomaly and the operations of the witness.
fn witness(events: &[&str]) -> (String, Vec<String>) {
    let (anomaly, operations, _) = told(events, &Options::default());
    (anomaly, operations)
}

/// The same, and the explanation.
fn told(events: &[&str], options: &Options) -> (String, Vec<String>, String) {
    let (analysis, _) = judge(&lines(events), options).expect("a good history");
    assert_eq!(analysis.verdict, Verdict::Violation);
    let finding = &analysis.checks[0].findings[0];
    let operations = &finding.witness.as_ref().expect("a witness").operations;
    let text = |one: &whitewater_checker::analysis::WitnessOperation| {
        format!("{} {}", one.process, one.text)
    };
    let explanation = finding.explanation.clone();
    (finding.anomaly.clone(), operations.iter().map(text).collect(), explanation)
}

fn asked(model: ModelKind) -> Options {
    Options { model: Some(model), ..Options::default() }
}

/// Acquires and releases, each granted before the next is asked for: `0 acquire`.
fn turns(turns: &[&str]) -> Vec<String> {
    let events = turns.iter().flat_map(|turn| {
        let (process, f) = turn.split_once(' ').expect("a process and a function");
        [format!("{process} invoke {f}"), format!("{process} ok {f}")]
    });
    events.collect()
}

fn of(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

#[test]
fn each_kind_of_lock_has_its_own_rule() {
    use Verdict::{Pass, Violation};
    // Mutex, owner-aware, reentrant, semaphores of 1, 2 and 3 permits.
    let models = [
        mutex::KIND,
        owned_mutex::OWNER_AWARE,
        owned_mutex::REENTRANT,
        semaphore::of(1),
        semaphore::of(2),
        semaphore::of(3),
    ];
    let table: [(&[&str], [Verdict; 6]); 8] = [
        (&["0 acquire", "0 release", "1 acquire", "1 release"], [Pass; 6]),
        (&["0 acquire", "1 release"], [Pass, Violation, Violation, Pass, Pass, Pass]),
        (
            &["0 acquire", "0 acquire", "0 release", "0 release"],
            [Violation, Violation, Pass, Violation, Pass, Pass],
        ),
        (
            &["0 acquire", "0 acquire", "0 release", "1 acquire"],
            [Violation, Violation, Violation, Violation, Pass, Pass],
        ),
        (&["0 acquire", "1 acquire"], [Violation, Violation, Violation, Violation, Pass, Pass]),
        (
            &["0 acquire", "1 acquire", "2 acquire"],
            [Violation, Violation, Violation, Violation, Violation, Pass],
        ),
        (
            &["0 acquire", "1 acquire", "0 release", "2 acquire"],
            [Violation, Violation, Violation, Violation, Pass, Pass],
        ),
        (&["0 acquire", "0 release", "0 release"], [Violation; 6]),
    ];
    for (events, known) in table {
        for (model, known) in models.into_iter().zip(known) {
            let found = verdict(&lines(&of(&turns(events))), &asked(model));
            assert_eq!(found, known, "{model}: {events:?}");
        }
    }
}

#[test]
fn a_release_by_another_names_who_holds_the_lock() {
    let events = turns(&["0 acquire", "0 release", "1 acquire", "0 release", "1 release"]);
    for model in [owned_mutex::OWNER_AWARE, owned_mutex::REENTRANT] {
        let (anomaly, operations, explanation) = told(&of(&events), &asked(model));
        assert_eq!(anomaly, "unheld-release");
        assert_eq!(operations, ["0 acquire", "0 release", "1 acquire", "0 release"]);
        assert_eq!(
            explanation,
            "Client 0’s “release” (D) was granted, and what client 0 had acquired with “acquire” (A) it had given back \
             with “release” (B). Client 1 held it, by “acquire” (C)."
        );
    }
    let events = turns(&["1 release"]);
    let (anomaly, _, explanation) = told(&of(&events), &asked(owned_mutex::OWNER_AWARE));
    assert_eq!(anomaly, "unheld-release");
    assert_eq!(
        explanation,
        "Client 1’s “release” (A) was granted, and client 1 had never acquired it."
    );
}

#[test]
fn what_is_acquired_twice_has_to_be_released_twice() {
    let events = turns(&["0 acquire", "0 acquire", "0 release", "1 acquire"]);
    let (anomaly, operations, explanation) = told(&of(&events), &asked(owned_mutex::REENTRANT));
    assert_eq!(anomaly, "double-acquire");
    assert_eq!(operations, ["0 acquire", "0 acquire", "0 release", "1 acquire"]);
    assert_eq!(
        explanation,
        "Client 0’s “acquire” (A) was granted, and so was client 1’s “acquire” (D), and client 0 had not given back what \
         it had with (A): its “release” (C) gave back “acquire” (B)."
    );
}

#[test]
fn a_release_whose_outcome_nobody_knows_may_have_been() {
    let mut events = turns(&["0 acquire"]);
    events.extend(["0 invoke release".to_owned(), "0 info release".to_owned()]);
    events.extend(turns(&["1 acquire"]));
    for model in ModelKind::all().filter(|model| model.plural().contains("mutex")) {
        assert_eq!(verdict(&lines(&of(&events)), &asked(model)), Verdict::Pass, "{model}");
    }
    // One that failed has not, and an acquire that failed took nothing.
    let failed = lines(&of(&events)).replace("info", "fail");
    assert_eq!(verdict(&failed, &asked(owned_mutex::OWNER_AWARE)), Verdict::Violation);
}

#[test]
fn a_semaphore_names_all_who_have_a_permit() {
    let events = turns(&["0 acquire", "0 release", "1 acquire", "2 acquire", "3 acquire"]);
    let (anomaly, operations, explanation) = told(&of(&events), &asked(semaphore::of(2)));
    assert_eq!(anomaly, "too-many-permits");
    assert_eq!(operations, ["1 acquire", "2 acquire", "3 acquire"]);
    assert_eq!(
        explanation,
        "Client 1’s “acquire” (A), client 2’s “acquire” (B) and client 3’s “acquire” (C) were granted, of 2 in all, and \
         nothing can have given a permit back between them."
    );
    let events = turns(&["0 acquire", "1 release", "2 release"]);
    let (anomaly, operations, explanation) = told(&of(&events), &asked(semaphore::of(2)));
    assert_eq!(anomaly, "unheld-release");
    assert_eq!(operations, ["0 acquire", "1 release", "2 release"]);
    assert!(explanation.contains("only client 0’s “acquire” (A) can have taken one before"));
}

#[test]
fn a_lock_that_is_acquired_again_says_which_model_it_keeps() {
    let again = turns(&["0 acquire", "0 acquire", "0 release", "0 release"]);
    let (_, report) = judge(&lines(&of(&again)), &Options::default()).unwrap();
    assert!(report.notes[0].ends_with("say --model reentrant-mutex"), "{:?}", report.notes);
    let two = turns(&["0 acquire", "1 acquire"]);
    let (_, report) = judge(&lines(&of(&two)), &Options::default()).unwrap();
    assert!(report.notes.is_empty());
}

#[test]
fn models_are_named_as_they_are_told_of() {
    for model in ModelKind::all() {
        assert_eq!(model.to_string().parse(), Ok(model));
    }
    for (word, wanted) in [
        ("semaphore", "semaphore=N"),
        ("semaphore=0", "semaphore=N"),
        ("semaphore=two", "semaphore=N"),
        ("lock", "known are register, append"),
    ] {
        let error = word.parse::<ModelKind>().unwrap_err();
        assert!(error.contains(wanted), "{word}: {error}");
    }
    let held = "{\"process\":\"init\",\"type\":\"ok\",\"f\":\"init\",\"key\":\"k\",\"value\":1}\n";
    let text = held.to_owned() + &lines(&of(&turns(&["0 acquire"])));
    let error = refusal(&text, &asked(owned_mutex::OWNER_AWARE));
    assert!(error.contains("an owner-aware-mutex begins as free"), "{error}");
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

/// Two locks in one history stay two when it is exported and read again, though nobody reads them.
#[test]
fn keys_of_objects_without_reads_survive_an_export() {
    let of_key = |key: &str, at: usize| {
        let text = lines(&[&format!("{at} invoke acquire"), &format!("{at} ok acquire")]);
        text.replace("\"k\"", &format!("\"{key}\"")).replace("_ns\":", &format!("_ns\":{at}"))
    };
    let text = of_key("a", 1) + &of_key("b", 2);
    assert_eq!(verdict(&text, &Options::default()), Verdict::Pass);
    let input = Box::new(std::io::Cursor::new(text.into_bytes()));
    let history =
        whitewater_checker::history::read_from("file", input, &Options::default()).unwrap().history;
    let mut edn = Vec::new();
    whitewater_checker::history::export::edn(&history, &mut edn).unwrap();
    let (analysis, report) = judge(&String::from_utf8(edn).unwrap(), &Options::default()).unwrap();
    assert_eq!((analysis.verdict, report.keys), (Verdict::Pass, 2));
}
