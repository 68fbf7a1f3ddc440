//! Traces from short scripts, and what the checker says about them.
//!
//! One line is one event: `NODE EVENT …`, with entries written `index/term`. Boots, terms and roles
//! follow from the lines before; chains and state hashes follow from the log, unless a line says
//! otherwise.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;
use whitewater_checker::analysis::{Analysis, CheckState, Finding};
use whitewater_checker::observation::StatusPoll;
use whitewater_checker::{Options, check_run};
use whitewater_raft::event::{Event, Record, Role};
use whitewater_raft::{Chain, HardState, Membership, NodeId, Position};

/// What the checker said about a script.
pub(crate) struct Verdicts {
    analysis: Analysis,
    script: String,
}

/// The records of a script.
pub(crate) fn records(script: &str) -> Vec<Record> {
    Script::default().records(script)
}

/// Checks a script.
pub(crate) fn check(script: &str) -> Verdicts {
    check_with(script, &[])
}

/// Checks a script beside other files of a run folder.
pub(crate) fn check_with(script: &str, files: &[(&str, &str)]) -> Verdicts {
    let folder = tempfile::tempdir().unwrap();
    let mut traces: BTreeMap<NodeId, String> = BTreeMap::new();
    for record in records(script) {
        let line = serde_json::to_string(&record).unwrap();
        writeln!(traces.entry(record.node).or_default(), "{line}").unwrap();
    }
    if !traces.is_empty() {
        std::fs::create_dir(folder.path().join("trace")).unwrap();
    }
    for (node, text) in traces {
        std::fs::write(folder.path().join(format!("trace/n{node}.jsonl")), text).unwrap();
    }
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    // A plan that requires nothing.
    std::fs::write(folder.path().join("plan.json"), "{}").unwrap();
    let analysis = check_run(folder.path(), &Options::default()).unwrap();
    Verdicts { analysis, script: script.to_owned() }
}

/// A line of `status.jsonl`.
pub(crate) fn poll(node: &str, term: u64, role: &str) -> String {
    let (node, role) = (node.to_owned(), role.to_owned());
    let poll = StatusPoll { node, term, role, time_ns: 1_000_000, ..StatusPoll::default() };
    format!("{}\n", json!(poll))
}

impl Verdicts {
    /// Nothing is wrong.
    pub(crate) fn none_fires(&self) {
        assert_eq!(self.fired(), Vec::<&str>::new(), "{self}");
    }

    /// A check finds this anomaly, and says this.
    pub(crate) fn fires(&self, check: &str, anomaly: &str, words: &str) {
        let findings = self.findings(check);
        let says =
            |finding: &&Finding| finding.anomaly == anomaly && finding.explanation.contains(words);
        assert!(findings.iter().any(|finding| says(&finding)), "{check} {anomaly} in {self}");
    }

    /// The same, and no other check finds anything.
    pub(crate) fn fires_only(&self, check: &str, anomaly: &str, words: &str) {
        self.fires(check, anomaly, words);
        assert_eq!(self.fired(), [check], "{self}");
    }

    /// What a check came to.
    pub(crate) fn state(&self, check: &str) -> CheckState {
        let found = self.analysis.checks.iter().find(|result| result.name == check);
        found.unwrap_or_else(|| panic!("no check {check} in {self}")).state
    }

    /// What a check looked at.
    pub(crate) fn summary(&self, check: &str) -> &str {
        let found = self.analysis.checks.iter().find(|result| result.name == check);
        &found.unwrap_or_else(|| panic!("no check {check} in {self}")).summary
    }

    /// The evidence of a check's first finding.
    pub(crate) fn evidence(&self, check: &str) -> &[String] {
        &self.findings(check)[0].evidence
    }

    fn findings(&self, check: &str) -> &[Finding] {
        let found = self.analysis.checks.iter().find(|result| result.name == check);
        &found.unwrap_or_else(|| panic!("no check {check} in {self}")).findings
    }

    fn fired(&self) -> Vec<&str> {
        let is_silent = |state| matches!(state, CheckState::Holds | CheckState::NotExercised);
        let fired = self.analysis.checks.iter().filter(|check| !is_silent(check.state));
        fired.map(|check| check.name.as_str()).collect()
    }
}

impl std::fmt::Display for Verdicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.script)?;
        for check in &self.analysis.checks {
            writeln!(f, "{} {}: {}", check.state.word(), check.name, check.summary)?;
            for finding in &check.findings {
                writeln!(f, "    {} {}", finding.anomaly, finding.explanation)?;
            }
        }
        Ok(())
    }
}

/// A node as far as the script tells.
#[derive(Default)]
struct Node {
    boot: u64,
    seq: u64,
    term: u64,
    role: Role,
    applied: u64,
}

/// Turns a script into records.
#[derive(Default)]
struct Script {
    nodes: BTreeMap<NodeId, Node>,
    time_ns: u64,
}

impl Script {
    fn records(mut self, script: &str) -> Vec<Record> {
        let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.filter_map(|line| self.record(line)).collect()
    }

    fn record(&mut self, line: &str) -> Option<Record> {
        let mut words = Words { line, rest: line.split_whitespace().collect() };
        let id: NodeId = words.next().parse().expect("a node number");
        let verb = words.next();
        self.time_ns += 1_000;
        let node = self.nodes.entry(id).or_default();
        let event = node.event(verb, &mut words)?;
        assert!(words.rest.is_empty(), "nothing left of {line:?}: {:?}", words.rest);
        node.seq += 1;
        Some(Record {
            node: id,
            boot: node.boot,
            seq: node.seq,
            time_ns: self.time_ns,
            term: node.term,
            role: node.role,
            event,
        })
    }
}

impl Node {
    fn event(&mut self, verb: &str, words: &mut Words<'_>) -> Option<Event> {
        Some(match verb {
            "boot" => self.boot(words),
            "killed" => {
                (self.role, self.applied) = (Role::Follower, 0);
                return None;
            }
            "term" => {
                let old = std::mem::replace(&mut self.term, words.number());
                self.role = Role::Follower;
                Event::Term { old }
            }
            "vote" => {
                let candidate = words.number();
                let candidate_last =
                    if words.has("last") { words.position() } else { Position::default() };
                let own_last = if words.has("own") { words.position() } else { candidate_last };
                Event::Vote { candidate, candidate_last, own_last }
            }
            "campaign" => {
                self.role = Role::Candidate;
                Event::Campaign { pre_vote: false, transfer: false }
            }
            "leader" => {
                self.role = Role::Leader;
                let votes = words.numbers();
                words.word("last");
                let last = words.position();
                Event::Leader { votes, last, chain: words.chain(last) }
            }
            "stepdown" => {
                self.role = Role::Follower;
                Event::Stepdown { cause: "told to".to_owned() }
            }
            _ => return Some(self.log_event(verb, words)),
        })
    }

    fn log_event(&mut self, verb: &str, words: &mut Words<'_>) -> Event {
        match verb {
            "append" => {
                let (first, last) = words.range();
                Event::Append { first, last, chain: words.chain(last) }
            }
            "truncate" => {
                let from = words.number();
                words.word("from");
                Event::Truncate { from, old_last: words.position() }
            }
            "durable" => {
                let last = words.position();
                Event::Durable { last, chain: words.chain(last) }
            }
            "ack" => Event::Ack { to: words.number(), matched: words.number() },
            "commit" => {
                let to = words.position();
                let matched = if words.has("matched") { words.pairs() } else { Vec::new() };
                Event::Commit { to, chain: words.chain(to), matched }
            }
            "config" => Event::Config { index: words.number(), membership: words.membership() },
            "command" => {
                let index = words.number();
                words.word("session");
                let session = words.number();
                words.word("sequence");
                let sequence = words.number();
                let fresh = words.has("fresh");
                Event::Command { index, session, sequence, fresh, refused: words.has("refused") }
            }
            "begin-read" => {
                let round = words.number();
                words.word("index");
                Event::ReadBegun { round, index: words.number() }
            }
            "read" => {
                let round = words.number();
                words.word("index");
                let index = words.number();
                let confirmed = if words.has("confirmed") { words.numbers() } else { Vec::new() };
                let applied = if words.has("applied") { words.number() } else { self.applied };
                Event::Read { round, index, applied, confirmed }
            }
            _ => self.state_event(verb, words),
        }
    }

    fn state_event(&mut self, verb: &str, words: &mut Words<'_>) -> Event {
        match verb {
            "apply" => {
                let (from, to) = words.pair("..");
                let (from, to) = (number(from), position(to));
                self.applied = to.index;
                let chain = words.chain(to);
                Event::Apply { from, to, chain, state_hash: Some(words.state(to.index)) }
            }
            "snapshot" => {
                let last = words.position();
                let chain = words.chain(last);
                Event::SnapshotWritten { last, chain, state_hash: words.state(last.index) }
            }
            "install" => {
                let last = words.position();
                let applied_before = std::mem::replace(&mut self.applied, last.index);
                let (chain, state_hash) = (words.chain(last), words.state(last.index));
                Event::SnapshotInstalled { last, chain, state_hash, applied_before }
            }
            "purge" => Event::Purge { to: words.number() },
            other => panic!("no event {other:?} in {:?}", words.line),
        }
    }

    fn boot(&mut self, words: &mut Words<'_>) -> Event {
        let term = if words.has("term") { words.number() } else { 0 };
        let vote = words.has("vote").then(|| words.number());
        let snapshot = if words.has("snapshot") { words.position() } else { Position::default() };
        let last = if words.has("last") { words.position() } else { snapshot };
        let voters = if words.has("voters") { words.numbers() } else { vec![1, 2, 3] };
        let voters = if words.has("joins") { Vec::new() } else { voters };
        if voters.is_empty() {
            self.boot = 0;
        }
        (self.boot, self.seq, self.role) = (self.boot + 1, 0, Role::Follower);
        (self.term, self.applied) = (term, snapshot.index);
        Event::Boot {
            hard_state: HardState { term, vote },
            snapshot,
            last,
            chain: words.chain(last),
            applied: snapshot.index,
            state_hash: words.state(snapshot.index),
            mutant: None,
            membership: Membership {
                voters: voters.into_iter().collect(),
                ..Membership::default()
            },
        }
    }
}

/// The words of a line that are left.
struct Words<'a> {
    line: &'a str,
    rest: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> &'a str {
        assert!(!self.rest.is_empty(), "{:?} ends too early", self.line);
        self.rest.remove(0)
    }

    fn has(&mut self, word: &str) -> bool {
        let has = self.rest.first() == Some(&word);
        if has {
            self.rest.remove(0);
        }
        has
    }

    fn word(&mut self, word: &str) {
        assert!(self.has(word), "{word:?} is missing in {:?}", self.line);
    }

    fn number(&mut self) -> u64 {
        number(self.next())
    }

    fn numbers(&mut self) -> Vec<u64> {
        self.next().split(',').map(number).collect()
    }

    fn pair(&mut self, separator: &str) -> (&'a str, &'a str) {
        self.next().split_once(separator).expect("a pair")
    }

    fn position(&mut self) -> Position {
        position(self.next())
    }

    fn range(&mut self) -> (Position, Position) {
        let (first, last) = self.pair("..");
        (position(first), position(last))
    }

    fn pairs(&mut self) -> Vec<(NodeId, u64)> {
        let pair = |text: &str| text.split_once(':').map(|(a, b)| (number(a), number(b)));
        self.next().split(',').map(|text| pair(text).expect("node:index")).collect()
    }

    fn membership(&mut self) -> Membership {
        let voters = self.numbers().into_iter().collect();
        let outgoing = if self.has("outgoing") { self.numbers() } else { Vec::new() };
        let voters_outgoing = outgoing.into_iter().collect();
        Membership { voters, voters_outgoing, ..Membership::default() }
    }

    /// The chain that a right log has there, or the one the line says.
    fn chain(&mut self, at: Position) -> Chain {
        match self.has("chain") {
            true => Chain(self.number()),
            false if at.index == 0 => Chain::default(),
            false => Chain(at.index * 1_000 + at.term),
        }
    }

    /// The state hash that a right machine has there, or the one the line says.
    fn state(&mut self, index: u64) -> Chain {
        if self.has("state") { Chain(self.number()) } else { Chain(index + 77) }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is a number"))
}

fn position(text: &str) -> Position {
    let (index, term) = text.split_once('/').unwrap_or_else(|| panic!("{text:?} is index/term"));
    Position { index: number(index), term: number(term) }
}
