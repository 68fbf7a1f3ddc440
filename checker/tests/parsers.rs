//! Whatever the bytes, the parsers answer: no panic, no hang, and errors that name their place.

use std::io::Cursor;

use whitewater_checker::generate::Random;
use whitewater_checker::history::{self, export};
use whitewater_checker::options::Format;
use whitewater_checker::{CheckError, Options};

const JSONL: &str = r#"{"process":0,"type":"invoke","f":"cas","key":"k1","value":[1,2],"time_ns":10,"node":"n1"}
{"process":1,"type":"invoke","f":"read","key":"k1","value":null,"time_ns":11,"term":3}
{"process":0,"type":"fail","f":"cas","key":"k1","value":[1,2],"time_ns":12,"saw":{"is":7},"command":[1,2]}
{"process":1,"type":"ok","f":"read","key":"k1","value":"a\u00e9","time_ns":13}
{"process":"nemesis","type":"info","f":"phase","value":{"name":"faults"},"time_ns":14}
"#;
const EDN: &str = "{:process 0, :type :invoke, :f :cas, :value [1 2], :time 5} ; a comment\n\
                   #_ignored {:process 0, :type :ok, :f :cas, :value [1 2], :time 9, :error \"x\\n\"}\n";
const LOG: &str =
    "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\nINFO  jepsen.util - 0\t:info\t:cas\t:timed-out\n";

fn read(bytes: Vec<u8>, format: Option<Format>) -> Result<history::History, CheckError> {
    let options = Options { format, threads: 1, ..Options::default() };
    history::read_from("bytes", Box::new(Cursor::new(bytes)), &options).map(|source| source.history)
}

/// Changes some bytes, in ways that parsers trip over.
fn mutate(text: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() as u64) as usize;
        match random.below(5) {
            0 => bytes[at] = random.below(256) as u8,
            1 => bytes.truncate(at.max(1)),
            2 => bytes.insert(at, b"{}[]\":,\\#\n"[random.below(10) as usize]),
            3 => {
                bytes.remove(at);
                bytes.push(b' ');
            }
            _ => {
                let piece = bytes[at..].to_vec();
                bytes.extend(piece);
            }
        }
    }
    bytes
}

#[test]
fn mutated_histories_never_crash_a_parser() {
    let mut errors = 0;
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        for (text, format) in [(JSONL, Format::Jsonl), (EDN, Format::Edn), (LOG, Format::Log)] {
            let bytes = mutate(text, &mut random);
            for format in [None, Some(format)] {
                match read(bytes.clone(), format) {
                    Err(CheckError::Malformed { line, column, message, .. }) => {
                        errors += 1;
                        assert!(line >= 1 && column >= 1 && !message.is_empty(), "seed {seed}");
                    }
                    Err(CheckError::Disorder { line, after, .. }) => {
                        assert!(line >= 1 && after >= 1)
                    }
                    Err(CheckError::Read { .. }) | Ok(_) => {}
                    Err(other) => panic!("seed {seed}: {other}"),
                }
            }
        }
    }
    assert!(errors > 1000, "most mutations break something: {errors}");
}

#[test]
fn random_bytes_never_crash_a_parser() {
    for seed in 0..2000 {
        let mut random = Random::new(seed);
        let length = random.below(200);
        let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        for format in [None, Some(Format::Jsonl), Some(Format::Edn), Some(Format::Log)] {
            let _ = read(bytes.clone(), format);
        }
    }
}

fn error(text: &str) -> String {
    read(text.as_bytes().to_vec(), None).expect_err("a bad history").to_string()
}

#[test]
fn what_no_client_can_have_recorded_is_refused_with_its_line() {
    let line = |process: u32, kind: &str| {
        format!(
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"read\",\"key\":\"k\",\"value\":null,\"time_ns\":1}}\n"
        )
    };
    let lines = |kinds: &[&str]| kinds.iter().map(|kind| line(3, kind)).collect::<String>();
    assert_eq!(
        error(&lines(&["ok"])),
        "bytes:1:1: process 3 completes an operation it never began"
    );
    let twice = error(&lines(&["invoke", "ok", "ok"]));
    assert!(twice.starts_with("bytes:3:1: process 3 completes its operation twice"), "{twice}");
    let two_open = error(&lines(&["invoke", "invoke"]));
    assert!(two_open.starts_with("bytes:2:1: process 3 begins an operation while"), "{two_open}");
    let after_info = error(&lines(&["invoke", "info", "invoke"]));
    assert!(after_info.starts_with("bytes:3:1: process 3 goes on after"), "{after_info}");
    let other_key = line(3, "invoke") + &line(3, "ok").replace("\"k\"", "\"j\"");
    assert!(
        error(&other_key).contains("completes a read of key \"j\", but began a read of key \"k\"")
    );
    assert!(error("{\"process\":1").starts_with("bytes:1:12: not JSON"));
    assert!(error("garbage").starts_with("bytes:1:1: not JSON"));
}

#[test]
fn an_export_reads_back_as_the_same_history() {
    let text = JSONL.replace("a\\u00e9", "aé");
    let history = read(text.into_bytes(), None).unwrap();
    let mut edn = Vec::new();
    export::edn(&history, &mut edn).unwrap();
    let again = read(edn.clone(), None).unwrap();
    assert_eq!(
        again.operations.len(),
        history.operations.len(),
        "{}",
        String::from_utf8_lossy(&edn)
    );
    for (one, two) in again.operations.iter().zip(&history.operations) {
        assert_eq!(
            (one.process, one.function, one.outcome),
            (two.process, two.function, two.outcome)
        );
        assert_eq!(again.values.json(one.value), history.values.json(two.value));
        assert_eq!(again.values.json(one.second), history.values.json(two.second));
        assert_eq!(again.values.json(one.saw), history.values.json(two.saw));
        assert_eq!(again.key(one.key), history.key(two.key));
    }
}
