//! What acts act on, and where their effects are seen: a real cluster or a simulated one.
//!
//! Everything here returns at once. What is ordered takes its time, and whoever ordered it looks until its
//! effect is there: a signal that was sent proves nothing.

use super::act::Way;
use super::process_state::ProcessState;
use crate::observe::{Led, View};
use crate::proxy::Rule;
use whitewater_target::Wish;

/// Where faults are carried out.
pub(crate) trait Ground {
    /// The time.
    fn now_ns(&self) -> u64;

    /// Every node that there is to be.
    fn nodes(&self) -> Vec<u32>;

    /// The newest answer of each node, and when it was seen.
    fn view(&self) -> View;

    /// Changes of leadership seen since a time.
    fn leaders_since(&self, since_ns: u64) -> Vec<Led>;

    /// What became of a node's process.
    fn process(&self, node: u32) -> ProcessState;

    /// Orders a process's end.
    fn kill(&mut self, node: u32) -> Result<(), String>;

    /// Orders a node's start; nothing is done where it runs.
    fn start(&mut self, node: u32) -> Result<(), String>;

    /// Orders a process to stand still.
    fn pause(&mut self, node: u32) -> Result<(), String>;

    /// Orders it to go on.
    fn resume(&mut self, node: u32) -> Result<(), String>;

    /// Removes everything on the disk of a node that is down. From then on it is started to join.
    fn wipe(&mut self, node: u32) -> Result<(), String>;

    /// Puts a rule in force; when this returns, nothing crosses that the rule stops.
    fn set_rule(&mut self, way: Way, rule: Rule);

    /// What rules did to what travelled there, since the beginning.
    fn touched(&self, way: Way) -> Touched;

    /// What is counted where rules do harm: `bytes`, `messages`.
    fn unit(&self) -> &'static str;

    /// Asks a node for a change; what it says is fetched by the number that is returned.
    fn ask(&mut self, node: u32, wish: Wish) -> u64;

    /// What was said to a question, once; an error where the node did not say that it is done.
    fn answer(&mut self, question: u64) -> Option<Result<(), String>>;
}

/// What rules did to what travels one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    /// What did not arrive.
    pub(crate) blocked: u64,
    /// Connections that were tried, or stood open, against a block.
    pub(crate) connections_blocked: u64,
    /// What arrived later than it would have.
    pub(crate) slowed: u64,
    /// Connections that were reset, or messages that were lost with them.
    pub(crate) reset: u64,
    /// When the newest of all this happened.
    pub(crate) last_ns: u64,
}

/// The counters of the ways that a fault's rules touch.
#[derive(Debug, Default)]
pub(super) struct LinkWatch {
    ways: Vec<(Way, Rule, Touched)>,
    /// When a rule was first seen to touch something.
    pub(super) first_ns: Option<u64>,
}

impl LinkWatch {
    /// Reads the counters before the rules are in force.
    pub(super) fn start(acts: &[super::Act], ground: &dyn Ground) -> Self {
        let mut ways = Vec::new();
        for act in acts {
            if let super::Act::Rule(touched, rule) = act {
                ways.extend(touched.iter().map(|way| (*way, *rule, ground.touched(*way))));
            }
        }
        Self { ways, first_ns: None }
    }

    /// Whether there is anything to look at.
    pub(super) fn is_idle(&self) -> bool {
        self.ways.is_empty()
    }

    /// Looks for the first thing that a rule touched.
    pub(super) fn look(&mut self, ground: &dyn Ground) {
        if self.first_ns.is_some() {
            return;
        }
        let touched = self.ways.iter().filter_map(|(way, rule, before)| {
            let now = ground.touched(*way);
            let harm = harm(*rule, now, *before);
            harm.iter().any(|count| *count > 0).then_some(now.last_ns)
        });
        self.first_ns = touched.min();
    }

    /// What was done so far, in words; `None` where nothing was.
    pub(super) fn report(&self, ground: &dyn Ground) -> Option<String> {
        let mut sum = [0; 4];
        let mut directions = 0;
        for (way, rule, before) in &self.ways {
            let done = harm(*rule, ground.touched(*way), *before);
            directions += usize::from(done.iter().any(|count| *count > 0));
            sum.iter_mut().zip(done).for_each(|(sum, count)| *sum += count);
        }
        let unit = ground.unit();
        let what = [
            format!("{unit} blocked"),
            "connections blocked".into(),
            format!("{unit} delayed"),
            if unit == "bytes" { "connections reset".into() } else { format!("{unit} lost") },
        ];
        let facts = sum.iter().zip(what).filter(|(count, _)| **count > 0);
        let facts: Vec<String> = facts.map(|(count, what)| format!("{count} {what}")).collect();
        let all = self.ways.len();
        (directions > 0)
            .then(|| format!("{} in {directions} of {all} directions", facts.join(", ")))
    }
}

/// What a rule of this kind did between two readings. Several may be in force on one way, and each is told what
/// is of its own kind.
fn harm(rule: Rule, now: Touched, before: Touched) -> [u64; 4] {
    let blocked =
        [now.blocked - before.blocked, now.connections_blocked - before.connections_blocked];
    match rule {
        Rule::Pass => [0; 4],
        Rule::Block => [blocked[0], blocked[1], 0, 0],
        Rule::Slow { .. } => [0, 0, now.slowed - before.slowed, 0],
        Rule::Reset => [0, 0, 0, now.reset - before.reset],
    }
}
