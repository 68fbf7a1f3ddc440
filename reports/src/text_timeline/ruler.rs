//! Which column a moment is drawn in.
//!
//! Columns are few and moments close together, so a plain scale would put an operation's end and the
//! next one's beginning into one column, and the picture would deny the order that the text tells. The
//! scale is therefore stretched where it must be: two moments of the witness that differ never share
//! a column as long as there are enough columns, and a beginning always stands right of every end
//! that came before it.

/// The columns of a picture, over time.
pub(super) struct Ruler {
    /// Moments with their columns; both rise.
    knots: Vec<(u64, usize)>,
}

/// A moment at which an operation begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) time_ns: u64,
    pub(super) is_end: bool,
}

impl Ruler {
    /// A ruler of `columns` over a window that holds every edge; `None` where so few columns cannot
    /// keep the order of the edges.
    pub(super) fn new(window: (u64, u64), edges: &[Edge], columns: usize) -> Option<Ruler> {
        let (from_ns, to_ns) = window;
        let last = columns.checked_sub(1)?;
        let mut edges = edges.to_vec();
        edges.sort_unstable();
        let mut times: Vec<u64> = edges.iter().map(|edge| edge.time_ns).collect();
        times.dedup();
        let range = to_ns.saturating_sub(from_ns).max(1) as f64;
        let plain = |time_ns: u64| {
            let share = time_ns.saturating_sub(from_ns) as f64 / range;
            ((share * last as f64).round() as usize).min(last)
        };
        let wanted: Vec<usize> = times.iter().map(|time_ns| plain(*time_ns)).collect();
        let all_apart = vec![1; times.len().saturating_sub(1)];
        let places = spread(&wanted, &all_apart, last)
            .or_else(|| spread(&wanted, &steps(&times, &edges), last))?;
        let mut knots: Vec<(u64, usize)> = times.into_iter().zip(places).collect();
        if knots.first().is_none_or(|knot| knot.0 > from_ns) {
            knots.insert(0, (from_ns, 0));
        }
        if knots.last().is_none_or(|knot| knot.0 < to_ns) {
            knots.push((to_ns, last));
        }
        Some(Ruler { knots })
    }

    /// The column of a moment; moments outside stand at the edges.
    pub(super) fn column(&self, time_ns: u64) -> usize {
        let next = self.knots.partition_point(|knot| knot.0 < time_ns);
        let Some(&(right_ns, right)) = self.knots.get(next) else {
            return self.knots.last().map_or(0, |knot| knot.1);
        };
        let Some(&(left_ns, left)) = next.checked_sub(1).and_then(|index| self.knots.get(index))
        else {
            return right;
        };
        let share = (time_ns - left_ns) as f64 / (right_ns - left_ns) as f64;
        left + (share * (right - left) as f64).round() as usize
    }
}

/// How many columns must lie between two neighbouring moments for a beginning to stand right of every
/// earlier end: one where the second has a beginning and an end came since the last such step.
fn steps(times: &[u64], edges: &[Edge]) -> Vec<usize> {
    let any = |time_ns: u64, is_end: bool| {
        edges.iter().any(|edge| edge.time_ns == time_ns && edge.is_end == is_end)
    };
    let mut ended = false;
    times
        .windows(2)
        .map(|pair| {
            ended |= any(pair[0], true);
            let step = ended && any(pair[1], false);
            ended &= !step;
            usize::from(step)
        })
        .collect()
}

/// The places nearest to those wanted that keep the steps between neighbours and end at `last`.
fn spread(wanted: &[usize], steps: &[usize], last: usize) -> Option<Vec<usize>> {
    if steps.iter().sum::<usize>() > last {
        return None;
    }
    let mut places = wanted.to_vec();
    for index in 1..places.len() {
        places[index] = places[index].max(places[index - 1] + steps[index - 1]);
    }
    let mut limit = last;
    for index in (0..places.len()).rev() {
        places[index] = places[index].min(limit);
        limit = places[index].saturating_sub(index.checked_sub(1).map_or(0, |step| steps[step]));
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(operations: &[(u64, u64)]) -> Vec<Edge> {
        let edge = |time_ns, is_end| Edge { time_ns, is_end };
        operations.iter().flat_map(|(from, to)| [edge(*from, false), edge(*to, true)]).collect()
    }

    /// Every set of three operations over seven moments: what ended before stands before.
    #[test]
    fn order_is_kept_whatever_the_times_and_however_few_the_columns() {
        let spans: Vec<(u64, u64)> =
            (0..7).flat_map(|from| (from..7).map(move |to| (from, to))).collect();
        let mut drawn = 0;
        for columns in [2, 3, 5, 40] {
            for one in &spans {
                for two in &spans {
                    for three in &spans {
                        // All close together at the end of a long window: the hardest place.
                        let set = [*one, *two, *three].map(|(a, b)| (9_990 + a, 9_990 + b));
                        let Some(ruler) = Ruler::new((0, 10_000), &edges(&set), columns) else {
                            assert!(columns < 3, "three operations need three columns");
                            continue;
                        };
                        drawn += 1;
                        for (a, b) in set.iter().flat_map(|a| set.iter().map(move |b| (a, b))) {
                            if a.1 < b.0 {
                                let (end, begin) = (ruler.column(a.1), ruler.column(b.0));
                                assert!(end < begin, "{set:?} in {columns}: {end} {begin}");
                            }
                            assert!(ruler.column(a.1) < columns);
                        }
                    }
                }
            }
        }
        assert!(drawn > 3 * 20_000, "{drawn}");
    }

    #[test]
    fn a_ruler_with_room_is_a_plain_scale() {
        let ruler = Ruler::new((0, 100), &edges(&[(20, 40), (60, 80)]), 101).unwrap();
        for time in [0, 10, 20, 33, 40, 60, 79, 100] {
            assert_eq!(ruler.column(time), time as usize);
        }
        assert_eq!(ruler.column(500), 100);
    }

    #[test]
    fn columns_that_cannot_keep_the_order_give_no_ruler() {
        let many: Vec<(u64, u64)> = (0..10).map(|n| (10 * n, 10 * n + 5)).collect();
        assert!(Ruler::new((0, 100), &edges(&many), 9).is_none());
        assert!(Ruler::new((0, 100), &edges(&many), 10).is_some());
    }
}
