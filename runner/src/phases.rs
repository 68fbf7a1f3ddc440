//! The phases of a run as a value: which one it is, what it waits for and until when, and what is noted where that
//! does not come.
//!
//! It has no clock, socket or task. Whoever drives it tells it what is to be seen ([`Sight`]) and does what it says
//! ([`Step`]): [`crate::run`] on a real cluster, the simulator from its queue.

use std::collections::BTreeMap;
use std::mem;
use std::path::PathBuf;

use whitewater_checker::fact::Fact;
use whitewater_checker::strength::PhaseMinimum;

use crate::exit::Exit;
use crate::observe::View;
use crate::plan::Plan;
use crate::plan::requirements::{RECOVERY_S, WARM_UP_S};
use crate::record::HistoryWriter;
use crate::workload::{Action, Operation, Shared, Tally, Work, kinds};
use whitewater_target::{NodeStatus, Tells};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
/// How long a cluster may take to elect its first leader. Loaded CI machines need a while.
const HEALTHY_DEADLINE_NS: u64 = 20 * SECOND;
/// How long the first operations of every kind may take.
const WARM_UP_DEADLINE_NS: u64 = WARM_UP_S * SECOND;
/// How long the cluster may take to serve again after the last fault; part of the verdict.
const RECOVERY_DEADLINE_NS: u64 = RECOVERY_S * SECOND;
/// How long the nodes may take to agree once nothing is asked of them any more.
const QUIESCE_DEADLINE_NS: u64 = 10 * SECOND;
/// How much longer than planned the faults may take: restarts and recoveries of a loaded machine.
const FAULTS_OVERRUN_NS: u64 = 20 * SECOND;
/// One operation of the final list may take longer than usual: nothing disturbs it any more.
const FINAL_OPERATION_DEADLINE_NS: u64 = 3 * SECOND;
/// All of the final list.
const FINAL_DEADLINE_NS: u64 = 60 * SECOND;
/// Clients end within one operation's deadline, and a moment.
const STOP_LOAD_GRACE_NS: u64 = 2 * SECOND;

/// How the living part of a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All phases were lived through.
    Complete,
    /// A signal cut it short.
    Interrupted(Exit),
    /// The machine, or a cluster that never worked, did.
    Environment(String),
}

impl Ending {
    /// The signal that cut the run short.
    pub(crate) fn signal(&self) -> Option<&'static str> {
        match self {
            Ending::Interrupted(Exit::Terminated) => Some("SIGTERM"),
            Ending::Interrupted(_) => Some("SIGINT"),
            Ending::Complete | Ending::Environment(_) => None,
        }
    }
}

/// What was noted on the way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// The phases and when they began.
    pub(crate) phases: Vec<(String, u64)>,
    /// What each node said at the end.
    pub(crate) final_status: BTreeMap<u32, NodeStatus>,
    /// The server's version, as it says itself.
    pub(crate) server_version: String,
    /// Faults that could not be undone, in words.
    pub(crate) unhealed: Vec<String>,
    /// Parts of the plan that were not carried out, in words.
    pub(crate) incomplete: Vec<String>,
    /// Things that went less well than they should, in words.
    pub(crate) notes: Vec<String>,
}

impl Log {
    /// Notes the beginning of a phase, in the history as well.
    pub(crate) fn begin(
        &mut self,
        phase: &str,
        deadline_ns: Option<u64>,
        history: &mut impl HistoryWriter,
    ) {
        let at_ns = history.phase(phase, deadline_ns.map(|it| it / MILLISECOND));
        self.phases.push((phase.to_owned(), at_ns));
    }

    /// Notes in the history how the run went and that it is over, for the checker, which judges it from there.
    pub(crate) fn note(&self, ending: &Ending, history: &mut impl HistoryWriter) {
        let unhealed = self.unhealed.iter().map(|text| Fact::Unhealed { trouble: text.clone() });
        let incomplete = self.incomplete.iter();
        let incomplete = incomplete.map(|text| Fact::Incomplete { reason: text.clone() });
        let notes = self.notes.iter().map(|text| Fact::Note { text: text.clone() });
        let cut_short = ending.signal().map(|signal| Fact::Interrupted { signal: signal.into() });
        let failed = match ending {
            Ending::Environment(reason) => Some(Fact::Environment { reason: reason.clone() }),
            Ending::Complete | Ending::Interrupted(_) => None,
        };
        let facts = unhealed.chain(incomplete).chain(notes).chain(cut_short).chain(failed);
        for fact in facts.chain([Fact::End {}]) {
            history.fact(&fact);
        }
    }
}

/// What is to be seen of a run.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// Now.
    pub(crate) now_ns: u64,
    /// The nodes that are to be there.
    pub(crate) nodes: Vec<u32>,
    /// Their newest answers.
    pub(crate) view: View,
    /// How a node ended that nobody ended, in words.
    pub(crate) obituary: Option<String>,
    /// Whether every client found nothing left to do.
    pub(crate) is_idle: bool,
    /// Whether every planned fault is over.
    pub(crate) is_calm: bool,
    /// What could not be lifted, in words, once all is lifted that can be.
    pub(crate) mended: Option<Vec<String>>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// All nodes are started.
    Start,
    /// Clients that are idle begin with what there is to do. Each operation may take so long, where that is new.
    Work(Option<u64>),
    /// The nemesis carries out the plan, whose times count from now.
    Unleash,
    /// What the nemesis still does is cut short, and everything is lifted.
    Mend,
    /// Clients that are still at work are cut off: their operations have no completions, so their outcome is unknown.
    Dismiss,
    /// Every node that belongs is asked once more, for the run's last word.
    Poll,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To do this, and then to ask again.
    Do(Order),
    /// To ask again when something has changed, and then at the latest.
    Look { until_ns: u64 },
    /// The run is over.
    Over(Ending),
}

/// The phases of one run.
#[derive(Debug)]
pub(crate) struct Phases<'a> {
    plan: &'a Plan,
    /// Where the nodes' logs are, for people.
    logs: PathBuf,
    /// What nodes say of themselves: what they do not say is not waited for.
    tells: Tells,
    /// How long they may take to work together.
    healthy_within_ns: u64,
    /// How long they are left alone between the last changes and the last reads.
    rest_ns: u64,
    awaited: Awaited,
    until_ns: u64,
    /// What clients had got when nothing was in force any more.
    since: Tally,
    /// The last reads, until they are begun.
    reads: Vec<Operation>,
    /// What was noted so far.
    pub(crate) log: Log,
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum Awaited {
    Beginning,
    Started,
    Health,
    Service,
    /// The plan to be carried out, whose times count from this one.
    Plan(u64),
    Mending,
    /// Health, unless it was there, and service since.
    Recovery {
        was_healthy: bool,
    },
    EndOfLoad,
    LoadEnded,
    Changes,
    /// The time in which nothing is asked; so many changes were not answered.
    Rest {
        unchanged: usize,
    },
    /// So many changes were not answered.
    Reads {
        unchanged: usize,
    },
    Agreement,
    LastWords,
}

impl<'a> Phases<'a> {
    /// A run that has not begun.
    pub(crate) fn new(plan: &'a Plan, logs: PathBuf, tells: Tells, ready_within_ns: u64) -> Self {
        let healthy_within_ns = HEALTHY_DEADLINE_NS.max(ready_within_ns);
        let (awaited, until_ns, since) = (Awaited::Beginning, 0, Tally::default());
        let (reads, log) = (Vec::new(), Log::default());
        let rest_ns = 0;
        Self { plan, logs, tells, healthy_within_ns, rest_ns, awaited, until_ns, since, reads, log }
    }

    /// The same, with so long between the last changes and the last reads: what may be late is to arrive first, and
    /// nodes that differ from then on have diverged.
    pub(crate) fn resting(self, rest_ns: u64) -> Self {
        Self { rest_ns, ..self }
    }

    /// Whether it is the nodes that are waited for: only then is looked what they say, and whether one ended.
    pub(crate) fn awaits_nodes(&self) -> bool {
        matches!(self.awaited, Awaited::Health | Awaited::Recovery { .. } | Awaited::Agreement)
    }

    /// How far the fault phase has come, nanoseconds; `None`: it is another phase.
    pub(crate) fn faults_for_ns(&self, now_ns: u64) -> Option<u64> {
        match self.awaited {
            Awaited::Plan(origin_ns) => Some((now_ns - origin_ns).min(self.faults_ns())),
            _ => None,
        }
    }

    /// Looks, and says what comes next.
    pub(crate) fn step(
        &mut self,
        sight: Sight,
        shared: &mut Shared,
        history: &mut impl HistoryWriter,
    ) -> Step {
        let now_ns = sight.now_ns;
        let is_late = now_ns >= self.until_ns;
        let next = match self.awaited {
            Awaited::Beginning => {
                self.log.begin("start", None, history);
                Some(self.order(Order::Start, Awaited::Started, 0))
            }
            // Starting may have deadlines of its own.
            Awaited::Started => {
                (self.awaited, self.until_ns) = (Awaited::Health, now_ns + self.healthy_within_ns);
                self.warm_up(&sight, false, shared, history)
            }
            Awaited::Health => self.warm_up(&sight, is_late, shared, history),
            Awaited::Service => self.faults(now_ns, is_late, shared, history),
            Awaited::Plan(origin_ns) => self.mend(&sight, origin_ns, is_late),
            Awaited::Mending => self.recover(sight, shared, history),
            Awaited::Recovery { was_healthy } => {
                self.end_load(was_healthy || self.is_healthy(&sight), now_ns, is_late, shared)
            }
            Awaited::EndOfLoad => (is_late || sight.is_idle)
                .then(|| self.order(Order::Dismiss, Awaited::LoadEnded, 0)),
            Awaited::LoadEnded => {
                self.log.begin("final", None, history);
                let changes;
                (self.reads, changes) = last_operations(shared);
                self.until_ns = now_ns + FINAL_DEADLINE_NS;
                Some(self.sweep(changes, Awaited::Changes, shared))
            }
            Awaited::Changes | Awaited::Reads { .. } if is_late => {
                let slow = format!(
                    "changing and reading every key took longer than {} s",
                    FINAL_DEADLINE_NS / SECOND
                );
                self.log.incomplete.push(slow);
                Some(self.quiesce(now_ns, shared, history))
            }
            Awaited::Changes | Awaited::Reads { .. } if !sight.is_idle => None,
            Awaited::Changes => {
                let (unchanged, until_ns) = (unanswered(shared), now_ns + self.rest_ns);
                (self.awaited, self.until_ns) = (Awaited::Rest { unchanged }, until_ns);
                self.last_reads(unchanged, now_ns, shared)
            }
            Awaited::Rest { unchanged } => self.last_reads(unchanged, now_ns, shared),
            Awaited::Reads { unchanged } => {
                self.note_missing(unchanged, unanswered(shared));
                Some(self.quiesce(now_ns, shared, history))
            }
            Awaited::Agreement => {
                let is_settled = sight.view.is_settled(sight.nodes.len(), now_ns);
                self.poll(is_settled || !self.tells.applied, is_late)
            }
            Awaited::LastWords => Some(Step::Over(Ending::Complete)),
        };
        next.unwrap_or(Step::Look { until_ns: self.until_ns })
    }

    fn order(&mut self, order: Order, awaited: Awaited, until_ns: u64) -> Step {
        (self.awaited, self.until_ns) = (awaited, until_ns);
        Step::Do(order)
    }

    fn warm_up(
        &mut self,
        sight: &Sight,
        is_late: bool,
        shared: &mut Shared,
        history: &mut impl HistoryWriter,
    ) -> Option<Step> {
        let is_healthy = self.is_healthy(sight);
        if !is_healthy && !is_late && sight.obituary.is_none() {
            return None;
        }
        let first = sight.view.answers.values().next();
        self.log.server_version =
            first.map(|(_, status)| status.version.clone()).unwrap_or_default();
        if !is_healthy {
            let trouble = sight.obituary.clone().unwrap_or_else(|| self.describe_unhealthy(sight));
            return Some(Step::Over(Ending::Environment(trouble)));
        }
        self.log.begin("warm-up", None, history);
        shared.work = Work::Load;
        let until_ns = sight.now_ns + WARM_UP_DEADLINE_NS;
        Some(self.order(Order::Work(None), Awaited::Service, until_ns))
    }

    fn faults(
        &mut self,
        now_ns: u64,
        is_late: bool,
        shared: &Shared,
        history: &mut impl HistoryWriter,
    ) -> Option<Step> {
        if self.has_served(shared, |minimum| minimum.before) {
            self.log.begin("faults", None, history);
            let until_ns = now_ns + self.faults_ns() + FAULTS_OVERRUN_NS;
            return Some(self.order(Order::Unleash, Awaited::Plan(now_ns), until_ns));
        }
        is_late.then(|| Step::Over(Ending::Environment(too_little(&shared.tally))))
    }

    fn mend(&mut self, sight: &Sight, origin_ns: u64, is_late: bool) -> Option<Step> {
        if is_late && !sight.is_calm {
            let cut = "the faults took too long and were cut short";
            self.log.incomplete.push(cut.into());
        } else if !sight.is_calm {
            return None;
        }
        let end_ns = origin_ns + self.faults_ns();
        if sight.now_ns < end_ns {
            return Some(Step::Look { until_ns: end_ns });
        }
        // Undoing has deadlines of its own.
        Some(self.order(Order::Mend, Awaited::Mending, u64::MAX))
    }

    /// Mostly nothing is in force any more. Where something is, undoing it may take longer than a cluster has for its
    /// recovery, which is promised from the moment when nothing is.
    fn recover(
        &mut self,
        sight: Sight,
        shared: &Shared,
        history: &mut impl HistoryWriter,
    ) -> Option<Step> {
        self.log.unhealed.extend(sight.mended?);
        self.log.begin("recovery", Some(RECOVERY_DEADLINE_NS), history);
        self.since = shared.tally.clone();
        self.awaited = Awaited::Recovery { was_healthy: false };
        self.until_ns = sight.now_ns + RECOVERY_DEADLINE_NS;
        None
    }

    fn end_load(
        &mut self,
        is_healthy: bool,
        now_ns: u64,
        is_late: bool,
        shared: &mut Shared,
    ) -> Option<Step> {
        let has_served = self.has_served(shared, |minimum| minimum.after);
        if !(is_late || is_healthy && has_served) {
            self.awaited = Awaited::Recovery { was_healthy: is_healthy };
            return None;
        }
        let notes = &mut self.log.notes;
        if !is_healthy {
            notes.push("not all nodes followed one leader after the last fault".into());
        }
        if !has_served {
            notes.push("too few operations succeeded after the last fault".into());
        }
        shared.work = Work::Nothing;
        let deadline_ns = self.plan.workload.operation_deadline_ms * MILLISECOND;
        let until_ns = now_ns + deadline_ns + STOP_LOAD_GRACE_NS;
        Some(self.order(Order::Work(None), Awaited::EndOfLoad, until_ns))
    }

    /// Has all clients together perform a list of operations.
    fn sweep(&mut self, list: Vec<Operation>, next: Awaited, shared: &mut Shared) -> Step {
        shared.unanswered = 0;
        shared.work = Work::list(list);
        self.order(Order::Work(Some(FINAL_OPERATION_DEADLINE_NS)), next, self.until_ns)
    }

    fn last_reads(&mut self, unchanged: usize, now_ns: u64, shared: &mut Shared) -> Option<Step> {
        if now_ns < self.until_ns {
            return None;
        }
        self.until_ns = now_ns + FINAL_DEADLINE_NS;
        let reads = mem::take(&mut self.reads);
        Some(self.sweep(reads, Awaited::Reads { unchanged }, shared))
    }

    fn note_missing(&mut self, unchanged: usize, unread: usize) {
        match (unchanged, unread) {
            (0, 0) => {}
            (_, 0) => {
                let note = format!("at the end {unchanged} keys could not be changed once more");
                self.log.notes.push(note);
            }
            _ => self.log.incomplete.push(format!(
                "at the end {unchanged} keys could not be changed and {unread} could not be read"
            )),
        }
    }

    fn quiesce(
        &mut self,
        now_ns: u64,
        shared: &mut Shared,
        history: &mut impl HistoryWriter,
    ) -> Step {
        shared.work = Work::Nothing;
        self.log.begin("quiesce", None, history);
        self.order(Order::Dismiss, Awaited::Agreement, now_ns + self.quiesce_ns())
    }

    fn poll(&mut self, is_settled: bool, is_late: bool) -> Option<Step> {
        if is_late && !is_settled {
            self.log.notes.push(format!(
                "the nodes had not applied the same {} s after the last operation",
                self.quiesce_ns() / SECOND
            ));
        }
        (is_late || is_settled).then(|| self.order(Order::Poll, Awaited::LastWords, 0))
    }

    /// Whether all nodes follow one leader, as far as they tell.
    fn is_healthy(&self, sight: &Sight) -> bool {
        !self.tells.leads || sight.view.is_healthy(sight.nodes.len(), self.tells, sight.now_ns)
    }

    /// Long enough to tell a follower that never catches up from one that is late.
    fn quiesce_ns(&self) -> u64 {
        let within_ms = self.plan.bounds.and_then(|bounds| bounds.leader_within_ms);
        let stuck_ns = within_ms.map_or(0, |within_ms| within_ms * MILLISECOND + SECOND);
        QUIESCE_DEADLINE_NS.max(stuck_ns)
    }

    fn faults_ns(&self) -> u64 {
        self.plan.time_ms * MILLISECOND
    }

    /// Whether every kind was ok as often since then as the plan's strength asks for.
    fn has_served(&self, shared: &Shared, minimum: impl Fn(&PhaseMinimum) -> u64) -> bool {
        let least = self.plan.requirements.operations_ok_min.values().map(minimum).max();
        shared.tally.has_served(&kinds(&self.plan.workload), &self.since, least.unwrap_or(0))
    }

    fn describe_unhealthy(&self, sight: &Sight) -> String {
        let said = sight.nodes.iter().map(|node| match sight.view.answers.get(node) {
            None => format!("n{node} never answered"),
            Some((_, status)) => format!("n{node} is {} in term {}", status.role, status.term),
        });
        format!(
            "the cluster was not healthy within {} s: {}; see {}",
            self.healthy_within_ns / SECOND,
            said.collect::<Vec<_>>().join(", "),
            self.logs.display()
        )
    }
}

/// Why a run ends whose clients were not served.
fn too_little(tally: &Tally) -> String {
    let counts = tally.by_kind().iter().map(|(kind, counts)| format!("{} ok {kind}", counts.ok));
    format!(
        "the cluster did not serve enough operations of every kind within {WARM_UP_S} s before the first fault: {}",
        counts.collect::<Vec<_>>().join(", ")
    )
}

/// A read of every key there ever was, and one more change of every key in use before that.
fn last_operations(shared: &mut Shared) -> (Vec<Operation>, Vec<Operation>) {
    let operations = shared.generator.final_operations();
    operations.into_iter().partition(|operation| operation.action == Action::Read)
}

/// How many operations of a list came to nothing. Where no client is left, all of it did.
fn unanswered(shared: &Shared) -> usize {
    let left = if let Work::List(list) = &shared.work { list.len() } else { 0 };
    shared.unanswered + left
}

#[cfg(test)]
mod tests;
