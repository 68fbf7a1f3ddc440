//! Lives through a run on real processes: sees what there is to see, and does what the phases say.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use whitewater_checker::run_folder::TRACES;

use super::setup::Stage;
use crate::cluster::Cluster;
use crate::nemesis::{Injector, Note};
use crate::observe::View;
use crate::phases::{Ending, Log, Order, Phases, Sight, Step};
use crate::plan::Plan;
use crate::progress::{Moment, Progress};
use crate::sentence::{failed, plain, to_write};
use crate::workload::Crew;
use whitewater_server::clock::monotonic_ns;

/// How often it is looked whether what is awaited has come.
const LOOK: Duration = Duration::from_millis(10);
/// How often it is looked whether a node is ready.
const READY_LOOK: Duration = Duration::from_millis(50);
/// How often a person is told.
const TICK: Duration = Duration::from_millis(200);

/// Lives through the run. Cancelling this leaves faults in force, in the field.
pub(super) async fn live(
    plan: &Plan,
    stage: &Stage,
    progress: &mut Progress,
    phases: &mut Phases<'_>,
) -> Ending {
    let (news, inbox) = mpsc::unbounded_channel();
    let (crew, nemesis) = (stage.crew(plan), JoinSet::new());
    let mut run = Run { plan, stage, progress, crew, nemesis, mended: None, news, inbox };
    let mut recorder = stage.recorder.clone();
    let mut told = Instant::now();
    loop {
        run.hear_nemesis(&mut phases.log);
        let (sight, begun) = (run.sight(phases.awaits_nodes()), phases.log.phases.len());
        let step = run.crew.decide(|shared| phases.step(sight, shared, &mut recorder));
        if let Some((phase, _)) = phases.log.phases.get(begun) {
            run.progress.phase(phase);
        }
        match step {
            Step::Do(order) => {
                if let Err(reason) = run.carry_out(order, &mut phases.log).await {
                    return Ending::Environment(reason);
                }
            }
            Step::Look { until_ns } => {
                if told.elapsed() >= TICK {
                    told = Instant::now();
                    run.tick(phases.faults_for_ns(monotonic_ns()));
                }
                let left = Duration::from_nanos(until_ns.saturating_sub(monotonic_ns()));
                sleep(left.min(LOOK)).await;
            }
            Step::Over(ending) => return ending,
        }
    }
}

/// Lifts every fault and stops every server.
pub(super) async fn tear_down(stage: &Stage, log: &mut Log) {
    log.begin("end", None, &mut stage.recorder.clone());
    stage.field.heal_now();
    let stubborn = stage.cluster.stop().await;
    let told =
        stubborn.iter().map(|node| format!("n{node} had to be killed: it did not stop when asked"));
    log.notes.extend(told);
    if let Some(dialled) = &stage.dialled {
        stage.recorder.event(dialled.fact().event());
    }
}

/// Starts every node, in the manner of the target, and waits for those that do not tell who leads.
pub(super) async fn bring_up(stage: &Stage) -> Result<(), String> {
    let (cluster, manner) = (&stage.cluster, &stage.profile.manner);
    for node in cluster.numbers() {
        let started = cluster.start(node);
        started.map_err(|error| {
            let place = stage.target.place_of("command");
            let what = "the program, by its path or by a name on PATH; `prepare`, if it is that";
            failed(&format!("start n{node}"), &error) + &to_write(place, "command", what)
        })?;
        if manner.one_by_one {
            ready(stage, node).await?;
        }
    }
    if !stage.profile.tells.leads && !manner.one_by_one {
        for node in cluster.numbers() {
            ready(stage, node).await?;
        }
    }
    cluster.introduce().map_err(|error| {
        let place = stage.target.place_of("setup").or_else(|| stage.target.place_of("join_after"));
        let what = "with `join_after`, what makes a cluster of nodes that are up";
        failed("set the cluster up", &error) + &to_write(place, "setup", what)
    })
}

async fn ready(stage: &Stage, node: u32) -> Result<(), String> {
    let manner = &stage.profile.manner;
    let end = Instant::now() + manner.ready_within;
    let setup = &stage.cluster.setups()[&node];
    loop {
        let looked = match &stage.router {
            Some(router) => router.look(node),
            None => manner.ready.look(setup).await,
        };
        let Err(seen) = looked else { return Ok(()) };
        if Instant::now() >= end {
            let within_s = manner.ready_within.as_secs();
            let place_of = |key| Some((stage.target.place_of(key)?, key));
            let write = place_of("ready").or_else(|| place_of("command")).map(|(place, key)| {
                let what = "where it listens, by which it is seen to be ready, or [times] restart for how long it may take";
                to_write(Some(place), key, what)
            });
            let (seen, log) = (plain(&seen), setup.log.display());
            let says =
                format!("n{node} was not ready within {within_s} s: {seen}; its log is {log}");
            return Err(says + &write.unwrap_or_default());
        }
        sleep(READY_LOOK).await;
    }
}

/// Until a node ends, which none should.
pub(super) async fn early_end(cluster: &Cluster) -> String {
    loop {
        if let Some(obituary) = cluster.obituary() {
            return obituary;
        }
        sleep(TICK).await;
    }
}

struct Run<'a> {
    plan: &'a Plan,
    stage: &'a Stage,
    progress: &'a mut Progress,
    crew: Crew,
    /// A task of its own: a bug in there must not keep the rest from healing. It ends with the set.
    nemesis: JoinSet<()>,
    mended: Option<Vec<String>>,
    news: mpsc::UnboundedSender<Note>,
    inbox: mpsc::UnboundedReceiver<Note>,
}

impl Run<'_> {
    fn sight(&mut self, awaits_nodes: bool) -> Sight {
        let (cluster, observer) = (&self.stage.cluster, &self.stage.observer);
        Sight {
            now_ns: monotonic_ns(),
            nodes: cluster.numbers().collect(),
            view: if awaits_nodes { observer.view() } else { View::default() },
            obituary: awaits_nodes.then(|| cluster.obituary()).flatten(),
            is_idle: self.crew.is_idle(),
            is_calm: self.nemesis.is_empty(),
            mended: self.mended.take(),
        }
    }

    /// What the nemesis did meanwhile.
    fn hear_nemesis(&mut self, log: &mut Log) {
        while let Some(result) = self.nemesis.try_join_next() {
            let failed = result.err().map(|error| format!("the nemesis failed: {error}"));
            log.incomplete.extend(failed);
        }
        while let Ok(note) = self.inbox.try_recv() {
            self.progress.fault(&note);
        }
    }

    async fn carry_out(&mut self, order: Order, log: &mut Log) -> Result<(), String> {
        let stage = self.stage;
        match order {
            Order::Start => tokio::select! {
                brought_up = bring_up(stage) => brought_up?,
                obituary = early_end(&stage.cluster) => return Err(obituary),
            },
            Order::Work(each_ns) => self.crew.work(each_ns),
            Order::Dismiss => self.crew.dismiss().await,
            Order::Unleash => {
                let (faults, clients) = (&self.plan.faults, self.plan.workload.clients);
                let injector = Injector::new(faults, clients, monotonic_ns());
                let (field, recorder) = (stage.field.clone(), stage.recorder.clone());
                let (traces, news) = (stage.folder.join(TRACES), self.news.clone());
                let work = async move { field.work(injector, &recorder, &traces, &news).await };
                self.nemesis.spawn(work);
            }
            Order::Mend => {
                self.nemesis.shutdown().await;
                self.mended = Some(stage.field.heal().await);
            }
            Order::Poll => log.final_status = stage.observer.final_poll().await,
        }
        Ok(())
    }

    fn tick(&mut self, faults_for_ns: Option<u64>) {
        let leader = self.stage.observer.view().leader(monotonic_ns());
        let moment = Moment { counts: self.crew.decide(|shared| shared.tally.total()), leader };
        self.progress.tick(moment, faults_for_ns.map(Duration::from_nanos));
    }
}
