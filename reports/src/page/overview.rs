//! The whole run as a static picture: faults, roles with terms, latency and rate. Seen where there
//! is no script: in mail, in print, in a locked-down viewer.

use whitewater_checker::analysis::Finding;
use whitewater_checker::statistics::{Outcome, fault_span};

use crate::clock::{Clock, duration};
use crate::load::Run;
use crate::palette::look;
use crate::role_lanes;
use crate::svg::{Anchor, Scale, Svg};

const WIDTH: f64 = 1120.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = 1112.0;
const LANE: f64 = 24.0;
const LATENCY_HEIGHT: f64 = 120.0;
const RATE_HEIGHT: f64 = 84.0;
/// Time bins: each 4 px wide, so that a bar is seen and a second is told from the next.
const BINS: usize = 255;
/// The latency axis, nanoseconds: 0.1 ms to 10 s; what lies outside is drawn at its edge.
const LATENCY_AXIS_NS: [u64; 6] =
    [100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];

/// What happened in one bin of time.
#[derive(Clone, Default)]
struct Bin {
    outcomes: [u32; 3],
    latencies: Vec<u64>,
}

pub(super) fn draw(run: &Run, finding: Option<&Finding>) -> String {
    let recording = &run.recording;
    let from_ns = run.record.origin_ns.min(recording.first_ns);
    let to_ns = recording.last_ns.max(from_ns + 1);
    let scale = Scale { from_ns, to_ns, left: LEFT, right: RIGHT };
    let clock = Clock::new(run.record.origin_ns);
    let bins = bins(run, scale);
    let roles_top = 40.0;
    let latency_top = roles_top + LANE * run.statistics.nodes.len() as f64 + 10.0;
    let rate_top = latency_top + LATENCY_HEIGHT + 14.0;
    let bottom = rate_top + RATE_HEIGHT;

    let mut svg = Svg::default();
    faults(&mut svg, run, scale, bottom);
    for (index, roles) in run.statistics.nodes.iter().enumerate() {
        let y = roles_top + LANE * index as f64;
        svg.text("name", LEFT - 10.0, y + 13.0, Anchor::End, &roles.node);
        let place = (y, LANE - 8.0);
        role_lanes::draw(&mut svg, roles, &run.statistics.nodes, scale, clock, place);
    }
    latency(&mut svg, &bins, latency_top);
    rate(&mut svg, &bins, scale, rate_top);
    if let Some(at_ns) =
        finding.and_then(|finding| finding.at_ns).filter(|time| scale.contains(*time))
    {
        let x = scale.x(at_ns);
        svg.line("moment", (x, 30.0), (x, bottom));
        svg.text("moment-name", x + 4.0, latency_top + 12.0, Anchor::Start, "◆ violation");
    }
    for (time_ns, text) in scale.ticks(run.record.origin_ns, 12) {
        svg.line("grid", (scale.x(time_ns), bottom), (scale.x(time_ns), bottom + 5.0));
        let anchor = Anchor::within(scale.x(time_ns), RIGHT);
        svg.text("axis", scale.x(time_ns), bottom + 18.0, anchor, &text);
    }
    let description = "Faults, role and term of each node, latency and operations a second over the run. \
                       The tables on this page hold the same facts.";
    svg.finish("run-picture", (WIDTH, bottom + 24.0), "The whole run", description)
}

fn bins(run: &Run, scale: Scale) -> Vec<Bin> {
    let mut bins = vec![Bin::default(); BINS];
    let range = u128::from(scale.to_ns - scale.from_ns);
    for operation in &run.recording.operations {
        let end = operation.completed_at_ns.unwrap_or(operation.invoked_at_ns);
        let index = u128::from(end.saturating_sub(scale.from_ns)) * BINS as u128 / range;
        let bin = &mut bins[usize::try_from(index).unwrap_or(BINS).min(BINS - 1)];
        bin.outcomes[operation.outcome as usize] += 1;
        if operation.outcome == Outcome::Ok {
            bin.latencies.extend(operation.latency_ns());
        }
    }
    for bin in &mut bins {
        bin.latencies.sort_unstable();
    }
    bins
}

fn faults(svg: &mut Svg, run: &Run, scale: Scale, bottom: f64) {
    if run.is_history() {
        return;
    }
    svg.text("minor", LEFT - 10.0, 23.0, Anchor::End, "faults");
    let mut free = LEFT;
    for fault in &run.recording.faults {
        let span = fault_span(fault, run.recording.last_ns);
        let Some((left, right)) = span.and_then(|(from, to)| scale.stretch(from, to)) else {
            continue;
        };
        let class = look(fault.scope()).class;
        let width = (right - left).max(2.0);
        svg.rect(&format!("fault f-{class}"), left, 8.0, width, bottom - 8.0);
        svg.rect(&format!("hatch h-{class}"), left, 8.0, width, 22.0);
        svg.line(&format!("edge e-{class}"), (left, 8.0), (left, 30.0));
        // Names that would run into each other give way to the number alone.
        let name = format!("{} {}", fault.id, fault.kind);
        let text = if left >= free { name } else { fault.id.to_string() };
        free = left + 7.0 * text.chars().count() as f64 + 8.0;
        svg.text("fault-name", left + 4.0, 23.0, Anchor::Start, &text);
    }
}

/// The median and the 99th percentile of each bin as two lines on a logarithmic axis.
fn latency(svg: &mut Svg, bins: &[Bin], top: f64) {
    let (low, high) = ((LATENCY_AXIS_NS[0] as f64).ln(), (LATENCY_AXIS_NS[5] as f64).ln());
    let y = |ns: u64| {
        let share = ((ns.max(1) as f64).ln() - low) / (high - low);
        top + LATENCY_HEIGHT * (1.0 - share.clamp(0.0, 1.0))
    };
    svg.text("minor", LEFT - 10.0, top + 4.0, Anchor::End, "p50, p99");
    for mark in &LATENCY_AXIS_NS[..5] {
        svg.line("grid", (LEFT, y(*mark)), (RIGHT, y(*mark)));
        svg.text("axis", LEFT - 10.0, y(*mark) + 4.0, Anchor::End, &duration(*mark));
    }
    let width = (RIGHT - LEFT) / BINS as f64;
    for (class, percent) in [("tail", 99), ("median", 50)] {
        let (mut data, mut drawing) = (String::new(), false);
        for (index, bin) in bins.iter().enumerate() {
            let rank = (bin.latencies.len() * percent).div_ceil(100);
            let Some(value) = rank.checked_sub(1).and_then(|rank| bin.latencies.get(rank)) else {
                drawing = false;
                continue;
            };
            let step = if drawing { 'L' } else { 'M' };
            drawing = true;
            data.push_str(&format!(
                "{step}{:.1} {:.1}",
                LEFT + width * (index as f64 + 0.5),
                y(*value)
            ));
        }
        if !data.is_empty() {
            svg.path(class, &data);
        }
    }
}

fn rate(svg: &mut Svg, bins: &[Bin], scale: Scale, top: f64) {
    let most = bins.iter().map(|bin| bin.outcomes.iter().sum::<u32>()).max().unwrap_or(0).max(1);
    let bin_s = (scale.to_ns - scale.from_ns) as f64 / BINS as f64 / 1e9;
    svg.text(
        "minor",
        LEFT - 10.0,
        top + 10.0,
        Anchor::End,
        &format!("{:.0}/s", f64::from(most) / bin_s),
    );
    let width = (RIGHT - LEFT) / BINS as f64;
    for (index, bin) in bins.iter().enumerate() {
        let mut y = top + RATE_HEIGHT;
        for (class, count) in ["rate-ok", "rate-fail", "rate-info"].into_iter().zip(bin.outcomes) {
            if count > 0 {
                let height = RATE_HEIGHT * f64::from(count) / f64::from(most);
                y -= height;
                svg.rect(class, LEFT + width * index as f64, y, width + 0.3, height);
            }
        }
    }
}
