//! junit.xml by the rules that two schemas share: Ant's JUnit.xsd (<https://github.com/windyroad/JUnit-Schema>) and the
//! Jenkins xunit plugin's junit-10.xsd (<https://github.com/jenkinsci/xunit-plugin>, below
//! `src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd`). Elements, their order, their attributes, what must be
//! there, and the types of values. To hold a file against the schemas themselves: `xmllint --schema JUnit.xsd junit.xml`.

use whitewater_checker::objectives::{NotMeasured, Outcomes, Seen};

use crate::sample::{SHAPES, Shape};
use crate::{OPERATIONS, Reported};

/// An element: which children it may have, in this order, and its attributes.
struct Rule {
    name: &'static str,
    children: &'static [&'static str],
    /// All of them required, except where an element is named in [`OPTIONAL`].
    attributes: &'static [&'static str],
}

const fn rule(
    name: &'static str,
    children: &'static [&'static str],
    attributes: &'static [&'static str],
) -> Rule {
    Rule { name, children, attributes }
}

const RULES: [Rule; 10] = [
    rule("testsuites", &["testsuite"], &[]),
    rule(
        "testsuite",
        &["properties", "testcase", "system-out", "system-err"],
        &[
            "id",
            "package",
            "name",
            "timestamp",
            "hostname",
            "tests",
            "failures",
            "errors",
            "skipped",
            "time",
        ],
    ),
    rule("properties", &["property"], &[]),
    rule("property", &[], &["name", "value"]),
    rule("testcase", &["skipped", "error", "failure"], &["name", "classname", "time"]),
    rule("skipped", &[], &["message"]),
    rule("error", &[], &["type", "message"]),
    rule("failure", &[], &["type", "message"]),
    rule("system-out", &[], &[]),
    rule("system-err", &[], &[]),
];

/// Checks a document; the error says what is wrong.
fn validate(xml: &str) -> Result<(), String> {
    let text = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").ok_or("no head")?;
    let mut open: Vec<(&Rule, usize, usize)> = Vec::new();
    for piece in text.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').ok_or("a tag without an end")?;
        if let Some(name) = tag.strip_prefix('/') {
            let (rule, ..) = open.pop().ok_or("an end too many")?;
            if rule.name != name {
                return Err(format!("</{name}> closes <{}>", rule.name));
            }
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        let rule = RULES.iter().find(|rule| rule.name == name);
        let rule = rule.ok_or(format!("<{name}> is no element"))?;
        if let Some((parent, place, count)) = open.last_mut() {
            let at = parent.children.iter().position(|child| *child == name);
            let at = at.ok_or(format!("<{name}> in <{}>", parent.name))?;
            if at < *place {
                return Err(format!("<{name}> too late in <{}>", parent.name));
            }
            (*place, *count) = (at, *count + 1);
            if parent.name == "testcase" && *count > 1 {
                return Err("a case with two ends".to_owned());
            }
        }
        let found: Vec<&str> =
            tag.split("=\"").filter_map(|part| part.rsplit([' ', '"']).next()).collect();
        let found = &found[..found.len() - 1];
        if found != rule.attributes {
            return Err(format!("<{name}> has {found:?}, wanted {:?}", rule.attributes));
        }
        values(name, tag)?;
        if !tag.ends_with('/') {
            open.push((rule, 0, 0));
        }
    }
    if open.is_empty() { Ok(()) } else { Err("never closed".to_owned()) }
}

/// The types of attributes: whole and decimal numbers, a time without a zone, names that are not empty.
fn values(element: &str, tag: &str) -> Result<(), String> {
    for name in
        ["id", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "name"]
    {
        let Some((_, rest)) = tag.split_once(&format!(" {name}=\"")) else { continue };
        let value = rest.split('"').next().unwrap_or_default();
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_right = match name {
            "time" => value.split('.').count() <= 2 && value.split('.').all(digits),
            "timestamp" => {
                let shape: String =
                    value.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
                shape == "0000-00-00T00:00:00"
            }
            // A token loses the spaces around it; then something must be left.
            "hostname" | "name" => !value.trim().is_empty(),
            _ => digits(value),
        };
        if !is_right {
            return Err(format!("<{element}> has {name}=\"{value}\""));
        }
    }
    Ok(())
}

fn attribute(xml: &str, name: &str) -> usize {
    let suite = xml.split("<testsuite ").nth(1).unwrap();
    suite.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
}

#[test]
fn every_shape_passes_both_schemas() {
    for (shape, name) in SHAPES {
        let xml = Reported::new(shape, OPERATIONS).read("junit.xml");
        validate(&xml).unwrap_or_else(|error| panic!("{name}: {error}\n{xml}"));
        for (count, element) in [
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ] {
            let found = xml.matches(&format!("<{element} ")).count();
            assert_eq!(attribute(&xml, count), found, "{name}: {count}");
        }
        assert!(xml.contains("<property name=\"seed\" value=\"1592622906\"/>"), "{name}");
        assert!(xml.contains("timestamp=\"2026-11-24T06:40:00\""), "{name}");
    }
}

#[test]
fn what_a_schema_forbids_is_seen() {
    let xml = Reported::new(Shape::StaleRead, OPERATIONS).read("junit.xml");
    let broken = [
        ("<testsuites>", "<testsuites name=\"x\">"),
        (" errors=\"0\" skipped", " disabled=\"0\" errors=\"0\" skipped"),
        ("<properties>", "<system-out></system-out><properties>"),
        (" hostname=\"bench-7\"", ""),
        ("</failure>", "</failure><skipped message=\"\"></skipped>"),
        ("<failure type=\"stale-read\"", "<failure"),
        ("<testcase ", "<testcase status=\"x\" "),
        (" hostname=\"bench-7\"", " hostname=\"\""),
        ("06:40:00\"", "06:40:00Z\""),
        (" skipped=\"", " skipped=\"-"),
        (" time=\"0\"", " time=\"1,000\""),
    ];
    for (from, to) in broken {
        assert!(xml.contains(from), "{from} in {xml}");
        assert!(validate(&xml.replacen(from, to, 1)).is_err(), "{to} was not seen");
    }
}

#[test]
fn failing_checks_come_first() {
    let reported = Reported::new(Shape::Panic, OPERATIONS);
    let cases = reported.read("junit.xml");
    assert!(cases.split("<testcase ").nth(1).unwrap().contains("<failure"), "{cases}");
    let table = reported.read("summary.md");
    let rows = table.split("|---|---|---|\n").nth(1).unwrap();
    assert!(rows.starts_with("| ✕ | no crash or panic"), "{rows}");
}

#[test]
fn an_objective_is_a_case_of_its_own_and_fails_where_it_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = crate::sample::write_run(folder.path(), Shape::Pass, OPERATIONS);
    let seen = |objective: &str, seen: &str| Seen {
        objective: objective.to_owned(),
        seen: seen.to_owned(),
    };
    record.objectives = Outcomes {
        objectives_met: vec![seen("p99<1s", "61.2ms")],
        objectives_missed: vec![seen("served>=99%", "97.1%")],
        objectives_not_measured: vec![NotMeasured {
            objective: "failover_p95<3s".to_owned(),
            why: "no leader was lost and replaced".to_owned(),
        }],
    };
    std::fs::write(folder.path().join("run.json"), serde_json::to_vec(&record).unwrap()).unwrap();
    whitewater_reports::write_all(folder.path()).unwrap();
    let xml = crate::read(&folder.path().join("junit.xml"));
    validate(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    let first = xml.split("<testcase ").nth(1).unwrap();
    assert!(first.starts_with("name=\"objective served&gt;=99%\""), "{first}");
    assert!(first.contains("<failure type=\"objective-missed\""), "{first}");
    assert!(first.contains("seen 97.1%"), "{first}");
    assert_eq!(attribute(&xml, "failures"), 1);
    let case = |name: &str| xml.split("<testcase ").find(|it| it.contains(name)).unwrap();
    assert!(case("failover_p95").contains("<skipped"), "{xml}");
    assert!(!case("p99&lt;1s").contains("<skipped") && !case("p99&lt;1s").contains("<failure"));
}
