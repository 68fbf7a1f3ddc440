//! All operations of a run in a few bytes each: columns of varints, deflated, in base64.
//!
//! One column after the other compresses far better than one record after the other, and the script
//! reads them straight into typed arrays. In this order, each `count` long:
//!
//! 1. invocation, microseconds after the one before (varint)
//! 2. latency, microseconds (varint); 0 where it never ended
//! 3. client process (varint)
//! 4. function × 4 + outcome (byte): 0 ok, 1 fail, 2 info, 3 info that never ended
//! 5. key + 1, 0 for none (varint)
//! 6. node + 1, 0 for none (byte)
//!
//! Then the grid, where there is one: ok counts, then fail counts, `u16` little-endian, a row per
//! latency step from the fastest up. Above [`OPERATIONS_MAX`] operations only the rare outcomes and
//! the stretches around the violation and the faults are written one by one; the rest is in the
//! grid, and the page says so. An unknown outcome is never left to the grid.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use whitewater_checker::analysis::Finding;
use whitewater_checker::statistics::{Operation, Outcome, Recording, fault_span};

use crate::clock::{counted, thousands};
use crate::load::Run;

/// Operations written one by one, at most: 300,000 take about 2.3 MB, within the 5 MB a report may
/// take, and draw in a blink.
pub(super) const OPERATIONS_MAX: usize = 300_000;
/// Around a violation every operation is kept, this far to both sides.
const VIOLATION_REACH_NS: u64 = 5_000_000_000;
/// Around the beginning and the end of a fault likewise.
const FAULT_REACH_NS: u64 = 500_000_000;

/// The grid's resolution: finer than a screen is wide, and a third of a percent of latency decades.
pub(super) const GRID_COLUMNS: usize = 2_000;
pub(super) const GRID_ROWS: usize = 72;
/// The grid's lowest latency and its rows per factor of ten: 50 µs to 50 s.
pub(super) const GRID_FASTEST_US: f64 = 50.0;
pub(super) const GRID_ROWS_PER_DECADE: f64 = 12.0;

/// The operations as text for the page.
pub(super) struct Columns {
    /// Base64 of the deflated columns.
    pub(super) text: String,
    /// Operations in the columns.
    pub(super) count: usize,
    /// Whether a grid follows.
    pub(super) has_grid: bool,
    /// What the picture holds, in words.
    pub(super) note: String,
}

pub(super) fn encode(run: &Run, finding: Option<&Finding>) -> Columns {
    let recording = &run.recording;
    let all = recording.operations.len();
    let kept = if all > OPERATIONS_MAX { select(recording, finding) } else { vec![true; all] };
    let shown: Vec<&Operation> = recording
        .operations
        .iter()
        .zip(&kept)
        .filter(|(_, kept)| **kept)
        .map(|pair| pair.0)
        .collect();
    let has_grid = shown.len() < all;
    let mut bytes = columns(&shown, recording.first_ns);
    if has_grid {
        let left = recording.operations.iter().zip(&kept).filter(|(_, kept)| !**kept);
        for outcome in [Outcome::Ok, Outcome::Fail] {
            let own = left.clone().map(|pair| pair.0).filter(|one| one.outcome == outcome);
            bytes.extend(grid(own, recording).into_iter().flat_map(u16::to_le_bytes));
        }
    }
    let note = if has_grid {
        format!(
            "{} of {} operations one by one, all unknown outcomes among them; the others as counts",
            thousands(shown.len() as u64),
            thousands(all as u64)
        )
    } else {
        format!("all {} on one time axis", counted(all as u64, "operation"))
    };
    Columns { text: STANDARD.encode(deflated(&bytes)), count: shown.len(), has_grid, note }
}

/// Chooses what is worth its bytes: every unknown outcome, then what lies near the violation, then
/// what lies near the edges of faults, then the rest; evenly over the run where not all of a kind fit.
fn select(recording: &Recording, finding: Option<&Finding>) -> Vec<bool> {
    let operations = &recording.operations;
    let mut kept: Vec<bool> =
        operations.iter().map(|operation| operation.outcome == Outcome::Info).collect();
    let mut left = OPERATIONS_MAX.saturating_sub(kept.iter().filter(|kept| **kept).count());
    let range = |at_ns: u64, reach_ns: u64| {
        let from = at_ns.saturating_sub(reach_ns);
        let first = operations.partition_point(|operation| operation.invoked_at_ns < from);
        first..operations.partition_point(|operation| operation.invoked_at_ns <= at_ns + reach_ns)
    };
    let violation = finding.and_then(|finding| finding.at_ns);
    let near: Vec<usize> =
        violation.into_iter().flat_map(|at_ns| range(at_ns, VIOLATION_REACH_NS)).collect();
    let faults = recording.faults.iter().filter_map(|fault| fault_span(fault, recording.last_ns));
    let edges = faults.flat_map(|(from, to)| [from, to]);
    let mut edges: Vec<usize> = edges.flat_map(|at_ns| range(at_ns, FAULT_REACH_NS)).collect();
    edges.sort_unstable();
    edges.dedup();
    for wanted in [near, edges, (0..operations.len()).collect()] {
        let wanted: Vec<usize> = wanted.into_iter().filter(|index| !kept[*index]).collect();
        let taken = wanted.len().min(left);
        for number in 0..taken {
            kept[wanted[number * wanted.len() / taken]] = true;
        }
        left -= taken;
    }
    kept
}

fn columns(operations: &[&Operation], first_ns: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(operations.len() * 12);
    let mut last = 0;
    for operation in operations {
        let time = operation.invoked_at_ns.saturating_sub(first_ns) / 1000;
        varint(&mut bytes, time - last);
        last = time;
    }
    for operation in operations {
        varint(&mut bytes, operation.latency_ns().unwrap_or(0) / 1000);
    }
    for operation in operations {
        varint(&mut bytes, operation.process);
    }
    for operation in operations {
        let outcome = match (operation.outcome, operation.completed_at_ns) {
            (Outcome::Ok, _) => 0,
            (Outcome::Fail, _) => 1,
            (Outcome::Info, Some(_)) => 2,
            (Outcome::Info, None) => 3,
        };
        bytes.push(u8::try_from(operation.function.min(63) * 4 + outcome).unwrap_or(u8::MAX));
    }
    for operation in operations {
        varint(&mut bytes, operation.key.map_or(0, |key| u64::from(key) + 1));
    }
    for operation in operations {
        bytes.push(operation.node.map_or(0, |node| u8::try_from(node + 1).unwrap_or(u8::MAX)));
    }
    bytes
}

fn grid<'a>(operations: impl Iterator<Item = &'a Operation>, recording: &Recording) -> Vec<u16> {
    let mut cells = vec![0u16; GRID_COLUMNS * GRID_ROWS];
    let range = recording.last_ns.saturating_sub(recording.first_ns).max(1);
    for operation in operations {
        let time = operation.invoked_at_ns.saturating_sub(recording.first_ns);
        let column = u128::from(time) * GRID_COLUMNS as u128 / u128::from(range);
        let column = usize::try_from(column).unwrap_or(usize::MAX).min(GRID_COLUMNS - 1);
        let latency_us = operation.latency_ns().unwrap_or(0) as f64 / 1e3;
        let step =
            ((latency_us / GRID_FASTEST_US).max(1.0).log10() * GRID_ROWS_PER_DECADE) as usize;
        let cell = &mut cells[step.min(GRID_ROWS - 1) * GRID_COLUMNS + column];
        *cell = cell.saturating_add(1);
    }
    cells
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(7));
    // Writing into a vector has no way to fail.
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(at_ns: u64, outcome: Outcome) -> Operation {
        Operation {
            process: 300,
            invoked_at_ns: at_ns,
            completed_at_ns: Some(at_ns + 5_000_000),
            key: Some(0),
            function: 1,
            node: None,
            outcome,
        }
    }

    #[test]
    fn columns_stand_one_after_the_other() {
        let (one, two) = (operation(1_000_000, Outcome::Ok), operation(1_130_000, Outcome::Fail));
        let bytes = columns(&[&one, &two], 1_000_000);
        let expected = [
            &[0, 0x82, 0x01][..],      // 0 µs, then 130 µs later
            &[0x88, 0x27, 0x88, 0x27], // 5,000 µs each
            &[0xac, 0x02, 0xac, 0x02], // process 300
            &[4, 5],                   // function 1: ok, fail
            &[1, 1],                   // key 0
            &[0, 0],                   // no node
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn unknown_outcomes_are_never_binned() {
        let count = OPERATIONS_MAX as u64 + 50_000;
        let operations: Vec<Operation> = (0..count)
            .map(|index| {
                let outcome = if index % 1_000 == 0 { Outcome::Info } else { Outcome::Ok };
                operation(index * 100_000, outcome)
            })
            .collect();
        let recording = Recording { last_ns: count * 100_000, operations, ..Recording::default() };
        let finding = Finding { at_ns: Some(20_000_000_000), ..Finding::default() };
        let kept = select(&recording, Some(&finding));
        let shown = kept.iter().filter(|kept| **kept).count();
        assert!(shown <= OPERATIONS_MAX, "{shown} kept");
        for (operation, kept) in recording.operations.iter().zip(&kept) {
            let near = operation.invoked_at_ns.abs_diff(20_000_000_000) <= VIOLATION_REACH_NS;
            let must = near || operation.outcome == Outcome::Info;
            assert!(*kept || !must, "at {}", operation.invoked_at_ns);
        }
        // What is left of the budget is spread over the run, not spent on its beginning.
        let far = &kept[260_000..];
        let shares: Vec<usize> =
            far.chunks(9_000).map(|part| part.iter().filter(|kept| **kept).count()).collect();
        assert!(shares.iter().all(|share| share.abs_diff(shares[0]) < 20), "{shares:?}");
        assert!(shares[0] > 1_000, "{shares:?}");
        let binned =
            recording.operations.iter().zip(&kept).filter(|(_, kept)| !**kept).map(|pair| pair.0);
        let sum: u64 = grid(binned, &recording).into_iter().map(u64::from).sum();
        assert_eq!(sum + shown as u64, count);
    }

    #[test]
    fn a_million_operations_stay_small() {
        let mut seed = 7u64;
        let mut noise = |bound: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % bound
        };
        let operations: Vec<Operation> = (0..1_000_000u64)
            .map(|index| {
                let at_ns = index * 60_000 + noise(60_000);
                let outcome =
                    [Outcome::Ok, Outcome::Ok, Outcome::Ok, Outcome::Fail][noise(4) as usize];
                Operation {
                    process: noise(50),
                    completed_at_ns: Some(at_ns + 800_000 + noise(9_000_000)),
                    key: Some(noise(10_000) as u32),
                    node: Some(noise(5) as u16),
                    ..operation(at_ns, outcome)
                }
            })
            .collect();
        let run = Run {
            folder: std::path::PathBuf::new(),
            record: whitewater_checker::run_folder::RunRecord::default(),
            statistics: whitewater_checker::statistics::Statistics::default(),
            recording: Recording {
                last_ns: operations.last().map_or(0, |operation| operation.invoked_at_ns),
                operations,
                ..Recording::default()
            },
        };
        let finding = Finding { at_ns: Some(30_000_000_000), ..Finding::default() };
        let columns = encode(&run, Some(&finding));
        assert!(columns.has_grid && columns.count <= OPERATIONS_MAX);
        // What else is on a page takes 0.3 MB.
        assert!(columns.text.len() < 4_700_000, "{} bytes", columns.text.len());
    }
}
