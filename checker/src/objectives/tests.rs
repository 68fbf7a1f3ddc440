//! The grammar, and every figure met, missed and not measured.

use super::*;
use crate::statistics::{Availability, Counts, Elections, Failover, Latency, Outage};

const MS: u64 = 1_000_000;

fn read(text: &str) -> Result<Objective, String> {
    text.parse::<Objective>().map_err(|error| error.to_string())
}

#[test]
fn an_objective_is_a_name_a_comparison_and_a_value() {
    let cases = [
        ("failover_p95<3s", Figure::FailoverP95, Comparison::Less, 3e9),
        ("served>=99.95%", Figure::Served, Comparison::GreaterOrEqual, 99.95),
        (" p99 <= 50 ms ", Figure::P99, Comparison::LessOrEqual, 50e6),
        ("longest_outage<1.5m", Figure::LongestOutage, Comparison::Less, 90e9),
        ("p50<250us", Figure::P50, Comparison::Less, 250e3),
        ("operations_ok>1000", Figure::OperationsOk, Comparison::Greater, 1000.0),
    ];
    for (text, figure, comparison, bound) in cases {
        let objective = read(text).unwrap();
        let found = (objective.figure, objective.comparison, objective.bound);
        assert_eq!(found, (figure, comparison, bound), "{text}");
        let json = serde_json::to_string(&objective).unwrap();
        assert_eq!(json, format!("{:?}", text.replace(' ', "")));
        assert_eq!(serde_json::from_str::<Objective>(&json).unwrap(), objective);
    }
}

#[test]
fn what_is_no_objective_is_refused_with_what_is_expected() {
    let cases = [
        ("", "expected NAME OP VALUE"),
        ("failover_p95", "expected NAME OP VALUE"),
        ("p99=5ms", "expected NAME OP VALUE"),
        ("failover_p59<3s", "`failover_p59` is no figure of a run; known are failover_p50, "),
        ("<3s", "`` is no figure"),
        ("p99<", "`` is no time with us, ms, s or m for p99"),
        ("p99<50", "such as p99<50ms"),
        ("p99<50%", "expected time with us, ms, s or m"),
        ("p99<-5ms", "`-5ms` is no time"),
        ("p99<.5ms", "`.5ms` is no time"),
        ("p99<1.2.3ms", "`1.2.3ms` is no time"),
        ("p99<1e3ms", "`1e3ms` is no time"),
        ("p99<<5ms", "`<5ms` is no time"),
        ("served>=0.99", "such as served>=99%"),
        ("served>=101%", "at most 100%"),
        ("operations_ok>=1000s", "number without a unit"),
        ("p99<0ms", "whatever happens, it is missed"),
        ("served>100%", "whatever happens, it is missed"),
        ("p99>=0s", "whatever happens, it is met"),
        ("served<=100%", "whatever happens, it is met"),
    ];
    for (text, expected) in cases {
        let error = read(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    for bound in ["served>=100%", "served<100%", "elections<=0", "operations_ok>0"] {
        assert!(read(bound).is_ok(), "{bound}");
    }
    assert!(serde_json::from_str::<Objective>("\"p99<50\"").is_err());
}

fn availability(share: f64) -> Availability {
    Availability { share, gap_limit_ns: 0, from_ns: 0, to_ns: 1 }
}

/// A run in which every figure has a value: each failover takes 0.1 s longer than the one before.
fn statistics() -> Statistics {
    let failover = |number: u64| Failover {
        node: "n1".to_owned(),
        term: number,
        lost_at_ns: 0,
        fault: None,
        next_node: "n2".to_owned(),
        next_term: number + 1,
        elected_after_ns: number * 100 * MS,
        first_ok_after_ns: None,
    };
    let availability = availability(0.985);
    let latency = |p50_ns, p99_ns, max_ns| Latency { count: 9, p50_ns, p99_ns, max_ns };
    Statistics {
        operations: Counts { ok: 5_000, fail: 1, info: 7 },
        latency: latency(2 * MS, 40 * MS, 900 * MS),
        latency_without_fault: latency(MS, 20 * MS, 30 * MS),
        rate_per_s: 250.5,
        availability: Some(availability),
        longest_outage: Some(Outage { start_ns: 0, end_ns: 1_400 * MS, faults: Vec::new() }),
        elections: Elections { won: 4, ..Elections::default() },
        // Not in order: percentiles are not places in a list.
        failovers: (1..=20).rev().map(failover).collect(),
        ..Statistics::default()
    }
}

#[test]
fn every_figure_is_met_missed_or_not_measured() {
    let table = [
        (Figure::FailoverP50, "<=1s", "<1s", "1s", "no leader was lost"),
        (Figure::FailoverP95, "<=1900ms", "<1.9s", "1.9s", "no leader was lost"),
        (Figure::FailoverMax, "<2001ms", "<2s", "2s", "no leader was lost"),
        (Figure::Served, ">=98.5%", ">=99%", "98.5%", "no operation succeeded"),
        (Figure::LongestOutage, "<1401ms", "<1.4s", "1.4s", "no operation succeeded"),
        (Figure::P50, "<3ms", "<2ms", "2ms", "no operation succeeded"),
        (Figure::P99, "<50ms", "<40ms", "40ms", "no operation succeeded"),
        (Figure::LatencyMax, "<1s", "<0.9s", "900ms", "no operation succeeded"),
        (Figure::P50WithoutFault, "<=1ms", "<1ms", "1ms", "while no fault was in force"),
        (Figure::P99WithoutFault, "<21ms", "<20000us", "20ms", "while no fault was in force"),
        (Figure::OperationsOk, ">=5000", ">5000", "5000", "no operation was begun"),
        (Figure::OperationsUnknown, "<=7", "<7", "7", "no operation was begun"),
        (Figure::OkPerSecond, ">250", ">=251", "250.5", "no operation succeeded"),
        (Figure::Elections, "<5", "<4", "4", "nobody was seen to be elected"),
    ];
    assert_eq!(table.map(|row| row.0), Figure::ALL, "every figure has its row");
    let seen = |objective: &str, statistics: &Statistics| {
        Outcomes::of(&[read(objective).unwrap()], statistics)
    };
    for (figure, met, missed, value, why) in table {
        let (met, missed) =
            (format!("{}{met}", figure.name()), format!("{}{missed}", figure.name()));
        let found = seen(&met, &statistics());
        let expected = Seen { objective: met.clone(), seen: value.to_owned() };
        assert_eq!(found, Outcomes { objectives_met: vec![expected], ..Outcomes::default() });
        let found = seen(&missed, &statistics());
        let expected = Seen { objective: missed.clone(), seen: value.to_owned() };
        assert_eq!(found, Outcomes { objectives_missed: vec![expected], ..Outcomes::default() });
        assert_eq!(found.lines(), [format!("objective missed: {missed}, seen {value}")]);
        let found = seen(&met, &Statistics::default());
        assert_eq!(found.objectives_not_measured.len(), 1, "{met}: {found:?}");
        let line = found.lines().concat();
        assert!(line.starts_with(&format!("objective not measured: {met}, ")), "{line}");
        assert!(line.contains(why), "{line}");
    }
}

#[test]
fn a_value_just_beyond_its_bound_is_not_rounded_onto_it() {
    let nearly = Statistics {
        latency: Latency { count: 1, p99_ns: 50 * MS + 1, ..Latency::default() },
        availability: Some(availability(0.989_999_9)),
        ..Statistics::default()
    };
    let objectives = [read("p99<=50ms").unwrap(), read("served>=99%").unwrap()];
    let missed = Outcomes::of(&objectives, &nearly).objectives_missed;
    assert_eq!(missed[0].seen, "50.000001ms");
    assert!(missed[1].seen.starts_with("98.9999"), "{missed:?}");
}

#[test]
fn outcomes_survive_their_file_and_none_leave_no_trace_in_it() {
    assert_eq!(serde_json::to_string(&Outcomes::default()).unwrap(), "{}");
    let outcomes = Outcomes::of(
        &[read("p99<1us").unwrap(), read("failover_p95<3s").unwrap()],
        &Statistics { failovers: Vec::new(), ..statistics() },
    );
    let text = serde_json::to_string(&outcomes).unwrap();
    assert_eq!(serde_json::from_str::<Outcomes>(&text).unwrap(), outcomes);
    assert!(!outcomes.is_empty() && text.contains("objectives_not_measured"), "{text}");
}
