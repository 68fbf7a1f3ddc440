//! Golden texts: summary.md, junit.xml, explain.txt and the terminal verdict of every shape.
//!
//! `INSTA_UPDATE=always cargo test -p whitewater-reports` writes them anew; review the difference as
//! code.

use whitewater_checker::statistics::Statistics;
use whitewater_reports::{TerminalStyle, terminal};

use crate::sample::{SHAPES, Shape};
use crate::{OPERATIONS, Reported};

const PLAIN: TerminalStyle = TerminalStyle { color: false, unicode: true, width: 100 };

fn terminal_text(reported: &Reported, style: TerminalStyle) -> String {
    let statistics = Statistics::of_run(&reported.folder).unwrap();
    terminal(&reported.record, &statistics, style)
}

/// The temporary folder's name differs each time.
fn steady(reported: &Reported, text: &str) -> String {
    text.replace(&reported.root.path().display().to_string(), "runs")
}

#[test]
fn texts_of_every_shape() {
    for (shape, name) in SHAPES {
        let reported = Reported::new(shape, OPERATIONS);
        let text = [
            terminal_text(&reported, PLAIN),
            reported.read("summary.md"),
            reported.read("junit.xml"),
        ]
        .join("\n=================\n");
        insta::assert_snapshot!(name, steady(&reported, &text));
    }
}

#[test]
fn explanation_of_a_stale_read() {
    let reported = Reported::new(Shape::StaleRead, OPERATIONS);
    let text = reported.read("witness/explain.txt");
    insta::assert_snapshot!("explain", steady(&reported, &text));
}

#[test]
fn ascii_terminals_get_ascii() {
    let reported = Reported::new(Shape::StaleRead, OPERATIONS);
    let text = terminal_text(&reported, TerminalStyle { unicode: false, width: 80, ..PLAIN });
    assert!(text.is_ascii(), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80 || line.starts_with("  again")), "{text}");
    insta::assert_snapshot!("ascii", text);
}

#[test]
fn colour_is_added_and_nothing_else() {
    let reported = Reported::new(Shape::StaleRead, OPERATIONS);
    let coloured = terminal_text(&reported, TerminalStyle { color: true, ..PLAIN });
    let mut plain = String::new();
    let mut parts = coloured.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').unwrap().1);
    }
    assert_ne!(coloured, plain);
    assert_eq!(plain, terminal_text(&reported, PLAIN));
}

#[test]
fn a_pass_leaves_no_explanation() {
    let reported = Reported::new(Shape::Pass, OPERATIONS);
    assert!(!reported.folder.join("witness/explain.txt").exists());
}

/// The columns of each bar in the picture's rows of clients.
fn bars(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line: Vec<char> = line.chars().collect();
        if line.get(2) != Some(&'c') || !line.get(3).is_some_and(char::is_ascii_digit) {
            continue;
        }
        let mut open = None;
        for (at, c) in line.iter().enumerate() {
            match c {
                '[' => open = Some(at),
                ']' => found.extend(open.take().map(|from| (from, at))),
                _ => {}
            }
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn what_ended_before_another_began_stands_before_it() {
    let reported = Reported::new(Shape::StaleRead, OPERATIONS);
    for width in [40, 60, 80, 100, 200] {
        let text = terminal_text(&reported, TerminalStyle { width, ..PLAIN });
        // All four operations come one after the other, the last two within 14 ms and 4 ms.
        let bars = bars(&text);
        assert_eq!(bars.len(), 4, "{text}");
        assert!(bars.windows(2).all(|pair| pair[0].1 < pair[1].0), "{text}");
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (shape, name) in SHAPES {
        let reported = Reported::new(shape, OPERATIONS);
        for width in [40, 60, 80, 100, 200] {
            for unicode in [true, false] {
                let text = terminal_text(&reported, TerminalStyle { unicode, width, ..PLAIN });
                for line in text.lines() {
                    let length = line.chars().count();
                    assert!(length <= width, "{name} at {width}: {length} columns: {line}");
                }
                assert!(unicode || text.is_ascii(), "{name}: {text}");
            }
        }
    }
}
