//! The injector on a ground of its own: where a node does at once what it is told, and time passes when told.

use std::collections::BTreeMap;

use whitewater_checker::fault::{FaultRecord, FaultStatus};

use super::trigger::{On, Trigger};
use super::*;
use crate::observe::{Led, View};
use crate::proxy::{Party, Rule};
use whitewater_target::{NodeStatus, Wish};

const MS: u64 = 1_000_000;

/// Three nodes of which the first leads as long as it runs.
#[derive(Default)]
struct Three {
    now_ns: u64,
    down: BTreeMap<u32, String>,
    stopped: BTreeMap<u32, ()>,
    rules: BTreeMap<Way, Rule>,
    starts: Vec<(u64, u32)>,
}

impl Three {
    fn is_up(&self, node: u32) -> bool {
        !self.down.contains_key(&node) && !self.stopped.contains_key(&node)
    }
}

impl Ground for Three {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn nodes(&self) -> Vec<u32> {
        vec![1, 2, 3]
    }

    fn view(&self) -> View {
        let answer = |node: &u32| {
            let role = if *node == 1 { "leader" } else { "follower" };
            let status = NodeStatus { role: role.into(), term: 1, ..NodeStatus::default() };
            (*node, (self.now_ns, status))
        };
        // What a node said lately stands for a while after it was stopped.
        let said = [1, 2, 3].into_iter().filter(|node| !self.down.contains_key(node));
        View { answers: said.map(|node| answer(&node)).collect(), ..View::default() }
    }

    fn leaders_since(&self, _since_ns: u64) -> Vec<Led> {
        Vec::new()
    }

    fn process(&self, node: u32) -> ProcessState {
        match self.down.get(&node) {
            Some(how) => ProcessState::Down(how.clone()),
            None if self.stopped.contains_key(&node) => ProcessState::Stopped,
            None => ProcessState::Runs('S'),
        }
    }

    fn kill(&mut self, node: u32) -> Result<(), String> {
        self.stopped.remove(&node);
        self.down.insert(node, "signal 9".into());
        Ok(())
    }

    fn start(&mut self, node: u32) -> Result<(), String> {
        if self.down.remove(&node).is_some() {
            self.starts.push((self.now_ns / MS, node));
        }
        Ok(())
    }

    fn pause(&mut self, node: u32) -> Result<(), String> {
        self.stopped.insert(node, ());
        Ok(())
    }

    fn resume(&mut self, node: u32) -> Result<(), String> {
        self.stopped.remove(&node);
        Ok(())
    }

    fn wipe(&mut self, _node: u32) -> Result<(), String> {
        Ok(())
    }

    fn set_rule(&mut self, way: Way, rule: Rule) {
        self.rules.insert(way, rule);
    }

    fn touched(&self, way: Way) -> Touched {
        // One message a millisecond is blocked where ever anything was.
        let blocked = if self.rules.contains_key(&way) { self.now_ns / MS } else { 0 };
        Touched { blocked, last_ns: self.now_ns, ..Touched::default() }
    }

    fn unit(&self) -> &'static str {
        "messages"
    }

    fn ask(&mut self, _node: u32, _wish: Wish) -> u64 {
        0
    }

    fn answer(&mut self, _question: u64) -> Option<Result<(), String>> {
        None
    }
}

fn planned(id: u32, fault: &str, (at_ms, duration_ms): (u64, u64)) -> PlannedFault {
    PlannedFault { id, fault: fault.into(), at_ms, duration_ms, pick: 7, trigger: None }
}

/// Lives through a plan; moments come at their times.
fn live(faults: &[PlannedFault], moments: &[(u64, Moment)]) -> (Three, Vec<FaultRecord>) {
    let (mut ground, mut in_force) = (Three::default(), InForce::default());
    let mut injector = Injector::new(faults, 4, 0);
    let mut records = Vec::new();
    while !injector.is_over() {
        for (_, moment) in moments.iter().filter(|(at_ms, _)| at_ms * MS == ground.now_ns) {
            injector.notice(ground.now_ns, moment);
        }
        injector.step(&mut ground, &mut in_force);
        records.extend(injector.take_notes().into_iter().filter_map(|note| match note {
            Note::Over(record) => Some(record),
            _ => None,
        }));
        ground.now_ns += MS;
        assert!(ground.now_ns < 60_000 * MS, "it never ends");
    }
    (ground, records)
}

/// When a record's fault began and was over, in milliseconds.
fn times(record: &FaultRecord) -> (u64, u64) {
    let ms = |at_ns: Option<u64>| at_ns.unwrap_or(0) / MS;
    (ms(record.started_at_ns), ms(record.healed_at_ns))
}

#[test]
fn a_node_that_was_killed_while_it_was_paused_stays_down_until_both_faults_are_over() {
    let faults = [planned(1, "pause-leader", (0, 500)), planned(2, "kill-leader", (0, 300))];
    let (ground, records) = live(&faults, &[]);
    assert_eq!(ground.starts, [(500, 1)], "the pause held it");
    assert!(records.iter().all(|record| record.effective && record.healed_at_ns.is_some()));
    let kill = records.iter().find(|record| record.id == 2).unwrap();
    assert!(kill.effects.contains(&"n1: another fault keeps it down".to_owned()), "{kill:?}");
    assert!(records.iter().all(|record| record.status == FaultStatus::Installed), "{records:?}");
}

#[test]
fn a_node_that_two_faults_hold_down_is_started_by_the_second_that_ends() {
    let mut both = [planned(1, "kill-follower", (0, 500)), planned(2, "kill-minority", (100, 200))];
    both[1].fault = "kill-follower".into();
    let (ground, records) = live(&both, &[]);
    assert_eq!(ground.starts.len(), 1);
    assert_eq!(ground.starts[0].0, 500);
    // The second one came too late to have an effect, and says so.
    let late = records.iter().find(|record| record.id == 2).unwrap();
    assert!(
        !late.effective && matches!(late.status, FaultStatus::Indeterminate { .. }),
        "{late:?}"
    );
}

#[test]
fn two_blocks_on_one_way_are_lifted_when_the_last_one_ends() {
    let faults = [
        planned(1, "partition-isolate-leader", (0, 200)),
        planned(2, "partition-leader-deaf", (100, 300)),
    ];
    let (mut ground, mut in_force) = (Three::default(), InForce::default());
    let mut injector = Injector::new(&faults, 4, 0);
    let (to, from) = ((Party::Node(2), Party::Node(1)), (Party::Node(1), Party::Node(2)));
    let mut seen = Vec::new();
    for at_ms in 0..=450 {
        ground.now_ns = at_ms * MS;
        injector.step(&mut ground, &mut in_force);
        if [50, 150, 250, 450].contains(&at_ms) {
            let rule = |way| *ground.rules.get(&way).unwrap_or(&Rule::Pass) == Rule::Block;
            seen.push((rule(to), rule(from)));
        }
    }
    assert_eq!(seen, [(true, true), (true, true), (true, false), (false, false)]);
    assert!(injector.is_over());
}

#[test]
fn a_fault_waits_for_those_that_the_plan_has_over_by_then_and_for_no_others() {
    // A start of a simulated server is seen one look later, so the first one ends late.
    let faults = [
        planned(1, "kill-follower", (0, 100)),
        planned(2, "pause-follower", (100, 100)),
        planned(3, "partition-isolate-leader", (150, 100)),
    ];
    let (_, records) = live(&faults, &[]);
    let [one, two, three] =
        [1, 2, 3].map(|id| times(records.iter().find(|record| record.id == id).unwrap()));
    assert!(one.1 > 100 && two.0 == one.1, "{one:?} {two:?}");
    assert_eq!(three.0, 150, "it is meant to overlap with the second one");
    assert!(two.1 > 150);
}

#[test]
fn a_trigger_strikes_so_long_after_its_moment_at_whom_that_was_about() {
    let trigger = Some(Trigger { on: On::Behind, entries: Some(9), after_ms: 5, within_ms: 900 });
    let fault = PlannedFault { trigger, ..planned(1, "kill-follower", (100, 50)) };
    let behind = |node, entries| Moment { at_ns: 0, node, what: What::Behind { entries } };
    let moments =
        [(50, behind(2, 99)), (150, behind(2, 8)), (200, behind(3, 9)), (210, behind(2, 9))];
    let (ground, records) = live(&[fault], &moments);
    assert_eq!(times(&records[0]).0, 205, "armed from 100 on, met at 200");
    assert_eq!(records[0].nodes, ["n3"]);
    assert!(records[0].effects[0].ends_with("ms after n3 was 9 entries behind"));
    assert_eq!(ground.starts.len(), 1);
}

#[test]
fn a_trigger_that_never_comes_skips_its_fault_with_the_reason() {
    let trigger = Some(Trigger { on: On::NewLeader, entries: None, after_ms: 0, within_ms: 400 });
    let fault = PlannedFault { trigger, ..planned(1, "kill-leader", (100, 50)) };
    let (ground, records) = live(&[fault, planned(2, "pause-leader", (550, 10))], &[]);
    let reason = "its trigger never came: no new leader was seen within 0.4 s".to_owned();
    assert_eq!(records[0].status, FaultStatus::Skipped { reason });
    assert!(ground.starts.is_empty());
    assert_eq!(times(&records[1]).0, 550);
}

#[test]
fn what_is_stopped_is_lifted_and_recorded() {
    let (mut ground, mut in_force) = (Three::default(), InForce::default());
    let faults = [planned(1, "pause-leader", (0, 9_000)), planned(2, "kill-leader", (9_500, 10))];
    let mut injector = Injector::new(&faults, 4, 0);
    injector.step(&mut ground, &mut in_force);
    assert!(!ground.is_up(1));
    injector.stop();
    injector.step(&mut ground, &mut in_force);
    assert!(ground.is_up(1) && injector.is_over());
    let over = injector.take_notes().into_iter().filter(|note| matches!(note, Note::Over(_)));
    assert_eq!(over.count(), 1);
}

#[test]
fn whatever_was_left_in_force_is_mended() {
    let (mut ground, mut in_force) = (Three::default(), InForce::default());
    let faults = [
        planned(1, "pause-follower", (0, 9_000)),
        planned(2, "kill-leader", (0, 9_000)),
        planned(3, "partition-halves", (0, 9_000)),
    ];
    let mut injector = Injector::new(&faults, 4, 0);
    injector.step(&mut ground, &mut in_force);
    drop(injector);
    let mut mender = Mender::new(&mut ground, &mut in_force);
    while mender.step(&mut ground, &mut in_force).is_some() {
        ground.now_ns += MS;
    }
    assert_eq!(mender.trouble, [""; 0]);
    assert!([1, 2, 3].iter().all(|node| ground.is_up(*node)));
    assert!(ground.rules.values().all(|rule| *rule == Rule::Pass));
}
