//! A fault that struck: put in force, held, lifted, and what was seen of it on the way.

use whitewater_checker::fault::{FaultRecord, FaultStatus};

use super::Act;
use super::deed::Deed;
use super::ground::{Ground, LinkWatch};
use super::hands::Hands;
use super::in_force::InForce;
use super::note::Note;
use super::process_state::ProcessState;

const MILLISECOND: u64 = 1_000_000;
/// How often counters are read until they show that a rule touched something.
const EFFECT_LOOK_NS: u64 = 5 * MILLISECOND;
/// Heartbeats are 50 ms apart: who waits to be told of a fault on links is told so long after it at the latest.
const EFFECT_DEADLINE_NS: u64 = 800 * MILLISECOND;

/// How long a fault lasts once it is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// So long.
    For(u64),
    /// Until it is ended.
    UntilTold,
    /// It is never undone.
    ForGood,
}

/// A fault that struck.
#[derive(Debug)]
pub(super) struct Live {
    /// Which of all that struck.
    pub(super) number: u32,
    record: FaultRecord,
    acts: Vec<Act>,
    deeds: Vec<Deed>,
    watch: LinkWatch,
    stage: Stage,
    lasts: Lasts,
    /// Of a planned one: when the plan has it end at the latest, milliseconds.
    pub(super) plan_end_ms: Option<u64>,
    is_told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Installing,
    /// Until then; `None`: until it is told.
    InForce(Option<u64>),
    Healing,
    Over,
}

impl Live {
    /// A fault of which nothing is done yet. It lasts so long; a planned one ends by then at the latest.
    pub(super) fn new(
        number: u32,
        record: FaultRecord,
        acts: Vec<Act>,
        (lasts, plan_end_ms): (Lasts, Option<u64>),
        ground: &dyn Ground,
    ) -> Self {
        let watch = LinkWatch::start(&acts, ground);
        let (deeds, stage, is_told) = (Vec::new(), Stage::Installing, false);
        Self { number, record, acts, deeds, watch, stage, lasts, plan_end_ms, is_told }
    }

    /// Whether nothing of it is left to do.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// It ends with the next step.
    pub(super) fn end(&mut self) {
        self.lasts = Lasts::For(0);
        if let Stage::InForce(until_ns) = &mut self.stage {
            *until_ns = Some(0);
        }
    }

    /// It ends with the next step, whatever of it is still being put in force.
    pub(super) fn cut_short(&mut self) {
        if self.stage == Stage::Installing {
            self.deeds.iter_mut().for_each(Deed::give_up);
        }
        self.end();
    }

    /// Does what is next. When to look again, where it is not over.
    pub(super) fn step(
        &mut self,
        ground: &mut dyn Ground,
        in_force: &mut InForce,
        notes: &mut Vec<Note>,
    ) -> Option<u64> {
        loop {
            let stage = self.stage;
            self.watch.look(ground);
            let again_ns = match stage {
                Stage::Installing => self.install(ground, in_force),
                Stage::InForce(until_ns) => self.hold(until_ns, ground, in_force, notes),
                Stage::Healing => {
                    let mut hands = Hands { ground, in_force, fault: self.number };
                    let again_ns = stepped(&mut self.deeds, &mut hands);
                    if again_ns.is_none() {
                        self.close(ground, notes);
                    }
                    again_ns
                }
                Stage::Over => return None,
            };
            if stage == self.stage {
                return again_ns;
            }
        }
    }

    /// Carries out all acts at once, so that a majority dies in one moment; requests when their stage is set.
    fn install(&mut self, ground: &mut dyn Ground, in_force: &mut InForce) -> Option<u64> {
        let mut hands = Hands { ground, in_force, fault: self.number };
        // Requests come last in every strike.
        let others = self.acts.iter().filter(|act| !act.is_request()).count();
        for end in [others, self.acts.len()] {
            for act in self.acts[..end].iter().skip(self.deeds.len()) {
                self.deeds.push(Deed::carry_out(act, &mut hands));
            }
            let again_ns = stepped(&mut self.deeds, &mut hands);
            if again_ns.is_some() {
                return again_ns;
            }
        }
        let now_ns = ground.now_ns();
        self.note_effects();
        let until_ns = match self.lasts {
            // By the plan a fault lasts so long from its beginning.
            Lasts::For(for_ns) if self.plan_end_ms.is_some() => {
                Some(self.record.started_at_ns.unwrap_or(now_ns) + for_ns)
            }
            Lasts::For(for_ns) => Some(now_ns + for_ns),
            Lasts::UntilTold | Lasts::ForGood => None,
        };
        self.stage = Stage::InForce(until_ns);
        None
    }

    /// What was seen of the acts.
    fn note_effects(&mut self) {
        let has_request = self.acts.iter().any(Act::is_request);
        let mut missing = 0;
        for (act, deed) in self.acts.iter().zip(&self.deeds) {
            let Some(seen) = deed.seen() else { continue };
            self.record.effects.extend(seen.effects.iter().cloned());
            match seen.at_ns {
                // What rules do is seen by their counters.
                Some(_) if !act.ways().is_empty() => {}
                Some(_) if has_request && !act.is_request() => {}
                Some(at_ns) => {
                    let effective_at_ns = &mut self.record.effective_at_ns;
                    *effective_at_ns = (*effective_at_ns).max(Some(at_ns));
                }
                None => missing += 1,
            }
        }
        self.record.effective = self.record.effective_at_ns.is_some();
        if missing > 0 {
            let reason = format!("{missing} of {} acts had no effect", self.acts.len());
            self.record.status = FaultStatus::Indeterminate { reason };
        }
    }

    /// It is in force until its time is over.
    fn hold(
        &mut self,
        until_ns: Option<u64>,
        ground: &mut dyn Ground,
        in_force: &mut InForce,
        notes: &mut Vec<Note>,
    ) -> Option<u64> {
        let now_ns = ground.now_ns();
        self.note_touched();
        let is_seen = self.record.effective || self.watch.is_idle();
        let tell_ns = self.record.started_at_ns.unwrap_or(now_ns) + EFFECT_DEADLINE_NS;
        if !self.is_told && (is_seen || now_ns >= tell_ns) {
            self.is_told = true;
            notes.push(Note::Struck(self.record.clone()));
        }
        if self.lasts == Lasts::ForGood {
            return self.let_go(ground, in_force, notes);
        }
        if until_ns.is_some_and(|until_ns| now_ns >= until_ns) {
            self.verify_pauses(ground, in_force);
            let mut hands = Hands { ground, in_force, fault: self.number };
            self.deeds = self.acts.iter().map(|act| Deed::undo(act, &mut hands)).collect();
            self.stage = Stage::Healing;
            return None;
        }
        let look_ns = (!is_seen).then_some(now_ns + EFFECT_LOOK_NS);
        sooner(until_ns, look_ns)
    }

    /// What rules did, where they are what counts.
    fn note_touched(&mut self) {
        if !self.watch.is_idle() && !self.acts.iter().any(Act::is_request) {
            self.record.effective_at_ns = self.watch.first_ns;
            self.record.effective = self.watch.first_ns.is_some();
        }
    }

    /// A node left for good; where it did not, that is taken back.
    fn let_go(
        &mut self,
        ground: &dyn Ground,
        in_force: &mut InForce,
        notes: &mut Vec<Note>,
    ) -> Option<u64> {
        if !self.record.effective {
            self.lasts = Lasts::For(0);
            self.stage = Stage::InForce(Some(0));
            return None;
        }
        for act in &self.acts {
            in_force.leave(self.number, act);
            if let Some(node) = act.member() {
                in_force.forget_member(node);
                notes.push(Note::Gone(node));
            }
        }
        self.deeds.clear();
        self.close(ground, notes);
        None
    }

    /// A process that something else continued was not paused.
    fn verify_pauses(&mut self, ground: &dyn Ground, in_force: &InForce) {
        for act in &self.acts {
            let Act::Pause(node) = act else { continue };
            let state = match ground.process(*node) {
                ProcessState::Stopped => continue,
                // Another fault killed it where it stood.
                ProcessState::Down(_) if in_force.owes_start(*node) => continue,
                ProcessState::Down(how) => format!("down ({how})"),
                ProcessState::Runs(state) => format!("in state {state}"),
            };
            let reason = format!("n{node} was {state} when it was to be resumed");
            self.record.status = FaultStatus::Indeterminate { reason };
        }
    }

    fn close(&mut self, ground: &dyn Ground, notes: &mut Vec<Note>) {
        self.watch.look(ground);
        self.note_touched();
        self.record.effects.extend(self.watch.report(ground));
        let mut is_healed = true;
        for seen in self.deeds.iter().filter_map(Deed::seen) {
            self.record.effects.extend(seen.effects.iter().cloned());
            is_healed &= seen.at_ns.is_some();
        }
        self.record.healed_at_ns = is_healed.then(|| ground.now_ns());
        self.note_leaders(ground);
        self.stage = Stage::Over;
        notes.push(Note::Over(self.record.clone()));
    }

    /// Elections that followed, as far as seen when the fault was lifted.
    fn note_leaders(&mut self, ground: &dyn Ground) {
        let Some(started_ns) = self.record.started_at_ns else { return };
        for led in ground.leaders_since(started_ns) {
            let after_s = (led.at_ns - started_ns) as f64 / 1e9;
            let fact = format!("n{} led term {} after {after_s:.2} s", led.node, led.term);
            self.record.effects.push(fact);
        }
    }
}

/// Lets every deed go on. When to look again; `None`: all are over.
fn stepped(deeds: &mut [Deed], hands: &mut Hands<'_>) -> Option<u64> {
    deeds.iter_mut().filter_map(|deed| deed.step(hands)).min()
}

/// The earlier of two times at which to look again.
pub(super) fn sooner(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}
