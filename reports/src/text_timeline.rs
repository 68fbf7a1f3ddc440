//! The violation's timeline in characters: for the terminal, the step summary and explain.txt.
//!
//! The same rows as the drawing: axis, faults, clients, the gap that decides, the nodes' roles.

use whitewater_checker::analysis::{Finding, WitnessOperation};
use whitewater_checker::statistics::{FaultStatistics, Span, State, Statistics};
use whitewater_raft::event::Role;

use crate::clock::duration;
use crate::role_lanes::{Claim, with_claims};
use crate::svg::{Scale, shortened};

/// Columns for the names of the rows.
const NAMES: usize = 12;
/// Faults and nodes shown at most; a terminal is not a plotter.
const FAULTS_MAX: usize = 3;
const NODES_MAX: usize = 5;
/// Narrower than this nothing fits; wider than this lines wrap in logs.
const WIDTH_MIN: usize = 48;
const WIDTH_MAX: usize = 110;

/// The characters to draw with.
struct Ink {
    open: char,
    leader: char,
    follower: char,
    candidate: char,
    paused: char,
    down: char,
    dash: char,
    ends: (char, char),
    blocked: &'static str,
}

const UNICODE: Ink = Ink {
    open: '─',
    leader: '━',
    follower: '·',
    candidate: '?',
    paused: '‖',
    down: '✝',
    dash: '─',
    ends: ('├', '┤'),
    blocked: " ✕",
};
const ASCII: Ink = Ink {
    open: '-',
    leader: '=',
    follower: '.',
    candidate: '?',
    paused: '|',
    down: 'x',
    dash: '-',
    ends: ('|', '|'),
    blocked: " X",
};

/// Draws a finding with a witness as lines; empty without one.
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
    let operations = &witness.operations;
    let first =
        operations.iter().map(|operation| operation.invoked_at_ns).min().unwrap_or_default();
    let last = operations.iter().map(end_of).max().unwrap_or(first);
    let pad = ((last - first) / 10).max(1_000_000);
    let cells = width.clamp(WIDTH_MIN, WIDTH_MAX) - NAMES;
    let scale = Scale {
        from_ns: first.saturating_sub(pad),
        to_ns: last + pad,
        left: 0.0,
        right: (cells - 1) as f64,
    };
    let ink = if unicode { &UNICODE } else { &ASCII };
    let page = Page { scale, cells, ink, unicode };
    let mut lines = vec![page.axis(clock_origin_ns)];
    let in_force: Vec<_> = statistics.faults.iter().filter(|fault| page.overlaps(fault)).collect();
    let latest = &in_force[in_force.len().saturating_sub(FAULTS_MAX)..];
    lines.extend(latest.iter().map(|fault| page.fault(fault)));
    lines.extend(page.clients(operations, witness.blocked.as_deref()));
    if let Some(gap) = &witness.gap {
        let at = |label: &str| operations.iter().find(|operation| operation.label == label);
        if let (Some(before), Some(after)) = (at(&gap.before), at(&gap.after)) {
            lines.push(page.gap(end_of(before), after.invoked_at_ns, gap.gap_ns));
        }
    }
    lines.extend(page.nodes(operations, finding, statistics));
    lines
}

fn end_of(operation: &WitnessOperation) -> u64 {
    operation.completed_at_ns.unwrap_or(operation.invoked_at_ns)
}

struct Page<'a> {
    scale: Scale,
    cells: usize,
    ink: &'a Ink,
    unicode: bool,
}

impl Page<'_> {
    /// The text in the characters of this page, before it is given a place: some take more room.
    fn plain(&self, text: String) -> String {
        if self.unicode { text } else { ascii(&text) }
    }

    fn cell(&self, time_ns: u64) -> usize {
        self.scale.x(time_ns).round() as usize
    }

    fn line(&self, name: &str, cells: &[char]) -> String {
        let name = shortened(name, NAMES - 2);
        let body: String = cells.iter().collect();
        format!("{name:<NAMES$}{}", body.trim_end()).trim_end().to_owned()
    }

    fn axis(&self, origin_ns: u64) -> String {
        let mut cells = vec![' '; self.cells];
        let count = u32::try_from(self.cells / 14).unwrap_or(4).max(2);
        for (time_ns, text) in self.scale.ticks(origin_ns, count) {
            let at = self.cell(time_ns);
            if at + text.chars().count() <= self.cells {
                write(&mut cells, at, &text);
            }
        }
        self.line("", &cells)
    }

    fn overlaps(&self, fault: &FaultStatistics) -> bool {
        fault
            .start_ns
            .zip(fault.end_ns)
            .is_some_and(|(from, to)| self.scale.stretch(from, to).is_some())
    }

    fn fault(&self, fault: &FaultStatistics) -> String {
        let mut cells = vec![' '; self.cells];
        let (from, to) = (fault.start_ns.unwrap_or_default(), fault.end_ns.unwrap_or_default());
        let (left, right) = (self.cell(from), self.cell(to));
        let mark = match fault.kind.as_str() {
            "pause" => self.ink.paused,
            "kill" => self.ink.down,
            "partition" => '/',
            _ => '#',
        };
        cells[left..=right].fill(mark);
        let text = self.plain(format!(" {} {} ", fault.nodes.join(" "), fault.name));
        let length = text.chars().count();
        if right - left > length + 4 {
            write(&mut cells, left + (right - left - length) / 2, &text);
        } else if right + length + 1 < self.cells {
            write(&mut cells, right + 1, &text);
        } else {
            write(&mut cells, left.saturating_sub(length), &text);
        }
        self.line(&format!("fault {}", fault.id), &cells)
    }

    fn clients(&self, operations: &[WitnessOperation], blocked: Option<&str>) -> Vec<String> {
        let mut sorted: Vec<&WitnessOperation> = operations.iter().collect();
        sorted.sort_by_key(|operation| operation.invoked_at_ns);
        let mut rows: Vec<(String, Vec<char>, usize)> = Vec::new();
        for operation in sorted {
            let node =
                operation.node.as_deref().map(|node| format!(" > {node}")).unwrap_or_default();
            let name = format!("c{}{node}", operation.process);
            let (at, text) = self.placed(operation, blocked == Some(operation.label.as_str()));
            let length = text.chars().count();
            let fits = rows.iter().position(|row| row.0 == name && row.2 <= at);
            let row = fits.unwrap_or_else(|| {
                rows.push((name, vec![' '; self.cells], 0));
                rows.len() - 1
            });
            write(&mut rows[row].1, at, &text);
            rows[row].2 = at + length + 1;
        }
        rows.iter().map(|(name, cells, _)| self.line(name, cells)).collect()
    }

    /// Where an operation's text begins, and the text. Its opening bracket stands at the moment of its
    /// invocation, so where the words do not fit behind it they come before it: `D read → 37 []✕`.
    fn placed(&self, operation: &WitnessOperation, blocked: bool) -> (usize, String) {
        let invoked = self.cell(operation.invoked_at_ns);
        let text = self.bar(operation, blocked);
        if invoked + text.chars().count() <= self.cells {
            return (invoked, text);
        }
        let words = format!("{} {} ", operation.label, shortened(&operation.text, 32));
        let words = self.plain(words);
        let mark = self.plain(format!("[{}", self.end_of_bar(operation, blocked)));
        let invoked = invoked.min(self.cells.saturating_sub(mark.chars().count()));
        (invoked.saturating_sub(words.chars().count()), format!("{words}{mark}"))
    }

    /// How a bar ends: the outcome, and whether this is the one that fits nowhere.
    fn end_of_bar(&self, operation: &WitnessOperation, blocked: bool) -> String {
        let close = match operation.outcome.as_str() {
            "ok" => "]",
            "fail" => "] ×",
            _ => "…",
        };
        format!("{close}{}", if blocked { self.ink.blocked } else { "" })
    }

    /// `[B write 41 ────]`: as long as the operation took, or as its words need.
    fn bar(&self, operation: &WitnessOperation, blocked: bool) -> String {
        let (left, right) = (self.cell(operation.invoked_at_ns), self.cell(end_of(operation)));
        let words = self.plain(format!("[{} {}", operation.label, shortened(&operation.text, 32)));
        let length = words.chars().count() + 1;
        let wide = right - left + 1;
        let filler = match wide.checked_sub(length + 1) {
            Some(room) => format!(" {}", self.ink.open.to_string().repeat(room)),
            None => String::new(),
        };
        self.plain(format!("{words}{filler}{}", self.end_of_bar(operation, blocked)))
    }

    fn gap(&self, from_ns: u64, to_ns: u64, gap_ns: u64) -> String {
        let mut cells = vec![' '; self.cells];
        let (left, right) = (self.cell(from_ns), self.cell(to_ns).max(self.cell(from_ns)));
        cells[left..=right].fill(self.ink.dash);
        cells[left] = self.ink.ends.0;
        cells[right] = self.ink.ends.1;
        let text = format!(" {} ", duration(gap_ns));
        let length = text.chars().count();
        if right - left > length + 2 {
            write(&mut cells, left + (right - left - length) / 2 + 1, &text);
        } else if right + length < self.cells {
            write(&mut cells, right + 1, &text);
        } else {
            write(&mut cells, left.saturating_sub(length), &text);
        }
        self.line("gap", &cells)
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
            let mut cells = vec![' '; self.cells];
            for (span, claim) in with_claims(roles, &statistics.nodes) {
                if self.scale.stretch(span.start_ns, span.end_ns).is_none() {
                    continue;
                }
                let (left, right) = (self.cell(span.start_ns), self.cell(span.end_ns));
                cells[left..=right].fill(self.mark(&span));
                if span.role == Role::Leader && span.state == State::Running {
                    let text = format!(
                        " {}leader t{} ",
                        if claim == Claim::Stale { "stale " } else { "" },
                        span.term
                    );
                    if right - left > text.chars().count() + 1 {
                        write(&mut cells, left + 2, &text);
                    }
                }
            }
            self.line(&roles.node, &cells)
        });
        rows.collect()
    }

    fn mark(&self, span: &Span) -> char {
        match (span.state, span.role) {
            (State::Down, _) => self.ink.down,
            (State::Paused, _) => self.ink.paused,
            (_, Role::Leader) => self.ink.leader,
            (_, Role::Candidate | Role::PreCandidate) => self.ink.candidate,
            _ => self.ink.follower,
        }
    }
}

/// What the signs mean, for readers who see the lines alone.
pub(crate) fn legend(clock_origin: &str) -> String {
    format!(
        "[ ] an operation from its request to its reply · ━ leader  · follower  ‖ paused  ✝ down  ? candidate \
         · seconds since {clock_origin}"
    )
}

fn write(cells: &mut [char], at: usize, text: &str) {
    for (cell, c) in cells.iter_mut().skip(at).zip(text.chars()) {
        *cell = if c.is_control() { '\u{fffd}' } else { c };
    }
}

/// The nearest ASCII text; colour codes stay.
pub(crate) fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '·' => plain.push('-'),
            '→' => plain.push_str("->"),
            '…' => plain.push_str("..."),
            '✕' | '×' => plain.push('x'),
            'µ' => plain.push('u'),
            '–' => plain.push('-'),
            '\u{201c}' | '\u{201d}' => plain.push('"'),
            '\u{2018}' | '\u{2019}' => plain.push('\''),
            c if c.is_ascii() => plain.push(c),
            _ => plain.push('?'),
        }
    }
    plain
}
