//! Every check of a run, in the order a reader wants them, wherever the run's record comes from.
//!
//! [`crate::check_run`] reads the record from a folder, [`crate::check_recorded`] has it in memory.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use whitewater_raft::event::Record;

use crate::analysis::{Analysis, CheckResult, OperationId};
use crate::error::CheckError;
use crate::fact::Fact;
use crate::fault::{FaultRecord, Scope};
use crate::history::{History, Outcome, Source};
use crate::history_check::{HistoryReport, canary, held_to};
use crate::linear::Effect;
use crate::observation::{ProcessEvent, StatusPoll};
use crate::observed::{self, Ending, Journals};
use crate::options::Options;
use crate::promises::Promises;
use crate::raft::{Answered, CommandId, Commands, Place, RaftChecks, Texts, Told, Turns};
use crate::run_folder::Numbered;
use crate::strength::{Asked, Happened, strength};
use crate::target::{Promised, TargetOutline};

/// What a run left behind, beside its traces. What is `None` was not there.
#[derive(Default)]
pub(crate) struct Material {
    /// The history, and its name for errors.
    pub(crate) history: Option<(String, Source)>,
    pub(crate) status: Option<Numbered<StatusPoll>>,
    pub(crate) processes: Option<Numbered<ProcessEvent>>,
    pub(crate) faults: Vec<FaultRecord>,
    pub(crate) asked: Asked,
    /// What the target promises beyond safety.
    pub(crate) promises: Option<Promises>,
    /// What is known of the target; `None`: it is the bundled server.
    pub(crate) target: Option<TargetOutline>,
    /// What became of the nodes' journals.
    pub(crate) journals: Journals,
    /// What the run's record knows of its end, for a history that tells nothing of it; `None`: no record.
    pub(crate) record: Option<Vec<Fact>>,
}

/// The traces of all nodes: numbered from file 0, then the status polls, then the history.
pub(crate) struct Trace<I> {
    pub(crate) records: I,
    /// How many files there are.
    pub(crate) files: u32,
}

/// Judges everything; the report has the figures of the history's check. `fetch` gets the text of lines that are needed as evidence.
pub(crate) fn judge<R: Borrow<Record>>(
    material: &Material,
    trace: Trace<impl Iterator<Item = Result<(Place, R), CheckError>>>,
    fetch: impl FnOnce(&BTreeSet<Place>) -> Result<BTreeMap<Place, String>, CheckError>,
    options: &Options,
) -> Result<(Analysis, Option<HistoryReport>), CheckError> {
    let mut raft = RaftChecks::new(&material.promises.unwrap_or_default());
    raft.trace(trace.records)?;
    if material.tells_term() {
        raft.polls(material.status.as_deref().unwrap_or_default(), trace.files);
    }
    if let Some(history) = material.history() {
        raft.answered(answered(history, trace.files + 1));
    }
    let (mut checks, mut report) = (Vec::new(), None);
    if let Some((name, source)) = &material.history {
        // What became of an operation is asked of the traces where a violation is told.
        let commands = raft.commands();
        let traces = |operation| effect(&source.history, &commands, operation);
        let held = held_to(material.promised(), name, source, Some(&traces), options);
        let (check, of_history) = held?;
        checks.push(check);
        report = Some(of_history);
    }
    let lines = fetch(&raft.places())?;
    let operations = material
        .history()
        .map_or_else(BTreeMap::new, |history| operations(history, &raft.commands_found()));
    let observed = material.observed(raft.turns());
    checks.extend(raft.results(&Texts { lines, operations }));
    checks.extend(observed);
    let ending = Ending::of(material.history(), material.record.as_deref());
    ending.silence(&mut checks);
    checks.extend([ending.healing(&material.faults), ending.run()]);
    checks.extend((options.canary || ending.is_canary()).then(canary));
    Ok((Analysis::of(checks), report))
}

/// The names of all checks of a run, in the order of their results.
///
/// They are what judging a run in which nothing happened comes to, so that none is ever left out.
pub fn check_names() -> Vec<String> {
    let material = Material::default();
    let trace =
        Trace { records: std::iter::empty::<Result<(Place, Record), CheckError>>(), files: 0 };
    let options = Options { canary: true, ..Options::default() };
    let judged = judge(&material, trace, |_| Ok(BTreeMap::new()), &options);
    let checks = judged.map(|(analysis, _)| analysis.checks).unwrap_or_default();
    let of_history = crate::history_check::HEADING.name.to_owned();
    std::iter::once(of_history).chain(checks.into_iter().map(|check| check.name)).collect()
}

impl Material {
    /// Whether there is nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.history.is_none() && self.status.is_none() && self.processes.is_none()
    }

    fn observed(&self, turns: &Turns) -> Vec<CheckResult> {
        let history = self.history();
        let happened = Happened {
            history,
            faults: &self.faults,
            processes: self.processes.as_deref(),
            memberships: &turns.memberships,
            promises: self.promises.as_ref(),
        };
        let outside = observed::outside(self.processes.as_deref());
        vec![
            observed::acknowledged(history),
            observed::excuse(observed::processes(self.processes.as_deref()), &outside),
            observed::excuse(observed::recovery(history, &self.faults), &outside),
            observed::liveness(&observed::Observed {
                history,
                processes: self.processes.as_deref(),
                faults: &self.faults,
                turns,
                promises: self.promises.as_ref(),
            }),
            observed::final_state(
                self.status.as_deref(),
                &self.nodes_at_the_end(),
                self.catching_up().as_ref(),
            ),
            observed::agreement(history),
            observed::terms(self.status.as_deref(), &self.faults, self.target.as_ref()),
            outside,
            strength(&self.asked, &happened),
            observed::conformance(&self.journals),
        ]
    }

    /// What is promised of followers at the end. While members come and go, a node that is none is told
    /// nothing.
    fn catching_up(&self) -> Option<observed::CatchingUp> {
        let quiesce = observed::Phases::of(self.history()?).find("quiesce")?.at_ns;
        let within_ms = self.promises.as_ref()?.leader_within_ms?;
        let is_settled = !self.faults.iter().any(|fault| fault.scope() == Scope::Members);
        is_settled.then_some(observed::CatchingUp { since_ns: quiesce, within_ms })
    }

    fn promised(&self) -> Promised {
        self.target.as_ref().map(|target| target.promises).unwrap_or_default()
    }

    fn tells_term(&self) -> bool {
        self.target.as_ref().is_none_or(|target| target.tells_term)
    }

    fn history(&self) -> Option<&History> {
        self.history.as_ref().map(|(_, source)| &source.history)
    }

    /// Every node that was started or that answered, without those that left for good.
    fn nodes_at_the_end(&self) -> BTreeSet<String> {
        let events = self.history().map_or(&[][..], |history| &history.nemesis);
        let left = events.iter().filter_map(|(_, event)| match Fact::of(event) {
            Some(Fact::Left { node }) => Some(node),
            _ => None,
        });
        let left: BTreeSet<String> = left.collect();
        self.nodes().difference(&left).cloned().collect()
    }

    /// Every node that was started or that answered.
    fn nodes(&self) -> BTreeSet<String> {
        let started = self.processes.iter().flatten().map(|(_, event)| event.node.clone());
        let answered = self.status.iter().flatten().map(|(_, poll)| poll.node.clone());
        started.chain(answered).collect()
    }
}

/// What traces tell of an acknowledged operation's command; `None`: nothing.
fn effect(history: &History, commands: &Commands<'_>, operation: u32) -> Option<Effect> {
    let place =
        history.commands.binary_search_by_key(&operation, |command| command.operation).ok()?;
    let command = history.commands[place];
    let operation = &history.operations[operation as usize];
    if operation.outcome != Outcome::Ok {
        return None;
    }
    match commands.effect((command.session, command.sequence)) {
        Some((node, index)) => Some(Effect::Applied { node: format!("n{node}"), index }),
        None => {
            let number = history.node(operation)?.strip_prefix('n')?.parse().ok()?;
            commands.tells(number).then_some(Effect::Nowhere)
        }
    }
}

/// The operations that gave these commands.
fn operations(history: &History, wanted: &BTreeSet<CommandId>) -> BTreeMap<CommandId, OperationId> {
    let given = history.commands.iter().map(|it| ((it.session, it.sequence), it.operation));
    given
        .filter(|(command, _)| wanted.contains(command))
        .map(|(command, operation)| {
            let operation = &history.operations[operation as usize];
            let (process, invoked_at_ns) = (operation.process, operation.invoked_at_ns);
            (command, OperationId { process, invoked_at_ns, part: None })
        })
        .collect()
}

/// The commands that clients were told the end of; `file` is the number of the history's file. A cas that
/// did not match was told what it found, which is for the history's own check.
fn answered(history: &History, file: u32) -> impl Iterator<Item = Answered> {
    history.commands.iter().filter_map(move |command| {
        let operation = &history.operations[command.operation as usize];
        let told = match operation.outcome {
            Outcome::Ok => Told::Done,
            Outcome::Fail => Told::Failed,
            Outcome::Rejected | Outcome::Info => return None,
        };
        Some(Answered {
            command: (command.session, command.sequence),
            node: history.node(operation)?.strip_prefix('n')?.parse().ok()?,
            told,
            function: operation.function,
            at_ns: operation.completed_at_ns,
            place: Place { file, line: history.line(operation.completed) as u32 },
        })
    })
}
