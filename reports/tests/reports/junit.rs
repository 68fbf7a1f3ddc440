//! junit.xml by the rules that two schemas share: Ant's JUnit.xsd, and the Jenkins xunit plugin's
//! junit-10.xsd. Elements, their order, their attributes and what must be there.

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
        if !tag.ends_with('/') {
            open.push((rule, 0, 0));
        }
    }
    if open.is_empty() { Ok(()) } else { Err("never closed".to_owned()) }
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
