//! The nemesis of a real run: signals, proxies and requests, and the loop that lets the injector look and act.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use whitewater_server::clock::monotonic_ns;

use super::act::Way;
use super::deed::Mender;
use super::ground::{Ground, Touched};
use super::in_force::InForce;
use super::operator::ANSWER_DEADLINE_NS;
use super::process_state::ProcessState;
use super::tail::TraceTail;
use super::{Injector, Note};
use crate::cluster::Cluster;
use crate::observe::{Led, Observer, View};
use crate::proxy::{Network, Rule};
use crate::record::Recorder;
use whitewater_target::{Operator, Wish};

/// The shortest time between two looks.
const LOOK_LEAST: Duration = Duration::from_millis(1);
/// How often traces are read while a fault waits for its moment.
const TAIL_NS: u64 = 2_000_000;
/// How often it is looked whether there is anything to do, where nothing says when.
const IDLE_NS: u64 = 1_000_000_000;

/// The real cluster, with everything that is in force on it. Dropping it lifts what can be lifted without waiting.
pub(crate) struct Field {
    cluster: Arc<Cluster>,
    network: Arc<Network>,
    operator: Option<Arc<dyn Operator>>,
    observer: Arc<Observer>,
    in_force: Mutex<InForce>,
}

impl Field {
    /// A cluster on which nothing is in force.
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        network: Arc<Network>,
        operator: Option<Arc<dyn Operator>>,
        observer: Arc<Observer>,
    ) -> Self {
        Self { cluster, network, operator, observer, in_force: Mutex::default() }
    }

    /// Lets the nemesis work until nothing is left to do. Cancelling this leaves faults in force, which [`Field::heal`]
    /// and dropping it lift.
    pub(crate) async fn work(
        &self,
        mut injector: Injector,
        recorder: &Recorder,
        traces: &Path,
        news: &mpsc::UnboundedSender<Note>,
    ) {
        let mut hand = Hand::new(self);
        let mut tail = None;
        while !injector.is_over() {
            let mut again_ns = IDLE_NS + monotonic_ns();
            if injector.awaits_moment(monotonic_ns()) {
                let tail = tail.get_or_insert_with(|| TraceTail::from_now(traces));
                for moment in tail.read() {
                    injector.notice(monotonic_ns(), &moment);
                }
                again_ns = monotonic_ns() + TAIL_NS;
            } else {
                tail = None;
            }
            let step_ns = injector.step(&mut hand, &mut self.in_force());
            for note in injector.take_notes() {
                if let Some(event) = note.event() {
                    recorder.event(event);
                }
                if let Note::Over(record) = &note {
                    recorder.fault(record);
                }
                // Whoever listened may be gone.
                let _ = news.send(note);
            }
            again_ns = step_ns.map_or(again_ns, |step_ns| step_ns.min(again_ns));
            sleep_until(again_ns).await;
        }
    }

    /// Undoes everything in force, starts every node that is down, and makes every node a voter again
    /// whose membership was touched. Returns what could not be undone, in words.
    pub(crate) async fn heal(&self) -> Vec<String> {
        let mut hand = Hand::new(self);
        let mut mender = Mender::new(&mut hand, &mut self.in_force());
        // Whatever is noted: nothing may be blocked or stopped from here on.
        self.heal_now();
        loop {
            let again_ns = mender.step(&mut hand, &mut self.in_force());
            let Some(again_ns) = again_ns else { return mender.trouble };
            sleep_until(again_ns).await;
        }
    }

    /// Lifts what can be lifted without waiting.
    pub(crate) fn heal_now(&self) {
        self.network.heal();
        self.cluster.resume_all_now();
    }

    fn in_force(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        self.heal_now();
    }
}

async fn sleep_until(time_ns: u64) {
    let left = Duration::from_nanos(time_ns.saturating_sub(monotonic_ns()));
    tokio::time::sleep(left.max(LOOK_LEAST)).await;
}

/// Acts on a [`Field`].
struct Hand<'a> {
    field: &'a Field,
    asked: u64,
    /// What was said, by the number of the question.
    answers: Arc<Mutex<BTreeMap<u64, Result<(), String>>>>,
}

impl<'a> Hand<'a> {
    fn new(field: &'a Field) -> Self {
        Self { field, asked: 0, answers: Arc::default() }
    }
}

impl Ground for Hand<'_> {
    fn now_ns(&self) -> u64 {
        monotonic_ns()
    }

    fn nodes(&self) -> Vec<u32> {
        self.field.cluster.numbers().collect()
    }

    fn view(&self) -> View {
        self.field.observer.view()
    }

    fn leaders_since(&self, since_ns: u64) -> Vec<Led> {
        self.field.observer.leaders_since(since_ns)
    }

    fn process(&self, node: u32) -> ProcessState {
        self.field.cluster.process(node)
    }

    fn kill(&mut self, node: u32) -> Result<(), String> {
        self.field.cluster.kill(node)
    }

    fn start(&mut self, node: u32) -> Result<(), String> {
        self.field.cluster.start(node).map_err(|error| error.to_string())
    }

    fn pause(&mut self, node: u32) -> Result<(), String> {
        self.field.cluster.pause(node)
    }

    fn resume(&mut self, node: u32) -> Result<(), String> {
        self.field.cluster.resume(node)
    }

    fn wipe(&mut self, node: u32) -> Result<(), String> {
        self.field.cluster.wipe(node)
    }

    fn set_rule(&mut self, (from, to): Way, rule: Rule) {
        if let Some(direction) = self.field.network.direction(from, to) {
            direction.set(rule);
        }
    }

    fn touched(&self, (from, to): Way) -> Touched {
        let direction = self.field.network.direction(from, to);
        direction.map_or_else(Touched::default, |direction| {
            let counters = direction.counters();
            Touched {
                blocked: counters.bytes_blocked,
                connections_blocked: counters.connections_blocked,
                slowed: counters.bytes_slowed,
                reset: counters.connections_reset,
                last_ns: counters.last_effect_ns,
            }
        })
    }

    fn unit(&self) -> &'static str {
        "bytes"
    }

    fn ask(&mut self, node: u32, wish: Wish) -> u64 {
        self.asked += 1;
        let (number, answers) = (self.asked, self.answers.clone());
        let put = move |answer| {
            answers.lock().unwrap_or_else(PoisonError::into_inner).insert(number, answer);
        };
        match self.field.operator.clone() {
            None => put(Err("this target cannot be asked".into())),
            Some(operator) => {
                let deadline = Duration::from_nanos(ANSWER_DEADLINE_NS);
                tokio::spawn(async move { put(operator.ask(node, wish, deadline).await) });
            }
        }
        number
    }

    fn answer(&mut self, question: u64) -> Option<Result<(), String>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&question)
    }
}

#[cfg(test)]
mod tests;
