//! Runs of a cluster that is told what to be, on a clock of the test's own.

use serde_json::Value;
use whitewater_checker::event::Event;

use super::*;
use crate::plan::{PlanSettings, WorkloadPlan};
use crate::workload::Outcome;

/// What a cluster is like, and what was done to it.
struct Cluster {
    now_ns: u64,
    tells: Tells,
    never_healthy: bool,
    ended: Option<String>,
    /// Clients get nothing from this phase on.
    serves_until: &'static str,
    /// Clients do not rest in this phase.
    busy_in: &'static str,
    is_calm: bool,
    trouble: Vec<String>,
    rest_ns: u64,
    agrees: bool,
    orders: Vec<Order>,
    told: Vec<Event>,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            now_ns: SECOND,
            tells: Tells::ALL,
            never_healthy: false,
            ended: None,
            serves_until: "no phase",
            busy_in: "no phase",
            is_calm: true,
            trouble: Vec::new(),
            rest_ns: 0,
            agrees: true,
            orders: Vec::new(),
            told: Vec::new(),
        }
    }
}

struct History<'a>(&'a mut Cluster);

impl HistoryWriter for History<'_> {
    fn event(&mut self, event: Event) -> u64 {
        self.0.told.push(event);
        self.0.now_ns
    }
}

impl Cluster {
    fn sight(&self, phase: &str, has_work: bool) -> Sight {
        let status = |applied| NodeStatus {
            role: if self.never_healthy { "candidate" } else { "leader" }.into(),
            term: 3,
            leader: Some(1),
            commit: 7,
            applied,
            version: "9.9".into(),
            ..NodeStatus::default()
        };
        let applied = if self.agrees { 7 } else { 6 };
        Sight {
            now_ns: self.now_ns,
            nodes: vec![1],
            view: View { answers: [(1, (self.now_ns, status(applied)))].into(), ..View::default() },
            obituary: self.ended.clone(),
            is_idle: !has_work && phase != self.busy_in,
            is_calm: self.is_calm,
            mended: Some(self.trouble.clone()),
        }
    }

    fn live(&mut self) -> (Ending, Log) {
        let plan = plan();
        let mut shared = Shared::new(&plan.workload, plan.nodes);
        let mut phases = Phases::new(&plan, "logs".into(), self.tells, 0).resting(self.rest_ns);
        let ending = loop {
            let phase = phases.log.phases.last().map_or("", |(phase, _)| phase).to_owned();
            if phase == self.serves_until {
                self.serves_until = "for good";
            }
            if self.serves_until != "for good" {
                let ok = Outcome::Ok(None);
                kinds(&plan.workload).iter().for_each(|(kind, _)| shared.tally.count(kind, &ok));
                if let Work::List(list) = &mut shared.work {
                    list.clear();
                }
            }
            let sight = self.sight(&phase, shared.work == Work::Load);
            match phases.step(sight, &mut shared, &mut History(self)) {
                Step::Do(order) => self.orders.push(order),
                Step::Look { until_ns } => {
                    assert!(until_ns > self.now_ns, "what is late is not waited for: {phase}");
                    self.now_ns = until_ns.min(self.now_ns + 100 * MILLISECOND);
                }
                Step::Over(ending) => break ending,
            }
        };
        phases.log.note(&ending, &mut History(self));
        (ending, phases.log)
    }

    fn facts(&self, f: &str) -> Vec<Value> {
        self.told.iter().filter(|event| event.f == f).map(|event| event.value.clone()).collect()
    }
}

fn plan() -> Plan {
    Plan::new(PlanSettings {
        seed: 1,
        nodes: 1,
        time_ms: 20_000,
        workload: WorkloadPlan {
            name: "register".into(),
            clients: 2,
            keys: 3,
            rate: 200,
            operation_deadline_ms: 1_000,
            operations_per_key: 300,
            unknown_per_key: 20,
            without: Vec::new(),
            reads_at_every_node: false,
        },
        families: vec!["kill".into()],
        snapshot_entries: None,
        is_led: true,
    })
    .unwrap()
}

#[test]
fn a_good_run_goes_through_every_phase_and_nothing_is_noted() {
    let mut cluster = Cluster::default();
    let (ending, log) = cluster.live();
    assert_eq!(ending, Ending::Complete);
    let names: Vec<&str> = log.phases.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["start", "warm-up", "faults", "recovery", "final", "quiesce"]);
    let last = Order::Work(Some(FINAL_OPERATION_DEADLINE_NS));
    let load = [Order::Start, Order::Work(None), Order::Unleash, Order::Mend, Order::Work(None)];
    let end = [Order::Dismiss, last, last, Order::Dismiss, Order::Poll];
    assert_eq!(cluster.orders, [load, end].concat());
    let lists = [&log.unhealed, &log.incomplete, &log.notes];
    assert!(lists.iter().all(|list| list.is_empty()), "{lists:?}");
    assert_eq!(log.server_version, "9.9");
    assert_eq!(log.phases[3].1 - log.phases[2].1, 20 * SECOND, "the faults take their time");
    assert_eq!(cluster.facts("end").len(), 1);
    assert_eq!(cluster.facts("phase")[3]["deadline_ms"], 10_000);
}

#[test]
fn a_cluster_that_never_works_ends_the_run_and_the_reason_is_told() {
    let mut sick = Cluster { never_healthy: true, ..Cluster::default() };
    let (ending, log) = sick.live();
    let reason = "the cluster was not healthy within 20 s: n1 is candidate in term 3; see logs";
    assert_eq!(ending, Ending::Environment(reason.into()));
    assert_eq!((log.phases.len(), sick.orders), (1, vec![Order::Start]));
    let ended = Some("n1 ended at once".to_owned());
    let mut dead = Cluster { never_healthy: true, ended, ..Cluster::default() };
    assert_eq!(dead.live().0, Ending::Environment("n1 ended at once".into()));
    assert_eq!(dead.now_ns, SECOND, "nobody waits for the dead");
    let tells = Tells::default();
    let mut silent = Cluster { never_healthy: true, agrees: false, tells, ..Cluster::default() };
    let (ending, log) = silent.live();
    assert_eq!(
        (ending, log.notes.len()),
        (Ending::Complete, 0),
        "nobody waits for what is not told"
    );
    let mut idle = Cluster { serves_until: "warm-up", ..Cluster::default() };
    let (Ending::Environment(reason), _) = idle.live() else { panic!("it ended well") };
    assert!(reason.contains("did not serve enough operations of every kind within 20 s"));
    assert_eq!(idle.facts("environment")[0]["reason"], reason);
}

#[test]
fn what_does_not_come_in_time_is_noted_and_the_run_goes_on() {
    let trouble = vec!["n2: restart failed".to_owned()];
    let mut slow = Cluster { is_calm: false, agrees: false, trouble, ..Cluster::default() };
    let (ending, log) = slow.live();
    assert_eq!(ending, Ending::Complete);
    assert_eq!(log.incomplete, ["the faults took too long and were cut short"]);
    assert_eq!(log.notes, ["the nodes had not applied the same 10 s after the last operation"]);
    assert_eq!(slow.facts("unhealed")[0]["trouble"], "n2: restart failed");
    assert_eq!(slow.facts("note").len(), 1);

    let mut mute = Cluster { serves_until: "recovery", ..Cluster::default() };
    let (_, log) = mute.live();
    assert_eq!(log.notes, ["too few operations succeeded after the last fault"]);
    let missed = log.incomplete.concat();
    assert!(
        missed.contains("keys could not be changed and") && !missed.contains(" 0 "),
        "{missed}"
    );

    let mut late = Cluster { busy_in: "final", ..Cluster::default() };
    let (_, log) = late.live();
    assert_eq!(log.incomplete, ["changing and reading every key took longer than 60 s"]);
}

/// Nodes that may be late are given time before what they show is compared.
#[test]
fn between_the_last_changes_and_the_last_reads_nodes_are_left_alone() {
    let ended_ns = |rest_ns| {
        let mut cluster = Cluster { rest_ns, ..Cluster::default() };
        assert_eq!(cluster.live().0, Ending::Complete);
        cluster.now_ns
    };
    assert_eq!(ended_ns(2 * SECOND), ended_ns(0) + 2 * SECOND);
}
