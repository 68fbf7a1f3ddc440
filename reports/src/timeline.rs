//! The picture of a violation: clients as lanes, the nodes' roles below, faults as bands across, on
//! a time axis to scale.
//!
//! A finding with a witness shows its operations. One without (two leaders, a panic) shows the roles
//! of all nodes around the moment. Nothing here decides what is wrong; it places what was found.

mod layout;

use whitewater_checker::analysis::{Finding, Witness, WitnessOperation};
use whitewater_checker::statistics::{NodeRoles, Operation, Outcome, State, fault_span};
use whitewater_raft::event::Role;

use crate::clock::{Clock, duration};
use crate::load::Run;
use crate::palette::look;
use crate::role_lanes;
use crate::svg::{Anchor, Scale, Svg, shortened};

use layout::{Label, Lane, bar, caption, is_blocked};

const WIDTH: f64 = 1120.0;
const LEFT: f64 = 118.0;
const RIGHT: f64 = 1104.0;
/// Height of one row of operations, and of the bar in it.
const ROW: f64 = 44.0;
const BAR: f64 = 26.0;
/// Height of a node's lane.
const NODE_LANE: f64 = 52.0;
/// What a character of a label takes, on average, at 13 px and bold.
const CHARACTER: f64 = 7.4;
/// Faults named in full, one row each; more share a row and go by number and kind.
const FAULTS_IN_FULL: usize = 2;
/// More bands than this hide what they are behind.
const FAULTS_MAX: usize = 12;
/// More nodes than this make the picture higher than a screen.
const NODES_MAX: usize = 7;
/// Around a moment without operations: long enough to see an election.
const MOMENT_NS: u64 = 1_500_000_000;

/// Draws a finding; `None` where it has no place in time.
pub(crate) fn draw(run: &Run, finding: &Finding) -> Option<String> {
    draw_as("witness-picture", run, finding)
}

/// The same for a page that has another picture; `id` tells them apart.
pub(crate) fn draw_as(id: &str, run: &Run, finding: &Finding) -> Option<String> {
    let operations = finding.witness.as_ref().map_or(&[][..], |witness| &witness.operations);
    let (from_ns, to_ns) = window(operations, finding, run.recording.last_ns)?;
    // Nothing was before the beginning.
    let from_ns = from_ns.max(run.record.origin_ns.min(to_ns.saturating_sub(1)));
    let scale = Scale { from_ns, to_ns, left: LEFT, right: RIGHT };
    let mut picture =
        Picture { svg: Svg::default(), scale, clock: Clock::new(run.record.origin_ns) };
    let lanes = layout::lanes(scale, operations, finding);
    let nodes = nodes_shown(run, operations, finding, scale);
    let faults = visible_faults(run, scale);

    let fault_rows = if faults.len() <= FAULTS_IN_FULL { faults.len() } else { 1 };
    let top = 42.0 + 18.0 * fault_rows as f64;
    let client_rows: usize = lanes.iter().map(|lane| lane.rows).sum();
    let nodes_top = top + ROW * client_rows as f64 + if lanes.is_empty() { 0.0 } else { 14.0 };
    let bottom = nodes_top + NODE_LANE * nodes.len() as f64 + 4.0;

    picture.faults(run, &faults, bottom);
    picture.axis(run.record.origin_ns, bottom);
    let places = picture.clients(&lanes, top, finding);
    if !lanes.is_empty() {
        picture.svg.line("separator", (0.0, nodes_top - 8.0), (WIDTH, nodes_top - 8.0));
    }
    picture.nodes(&nodes, nodes_top, &run.statistics.nodes);
    if let Some(witness) = &finding.witness {
        picture.request(witness, &places, &nodes, nodes_top);
        picture.gap(witness, &places);
    } else if let Some(at_ns) = finding.at_ns.filter(|time| scale.contains(*time)) {
        let is_outage = finding.until_ns.is_some();
        picture.moment(at_ns, bottom, if is_outage { " · service ended" } else { "" });
        if let Some(until_ns) = finding.until_ns.filter(|time| scale.contains(*time)) {
            picture.moment(until_ns, bottom, served_again(run, until_ns));
        }
    }
    let (title, description) = words(run, finding, operations);
    Some(picture.svg.finish(id, (WIDTH, bottom + 8.0), &title, &description))
}

/// The stretch of time to show, with room for labels.
fn window(operations: &[WitnessOperation], finding: &Finding, last_ns: u64) -> Option<(u64, u64)> {
    let Some(first) = operations.iter().map(|operation| operation.invoked_at_ns).min() else {
        let at_ns = finding.at_ns?;
        // An outage is shown whole, with what was before it and what came of it.
        if let Some(until_ns) = finding.until_ns {
            let around_ns = ((until_ns.saturating_sub(at_ns)) / 8).max(MOMENT_NS / 3);
            return Some((at_ns.saturating_sub(around_ns), until_ns + around_ns));
        }
        return Some((at_ns.saturating_sub(MOMENT_NS), at_ns + MOMENT_NS));
    };
    let ends = operations.iter().map(|one| one.completed_at_ns.unwrap_or(one.invoked_at_ns));
    let last = ends.max().unwrap_or(first);
    let range = (last - first).max(2_000_000);
    // Room on the right for what came of it: a stale leader usually learns its state soon after.
    let right = (range / 4).min(last_ns.saturating_sub(last).max(range / 20));
    Some((first.saturating_sub(range / 12), last + right))
}

/// Where an operation was drawn: left, right, top.
struct Place {
    label: String,
    left: f64,
    right: f64,
    top: f64,
}

/// Nodes worth a lane: those that answered, those named by the finding, and whoever led meanwhile.
fn nodes_shown<'a>(
    run: &'a Run,
    operations: &[WitnessOperation],
    finding: &Finding,
    scale: Scale,
) -> Vec<&'a NodeRoles> {
    let led = |roles: &NodeRoles| {
        roles.spans.iter().any(|span| {
            span.role == Role::Leader
                && span.state != State::Down
                && scale.stretch(span.start_ns, span.end_ns).is_some()
        })
    };
    let all = operations.is_empty();
    let mut shown: Vec<&NodeRoles> = run
        .statistics
        .nodes
        .iter()
        .filter(|roles| {
            all || finding.nodes.contains(&roles.node)
                || operations.iter().any(|one| one.node.as_deref() == Some(roles.node.as_str()))
                || led(roles)
        })
        .collect();
    shown.truncate(NODES_MAX);
    shown
}

/// Indices of the faults in force within the window, the latest where there are too many.
fn visible_faults(run: &Run, scale: Scale) -> Vec<usize> {
    let faults = run.recording.faults.iter().enumerate();
    let shown: Vec<usize> = faults
        .filter(|(_, fault)| {
            fault_span(fault, run.recording.last_ns)
                .is_some_and(|(from, to)| scale.stretch(from, to).is_some())
        })
        .map(|(index, _)| index)
        .collect();
    shown[shown.len().saturating_sub(FAULTS_MAX)..].to_vec()
}

struct Picture {
    svg: Svg,
    scale: Scale,
    clock: Clock,
}

impl Picture {
    fn axis(&mut self, origin_ns: u64, bottom: f64) {
        for (time_ns, text) in self.scale.ticks(origin_ns, 8) {
            let x = self.scale.x(time_ns);
            self.svg.line("tick", (x, 26.0), (x, bottom));
            self.svg.text("axis", x, 18.0, Anchor::within(x, RIGHT), &text);
        }
    }

    fn faults(&mut self, run: &Run, faults: &[usize], bottom: f64) {
        let in_full = faults.len() <= FAULTS_IN_FULL;
        let mut names: Vec<(f64, String, u32)> = Vec::new();
        for (row, index) in faults.iter().enumerate() {
            let fault = &run.recording.faults[*index];
            let Some((from_ns, to_ns)) = fault_span(fault, run.recording.last_ns) else { continue };
            let Some((left, right)) = self.scale.stretch(from_ns, to_ns) else { continue };
            let class = look(fault.scope()).class;
            let top = 26.0;
            let words = format!(
                "{} fault {} · {} · {} · {} to {}",
                look(fault.scope()).sign,
                fault.id,
                fault.name,
                fault.nodes.join(" "),
                self.clock.bare(from_ns),
                self.clock.bare(to_ns),
            );
            let edges =
                [from_ns, to_ns].map(|time| (self.scale.contains(time), self.scale.x(time)));
            self.svg.group("band", &words, false, |svg| {
                svg.rect(&format!("fault f-{class}"), left, top, right - left, bottom - top);
                svg.rect(&format!("hatch h-{class}"), left, top, right - left, bottom - top);
                for (_, x) in edges.into_iter().filter(|(inside, _)| *inside) {
                    svg.line(&format!("edge e-{class}"), (x, top), (x, bottom));
                }
            });
            if in_full {
                let text = shortened(&words, 110);
                let width = CHARACTER * text.chars().count() as f64;
                let x = (left + 6.0).min(RIGHT - width).max(LEFT);
                self.svg.text("fault-name", x, 42.0 + 18.0 * row as f64, Anchor::Start, &text);
            } else {
                let sign = look(fault.scope()).sign;
                names.push((left, format!("{sign} {} {}", fault.id, fault.kind), fault.id));
            }
        }
        for (x, text) in layout::side_by_side(names, (LEFT, RIGHT)) {
            self.svg.text("fault-name", x, 42.0, Anchor::Start, &text);
        }
    }

    fn clients(&mut self, lanes: &[Lane<'_>], top: f64, finding: &Finding) -> Vec<Place> {
        let mut places = Vec::new();
        let mut y = top;
        for lane in lanes {
            let targets = targets(lane);
            self.svg.text(
                "name",
                LEFT - 14.0,
                y + 18.0,
                Anchor::End,
                &format!("client {}", lane.process),
            );
            self.svg.text("minor", LEFT - 14.0, y + 33.0, Anchor::End, &targets);
            for (operation, row, label) in &lane.operations {
                let row_top = y + 6.0 + ROW * *row as f64;
                let (left, right) = bar(self.scale, operation);
                self.operation(operation, *label, (left, right, row_top), finding);
                places.push(Place { label: operation.label.clone(), left, right, top: row_top });
            }
            y += ROW * lane.rows as f64;
            self.svg.line("grid", (LEFT, y - 2.0), (RIGHT, y - 2.0));
        }
        places
    }

    fn operation(
        &mut self,
        operation: &WitnessOperation,
        label: Label,
        (left, right, top): (f64, f64, f64),
        finding: &Finding,
    ) {
        let outcome = match operation.outcome.as_str() {
            "ok" => "ok",
            "fail" => "fail",
            _ => "info",
        };
        let mut class = format!("operation o-{outcome}");
        if is_blocked(operation, finding) {
            class.push_str(" blocked");
        }
        if !operation.essential {
            class.push_str(" context");
        }
        let caption = caption(operation, finding);
        let title = self.title(operation) + &state_after(operation, finding);
        self.svg.group(&class, &title, true, |svg| {
            svg.rounded("bar", left, top, right - left, BAR);
            let y = top + 18.0;
            match label {
                Label::Inside => svg.text("caption inside", left + 8.0, y, Anchor::Start, &caption),
                Label::Right => svg.text("caption", right + 7.0, y, Anchor::Start, &caption),
                Label::Left => svg.text("caption", left - 7.0, y, Anchor::End, &caption),
            }
        });
    }

    fn title(&self, operation: &WitnessOperation) -> String {
        let begin = self.clock.bare(operation.invoked_at_ns);
        let time = match operation.completed_at_ns {
            Some(end) => {
                let took = duration(end.saturating_sub(operation.invoked_at_ns));
                format!("{begin} to {} s ({took})", self.clock.bare(end))
            }
            None => format!("from {begin} s, never answered"),
        };
        let node = operation.node.as_deref().map(|node| format!(" · {node}")).unwrap_or_default();
        let term = operation.term.map(|term| format!(" in term {term}")).unwrap_or_default();
        let context = if operation.essential { "" } else { " · shown for context" };
        format!(
            "{} · client {}{node}{term} · {} · {time}{context}",
            operation.label, operation.process, operation.text
        )
    }

    fn nodes(&mut self, nodes: &[&NodeRoles], top: f64, all: &[NodeRoles]) {
        for (index, roles) in nodes.iter().enumerate() {
            let y = top + NODE_LANE * index as f64;
            self.svg.text("name", LEFT - 14.0, y + 16.0, Anchor::End, &roles.node);
            let terms = role_lanes::terms(roles, self.scale);
            self.svg.text("minor", LEFT - 14.0, y + 31.0, Anchor::End, &terms);
            role_lanes::draw(&mut self.svg, roles, all, self.scale, self.clock, (y, 22.0));
            if index + 1 < nodes.len() {
                let below = y + NODE_LANE - 8.0;
                self.svg.line("grid", (LEFT, below), (RIGHT, below));
            }
        }
    }

    /// Dotted lines from the operation that fits nowhere to the node that answered it.
    fn request(
        &mut self,
        witness: &Witness,
        places: &[Place],
        nodes: &[&NodeRoles],
        nodes_top: f64,
    ) {
        let Some(label) = &witness.blocked else { return };
        let operation = witness.operations.iter().find(|operation| &operation.label == label);
        let node = operation.and_then(|operation| operation.node.as_deref());
        let lane = nodes.iter().position(|roles| Some(roles.node.as_str()) == node);
        let place = places.iter().find(|place| &place.label == label);
        if let (Some(lane), Some(place)) = (lane, place) {
            let y = nodes_top + NODE_LANE * lane as f64 - 1.0;
            let middle = (place.left + place.right) / 2.0;
            self.svg.line("request", (place.left + 1.0, place.top + BAR), (middle, y));
            self.svg.line("request", (middle, y), (place.right - 1.0, place.top + BAR));
        }
    }

    /// The real-time order that decides, as an arrow with its length in words.
    fn gap(&mut self, witness: &Witness, places: &[Place]) {
        let Some(gap) = &witness.gap else { return };
        let find = |label: &str| places.iter().find(|place| place.label == label);
        let (Some(before), Some(after)) = (find(&gap.before), find(&gap.after)) else { return };
        let (x1, y1) = (before.right, before.top + BAR / 2.0);
        let x2 = after.left + 2.0;
        let (y2, bend) = if after.top > before.top {
            (after.top - 3.0, -46.0)
        } else {
            (after.top + BAR + 3.0, 46.0)
        };
        let reach = x1 + (x2 - x1) * 0.55;
        let data =
            format!("M{x1:.1} {y1:.1}C{reach:.1} {y1:.1} {x2:.1} {:.1} {x2:.1} {y2:.1}", y2 + bend);
        self.svg.path("order", &data);
        let text =
            format!("{} ended {} before {} began", gap.before, duration(gap.gap_ns), gap.after);
        let width = CHARACTER * text.chars().count() as f64;
        let x = (x1 + 12.0).min(RIGHT - width).max(LEFT);
        self.svg.text("order-name", x, before.top - 5.0, Anchor::Start, &text);
    }

    /// The moment at which a finding without operations became certain.
    fn moment(&mut self, at_ns: u64, bottom: f64, meaning: &str) {
        let x = self.scale.x(at_ns);
        self.svg.line("moment", (x, 26.0), (x, bottom));
        let text = format!("◆ {}{meaning}", self.clock.moment(at_ns));
        // What would leave the picture on the right stands on the left of its line.
        let is_late = x + CHARACTER * text.chars().count() as f64 > RIGHT;
        let (x, anchor) = if is_late { (x - 6.0, Anchor::End) } else { (x + 6.0, Anchor::Start) };
        self.svg.text("moment-name", x, bottom + 4.0, anchor, &text);
    }
}

/// Whether an outage's end is a success, or only the end of what clients asked.
fn served_again(run: &Run, until_ns: u64) -> &'static str {
    let is_success =
        |one: &Operation| one.completed_at_ns == Some(until_ns) && one.outcome != Outcome::Info;
    match run.recording.operations.iter().any(is_success) {
        true => " · served again",
        false => " · not served until here",
    }
}

/// What the key holds after an operation in the order that was found.
fn state_after(operation: &WitnessOperation, finding: &Finding) -> String {
    let steps = finding.witness.iter().flat_map(|witness| &witness.order);
    let mut own = steps.filter(|step| step.label == operation.label);
    own.next().map(|step| format!(" · the state after it: {}", step.state)).unwrap_or_default()
}

fn targets(lane: &Lane<'_>) -> String {
    let mut nodes: Vec<&str> =
        lane.operations.iter().filter_map(|(operation, ..)| operation.node.as_deref()).collect();
    nodes.dedup();
    if nodes.is_empty() {
        String::new()
    } else {
        format!("→ {}", shortened(&nodes.join(" "), 14))
    }
}

fn words(run: &Run, finding: &Finding, operations: &[WitnessOperation]) -> (String, String) {
    let clock = Clock::new(run.record.origin_ns);
    let title = match operations.len() {
        0 => "The nodes around the violation".to_owned(),
        count => format!("Minimal failing set of {count} operations on a time axis"),
    };
    let sentences: Vec<String> = operations
        .iter()
        .map(|operation| {
            let begin = clock.moment(operation.invoked_at_ns);
            format!(
                "{}: client {}, {}, began {begin}.",
                operation.label, operation.process, operation.text
            )
        })
        .collect();
    (title, format!("{} {}", finding.explanation, sentences.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_inside_the_blocked_bar_is_told_apart_from_one_beside_it() {
        let blocked = WitnessOperation {
            label: "B".to_owned(),
            text: "read → 1".to_owned(),
            completed_at_ns: Some(90),
            ..WitnessOperation::default()
        };
        let witness = Witness {
            blocked: Some("B".to_owned()),
            operations: vec![blocked.clone()],
            ..Witness::default()
        };
        let finding = Finding { witness: Some(witness), ..Finding::default() };
        let drawn = |label: Label| {
            let scale = Scale { from_ns: 0, to_ns: 100, left: LEFT, right: RIGHT };
            let mut picture = Picture { svg: Svg::default(), scale, clock: Clock::new(0) };
            picture.operation(&blocked, label, (200.0, 400.0, 50.0), &finding);
            picture.svg.finish("x", (1.0, 1.0), "", "")
        };
        // Inside, the text stands on the bar's own colour and needs the opposite one.
        assert!(drawn(Label::Inside).contains(" blocked"));
        assert!(drawn(Label::Inside).contains(r#"class="caption inside""#));
        assert!(drawn(Label::Right).contains(r#"class="caption""#));
    }

    #[test]
    fn an_endless_operation_still_leaves_a_window() {
        let operation = WitnessOperation { invoked_at_ns: 50, ..WitnessOperation::default() };
        let (from, to) = window(&[operation], &Finding::default(), 60).unwrap();
        assert!(from < to);
        assert_eq!(window(&[], &Finding::default(), 60), None);
    }

    #[test]
    fn an_outage_is_shown_from_its_beginning_to_its_end() {
        let finding = Finding {
            at_ns: Some(10_000_000_000),
            until_ns: Some(26_000_000_000),
            ..Finding::default()
        };
        assert_eq!(window(&[], &finding, 60), Some((8_000_000_000, 28_000_000_000)));
    }
}
