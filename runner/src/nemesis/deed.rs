//! Carries acts out and undoes them, here and nowhere else: what is ordered, and what is looked for until it is
//! there or has taken too long.

use super::act::{Act, Seen};
use super::ground::Ground;
use super::hands::Hands;
use super::in_force::{InForce, Wanted};
use super::membership::Goal;
use super::operator::{Errand, Task};
use super::process_state::ProcessState;

const MILLISECOND: u64 = 1_000_000;
/// A restarted node reads its log and answers within this; a loaded machine needs most of it.
const READY_DEADLINE_NS: u64 = 10_000 * MILLISECOND;
/// The kernel delivers a signal within milliseconds; a loaded machine may take longer.
const SIGNAL_DEADLINE_NS: u64 = 5_000 * MILLISECOND;
/// How often a process is looked at that was sent a signal, and a node that was started.
const LOOK_NS: u64 = 2 * MILLISECOND;

/// An act that is being carried out or undone.
#[derive(Debug)]
pub(super) enum Deed {
    /// A process is to become something.
    Process { node: u32, goal: Becomes, since_ns: u64 },
    /// A request is seen through.
    Errand(Box<Errand>),
    /// It is over.
    Done(Seen),
}

/// What a process is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    Ended,
    Stopped,
    Continued,
    Answering,
}

impl Deed {
    /// Enters an act and orders what it takes.
    pub(super) fn carry_out(act: &Act, hands: &mut Hands<'_>) -> Deed {
        hands.in_force.enter(hands.fault, act);
        match act {
            Act::Kill(node) | Act::Pause(node) => {
                let state = hands.ground.process(*node);
                let (goal, ordered) = match (act, state) {
                    (_, ProcessState::Down(how)) => {
                        return Deed::in_vain(*node, &format!("it had already ended with {how}"));
                    }
                    (Act::Kill(_), _) => (Becomes::Ended, hands.ground.kill(*node)),
                    // Another fault stopped it: two hold it from now on.
                    (_, ProcessState::Stopped) => (Becomes::Stopped, Ok(())),
                    (_, ProcessState::Runs(_)) => (Becomes::Stopped, hands.ground.pause(*node)),
                };
                Deed::ordered(*node, goal, ordered, hands)
            }
            Act::Rule(..) => Deed::obeyed(act, hands),
            Act::Ask(request) => Deed::errand(Task::of(*request), hands),
        }
    }

    /// Strikes an act off and orders what is then to be; harmless where it is not in force.
    pub(super) fn undo(act: &Act, hands: &mut Hands<'_>) -> Deed {
        hands.in_force.leave(hands.fault, act);
        match act {
            Act::Kill(node) => Deed::release(*node, true, hands),
            Act::Pause(node) => Deed::release(*node, false, hands),
            Act::Rule(..) => Deed::obeyed(act, hands),
            Act::Ask(request) => match request.member() {
                Some(node) => {
                    // Where it was cut short, its hold on the node ends with it.
                    hands.in_force.leave(hands.fault, &Act::Kill(node));
                    Deed::bring_back(node, hands)
                }
                None => Deed::done(hands, Vec::new()),
            },
        }
    }

    /// A node is started, unless a fault holds it.
    pub(super) fn start(node: u32, hands: &mut Hands<'_>) -> Deed {
        Deed::release(node, true, hands)
    }

    /// A node is to be a voter, and for that it has to run.
    pub(super) fn bring_back(node: u32, hands: &mut Hands<'_>) -> Deed {
        if hands.in_force.wanted(node) == Wanted::Up
            && let Err(error) = hands.ground.start(node)
        {
            return Deed::in_vain(node, &format!("start failed: {error}"));
        }
        Deed::errand(Task::Reach(Goal::Voter(node)), hands)
    }

    /// One fault less holds a process. `was_killed`: that fault had killed it, and so it is to be started.
    fn release(node: u32, was_killed: bool, hands: &mut Hands<'_>) -> Deed {
        let state = hands.ground.process(node);
        let is_down = matches!(state, ProcessState::Down(_));
        match hands.in_force.wanted(node) {
            Wanted::Up => {}
            wanted => {
                if was_killed && is_down {
                    hands.in_force.owe_start(node);
                }
                let how = if wanted == Wanted::Down || is_down { "down" } else { "stopped" };
                return Deed::done(hands, vec![format!("n{node}: another fault keeps it {how}")]);
            }
        }
        let is_owed = hands.in_force.take_owed(node);
        match state {
            ProcessState::Stopped => {
                let ordered = hands.ground.resume(node);
                Deed::ordered(node, Becomes::Continued, ordered, hands)
            }
            _ if was_killed || (is_owed && is_down) => {
                let ordered = hands.ground.start(node);
                let ordered = ordered.map_err(|error| format!("restart failed: {error}"));
                Deed::ordered(node, Becomes::Answering, ordered, hands)
            }
            ProcessState::Down(how) => {
                Deed::in_vain(node, &format!("it had already ended with {how}"))
            }
            ProcessState::Runs(_) => Deed::done(hands, Vec::new()),
        }
    }

    /// Every way of an act obeys what is then in force on it.
    fn obeyed(act: &Act, hands: &mut Hands<'_>) -> Deed {
        for way in act.ways() {
            hands.ground.set_rule(*way, hands.in_force.rule(*way));
        }
        Deed::done(hands, Vec::new())
    }

    fn errand(task: Task, hands: &mut Hands<'_>) -> Deed {
        Deed::Errand(Box::new(Errand::new(task, hands.ground)))
    }

    fn ordered(node: u32, goal: Becomes, ordered: Result<(), String>, hands: &Hands<'_>) -> Deed {
        match ordered {
            Ok(()) => Deed::Process { node, goal, since_ns: hands.ground.now_ns() },
            Err(reason) => Deed::in_vain(node, &reason),
        }
    }

    fn in_vain(node: u32, reason: &str) -> Deed {
        Deed::Done(Seen::nothing(format!("n{node}: {reason}")))
    }

    fn done(hands: &Hands<'_>, effects: Vec<String>) -> Deed {
        Deed::Done(Seen { at_ns: Some(hands.ground.now_ns()), effects })
    }

    /// Gives it up where it is not over.
    pub(super) fn give_up(&mut self) {
        if self.seen().is_none() {
            *self = Deed::Done(Seen::nothing("it was cut short".into()));
        }
    }

    /// What was seen, where it is over.
    pub(super) fn seen(&self) -> Option<&Seen> {
        match self {
            Deed::Done(seen) => Some(seen),
            Deed::Process { .. } | Deed::Errand(_) => None,
        }
    }

    /// Looks, and does what is next. When to look again, where it is not over.
    pub(super) fn step(&mut self, hands: &mut Hands<'_>) -> Option<u64> {
        let now_ns = hands.ground.now_ns();
        let (seen, again_ns) = match self {
            Deed::Done(_) => return None,
            Deed::Errand(errand) => (errand.step(hands), now_ns + super::operator::LOOK_NS),
            Deed::Process { node, goal, since_ns } => {
                (looked_at(*node, *goal, *since_ns, hands.ground), now_ns + LOOK_NS)
            }
        };
        match seen {
            Some(seen) => {
                *self = Deed::Done(seen);
                None
            }
            None => Some(again_ns),
        }
    }
}

/// What is seen of a process that was ordered to become something; `None`: not yet.
fn looked_at(node: u32, goal: Becomes, since_ns: u64, ground: &dyn Ground) -> Option<Seen> {
    let now_ns = ground.now_ns();
    let took = format!("{:.1} ms", (now_ns - since_ns) as f64 / MILLISECOND as f64);
    let is_late = |deadline_ns: u64| now_ns >= since_ns + deadline_ns;
    let (fact, failure, deadline_ns) = match (goal, ground.process(node)) {
        (Becomes::Ended, ProcessState::Down(how)) => {
            (Some(format!("exit by {how} after {took}")), String::new(), 0)
        }
        (Becomes::Ended, _) => (None, "no exit within 5 s of SIGKILL".into(), SIGNAL_DEADLINE_NS),
        (Becomes::Stopped, ProcessState::Stopped) => {
            (Some(format!("state T after {took}")), String::new(), 0)
        }
        (Becomes::Stopped, _) => {
            (None, "not in state T within 5 s of SIGSTOP".into(), SIGNAL_DEADLINE_NS)
        }
        (Becomes::Continued, ProcessState::Runs(_)) => {
            (Some(format!("continued after {took}")), String::new(), 0)
        }
        (Becomes::Continued, ProcessState::Down(how)) => (None, format!("it ended with {how}"), 0),
        (Becomes::Continued, ProcessState::Stopped) => {
            (None, "still in state T 5 s after SIGCONT".into(), SIGNAL_DEADLINE_NS)
        }
        (Becomes::Answering, _) => {
            let view = ground.view();
            let has_answered = view.answers.get(&node).is_some_and(|(at_ns, _)| *at_ns > since_ns);
            let fact = has_answered.then(|| format!("restarted, answered after {took}"));
            (fact, "no answer within 10 s of its restart".into(), READY_DEADLINE_NS)
        }
    };
    match fact {
        Some(fact) => Some(Seen::at(now_ns, format!("n{node}: {fact}"))),
        None if is_late(deadline_ns) => Some(Seen::nothing(format!("n{node}: {failure}"))),
        None => None,
    }
}

/// Lifts everything, whatever became of those who did it: what is in force is undone, nodes that are down are
/// started, and whoever's membership was touched is made a voter again.
#[derive(Debug)]
pub(crate) struct Mender {
    deeds: Vec<Deed>,
    stage: u32,
    /// What could not be undone, in words.
    pub(crate) trouble: Vec<String>,
}

impl Mender {
    /// Begins.
    pub(crate) fn new(ground: &mut dyn Ground, in_force: &mut InForce) -> Self {
        let mut deeds = Vec::new();
        for (fault, act) in in_force.entries() {
            deeds.push(Deed::undo(&act, &mut Hands { ground, in_force, fault }));
        }
        Self { deeds, stage: 0, trouble: Vec::new() }
    }

    /// Goes on. When to look again; `None`: all is done that can be.
    pub(crate) fn step(&mut self, ground: &mut dyn Ground, in_force: &mut InForce) -> Option<u64> {
        loop {
            let mut hands = Hands { ground: &mut *ground, in_force: &mut *in_force, fault: 0 };
            let again_ns = self.deeds.iter_mut().filter_map(|deed| deed.step(&mut hands)).min();
            if again_ns.is_some() {
                return again_ns;
            }
            let seen = self.deeds.iter().filter_map(Deed::seen);
            let failed = seen.filter(|seen| seen.at_ns.is_none());
            self.trouble.extend(failed.flat_map(|seen| seen.effects.clone()));
            self.stage += 1;
            self.deeds = match self.stage {
                1 => start_all(&mut hands),
                2 => {
                    let members = hands.in_force.members().clone();
                    members.iter().map(|node| Deed::bring_back(*node, &mut hands)).collect()
                }
                _ => return None,
            };
        }
    }
}

/// Whatever was in force: nothing may be blocked, stopped or down from here on.
fn start_all(hands: &mut Hands<'_>) -> Vec<Deed> {
    let mut deeds = Vec::new();
    for node in hands.ground.nodes() {
        match hands.ground.process(node) {
            ProcessState::Runs(_) => {}
            ProcessState::Stopped | ProcessState::Down(_) => deeds.push(Deed::start(node, hands)),
        }
    }
    deeds
}
