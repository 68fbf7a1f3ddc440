//! The violation's timeline in characters: for the terminal, the step summary and explain.txt.
//!
//! The same rows as the drawing: axis, faults, clients, the gap that decides, the nodes' roles.

mod lanes;
mod ruler;

use whitewater_checker::analysis::{Finding, WitnessOperation};
use whitewater_checker::fault::Scope;
use whitewater_checker::statistics::{FaultStatistics, Span, State, Statistics};
use whitewater_raft::event::Role;

use crate::clock::duration;
use crate::plain::ascii;
use crate::role_lanes::{Claim, with_claims};
use crate::svg::{Scale, shortened};
use lanes::Lane;
use ruler::{Edge, Ruler};

/// Columns for the names of the rows, at most.
const NAMES_MAX: usize = 12;
/// Faults and nodes shown at most; a terminal is not a plotter.
const FAULTS_MAX: usize = 3;
const NODES_MAX: usize = 5;
/// Narrower than this nothing fits; wider than this lines wrap in logs.
const WIDTH_MIN: usize = 32;
const WIDTH_MAX: usize = 110;

/// The characters to draw with.
struct Ink {
    open: char,
    /// How the bar of an operation ends that nobody saw the end of.
    endless: char,
    leader: char,
    follower: char,
    candidate: char,
    paused: char,
    silent: char,
    down: char,
    dash: char,
    ends: (char, char),
    blocked: &'static str,
    rejected: &'static str,
}

const UNICODE: Ink = Ink {
    open: '─',
    endless: '…',
    leader: '━',
    follower: '·',
    candidate: '?',
    paused: '‖',
    silent: '░',
    down: '✝',
    dash: '─',
    ends: ('├', '┤'),
    blocked: " ✕",
    rejected: " ×",
};
const ASCII: Ink = Ink {
    open: '-',
    endless: '>',
    leader: '=',
    follower: '.',
    candidate: '?',
    paused: '|',
    silent: '_',
    down: 'x',
    dash: '-',
    ends: ('|', '|'),
    blocked: " X",
    rejected: " x",
};

/// Draws a finding with a witness as lines of at most `width` characters; empty without one.
pub(crate) fn draw(
    finding: &Finding,
    statistics: &Statistics,
    clock_origin_ns: u64,
    width: usize,
    unicode: bool,
) -> Vec<String> {
    let Some(witness) = finding.witness.as_ref().filter(|witness| !witness.operations.is_empty())
    else {
        return Vec::new();
    };
    let width = width.clamp(WIDTH_MIN, WIDTH_MAX);
    let operations = &witness.operations;
    let Some(page) = Page::of(operations, width, unicode) else {
        return list(operations, clock_origin_ns, width, unicode);
    };
    let mut lines = vec![page.axis(clock_origin_ns)];
    let in_force: Vec<_> = statistics.faults.iter().filter(|fault| page.overlaps(fault)).collect();
    let latest = &in_force[in_force.len().saturating_sub(FAULTS_MAX)..];
    lines.extend(latest.iter().map(|fault| page.fault(fault)));
    let (rows, cut) = page.clients(operations, witness.blocked.as_deref());
    lines.extend(rows);
    if let Some(gap) = &witness.gap {
        let at = |label: &str| operations.iter().find(|operation| operation.label == label);
        if let (Some(before), Some(after)) = (at(&gap.before), at(&gap.after)) {
            lines.push(page.gap(end_of(before), after.invoked_at_ns, gap.gap_ns));
        }
    }
    lines.extend(page.nodes(operations, finding, statistics));
    // What had to be cut in the picture is told below it.
    let told = operations.iter().filter(|operation| cut.contains(&operation.label));
    lines.extend(told.flat_map(|operation| page.told(operation, width)));
    lines
}

/// The operations one below the other, where there are too many for bars in so few columns.
fn list(
    operations: &[WitnessOperation],
    origin_ns: u64,
    width: usize,
    unicode: bool,
) -> Vec<String> {
    let clock = crate::clock::Clock::new(origin_ns);
    let mut sorted: Vec<&WitnessOperation> = operations.iter().collect();
    sorted.sort_by_key(|operation| operation.invoked_at_ns);
    let line = |operation: &&WitnessOperation| {
        let end = operation
            .completed_at_ns
            .map_or("never answered".to_owned(), |end| format!("to {} s", clock.bare(end)));
        let begin = clock.bare(operation.invoked_at_ns);
        let text =
            format!("{} {begin} {end} c{} {}", operation.label, operation.process, operation.text);
        shortened(&printable(&if unicode { text } else { ascii(&text) }), width)
    };
    sorted.iter().map(line).collect()
}

fn end_of(operation: &WitnessOperation) -> u64 {
    operation.completed_at_ns.unwrap_or(operation.invoked_at_ns)
}

/// Who asked whom: `c56 > n3`.
fn client(operation: &WitnessOperation) -> String {
    let node = operation.node.as_deref().map(|node| format!(" > {node}")).unwrap_or_default();
    format!("c{}{node}", operation.process)
}

struct Page<'a> {
    /// The window of time, for what lies in it and for round ticks.
    scale: Scale,
    /// The column of each moment.
    ruler: Ruler,
    /// Columns for names, and those behind them.
    names: usize,
    cells: usize,
    ink: &'a Ink,
    unicode: bool,
}

impl Page<'_> {
    /// The page for some operations; `None` where so few columns cannot keep their order.
    fn of(operations: &[WitnessOperation], width: usize, unicode: bool) -> Option<Page<'static>> {
        let first =
            operations.iter().map(|operation| operation.invoked_at_ns).min().unwrap_or_default();
        let last = operations.iter().map(end_of).max().unwrap_or(first);
        let pad = ((last - first) / 10).max(1_000_000);
        let (from_ns, to_ns) = (first.saturating_sub(pad), last + pad);
        let longest = operations.iter().map(|one| client(one).chars().count()).max().unwrap_or(0);
        // `fault 5` stands there, too.
        let names = (longest.max(7) + 2).min(NAMES_MAX);
        let cells = width - names;
        let edges: Vec<Edge> = operations
            .iter()
            .flat_map(|operation| {
                let begin = Edge { time_ns: operation.invoked_at_ns, is_end: false };
                let end = operation.completed_at_ns.map(|time_ns| Edge { time_ns, is_end: true });
                [Some(begin), end].into_iter().flatten()
            })
            .collect();
        Some(Page {
            scale: Scale { from_ns, to_ns, left: 0.0, right: (cells - 1) as f64 },
            ruler: Ruler::new((from_ns, to_ns), &edges, cells)?,
            names,
            cells,
            ink: if unicode { &UNICODE } else { &ASCII },
            unicode,
        })
    }

    /// The text in the characters of this page, before it is given a place: some take more room.
    fn plain(&self, text: &str) -> String {
        printable(&if self.unicode { text.to_owned() } else { ascii(text) })
    }

    /// Cuts a text to some columns.
    fn cut(&self, text: &str, columns: usize) -> String {
        // An ellipsis takes three characters of ASCII.
        match self.unicode || text.chars().count() <= columns {
            true => shortened(text, columns),
            false => self.plain(&shortened(text, columns.saturating_sub(2))),
        }
    }

    fn cell(&self, time_ns: u64) -> usize {
        self.ruler.column(time_ns.clamp(self.scale.from_ns, self.scale.to_ns))
    }

    fn line(&self, name: &str, lane: &Lane) -> String {
        let name = self.cut(&self.plain(name), self.names - 1);
        let names = self.names;
        format!("{name:<names$}{}", lane.text()).trim_end().to_owned()
    }

    fn axis(&self, origin_ns: u64) -> String {
        let mut lane = Lane::new(self.cells);
        let count = u32::try_from(self.cells / 14).unwrap_or(4).max(2);
        let mut free = 0;
        for (time_ns, text) in self.scale.ticks(origin_ns, count) {
            let (at, length) = (self.cell(time_ns), text.chars().count());
            if at >= free && at + length <= self.cells {
                lane.write(at, &text);
                free = at + length + 1;
            }
        }
        self.line("", &lane)
    }

    fn overlaps(&self, fault: &FaultStatistics) -> bool {
        fault
            .start_ns
            .zip(fault.end_ns)
            .is_some_and(|(from, to)| self.scale.stretch(from, to).is_some())
    }

    fn fault(&self, fault: &FaultStatistics) -> String {
        let (from, to) = (fault.start_ns.unwrap_or_default(), fault.end_ns.unwrap_or_default());
        let mark = match fault.scope {
            Scope::ProcessPaused => self.ink.paused,
            Scope::ProcessDown => self.ink.down,
            Scope::LinksCut => '/',
            _ => '#',
        };
        let text = self.plain(&format!("{} {}", fault.nodes.join(" "), fault.name));
        let mut lane = Lane::new(self.cells);
        let (left, right) = (self.cell(from), self.cell(to));
        lane.fill(left, right, mark);
        self.caption(&mut lane, (left, right), &text);
        self.line(&format!("fault {}", fault.id), &lane)
    }

    /// Writes a text into a stretch with a blank on both sides, or beside it, or over as much of it as
    /// it takes; cut where the row has no room for it.
    fn caption(&self, lane: &mut Lane, (left, right): (usize, usize), text: &str) {
        let inside = (right - left + 1).saturating_sub(6);
        let length = text.chars().count();
        let (after, before) = (self.cells - right - 1, left);
        if length <= inside {
            lane.write(left + (right - left - length) / 2, &format!(" {text} "));
        } else if length < after {
            lane.write(right + 2, text);
        } else if length < before {
            lane.write(left - 1 - length, text);
        } else if inside >= after.max(before) {
            lane.write(left + 2, &format!(" {} ", self.cut(text, inside)));
        } else if after >= before {
            lane.write(right + 2, &self.cut(text, after - 1));
        } else {
            let text = self.cut(text, before - 1);
            lane.write(left - 1 - text.chars().count(), &text);
        }
    }

    /// The rows of the clients, and the labels of operations whose words had to be cut.
    fn clients(
        &self,
        operations: &[WitnessOperation],
        blocked: Option<&str>,
    ) -> (Vec<String>, Vec<String>) {
        let mut sorted: Vec<&WitnessOperation> = operations.iter().collect();
        sorted.sort_by_key(|operation| operation.invoked_at_ns);
        let (mut rows, mut cut) = (Vec::<(String, Lane)>::new(), Vec::new());
        let mut names: Vec<String> = Vec::new();
        for name in sorted.iter().map(|operation| client(operation)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for name in names {
            let own: Vec<&WitnessOperation> =
                sorted.iter().copied().filter(|one| client(one) == name).collect();
            let bars: Vec<lanes::Bar> = own
                .iter()
                .map(|operation| self.bar(operation, blocked == Some(operation.label.as_str())))
                .collect();
            let (lanes, shortened) =
                lanes::place(&bars, self.cells, |text, columns| self.cut(text, columns));
            cut.extend(shortened.into_iter().map(|index| own[index].label.clone()));
            rows.extend(lanes.into_iter().map(|lane| (name.clone(), lane)));
        }
        (rows.iter().map(|(name, lane)| self.line(name, lane)).collect(), cut)
    }

    /// An operation's bar, from the column of its invocation to that of its end, with its words.
    fn bar(&self, operation: &WitnessOperation, is_blocked: bool) -> lanes::Bar {
        let left = self.cell(operation.invoked_at_ns);
        let right = operation.completed_at_ns.map_or(self.cells - 1, |time| self.cell(time));
        let words = self.plain(&format!("{} {}", operation.label, operation.text));
        let rejected = if operation.outcome == "fail" { self.ink.rejected } else { "" };
        let blocked = if is_blocked { self.ink.blocked } else { "" };
        lanes::Bar {
            left,
            right,
            close: if operation.completed_at_ns.is_some() { ']' } else { self.ink.endless },
            open: self.ink.open,
            words,
            signs: format!("{rejected}{blocked}"),
        }
    }

    /// An operation in full, in as many lines as it takes.
    fn told(&self, operation: &WitnessOperation, width: usize) -> Vec<String> {
        let text = self.plain(&format!("{} = {}", operation.label, operation.text));
        crate::plain::wrapped(&text, width)
    }

    fn gap(&self, from_ns: u64, to_ns: u64, gap_ns: u64) -> String {
        let mut lane = Lane::new(self.cells);
        let (left, right) = (self.cell(from_ns), self.cell(to_ns).max(self.cell(from_ns)));
        lane.fill(left, right, self.ink.dash);
        lane.write(left, &self.ink.ends.0.to_string());
        lane.write(right, &self.ink.ends.1.to_string());
        self.caption(&mut lane, (left, right), &self.plain(&duration(gap_ns)));
        self.line("gap", &lane)
    }

    /// The nodes that answered, those the finding names, and whoever led.
    fn nodes(
        &self,
        operations: &[WitnessOperation],
        finding: &Finding,
        statistics: &Statistics,
    ) -> Vec<String> {
        let shown = statistics.nodes.iter().filter(|roles| {
            let leads = |span: &Span| {
                span.role == Role::Leader
                    && self.scale.stretch(span.start_ns, span.end_ns).is_some()
            };
            operations
                .iter()
                .any(|operation| operation.node.as_deref() == Some(roles.node.as_str()))
                || finding.nodes.contains(&roles.node)
                || roles.spans.iter().any(leads)
        });
        let rows = shown.take(NODES_MAX).map(|roles| {
            let mut lane = Lane::new(self.cells);
            for (span, claim) in with_claims(roles, &statistics.nodes) {
                if self.scale.stretch(span.start_ns, span.end_ns).is_none() {
                    continue;
                }
                let (left, right) = (self.cell(span.start_ns), self.cell(span.end_ns));
                lane.fill(left, right, self.mark(&span));
                if span.role == Role::Leader && span.state == State::Running {
                    let text = format!(
                        " {}leader t{} ",
                        if claim == Claim::Stale { "stale " } else { "" },
                        span.term
                    );
                    if right - left > text.chars().count() + 1 {
                        lane.write(left + 2, &text);
                    }
                }
            }
            self.line(&roles.node, &lane)
        });
        rows.collect()
    }

    fn mark(&self, span: &Span) -> char {
        match (span.state, span.role) {
            (State::Down, _) => self.ink.down,
            (State::Silent, _) => self.ink.silent,
            (State::Paused | State::Stopped, _) => self.ink.paused,
            (_, Role::Leader) => self.ink.leader,
            (_, Role::Candidate | Role::PreCandidate) => self.ink.candidate,
            _ => self.ink.follower,
        }
    }
}

/// Text without characters that would steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// What the signs mean, for readers who see the lines alone.
pub(crate) fn legend(clock_origin: &str) -> String {
    format!(
        "[ ] an operation from its request to its reply · ━ leader  · follower  ‖ paused  ░ silent  ✝ down  ? candidate \
         · seconds since {clock_origin}"
    )
}
