//! Histories that are linearizable by construction pass; the same ones with a planted violation do not.

use std::io::Cursor;

use whitewater_checker::analysis::Analysis;
use whitewater_checker::generate::{Generate, Plant, generate};
use whitewater_checker::{HistoryReport, Options, Verdict, check_reader};

fn text(settings: Generate) -> (Vec<u8>, bool) {
    let mut text = Vec::new();
    let planted = generate(settings, &mut text).expect("memory takes every write");
    (text, planted)
}

fn check(text: Vec<u8>) -> (Analysis, HistoryReport) {
    check_reader("generated", Box::new(Cursor::new(text)), &Options::default())
        .expect("a generated history is well formed")
}

fn families() -> Vec<Generate> {
    let base = Generate { operations: 600, keys: 3, clients: 6, ..Generate::default() };
    vec![
        base,
        Generate { cas_tells: true, ..base },
        Generate { values: 5, clients: 4, ..base },
        Generate { info_percent: 5, cas_tells: true, ..base },
        Generate { info_percent: 5, ..base },
        Generate { keys: 1, clients: 20, cas_percent: 0, ..base },
        Generate { keys: 100, cas_percent: 40, cas_tells: true, ..base },
    ]
}

#[test]
fn constructed_histories_pass() {
    for (number, family) in families().into_iter().enumerate() {
        for seed in 0..8 {
            let settings = Generate { seed, ..family };
            let (analysis, report) = check(text(settings).0);
            assert_eq!(
                analysis.verdict,
                Verdict::Pass,
                "family {number}: {settings:?}, {report:?}"
            );
            assert_eq!(report.operations, settings.operations);
        }
    }
}

#[test]
fn planted_violations_are_found_with_a_small_witness() {
    let unique = |family: &Generate| family.values == 0;
    for (number, family) in families().into_iter().enumerate().filter(|(_, family)| unique(family))
    {
        for (seed, plant) in (0..8).zip([Plant::StaleRead, Plant::LostWrite].into_iter().cycle()) {
            let settings = Generate { seed, plant, ..family };
            let (text, planted) = text(settings);
            if !planted {
                continue;
            }
            let (analysis, _) = check(text);
            let finding = &analysis.checks[0].findings[0];
            assert_eq!(analysis.verdict, Verdict::Violation, "family {number}: {settings:?}");
            let witness = finding.witness.as_ref().expect("a witness");
            assert!(witness.operations.len() <= 6, "family {number}: {settings:?}: {witness:?}");
            assert!(witness.blocked.is_some() && !witness.slots.is_empty(), "{witness:?}");
            assert!(!finding.explanation.is_empty());
        }
    }
}

#[test]
fn violations_among_few_values_and_in_lists_are_found() {
    let base =
        Generate { operations: 800, keys: 1, clients: 6, cas_tells: true, ..Generate::default() };
    let lists = Generate { appends: true, ..base };
    let few = Generate { values: 5, ..base };
    for seed in 0..8 {
        let (text_of_list, _) = text(Generate { seed, ..lists });
        assert_eq!(check(text_of_list).0.verdict, Verdict::Pass, "seed {seed} of a list");
        for (family, plant) in
            [(few, Plant::StaleRead), (lists, Plant::StaleRead), (lists, Plant::LostWrite)]
        {
            let settings = Generate { seed, plant, ..family };
            let (text, planted) = text(settings);
            assert!(planted, "{settings:?} has no room for it");
            let (analysis, report) = check(text);
            assert_eq!(analysis.verdict, Verdict::Violation, "{settings:?}: {report:?}");
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_history() {
    let settings = Generate { seed: 7, info_percent: 10, ..Generate::default() };
    assert_eq!(text(settings).0, text(settings).0);
    assert_ne!(text(settings).0, text(Generate { seed: 8, ..settings }).0);
}
