//! A node's role over time as a bar: height, hatch and words tell roles apart, not colour alone.

use whitewater_checker::statistics::{NodeRoles, Span, State};
use whitewater_raft::event::Role;

use crate::clock::Clock;
use crate::correlation::role_word;
use crate::svg::{Anchor, Scale, Svg};

/// What a character of a bar's words takes, on average, at 12 px.
const CHARACTER: f64 = 6.6;

/// `term 8`, or `terms 7–8` where it changes within the window.
pub(crate) fn terms(roles: &NodeRoles, scale: Scale) -> String {
    let shown =
        roles.spans.iter().filter(|span| scale.stretch(span.start_ns, span.end_ns).is_some());
    let terms: Vec<u64> = shown.map(|span| span.term).collect();
    match (terms.iter().min(), terms.iter().max()) {
        (Some(low), Some(high)) if low == high => format!("term {low}"),
        (Some(low), Some(high)) => format!("terms {low}–{high}"),
        _ => String::new(),
    }
}

/// Whether another node's leadership speaks against a node's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nothing speaks against it.
    Undisputed,
    /// Another node leads a higher term: answers may be old.
    Stale,
    /// Another node leads the same term, which must never be.
    Rival,
}

/// A node's spans, each cut where another node's leadership begins to speak against it.
pub(crate) fn with_claims(roles: &NodeRoles, all: &[NodeRoles]) -> Vec<(Span, Claim)> {
    let mut cut = Vec::with_capacity(roles.spans.len());
    for span in &roles.spans {
        match disputed_from(span, &roles.node, all) {
            Some((from_ns, claim)) => {
                if span.start_ns < from_ns {
                    cut.push((Span { end_ns: from_ns, ..span.clone() }, Claim::Undisputed));
                }
                cut.push((Span { start_ns: from_ns, ..span.clone() }, claim));
            }
            None => cut.push((span.clone(), Claim::Undisputed)),
        }
    }
    cut
}

fn disputed_from(span: &Span, node: &str, all: &[NodeRoles]) -> Option<(u64, Claim)> {
    if !leads(span) {
        return None;
    }
    all.iter()
        .filter(|other| other.node != node)
        .flat_map(|other| &other.spans)
        .filter(|there| leads(there) && there.term >= span.term)
        .filter(|there| there.start_ns < span.end_ns && there.end_ns > span.start_ns)
        .map(|there| {
            let claim = if there.term == span.term { Claim::Rival } else { Claim::Stale };
            (there.start_ns.max(span.start_ns), claim)
        })
        .min_by_key(|(from_ns, _)| *from_ns)
}

fn leads(span: &Span) -> bool {
    span.role == Role::Leader && span.state == State::Running
}

/// Draws one lane; `place` is its top and the height of a full bar.
pub(crate) fn draw(
    svg: &mut Svg,
    roles: &NodeRoles,
    all: &[NodeRoles],
    scale: Scale,
    clock: Clock,
    (top, height): (f64, f64),
) {
    let spans = with_claims(roles, all);
    for (index, (span, claim)) in spans.iter().enumerate() {
        let Some((left, right)) = scale.stretch(span.start_ns, span.end_ns) else { continue };
        let kind = kind(span);
        let disputed = if *claim == Claim::Undisputed { "" } else { " stale" };
        let class = format!("role r-{kind}{disputed}");
        let title = title(span, &roles.node, clock);
        let width = (right - left).max(1.5);
        svg.group(&class, &title, false, |svg| {
            let (bar_top, bar_height) = match kind {
                "follower" => (top + height / 2.0 - 2.5, 5.0),
                "candidate" | "down" | "silent" => (top + 3.0, height - 6.0),
                _ => (top, height),
            };
            svg.rect("bar", left, bar_top, width, bar_height);
            if matches!(kind, "candidate" | "paused" | "silent") {
                svg.rect("hatch", left, bar_top, width, bar_height);
            }
            let fitting = captions(span, *claim, clock, scale)
                .into_iter()
                .find(|text| CHARACTER * text.chars().count() as f64 + 14.0 < width);
            if let Some(text) = fitting {
                svg.text("caption", left + 7.0, top + height / 2.0 + 4.0, Anchor::Start, &text);
            }
        });
        let ends_a_reign = leads(span)
            && spans.get(index + 1).is_some_and(|(next, _)| next.role != Role::Leader)
            && scale.contains(span.end_ns);
        if ends_a_reign && height > 16.0 {
            let text = format!("steps down {}", clock.bare(span.end_ns));
            svg.text("minor", right, top + height + 13.0, Anchor::End, &text);
        }
    }
}

/// What a span is drawn as: what was seen from outside counts for more than the role that a node had last.
pub(crate) fn kind(span: &Span) -> &'static str {
    match (span.state, span.role) {
        (State::Down, _) => "down",
        (State::Silent, _) => "silent",
        (State::Paused | State::Stopped, _) => "paused",
        (_, Role::Leader) => "leader",
        (_, Role::Candidate | Role::PreCandidate) => "candidate",
        _ => "follower",
    }
}

/// What may be written into a bar, the longest first.
fn captions(span: &Span, claim: Claim, clock: Clock, scale: Scale) -> Vec<String> {
    let term = span.term;
    match (span.state, span.role) {
        (State::Down, _) => vec!["✝ down".to_owned(), "✝".to_owned()],
        (State::Silent, _) => vec!["silent: no answer to status requests", "silent"]
            .into_iter()
            .map(str::to_owned)
            .collect(),
        (State::Stopped, _) => vec!["‖ stopped, not by the run", "‖ stopped", "‖"]
            .into_iter()
            .map(str::to_owned)
            .collect(),
        (State::Paused, Role::Leader) => vec![
            format!("‖ paused · still leader of term {term} in its own eyes"),
            format!("‖ paused · leader t{term}"),
            "‖ paused".to_owned(),
            "‖".to_owned(),
        ],
        (State::Paused, _) => vec!["‖ paused".to_owned(), "‖".to_owned()],
        (_, Role::Leader) if claim == Claim::Stale => {
            vec![
                format!("stale leader · term {term}"),
                format!("stale t{term}"),
                format!("t{term}"),
            ]
        }
        (_, Role::Leader) if claim == Claim::Rival => {
            vec![format!("second leader · term {term}"), format!("t{term}")]
        }
        (_, Role::Leader) => {
            let mut words = vec![
                format!("leader · term {term}"),
                format!("leader t{term}"),
                format!("t{term}"),
            ];
            // Elected in view needs no words; elected before it does.
            if span.start_ns < scale.from_ns {
                words.insert(
                    0,
                    format!("leader · term {term} · elected {}", clock.bare(span.start_ns)),
                );
            }
            words
        }
        _ => Vec::new(),
    }
}

fn title(span: &Span, node: &str, clock: Clock) -> String {
    let state = match span.state {
        State::Running => "",
        State::Paused => "paused, ",
        State::Stopped => "stopped by somebody else than the run, before that ",
        State::Silent => "answered no status request, before that ",
        State::Down => "down, before that ",
    };
    format!(
        "{node} · {state}{} in term {} · {} to {} s",
        role_word(span.role),
        span.term,
        clock.bare(span.start_ns),
        clock.bare(span.end_ns)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader(node: &str, term: u64, start_ns: u64, end_ns: u64) -> NodeRoles {
        let span = Span { start_ns, end_ns, role: Role::Leader, term, state: State::Running };
        NodeRoles { node: node.to_owned(), from_trace: true, spans: vec![span] }
    }

    #[test]
    fn who_is_silent_or_stopped_does_not_lead() {
        let state = |state| Span { state, ..leader("n1", 7, 0, 50).spans[0].clone() };
        for (silent, drawn) in
            [(State::Silent, "silent"), (State::Stopped, "paused"), (State::Down, "down")]
        {
            let span = state(silent);
            assert_eq!(kind(&span), drawn);
            assert!(!leads(&span));
            let scale = Scale { from_ns: 0, to_ns: 50, left: 0.0, right: 900.0 };
            let words = captions(&span, Claim::Undisputed, Clock::new(0), scale);
            assert!(words.iter().all(|text| !text.contains("leader")), "{words:?}");
        }
        assert_eq!(kind(&state(State::Running)), "leader");
    }

    #[test]
    fn a_reign_is_stale_from_the_election_of_a_higher_term() {
        let all = [leader("n1", 7, 0, 50), leader("n2", 8, 40, 90), leader("n3", 6, 45, 60)];
        let cut = |index: usize| -> Vec<(u64, u64, Claim)> {
            let spans = with_claims(&all[index], &all).into_iter();
            spans.map(|(span, claim)| (span.start_ns, span.end_ns, claim)).collect()
        };
        assert_eq!(cut(0), [(0, 40, Claim::Undisputed), (40, 50, Claim::Stale)]);
        assert_eq!(cut(1), [(40, 90, Claim::Undisputed)]);
        assert_eq!(cut(2), [(45, 60, Claim::Stale)]);
        let rivals = [leader("n1", 7, 0, 50), leader("n2", 7, 40, 90)];
        assert_eq!(with_claims(&rivals[1], &rivals)[0].1, Claim::Rival);
    }
}
