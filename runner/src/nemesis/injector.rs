//! Carries a plan's faults out, one after the other, and records what was seen.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;
use whitewater_checker::event::{Event, EventType, Process};
use whitewater_checker::fault::{FaultRecord, FaultStatus};

use super::act::LinkWatch;
use super::{Act, Fault, Journal, Roster, Strike, find};
use crate::cluster::node_name;
use crate::dice::Dice;
use crate::observe::Observer;
use crate::record::Recorder;
use whitewater_server::clock::monotonic_ns;

/// How long a fault waits for somebody to lead before it is skipped: two elections.
const LEADER_DEADLINE: Duration = Duration::from_millis(2500);

/// One fault of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlannedFault {
    /// Its number, from 1.
    pub(crate) id: u32,
    /// The catalogue's slug: `kill-leader`.
    pub(crate) fault: String,
    /// When, after the fault phase began.
    pub(crate) at_ms: u64,
    /// For how long.
    pub(crate) duration_ms: u64,
    /// Decides what the role leaves open: which follower, which side.
    pub(crate) pick: u64,
}

/// What became of a fault, for whoever shows progress.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// It struck.
    Struck(FaultRecord),
    /// It is over, or was skipped.
    Over(FaultRecord),
}

/// The nemesis.
pub(crate) struct Injector {
    /// The faults in force.
    pub(crate) journal: Arc<Journal>,
    /// Who leads.
    pub(crate) observer: Arc<Observer>,
    /// Where records go.
    pub(crate) recorder: Recorder,
    /// Number of clients.
    pub(crate) clients: u32,
    /// Where news goes.
    pub(crate) news: mpsc::UnboundedSender<News>,
}

impl Injector {
    /// Carries out the faults. `origin_ns` is the beginning of the fault phase. Cancelling this
    /// leaves faults in force, in the journal.
    pub(crate) async fn run(&self, faults: &[PlannedFault], origin_ns: u64) {
        for planned in faults {
            let at_ns = origin_ns + planned.at_ms * 1_000_000;
            sleep_until_ns(at_ns).await;
            let record = match find(&planned.fault) {
                Some(fault) => self.strike(planned, fault, at_ns).await,
                None => skipped(planned, None, at_ns, "it is not in the catalogue".into()),
            };
            self.recorder.fault(&record);
            let _ = self.news.send(News::Over(record));
        }
    }

    async fn strike(
        &self,
        planned: &PlannedFault,
        fault: &'static dyn Fault,
        at_ns: u64,
    ) -> FaultRecord {
        self.observer.wait_for(LEADER_DEADLINE, |view, now_ns| view.leader(now_ns).is_some()).await;
        let strike = match fault.resolve(&self.roster(), &mut Dice::new(planned.pick, 0)) {
            Ok(strike) => strike,
            Err(reason) => return skipped(planned, Some(fault), at_ns, reason),
        };
        let mut record = FaultRecord {
            nodes: strike.nodes.iter().copied().map(node_name).collect(),
            detail: strike.detail.clone(),
            leader_hit: strike.leader_hit,
            started_at_ns: Some(monotonic_ns()),
            status: FaultStatus::Installed,
            ..skipped(planned, Some(fault), at_ns, String::new())
        };
        self.tell("start", &record);
        let network = self.journal.arena().network;
        let watch = LinkWatch::start(&strike.acts, network);
        self.install(&strike, &watch, &mut record).await;
        let _ = self.news.send(News::Struck(record.clone()));
        let started_ns = record.started_at_ns.unwrap_or(at_ns);
        sleep_until_ns(started_ns + planned.duration_ms * 1_000_000).await;
        self.verify_pauses(&strike, &mut record);
        record.effects.extend(watch.report(network));
        self.heal(&strike, &mut record).await;
        self.note_leaders(&mut record);
        self.tell("heal", &record);
        record
    }

    /// Carries out all acts at once, so that a majority dies in one moment.
    async fn install(&self, strike: &Strike, watch: &LinkWatch, record: &mut FaultRecord) {
        let mut missing = 0;
        let is_on_links = |act: &Act| !act.pairs().is_empty();
        let has_request = strike.acts.iter().any(Act::is_request);
        for act in &strike.acts {
            let seen = self.journal.carry_out(act, &self.observer).await;
            record.effects.extend(seen.effects);
            match seen.at_ns {
                Some(_) if has_request && !act.is_request() => {}
                Some(at_ns) => record.effective_at_ns = record.effective_at_ns.max(Some(at_ns)),
                None if is_on_links(act) => {}
                None => missing += 1,
            }
        }
        if strike.acts.iter().any(is_on_links) && !has_request {
            record.effective_at_ns = watch.first_effect(self.journal.arena().network).await;
        }
        record.effective = record.effective_at_ns.is_some();
        if missing > 0 {
            let reason = format!("{missing} of {} acts had no effect", strike.acts.len());
            record.status = FaultStatus::Indeterminate { reason };
        }
    }

    /// A process that something else continued was not paused.
    fn verify_pauses(&self, strike: &Strike, record: &mut FaultRecord) {
        for act in &strike.acts {
            let Act::Pause(node) = act else { continue };
            let state = self.journal.arena().cluster.child(*node).and_then(|child| child.state());
            if state != Some('T') {
                let state = state.map_or("unknown".to_owned(), |state| state.to_string());
                let reason = format!("n{node} was in state {state} when it was to be resumed");
                record.status = FaultStatus::Indeterminate { reason };
            }
        }
    }

    async fn heal(&self, strike: &Strike, record: &mut FaultRecord) {
        let mut is_healed = true;
        for act in &strike.acts {
            let seen = self.journal.undo(act, &self.observer).await;
            record.effects.extend(seen.effects);
            is_healed &= seen.at_ns.is_some();
        }
        record.healed_at_ns = is_healed.then(monotonic_ns);
    }

    /// Elections that followed, as far as seen when the fault was lifted.
    fn note_leaders(&self, record: &mut FaultRecord) {
        let Some(started_ns) = record.started_at_ns else { return };
        for led in self.observer.leaders_since(started_ns) {
            let after_s = (led.at_ns - started_ns) as f64 / 1e9;
            let fact = format!("n{} led term {} after {after_s:.2} s", led.node, led.term);
            record.effects.push(fact);
        }
    }

    fn roster(&self) -> Roster {
        let view = self.observer.view();
        let leader = view.leader(monotonic_ns());
        let led = leader.and_then(|(leader, _)| view.answers.get(&leader));
        // Only a voter is worth striking. A target that does not tell its voters has all of them.
        let nodes = match led.map(|(_, status)| &status.members.voters) {
            Some(voters) if !voters.is_empty() => voters.iter().copied().collect(),
            _ => self.journal.arena().cluster.numbers().collect(),
        };
        Roster { nodes, clients: self.clients, leader }
    }

    fn tell(&self, f: &str, record: &FaultRecord) {
        let value = json!({
            "fault": record.id, "kind": record.kind, "scope": record.scope(), "name": record.name,
            "nodes": record.nodes,
        });
        self.recorder.event(nemesis_event(f, value));
    }
}

/// An event of the nemesis in the history; stamped by the recorder.
pub(crate) fn nemesis_event(f: &str, value: serde_json::Value) -> Event {
    Event::new(Process::Nemesis, EventType::Info, f, value)
}

fn skipped(
    planned: &PlannedFault,
    fault: Option<&dyn Fault>,
    planned_at_ns: u64,
    reason: String,
) -> FaultRecord {
    FaultRecord {
        id: planned.id,
        kind: fault.map_or("unknown", Fault::family).into(),
        scope: fault.map(Fault::scope),
        name: fault.map_or_else(|| planned.fault.clone(), Fault::name),
        target: fault.map_or("", Fault::target).into(),
        nodes: Vec::new(),
        detail: String::new(),
        planned_at_ns,
        started_at_ns: None,
        effective_at_ns: None,
        healed_at_ns: None,
        status: FaultStatus::Skipped { reason },
        effects: Vec::new(),
        effective: false,
        leader_hit: None,
    }
}

async fn sleep_until_ns(time_ns: u64) {
    let left = Duration::from_nanos(time_ns.saturating_sub(monotonic_ns()));
    tokio::time::sleep(left).await;
}
