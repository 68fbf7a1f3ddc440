//! Checks of Raft's own promises, from what nodes tell of themselves.
//!
//! One pass over the traces of all nodes, merged by time. Every check sees each line together with
//! what is known of the nodes before it ([`node::Nodes`]), and keeps what it needs beside that. Memory
//! grows with terms and batches, not with entries.
//!
//! A trace line states what is true and durable, and stands there before anyone else can know it. The
//! last lines of a killed node may be missing. No check takes a missing line for a fact, so missing
//! lines hide violations and invent none.

mod answers;
mod append_entries;
mod append_only;
mod candidates;
mod commit;
mod completeness;
mod durability;
mod elections;
mod exactly_once;
mod finding;
mod first_told;
mod log_matching;
mod members;
mod monotonic;
mod node;
mod reads;
mod restriction;
mod runs;
mod snapshot;
mod state_machine;
mod trace;
mod turns;
mod undisturbed;
mod votes;

use std::borrow::Borrow;
use std::collections::BTreeSet;

use whitewater_raft::event::Record;
use whitewater_raft::{Index, NodeId};

use crate::analysis::{CheckResult, Heading};
use crate::error::CheckError;
use crate::observation::StatusPoll;
use crate::promises::Promises;
use answers::AnsweredAfterCommit;
use elections::Elections;
use exactly_once::ExactlyOnce;
pub(crate) use exactly_once::{Answered, Told};
pub(crate) use finding::CommandId;
use finding::Findings;
pub(crate) use finding::{Place, Texts};
use node::{Line, Nodes};
pub(crate) use trace::{TraceFiles, fetch};
pub(crate) use turns::Turns;

/// One promise of Raft, watched over a merged trace.
pub(crate) trait Check {
    /// Its slug, and the promise in words.
    fn heading(&self) -> Heading;
    /// Looks at a line; `nodes` is what was known before it.
    fn see(&mut self, line: &Line<'_>, nodes: &Nodes, found: &mut Findings);
    /// The trace is over.
    fn end(&mut self, _nodes: &Nodes, _found: &mut Findings) {}
    /// What was looked at.
    fn summary(&self) -> String;
    /// Why nothing in the trace could have broken the promise, where that is so.
    fn idle(&self) -> Option<Idle>;
}

/// Why a check had nothing to look at.
pub(crate) struct Idle {
    /// What did not happen: `no snapshot was written or installed`.
    pub(crate) why: &'static str,
    /// What would have to happen: `a run with --snapshot-entries 100`.
    pub(crate) exercise: &'static str,
}

impl Idle {
    /// The check is idle where it has seen nothing.
    pub(crate) fn unless(seen: bool, why: &'static str, exercise: &'static str) -> Option<Idle> {
        (!seen).then_some(Idle { why, exercise })
    }
}

const NO_TRACE: &str = "no trace";
const WITH_TRACE: &str =
    "a target that writes traces: the bundled server, or your own by docs/formats.md";

/// All checks of one run.
pub(crate) struct RaftChecks {
    elections: (Elections, Findings),
    others: Vec<(Box<dyn Check>, Findings)>,
    answers: (AnsweredAfterCommit, Findings),
    exactly_once: (ExactlyOnce, Findings),
    nodes: Nodes,
    turns: Turns,
    lines: u64,
}

impl RaftChecks {
    /// Nothing seen yet. `promises` says what the target promises beyond safety.
    pub(crate) fn new(promises: &Promises) -> RaftChecks {
        let others: Vec<Box<dyn Check>> = vec![
            Box::new(votes::Quorums::default()),
            Box::new(votes::VoteOnce::default()),
            Box::new(candidates::VoteForCandidate::default()),
            Box::new(restriction::ElectionRestriction::default()),
            Box::new(log_matching::LogMatching::default()),
            Box::new(state_machine::StateMachineSafety::default()),
            Box::new(monotonic::Monotonic::default()),
            Box::new(commit::CommitImmutable::default()),
            Box::new(completeness::LeaderCompleteness::default()),
            Box::new(commit::CommitRule::default()),
            Box::new(members::MembersAgree::default()),
            Box::new(durability::DurableFirst::default()),
            Box::new(durability::BootEqualsDisk::default()),
            Box::new(reads::ReadIndex::default()),
            Box::new(append_only::LeaderAppendOnly::default()),
            Box::new(append_entries::AppendEntries::default()),
            Box::new(snapshot::Snapshots::default()),
            Box::new(undisturbed::Undisturbed::new(promises.undisturbed_ms)),
        ];
        let others = others.into_iter().map(|check| (check, Findings::default())).collect();
        RaftChecks {
            elections: (Elections::default(), Findings::default()),
            others,
            answers: (AnsweredAfterCommit::default(), Findings::default()),
            exactly_once: (ExactlyOnce::default(), Findings::default()),
            nodes: Nodes::default(),
            turns: Turns::default(),
            lines: 0,
        }
    }

    /// Takes in the whole trace.
    pub(crate) fn trace<R: Borrow<Record>>(
        &mut self,
        records: impl Iterator<Item = Result<(Place, R), CheckError>>,
    ) -> Result<(), CheckError> {
        for record in records {
            let (place, record) = record?;
            self.see(&Line { record: record.borrow(), place });
        }
        for (check, found) in &mut self.others {
            check.end(&self.nodes, found);
        }
        self.answers.0.settle();
        Ok(())
    }

    fn see(&mut self, line: &Line<'_>) {
        self.lines += 1;
        self.elections.0.see(line, &self.nodes, &mut self.elections.1);
        for (check, found) in &mut self.others {
            check.see(line, &self.nodes, found);
        }
        self.answers.0.see(line, &self.nodes, &mut self.answers.1);
        self.exactly_once.0.see(line, &self.nodes, &mut self.exactly_once.1);
        self.nodes.take(line);
        self.turns.take(line.record);
    }

    /// Takes in status polls; `file` is the number of their file.
    pub(crate) fn polls(&mut self, polls: &[(u32, StatusPoll)], file: u32) {
        let (elections, found) = &mut self.elections;
        for (line, poll) in polls {
            elections.poll(poll, Place { file, line: *line }, found);
        }
    }

    /// Takes in what clients were told of their commands, after the trace.
    pub(crate) fn answered(&mut self, answered: impl Iterator<Item = Answered>) {
        let (exactly_once, not_once) = &mut self.exactly_once;
        let (answers, too_early) = &mut self.answers;
        exactly_once.compare();
        for answered in answered {
            exactly_once.answered(&answered, &self.nodes, not_once);
            answers.answered(&answered, exactly_once.fate(answered.command), too_early);
        }
    }

    /// The lines that are needed as evidence.
    pub(crate) fn places(&self) -> BTreeSet<Place> {
        let others = self.others.iter().map(|(_, found)| found);
        let named = [&self.elections.1, &self.answers.1, &self.exactly_once.1];
        named.into_iter().chain(others).flat_map(Findings::places).collect()
    }

    /// The commands that findings speak of.
    pub(crate) fn commands_found(&self) -> BTreeSet<CommandId> {
        let named = [&self.answers.1, &self.exactly_once.1];
        named.into_iter().flat_map(Findings::commands).collect()
    }

    /// What became of commands.
    pub(crate) fn commands(&self) -> Commands<'_> {
        Commands { exactly_once: &self.exactly_once.0, nodes: &self.nodes }
    }

    /// Who led when.
    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// The results, in the order a reader wants them.
    pub(crate) fn results(self, texts: &Texts) -> Vec<CheckResult> {
        let (elections, found) = self.elections;
        let mut results = vec![result(&elections, found, texts)];
        let (answers, too_early) = self.answers;
        let (exactly_once, not_once) = self.exactly_once;
        let of_answers: [(Box<dyn Check>, Findings); 2] =
            [(Box::new(answers), too_early), (Box::new(exactly_once), not_once)];
        for (check, found) in self.others.into_iter().chain(of_answers) {
            results.push(match self.lines {
                0 => check.heading().not_exercised(NO_TRACE, WITH_TRACE),
                _ => result(&*check, found, texts),
            });
        }
        results
    }
}

/// What traces tell of commands.
#[derive(Clone, Copy)]
pub(crate) struct Commands<'a> {
    exactly_once: &'a ExactlyOnce,
    nodes: &'a Nodes,
}

impl Commands<'_> {
    /// A node that applied a command, and the index at which it did.
    pub(crate) fn effect(&self, command: (u64, u64)) -> Option<(NodeId, Index)> {
        self.exactly_once.effect(command)
    }

    /// Whether a node writes a trace.
    pub(crate) fn tells(&self, node: NodeId) -> bool {
        self.nodes.tells(node)
    }
}

fn result(check: &dyn Check, found: Findings, texts: &Texts) -> CheckResult {
    if let Some(idle) = check.idle().filter(|_| found.is_empty()) {
        return check.heading().not_exercised(idle.why, idle.exercise);
    }
    found.result(check.heading(), check.summary(), texts)
}
