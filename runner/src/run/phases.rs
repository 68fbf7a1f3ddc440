//! The phases of a run, each with its own deadline, so that nothing waits for ever.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use whitewater_checker::fact::Fact;
use whitewater_checker::run_folder::{LOGS, TRACES};

use super::setup::Stage;
use crate::exit::Exit;
use crate::nemesis::{Injector, nemesis_event};
use crate::observe::View;
use crate::plan::Plan;
use crate::plan::requirements::{RECOVERY_S, WARM_UP_S};
use crate::progress::{Moment, Progress};
use crate::record::Recorder;
use crate::sentence::failed;
use crate::workload::{Action, Crew, Tally, kinds};
use whitewater_server::clock::monotonic_ns;
use whitewater_target::NodeStatus;

/// How long a cluster may take to elect its first leader. Loaded CI machines need a while.
const HEALTHY_DEADLINE: Duration = Duration::from_secs(20);
/// How long the first operations of every kind may take.
const WARM_UP_DEADLINE: Duration = Duration::from_secs(WARM_UP_S);
/// How long the cluster may take to serve again after the last fault; part of the verdict.
const RECOVERY_DEADLINE: Duration = Duration::from_secs(RECOVERY_S);
/// How long the nodes may take to agree once nothing is asked of them any more.
const QUIESCE_DEADLINE: Duration = Duration::from_secs(10);
/// How much longer than planned the faults may take: restarts and recoveries of a loaded machine.
const FAULTS_OVERRUN: Duration = Duration::from_secs(20);
/// One operation of the final list may take longer than usual: nothing disturbs it any more.
const FINAL_OPERATION_DEADLINE: Duration = Duration::from_secs(3);
/// All of the final list.
const FINAL_DEADLINE: Duration = Duration::from_secs(60);
/// Clients end within one operation's deadline, and a moment.
const STOP_LOAD_GRACE: Duration = Duration::from_secs(2);
/// How often it is looked whether a node is ready.
const READY_LOOK: Duration = Duration::from_millis(50);
/// How often a person is told.
const TICK: Duration = Duration::from_millis(200);

/// How the living part of a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All phases were lived through.
    Complete,
    /// A signal cut it short.
    Interrupted(Exit),
    /// The machine, or a cluster that never worked, did.
    Environment(String),
}

/// What was noted on the way.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// The phases and when they began.
    pub(super) phases: Vec<(String, u64)>,
    /// What each node said at the end.
    pub(super) final_status: BTreeMap<u32, NodeStatus>,
    /// The server's version, as it says itself.
    pub(super) server_version: String,
    /// Faults that could not be undone, in words.
    pub(super) unhealed: Vec<String>,
    /// Parts of the plan that were not carried out, in words.
    pub(super) incomplete: Vec<String>,
    /// Things that went less well than they should, in words.
    pub(super) notes: Vec<String>,
}

/// Lives through the run. Cancelling this leaves faults in force, in the field.
pub(super) async fn live(
    plan: &Plan,
    stage: &Stage,
    progress: &mut Progress,
    log: &mut Log,
) -> Ending {
    let mut run = Run { plan, stage, progress, log, crew: stage.crew(plan) };
    match run.live().await {
        Ok(()) => Ending::Complete,
        Err(reason) => Ending::Environment(reason),
    }
}

/// Lifts every fault and stops every server.
pub(super) async fn tear_down(stage: &Stage, log: &mut Log) {
    begin(stage, log, "end", None);
    stage.field.heal_now();
    let stubborn = stage.cluster.stop().await;
    for node in stubborn {
        log.notes.push(format!("n{node} had to be killed: it did not stop when asked"));
    }
}

/// Notes in the history how the run went and that it is over, for the checker, which judges it from there.
pub(super) fn note_ending(recorder: &Recorder, ending: &Ending, log: &Log) -> io::Result<()> {
    let unhealed = log.unhealed.iter().map(|text| Fact::Unhealed { trouble: text.clone() });
    let incomplete = log.incomplete.iter().map(|text| Fact::Incomplete { reason: text.clone() });
    let notes = log.notes.iter().map(|text| Fact::Note { text: text.clone() });
    let cut_short = match ending {
        Ending::Complete => None,
        Ending::Interrupted(exit) => Some(Fact::Interrupted { signal: signal_name(*exit).into() }),
        Ending::Environment(reason) => Some(Fact::Environment { reason: reason.clone() }),
    };
    for fact in unhealed.chain(incomplete).chain(notes).chain(cut_short).chain([Fact::End {}]) {
        recorder.event(fact.event());
    }
    recorder.flush()
}

/// The signal that makes a run end so.
pub(super) fn signal_name(exit: Exit) -> &'static str {
    if exit == Exit::Terminated { "SIGTERM" } else { "SIGINT" }
}

struct Run<'a> {
    plan: &'a Plan,
    stage: &'a Stage,
    progress: &'a mut Progress,
    log: &'a mut Log,
    crew: Crew,
}

impl Run<'_> {
    async fn live(&mut self) -> Result<(), String> {
        self.start().await?;
        self.crew.load();
        self.warm_up().await?;
        self.faults().await;
        self.recover().await;
        let deadline = Duration::from_millis(self.plan.workload.operation_deadline_ms);
        self.crew.stop(deadline + STOP_LOAD_GRACE).await;
        self.finish_keys().await;
        self.quiesce().await;
        Ok(())
    }

    fn begin(&mut self, phase: &str, deadline: Option<Duration>) {
        self.progress.phase(phase);
        begin(self.stage, self.log, phase, deadline);
    }

    async fn start(&mut self) -> Result<(), String> {
        self.begin("start", None);
        let brought_up = tokio::select! {
            brought_up = self.bring_up() => brought_up,
            obituary = self.early_end() => Err(obituary),
        };
        let view = self.stage.observer.view();
        self.log.server_version = view
            .answers
            .values()
            .next()
            .map(|(_, status)| status.version.clone())
            .unwrap_or_default();
        brought_up
    }

    /// Starts every node, in the manner of the target, and waits until they work together, as far as they tell.
    async fn bring_up(&self) -> Result<(), String> {
        let (stage, manner) = (self.stage, &self.stage.profile.manner);
        let is_seen = stage.profile.tells.leads;
        for node in stage.cluster.numbers() {
            let started = stage.cluster.start(node);
            started.map_err(|error| failed(&format!("start n{node}"), &error))?;
            if manner.one_by_one {
                self.ready(node).await?;
            }
        }
        // Those that tell who leads need not be asked for more; others are awaited one by one.
        if !is_seen && !manner.one_by_one {
            for node in stage.cluster.numbers() {
                self.ready(node).await?;
            }
        }
        stage.cluster.introduce().map_err(|error| failed("set the cluster up", &error))?;
        if !is_seen {
            return Ok(());
        }
        let (nodes, within) = (self.nodes(), HEALTHY_DEADLINE.max(manner.ready_within));
        let healthy =
            stage.observer.wait_for(within, |view, now_ns| self.is_healthy(view, nodes, now_ns));
        match healthy.await {
            true => Ok(()),
            false => Err(self.describe_unhealthy(within)),
        }
    }

    async fn ready(&self, node: u32) -> Result<(), String> {
        let manner = &self.stage.profile.manner;
        let end = tokio::time::Instant::now() + manner.ready_within;
        let setup = &self.stage.cluster.setups()[&node];
        loop {
            let Err(seen) = manner.ready.look(setup).await else { return Ok(()) };
            if tokio::time::Instant::now() >= end {
                let within_s = manner.ready_within.as_secs();
                return Err(format!(
                    "n{node} was not ready within {within_s} s: {seen}; its log is {}",
                    setup.log.display()
                ));
            }
            tokio::time::sleep(READY_LOOK).await;
        }
    }

    /// Until a node ends, which none should.
    async fn early_end(&self) -> String {
        loop {
            if let Some(obituary) = self.stage.cluster.obituary() {
                return obituary;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn is_healthy(&self, view: &View, nodes: usize, now_ns: u64) -> bool {
        view.is_healthy(nodes, self.stage.profile.tells, now_ns)
    }

    fn describe_unhealthy(&self, within: Duration) -> String {
        let view = self.stage.observer.view();
        let said = self.stage.cluster.numbers().map(|node| match view.answers.get(&node) {
            None => format!("n{node} never answered"),
            Some((_, status)) => format!("n{node} is {} in term {}", status.role, status.term),
        });
        format!(
            "the cluster was not healthy within {} s: {}; see {}",
            within.as_secs(),
            said.collect::<Vec<_>>().join(", "),
            self.stage.folder.join(LOGS).display()
        )
    }

    async fn warm_up(&mut self) -> Result<(), String> {
        self.begin("warm-up", None);
        if self.wait_ok(&Tally::default(), |minimum| minimum.before, WARM_UP_DEADLINE).await {
            return Ok(());
        }
        let tally = self.crew.tally();
        let counts: Vec<String> = tally
            .by_kind()
            .iter()
            .map(|(kind, counts)| format!("{} ok {kind}", counts.ok))
            .collect();
        Err(format!(
            "the cluster did not serve enough operations of every kind within {} s before the first \
             fault: {}",
            WARM_UP_DEADLINE.as_secs(),
            counts.join(", ")
        ))
    }

    async fn faults(&mut self) {
        self.begin("faults", None);
        let origin_ns = monotonic_ns();
        let length = Duration::from_millis(self.plan.time_ms);
        let (news, mut inbox) = mpsc::unbounded_channel();
        let injector = Injector::new(&self.plan.faults, self.plan.workload.clients, origin_ns);
        let (field, recorder) = (self.stage.field.clone(), self.stage.recorder.clone());
        let traces = self.stage.folder.join(TRACES);
        // A task of its own: a bug in there must not keep the rest from healing. It ends with the set.
        let mut nemesis = JoinSet::new();
        nemesis.spawn(async move { field.work(injector, &recorder, &traces, &news).await });
        let end = tokio::time::Instant::now() + length;
        let mut ticks = tokio::time::interval(TICK);
        let mut is_over = false;
        while !is_over || tokio::time::Instant::now() < end {
            tokio::select! {
                Some(news) = inbox.recv() => self.progress.fault(&news),
                Some(result) = nemesis.join_next(), if !is_over => {
                    is_over = true;
                    if let Err(error) = result {
                        self.log.incomplete.push(format!("the nemesis failed: {error}"));
                    }
                }
                _ = ticks.tick() => {
                    let done = Duration::from_nanos(monotonic_ns() - origin_ns);
                    self.tick(Some(done.min(length)));
                    if done > length + FAULTS_OVERRUN {
                        nemesis.shutdown().await;
                        let cut = "the faults took too long and were cut short";
                        self.log.incomplete.push(cut.into());
                        break;
                    }
                }
            }
        }
        while let Ok(news) = inbox.try_recv() {
            self.progress.fault(&news);
        }
    }

    async fn recover(&mut self) {
        // Mostly nothing is in force any more. Where something is, undoing it may take longer than a cluster
        // has for its recovery, which is promised from the moment when nothing is.
        let trouble = self.stage.field.heal().await;
        self.log.unhealed.extend(trouble);
        self.begin("recovery", Some(RECOVERY_DEADLINE));
        let end = tokio::time::Instant::now() + RECOVERY_DEADLINE;
        let since = self.crew.tally();
        let nodes = self.nodes();
        let left = end.saturating_duration_since(tokio::time::Instant::now());
        let tells = self.stage.profile.tells;
        let is_healthy = self
            .stage
            .observer
            .wait_for(left, |view, now_ns| view.is_healthy(nodes, tells, now_ns));
        if tells.leads && !is_healthy.await {
            self.log.notes.push("not all nodes followed one leader after the last fault".into());
        }
        let left = end.saturating_duration_since(tokio::time::Instant::now());
        if !self.wait_ok(&since, |minimum| minimum.after, left).await {
            self.log.notes.push("too few operations succeeded after the last fault".into());
        }
    }

    /// Changes every key in use once more, then reads every key there ever was.
    async fn finish_keys(&mut self) {
        self.begin("final", None);
        let last = self.crew.final_operations();
        let (reads, changes): (Vec<_>, Vec<_>) =
            last.into_iter().partition(|operation| operation.action == Action::Read);
        let both = async {
            let unchanged = self.crew.sweep(changes, FINAL_OPERATION_DEADLINE).await;
            (unchanged, self.crew.sweep(reads, FINAL_OPERATION_DEADLINE).await)
        };
        match tokio::time::timeout(FINAL_DEADLINE, both).await {
            Ok((0, 0)) => {}
            Ok((unchanged, 0)) => self
                .log
                .notes
                .push(format!("at the end {unchanged} keys could not be changed once more")),
            Ok((unchanged, unread)) => self.log.incomplete.push(format!(
                "at the end {unchanged} keys could not be changed and {unread} could not be read"
            )),
            Err(_) => self.log.incomplete.push(format!(
                "changing and reading every key took longer than {} s",
                FINAL_DEADLINE.as_secs()
            )),
        }
        self.tick(None);
    }

    async fn quiesce(&mut self) {
        self.begin("quiesce", None);
        let nodes = self.nodes();
        // Long enough to tell a follower that never catches up from one that is late.
        let within_ms = self.plan.promises.and_then(|promises| promises.leader_within_ms);
        let stuck = within_ms.map_or(Duration::ZERO, |ms| Duration::from_millis(ms + 1_000));
        let deadline = QUIESCE_DEADLINE.max(stuck);
        let settled =
            self.stage.observer.wait_for(deadline, |view, now_ns| view.is_settled(nodes, now_ns));
        if self.stage.profile.tells.applied && !settled.await {
            self.log.notes.push(format!(
                "the nodes had not applied the same {} s after the last operation",
                deadline.as_secs()
            ));
        }
        self.log.final_status = self.stage.observer.final_poll().await;
    }

    /// Waits until every kind was ok as often as the plan's strength asks for.
    async fn wait_ok(
        &self,
        since: &Tally,
        minimum: impl Fn(&whitewater_checker::strength::PhaseMinimum) -> u64,
        deadline: Duration,
    ) -> bool {
        let least = self.plan.requirements.operations_ok_min.values().map(minimum).max();
        let kinds = kinds(&self.plan.workload.name);
        self.crew.has_served(kinds, since, least.unwrap_or(0), deadline).await
    }

    fn tick(&mut self, done: Option<Duration>) {
        let leader = self.stage.observer.view().leader(monotonic_ns());
        self.progress.tick(Moment { counts: self.crew.tally().total(), leader }, done);
    }

    fn nodes(&self) -> usize {
        self.stage.cluster.numbers().count()
    }
}

/// Notes the beginning of a phase, in the history as well.
fn begin(stage: &Stage, log: &mut Log, phase: &str, deadline: Option<Duration>) {
    let mut value = json!({ "name": phase });
    if let Some(deadline) = deadline {
        value["deadline_ms"] = json!(deadline.as_millis() as u64);
    }
    let at_ns = stage.recorder.event(nemesis_event("phase", value));
    log.phases.push((phase.to_owned(), at_ns));
}
