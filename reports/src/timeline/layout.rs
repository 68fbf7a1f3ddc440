//! Where operations and their labels go, so that no two cover each other.

use whitewater_checker::analysis::{Finding, WitnessOperation};

use super::{CHARACTER, LEFT, RIGHT, WIDTH};
use crate::svg::{Scale, shortened};

/// Below this a bar could not be seen or pointed at.
const BAR_WIDTH_MIN: f64 = 7.0;

/// The operations of one client, each with its row and the place of its label.
pub(super) struct Lane<'a> {
    pub(super) process: u64,
    pub(super) rows: usize,
    pub(super) operations: Vec<(&'a WitnessOperation, usize, Label)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Label {
    Inside,
    Right,
    Left,
}

pub(super) fn lanes<'a>(
    scale: Scale,
    operations: &'a [WitnessOperation],
    finding: &Finding,
) -> Vec<Lane<'a>> {
    let mut lanes: Vec<Lane<'a>> = Vec::new();
    let mut sorted: Vec<&WitnessOperation> = operations.iter().collect();
    sorted.sort_by_key(|operation| operation.invoked_at_ns);
    for operation in &sorted {
        if !lanes.iter().any(|lane| lane.process == operation.process) {
            lanes.push(Lane { process: operation.process, rows: 0, operations: Vec::new() });
        }
    }
    for lane in &mut lanes {
        let mut rows: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
        // A later bar must stay free of an earlier label, so all bars are taken first.
        let own: Vec<_> = sorted.iter().filter(|one| one.process == lane.process).collect();
        let bars: Vec<(f64, f64)> = own.iter().map(|one| bar(scale, one)).collect();
        for (index, operation) in own.iter().enumerate() {
            let width = CHARACTER * caption(operation, finding).chars().count() as f64;
            let others: Vec<_> = bars
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index)
                .map(|(_, bar)| *bar)
                .collect();
            // The arrow of the gap leaves to the right of its operation.
            let gap = finding.witness.as_ref().and_then(|witness| witness.gap.as_ref());
            let is_before = gap.is_some_and(|gap| gap.before == operation.label);
            let sides =
                if is_before { [Label::Left, Label::Right] } else { [Label::Right, Label::Left] };
            let (row, label) = fit(&mut rows, bars[index], width, &others, sides);
            lane.operations.push((operation, row, label));
        }
        lane.rows = rows.len();
    }
    lanes
}

/// Finds a row and a side for a bar with its label, opening a new row where none is free.
fn fit(
    rows: &mut Vec<Vec<(f64, f64)>>,
    bar: (f64, f64),
    width: f64,
    bars: &[(f64, f64)],
    outside: [Label; 2],
) -> (usize, Label) {
    let with_label = |label: Label| match label {
        Label::Inside => bar,
        Label::Right => (bar.0, bar.1 + 10.0 + width),
        Label::Left => (bar.0 - 10.0 - width, bar.1),
    };
    let sides = if bar.1 - bar.0 > width + 14.0 { &[Label::Inside][..] } else { &outside[..] };
    let overlaps = |one: &(f64, f64), other: &(f64, f64)| one.0 < other.1 && other.0 < one.1;
    for (index, row) in rows.iter_mut().enumerate() {
        for side in sides {
            let space = with_label(*side);
            let inside = space.0 >= LEFT && space.1 <= WIDTH - 6.0;
            let free = !row.iter().any(|taken| overlaps(taken, &space));
            let clear = index > 0 || !bars.iter().any(|other| overlaps(other, &space));
            if inside && free && clear {
                row.push(space);
                return (index, *side);
            }
        }
    }
    let side = if bar.1 + 10.0 + width <= WIDTH - 6.0 {
        sides[0]
    } else {
        *sides.last().unwrap_or(&Label::Left)
    };
    rows.push(vec![with_label(side)]);
    (rows.len() - 1, side)
}

/// What stands at an operation: its label, what it did, and a sign for its outcome.
pub(super) fn caption(operation: &WitnessOperation, finding: &Finding) -> String {
    let sign = match operation.outcome.as_str() {
        _ if is_blocked(operation, finding) => " ✕",
        "fail" => " ×",
        "info" => " △",
        _ => "",
    };
    format!("{} {}{sign}", operation.label, shortened(&operation.text, 48))
}

pub(super) fn is_blocked(operation: &WitnessOperation, finding: &Finding) -> bool {
    let blocked = finding.witness.as_ref().and_then(|witness| witness.blocked.as_deref());
    blocked == Some(operation.label.as_str())
}

/// The left and right edge of an operation's bar; one that never ended runs off the picture.
pub(super) fn bar(scale: Scale, operation: &WitnessOperation) -> (f64, f64) {
    let left = scale.x(operation.invoked_at_ns);
    let right = operation.completed_at_ns.map_or(RIGHT, |time| scale.x(time));
    (left, right.max(left + BAR_WIDTH_MIN))
}

/// Places names of faults in one row, each where its band begins: in full where there is room, else its number, else not
/// at all. The band says the rest when it is pointed at.
pub(super) fn side_by_side(
    mut names: Vec<(f64, String, u32)>,
    (left, right): (f64, f64),
) -> Vec<(f64, String)> {
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut placed, mut free) = (Vec::new(), left);
    for (index, (band, name, id)) in names.iter().enumerate() {
        // The next one is to have its number at least.
        let end = names.get(index + 1).map_or(right, |(next, ..)| next.max(free) + 6.0);
        let fits = [name.clone(), id.to_string()].into_iter().find_map(|text| {
            let width = CHARACTER * text.chars().count() as f64;
            let x = (band + 6.0).min(right - width);
            let is_free = x >= free && x + width <= end.max(band + 6.0).min(right);
            is_free.then_some((x, x + width + CHARACTER, text))
        });
        if let Some((x, next, text)) = fits {
            free = next;
            placed.push((x, text));
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_move_aside_before_a_row_is_opened() {
        let sides = [Label::Right, Label::Left];
        let mut rows = vec![Vec::new()];
        let bars = [(200.0, 210.0), (300.0, 310.0)];
        assert_eq!(fit(&mut rows, bars[0], 120.0, &bars[1..], sides), (1, Label::Right));
        let mut rows = vec![Vec::new()];
        let near = [(450.0, 460.0)];
        assert_eq!(fit(&mut rows, (400.0, 410.0), 120.0, &near, sides), (0, Label::Left));
        assert_eq!(fit(&mut rows, (600.0, 900.0), 120.0, &[], sides), (0, Label::Inside));
    }

    #[test]
    fn names_of_faults_do_not_lie_on_each_other() {
        let named = |lefts: &[f64]| -> Vec<(f64, String, u32)> {
            let names = lefts.iter().zip(1..);
            names.map(|(left, id)| (*left, format!("⊘ {id} partition"), id)).collect()
        };
        for lefts in [
            &[100.0, 400.0, 700.0][..],
            &[100.0, 110.0, 118.0, 500.0, 990.0, 995.0],
            &[995.0, 994.0, 100.0, 101.0],
        ] {
            let placed = side_by_side(named(lefts), (100.0, 1_000.0));
            let mut free = 100.0;
            for (x, text) in &placed {
                assert!(*x >= free, "{text} at {x} in {placed:?}");
                free = x + CHARACTER * text.chars().count() as f64;
                assert!(free <= 1_000.0, "{text} at {x} in {placed:?}");
            }
        }
        let placed = side_by_side(named(&[100.0, 400.0, 420.0]), (100.0, 1_000.0));
        let texts: Vec<&str> = placed.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["⊘ 1 partition", "2", "⊘ 3 partition"]);
    }
}
