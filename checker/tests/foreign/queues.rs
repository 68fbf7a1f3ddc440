//! Queues without an order, and drains.

use whitewater_checker::object::{ModelKind, mutex, queue, unordered_queue};
use whitewater_checker::{Options, Verdict};

use super::{judge, lines, refusal, verdict};

fn asked(model: ModelKind) -> Options {
    Options { model: Some(model), ..Options::default() }
}

/// Anomaly, explanation, and `process text` of the operations that are the proof.
fn told(text: &str, model: ModelKind) -> (String, String, Vec<String>) {
    let (analysis, _) = judge(text, &asked(model)).expect("a good history");
    assert_eq!(analysis.verdict, Verdict::Violation, "{text}");
    let finding = &analysis.checks[0].findings[0];
    let operations = &finding.witness.as_ref().expect("a witness").operations;
    let essential = operations.iter().filter(|operation| operation.essential);
    let texts = essential.map(|one| format!("{} {}", one.process, one.text)).collect();
    (finding.anomaly.clone(), finding.explanation.clone(), texts)
}

/// Enqueues of 1 and 2, one behind the other.
const TWO_IN: [&str; 4] =
    ["0 invoke enqueue 1", "0 ok enqueue 1", "1 invoke enqueue 2", "1 ok enqueue 2"];

fn after_two(events: &[&str]) -> String {
    lines(&[&TWO_IN, events].concat())
}

#[test]
fn a_drain_is_the_dequeues_it_stands_for() {
    let drained = |list: &str| after_two(&["0 invoke drain", &format!("0 ok drain {list}")]);
    let (unordered, ordered) = (asked(unordered_queue::KIND), asked(queue::KIND));
    for (list, in_any_order, in_order) in [
        ("[1,2]", Verdict::Pass, Verdict::Pass),
        ("[2,1]", Verdict::Pass, Verdict::Violation),
        ("[1]", Verdict::Pass, Verdict::Pass),
        ("[2]", Verdict::Pass, Verdict::Violation),
        ("[]", Verdict::Pass, Verdict::Pass),
        ("null", Verdict::Pass, Verdict::Pass),
        ("[1,2,1]", Verdict::Violation, Verdict::Violation),
        ("[3]", Verdict::Violation, Verdict::Violation),
    ] {
        assert_eq!(verdict(&drained(list), &unordered), in_any_order, "{list}");
        assert_eq!(verdict(&drained(list), &ordered), in_order, "{list}");
    }
    // A queue that is drained is taken for one without an order.
    let (_, report) = judge(&drained("[2,1]"), &Options::default()).unwrap();
    assert_eq!(report.model, "unordered-queue");
    assert_eq!(report.operations, 4, "one for each element");
}

#[test]
fn others_may_take_elements_while_a_drain_goes_on() {
    // 1 is drained first, 2 taken by another client meanwhile: at no one moment did the drain take all of [1, 3].
    let text = after_two(&[
        "0 invoke drain",
        "1 invoke dequeue",
        "1 ok dequeue 2",
        "1 invoke enqueue 3",
        "1 ok enqueue 3",
        "0 ok drain [1,3]",
    ]);
    assert_eq!(verdict(&text, &asked(queue::KIND)), Verdict::Pass);
    // The other way round 3 would be taken before 1.
    let text = text.replace("[1,3]", "[3,1]");
    assert_eq!(verdict(&text, &asked(queue::KIND)), Verdict::Violation);
    assert_eq!(verdict(&text, &asked(unordered_queue::KIND)), Verdict::Pass);
}

#[test]
fn a_drain_that_failed_took_nothing_and_one_that_nobody_knows_of_may_have_taken_all() {
    let empty_after = |kind: &str| {
        let end = format!("0 {kind} drain");
        after_two(&["0 invoke drain", &end, "2 invoke dequeue", "2 ok dequeue"])
    };
    for model in [queue::KIND, unordered_queue::KIND] {
        assert_eq!(verdict(&empty_after("info"), &asked(model)), Verdict::Pass, "{model}");
        assert_eq!(verdict(&empty_after("fail"), &asked(model)), Verdict::Violation, "{model}");
        // It may have taken one now and one much later, for two that found the queue empty.
        let twice = empty_after("info")
            + &after_two(&[
                "2 invoke enqueue 3",
                "2 ok enqueue 3",
                "2 invoke dequeue",
                "2 ok dequeue",
            ])
            .lines()
            .skip(TWO_IN.len())
            .map(|line| line.replace("\"time_ns\":", "\"time_ns\":1") + "\n")
            .collect::<String>();
        assert_eq!(verdict(&twice, &asked(model)), Verdict::Pass, "{model}:\n{twice}");
    }
}

#[test]
fn what_a_queue_without_an_order_promises_is_told_with_the_right_elements() {
    let model = unordered_queue::KIND;
    let (anomaly, explanation, operations) = told(
        &after_two(&["2 invoke dequeue", "2 ok dequeue 1", "3 invoke drain", "3 ok drain [2,1]"]),
        model,
    );
    assert_eq!(anomaly, "duplicate-apply");
    assert_eq!(operations, ["0 enqueue 1", "2 dequeue → 1", "3 drain → 1"]);
    assert!(explanation.starts_with("1 was enqueued once, by client 0’s"), "{explanation}");

    let (anomaly, _, operations) = told(&after_two(&["2 invoke dequeue", "2 ok dequeue 7"]), model);
    assert_eq!((anomaly.as_str(), operations.len()), ("never-written", 1));

    let (anomaly, explanation, operations) = told(
        &after_two(&[
            "2 invoke dequeue",
            "2 ok dequeue 1",
            "2 invoke dequeue",
            "2 ok dequeue",
            "2 invoke dequeue",
            "2 ok dequeue 2",
        ]),
        model,
    );
    assert_eq!(anomaly, "not-empty");
    assert_eq!(operations, ["1 enqueue 2", "2 dequeue → empty", "2 dequeue → 2"]);
    assert!(explanation.contains("found the queue empty, with 2 in it"), "{explanation}");
    assert!(explanation.contains("It came out later, by client 2’s"), "{explanation}");

    // The second time it comes out before it goes in a second time.
    let (anomaly, explanation, _) = told(
        &lines(&[
            "0 invoke enqueue 1",
            "0 ok enqueue 1",
            "1 invoke dequeue",
            "1 ok dequeue 1",
            "1 invoke dequeue",
            "1 ok dequeue 1",
            "0 invoke enqueue 1",
            "0 ok enqueue 1",
        ]),
        model,
    );
    assert_eq!(anomaly, "duplicate-apply");
    assert!(explanation.starts_with("1 came out twice: "), "{explanation}");
    assert!(
        explanation.contains("By then it had been put in once, by client 0’s"),
        "{explanation}"
    );
}

#[test]
fn no_single_element_has_to_be_in_all_the_time() {
    // 1 is in until 2 is: the queue is never empty while client 3 looks. Or 2 goes in only while 1 comes out, and
    // then it may come a moment later.
    let (put_in, taken) = ("0 ok enqueue 2", "1 ok dequeue 1");
    let looked = |first, second, third| {
        lines(&[
            "0 invoke enqueue 1",
            "0 ok enqueue 1",
            "3 invoke dequeue",
            "0 invoke enqueue 2",
            first,
            second,
            third,
            "3 ok dequeue",
            "1 invoke dequeue",
            "1 ok dequeue 2",
        ])
    };
    let (anomaly, _, operations) =
        told(&looked(put_in, "1 invoke dequeue", taken), unordered_queue::KIND);
    assert_eq!((anomaly.as_str(), operations.len()), ("not-linearizable", 5));
    let options = asked(unordered_queue::KIND);
    assert_eq!(verdict(&looked("1 invoke dequeue", put_in, taken), &options), Verdict::Pass);
}

#[test]
fn long_queues_without_an_order_need_no_search() {
    let mut events: Vec<String> = Vec::new();
    let client = |number: u64| number % 7;
    for number in 0..3000_u64 {
        events.push(format!("{} invoke enqueue {}", client(number), number / 2));
        events.push(format!("{} ok enqueue {}", client(number), number / 2));
    }
    let taken: Vec<String> =
        (0..3000_u64).map(|number| (number * 7 % 3000 / 2).to_string()).collect();
    events.push("9 invoke drain".to_owned());
    events.push(format!("9 ok drain [{}]", taken.join(",")));
    let refs: Vec<&str> = events.iter().map(String::as_str).collect();
    let (analysis, report) = judge(&lines(&refs), &Options::default()).unwrap();
    assert_eq!(analysis.verdict, Verdict::Pass);
    assert_eq!(report.configurations, 0);
    assert!(report.keys_by_method.contains_key("element-counts"), "{report:?}");
}

#[test]
fn what_a_drain_cannot_have_taken_is_refused_with_line_and_column() {
    let drained = |list: &str| {
        let text = after_two(&["0 invoke drain", &format!("0 ok drain {list}")]);
        refusal(&text, &Options::default())
    };
    let error = drained("5");
    assert!(error.contains("6:48: drain needs a list of the elements it took, not 5"), "{error}");
    let error = drained("[1,null]");
    assert!(error.contains("6:48: drain took null, which is no element: [1,null]"), "{error}");
    let error = refusal(&after_two(&["0 invoke drain", "0 ok drain [1]"]), &asked(mutex::KIND));
    assert!(error.contains("enqueue is no operation of a mutex"), "{error}");
}

#[test]
fn a_queue_that_only_lacks_an_order_says_which_model_it_keeps() {
    let text = after_two(&["2 invoke dequeue", "2 ok dequeue 2"]);
    let (analysis, report) = judge(&text, &Options::default()).unwrap();
    assert_eq!(analysis.verdict, Verdict::Violation);
    assert_eq!(
        report.notes,
        [
            "the operations were taken for those of a queue; as those of an unordered-queue the verdict is pass: say \
          --model unordered-queue"
        ]
    );
    // Who asked for a queue gets no advice, and what no queue explains neither.
    let (_, report) = judge(&text, &asked(queue::KIND)).unwrap();
    assert!(report.notes.is_empty());
    let (_, report) =
        judge(&after_two(&["2 invoke dequeue", "2 ok dequeue 3"]), &Options::default()).unwrap();
    assert!(report.notes.is_empty());
}

#[test]
fn a_drain_is_exported_as_one() {
    let text = after_two(&[
        "0 invoke drain",
        "0 ok drain [2,1]",
        "1 invoke drain",
        "1 ok drain []",
        "2 invoke drain",
        "2 info drain",
    ]);
    let read = |text: String| {
        let input = Box::new(std::io::Cursor::new(text.into_bytes()));
        whitewater_checker::history::read_from("file", input, &Options::default()).unwrap().history
    };
    let history = read(text);
    let mut edn = Vec::new();
    whitewater_checker::history::export::edn(&history, &mut edn).unwrap();
    let edn = String::from_utf8(edn).unwrap();
    assert_eq!(edn.matches(":f :drain").count(), 5, "{edn}");
    assert!(edn.contains(":type :ok, :process 0, :f :drain, :value [\"k\" [2 1]]"), "{edn}");
    assert_eq!(read(edn.clone()).operations.len(), history.operations.len());
    for (model, known) in
        [(queue::KIND, Verdict::Violation), (unordered_queue::KIND, Verdict::Pass)]
    {
        assert_eq!(verdict(&edn, &asked(model)), known);
    }
}
