//! What a person reads: one line per event with time, node, role and term.
//!
//! Each node has a colour of its own, so that the merged logs of a cluster can be told apart. NO_COLOR
//! and `--color` are respected. Level 0 tells what an operator wants to know, 1 (`-v`) adds votes and
//! trials, 2 (`-vv`) adds commits and the rest of the trace.

use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use whitewater_raft::event::{Event, Record, Role, Traced};
use whitewater_raft::{NodeId, Term};

/// One colour per node, readable on dark and light; red is kept for trouble.
const COLORS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Blue,
    AnsiColor::Magenta,
    AnsiColor::BrightBlack,
];

/// A node's own colour.
pub fn node_style(node: NodeId) -> Style {
    let place = usize::try_from(node.saturating_sub(1)).unwrap_or(0) % COLORS.len();
    COLORS[place].on_default()
}

/// The log of one node. Clones write to the same place.
#[derive(Clone, Debug)]
pub struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    node: NodeId,
    verbosity: u8,
    out: Mutex<AutoStream<std::io::Stderr>>,
    role: AtomicU8,
    term: AtomicU64,
}

impl Log {
    /// A log on stderr.
    pub fn new(node: NodeId, verbosity: u8, color: ColorChoice) -> Log {
        let out = Mutex::new(AutoStream::new(std::io::stderr(), color));
        let (role, term) = (AtomicU8::new(role_to_u8(Role::Follower)), AtomicU64::new(0));
        Log { inner: Arc::new(Inner { node, verbosity, out, role, term }) }
    }

    /// Something an operator wants to know.
    pub fn info(&self, message: impl Display) {
        self.line(Style::new(), message);
    }

    /// Something an operator has to know.
    pub fn warn(&self, message: impl Display) {
        self.line(AnsiColor::Red.on_default(), message);
    }

    /// Something for `-v`.
    pub fn detail(&self, message: impl Display) {
        if self.inner.verbosity >= 1 {
            self.line(Style::new(), message);
        }
    }

    /// An event of the trace, in words, if the level asks for it.
    pub fn event(&self, traced: &Traced) {
        self.inner.role.store(role_to_u8(traced.role), Ordering::Relaxed);
        self.inner.term.store(traced.term, Ordering::Relaxed);
        let (level, style) = level_and_style(&traced.event);
        if self.inner.verbosity >= level {
            self.line(style, describe(&traced.event));
        }
    }

    fn line(&self, style: Style, message: impl Display) {
        let inner = &self.inner;
        let time = jiff::Timestamp::now().strftime("%H:%M:%S%.3f").to_string();
        let role = role_name(role_from_u8(inner.role.load(Ordering::Relaxed)));
        let term: Term = inner.term.load(Ordering::Relaxed);
        let node = node_style(inner.node);
        let dim = Style::new().dimmed();
        let mut out = inner.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written must not stop a node.
        let _ = writeln!(
            out,
            "{dim}{time}{dim:#} {node}n{}{node:#} {role:<13} t{term:<4} {style}{message}{style:#}",
            inner.node
        );
    }
}

/// The role as `status` and the log name it.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
        Role::Learner => "learner",
    }
}

fn role_to_u8(role: Role) -> u8 {
    role as u8
}

fn role_from_u8(number: u8) -> Role {
    [Role::Follower, Role::PreCandidate, Role::Candidate, Role::Leader, Role::Learner]
        [usize::from(number)]
}

fn level_and_style(event: &Event) -> (u8, Style) {
    match event {
        Event::Leader { .. } => (0, Style::new().bold()),
        Event::Stepdown { .. }
        | Event::Truncate { .. }
        | Event::Config { .. }
        | Event::SnapshotInstalled { .. }
        | Event::Boot { .. } => (0, Style::new()),
        Event::Campaign { .. }
        | Event::Vote { .. }
        | Event::Term { .. }
        | Event::SnapshotWritten { .. } => (1, Style::new()),
        _ => (2, Style::new().dimmed()),
    }
}

/// The line of a log for an event that the log at this level tells; `None`: it does not.
pub fn line(record: &Record, verbosity: u8) -> Option<String> {
    let Record { node, time_ns, term, role, event, .. } = record;
    (level_and_style(event).0 <= verbosity).then(|| {
        let (seconds, millis) = (time_ns / 1_000_000_000, time_ns / 1_000_000 % 1_000);
        let (role, text) = (role_name(*role), describe(event));
        format!("{seconds}.{millis:03} n{node} {role:<13} t{term:<4} {text}")
    })
}

fn describe(event: &Event) -> String {
    match event {
        Event::Boot { hard_state, last, snapshot, mutant, .. } => {
            let mutant = mutant.as_ref().map_or(String::new(), |name| format!(", MUTANT {name}"));
            format!(
                "starts with term {}, snapshot {}, last entry {}{mutant}",
                hard_state.term, snapshot.index, last.index
            )
        }
        Event::Term { old } => format!("left term {old}"),
        Event::Vote { candidate, .. } => format!("votes for n{candidate}"),
        Event::Campaign { pre_vote: true, .. } => "asks whether it could win an election".into(),
        Event::Campaign { transfer: true, .. } => "campaigns because the leader asks it to".into(),
        Event::Campaign { .. } => "campaigns".into(),
        Event::Leader { votes, last, .. } => {
            let votes: Vec<_> = votes.iter().map(|vote| format!("n{vote}")).collect();
            format!("leads with the votes of {}, last entry {}", votes.join(" "), last.index)
        }
        Event::Stepdown { cause } => format!("steps down: {cause}"),
        Event::Truncate { from, old_last } => {
            format!("drops entries {from} to {} that conflict with the leader's", old_last.index)
        }
        Event::Config { membership, .. } => {
            let mut text = format!("voters are now {}", nodes(&membership.voters));
            if !membership.voters_outgoing.is_empty() {
                text += &format!(", and also {}", nodes(&membership.voters_outgoing));
            }
            if !membership.learners.is_empty() {
                text += &format!("; learners {}", nodes(&membership.learners));
            }
            text
        }
        Event::SnapshotWritten { last, .. } => format!("snapshot at {} is durable", last.index),
        Event::SnapshotInstalled { last, applied_before, .. } => {
            format!("takes over the leader's snapshot at {} (was at {applied_before})", last.index)
        }
        other => describe_detail(other),
    }
}

/// The events that only the most talkative log tells.
fn describe_detail(event: &Event) -> String {
    match event {
        Event::Append { first, last, .. } => {
            format!("has entries {} to {} of term {}", first.index, last.index, last.term)
        }
        Event::Durable { last, .. } => format!("log is durable up to {}", last.index),
        Event::Ack { to, matched } => format!("tells n{to} that logs match up to {matched}"),
        Event::Commit { to, .. } => format!("committed up to {} of term {}", to.index, to.term),
        Event::Apply { from, to, .. } => format!("applied {from} to {}", to.index),
        Event::Purge { to } => format!("dropped entries up to {to}, which a snapshot covers"),
        Event::ReadBegun { round, index } => {
            format!("reads at {index} wait for heartbeat round {round}")
        }
        Event::Read { round, index, .. } => format!("answers reads at {index}, round {round}"),
        Event::Command { index, session, sequence, fresh, refused } => {
            let what = match (fresh, refused) {
                (false, _) => "a repetition",
                (true, true) => "changes nothing",
                (true, false) => "takes effect",
            };
            format!("command {sequence} of session {session} at {index} {what}")
        }
        // The others have words of their own.
        _ => String::new(),
    }
}

fn nodes<'a>(nodes: impl IntoIterator<Item = &'a NodeId>) -> String {
    let names: Vec<String> = nodes.into_iter().map(|node| format!("n{node}")).collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_survive_their_number() {
        for role in
            [Role::Follower, Role::PreCandidate, Role::Candidate, Role::Leader, Role::Learner]
        {
            assert_eq!(role_from_u8(role_to_u8(role)), role);
        }
    }

    #[test]
    fn a_mutant_is_named_in_the_first_line() {
        let event = Event::Boot {
            hard_state: whitewater_raft::HardState::default(),
            snapshot: whitewater_raft::Position::default(),
            last: whitewater_raft::Position::default(),
            chain: whitewater_raft::Chain(0),
            applied: 0,
            state_hash: whitewater_raft::Chain(0),
            mutant: Some("no-dedupe".into()),
            membership: whitewater_raft::Membership::default(),
        };
        assert!(describe(&event).ends_with("MUTANT no-dedupe"));
    }
}
