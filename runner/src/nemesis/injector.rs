//! Carries faults out and records what was seen: those of a plan, each at its time or its moment, and such as are
//! thought of on the way. It decides only; what it does is done on a [`Ground`].

use std::mem;

use whitewater_checker::fault::{FaultRecord, FaultStatus};

use super::ground::Ground;
use super::in_force::InForce;
use super::note::Note;
use super::struck::{Lasts, Live, sooner};
use super::trigger::Moment;
use super::{Aim, Family, PlannedFault, Roster, Strike, find};
use crate::cluster::node_name;
use crate::dice::Dice;

const MILLISECOND: u64 = 1_000_000;
/// How long a fault waits for somebody to lead before it is skipped: some elections on a busy machine or in foul
/// weather. A fault that is skipped costs the run its pass.
const LEADER_DEADLINE_NS: u64 = 8_000 * MILLISECOND;
/// How often it looks for a leader.
const LEADER_LOOK_NS: u64 = 10 * MILLISECOND;

/// A fault of no plan.
#[derive(Debug)]
pub(crate) struct Improvised {
    /// What it is like.
    pub(crate) family: &'static Family,
    pub(crate) name: String,
    pub(crate) target: &'static str,
    pub(crate) strike: Strike,
    pub(crate) lasts: Lasts,
}

/// The nemesis.
#[derive(Debug, Default)]
pub(crate) struct Injector {
    origin_ns: u64,
    clients: u32,
    waiting: Vec<Waiting>,
    live: Vec<Live>,
    /// Numbers faults in the order in which they struck.
    struck: u32,
    /// The number of the next fault that is in no plan.
    next_id: u32,
    notes: Vec<Note>,
}

/// A planned fault that has not struck.
#[derive(Debug)]
struct Waiting {
    planned: PlannedFault,
    /// When its moment came, and what it was.
    sprung: Option<(u64, Moment)>,
    leaderless_since_ns: Option<u64>,
}

impl Injector {
    /// A nemesis with a plan, whose times count from `origin_ns`.
    pub(crate) fn new(faults: &[PlannedFault], clients: u32, origin_ns: u64) -> Self {
        let waiting = |planned: &PlannedFault| Waiting {
            planned: planned.clone(),
            sprung: None,
            leaderless_since_ns: None,
        };
        let next_id = faults.iter().map(|planned| planned.id).max().unwrap_or(0) + 1;
        Self {
            origin_ns,
            clients,
            waiting: faults.iter().map(waiting).collect(),
            live: Vec::new(),
            struck: 0,
            next_id,
            notes: Vec::new(),
        }
    }

    /// Whether every planned fault is over.
    pub(crate) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.live.iter().all(|live| live.plan_end_ms.is_none())
    }

    /// Whether a planned fault waits for a moment, now.
    pub(crate) fn awaits_moment(&self, now_ns: u64) -> bool {
        self.waiting.iter().any(|it| it.is_armed(self.origin_ns, now_ns) && !self.is_blocked(it))
    }

    /// What happened since this was asked last.
    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        mem::take(&mut self.notes)
    }

    /// Something happened in the cluster. Whether a fault waited for it, and the next step is due.
    pub(crate) fn notice(&mut self, now_ns: u64, moment: &Moment) -> bool {
        let origin_ns = self.origin_ns;
        let is_met = |it: &Waiting| {
            it.is_armed(origin_ns, now_ns)
                && it.planned.trigger.is_some_and(|trigger| trigger.is_met_by(moment))
        };
        let place = (0..self.waiting.len())
            .find(|at| is_met(&self.waiting[*at]) && !self.is_blocked(&self.waiting[*at]));
        if let Some(place) = place {
            self.waiting[place].sprung = Some((now_ns, *moment));
        }
        place.is_some()
    }

    /// A fault that is in no plan strikes with the next step. Its number among those that struck.
    pub(crate) fn improvise(&mut self, it: Improvised, ground: &dyn Ground) -> u32 {
        let now_ns = ground.now_ns();
        let record = FaultRecord {
            id: self.next_id,
            kind: it.family.name.into(),
            scope: Some(it.family.scope),
            name: it.name,
            target: it.target.into(),
            status: FaultStatus::Installed,
            ..blank(now_ns)
        };
        self.next_id += 1;
        self.begin(record, it.strike, it.lasts, None, ground)
    }

    /// Ends a fault, with the next step.
    pub(crate) fn end(&mut self, number: u32) {
        self.live.iter_mut().filter(|live| live.number == number).for_each(Live::end);
    }

    /// Nothing strikes any more, and what is in force is lifted with the next step.
    pub(crate) fn stop(&mut self) {
        self.waiting.clear();
        self.live.iter_mut().for_each(Live::cut_short);
    }

    /// Does what is due. When to look again; `None`: nothing is under way, and nothing will be by itself.
    pub(crate) fn step(&mut self, ground: &mut dyn Ground, in_force: &mut InForce) -> Option<u64> {
        let mut again_ns = self.advance(ground, in_force);
        // What ended may have been in the way of what is next.
        let mut place = 0;
        while place < self.waiting.len() {
            match self.when(&self.waiting[place], ground) {
                When::Never => {
                    let waiting = self.waiting.remove(place);
                    let reason = waiting.planned.trigger.map_or(String::new(), |it| it.missed());
                    let record = self.skipped(&waiting, reason);
                    self.notes.push(Note::Over(record));
                    again_ns = Some(ground.now_ns());
                }
                When::Now => {
                    let waiting = self.waiting.remove(place);
                    self.strike(&waiting, ground);
                    let then_ns = self.advance(ground, in_force);
                    again_ns = sooner(again_ns, then_ns);
                }
                When::Leaderless => {
                    self.waiting[place].leaderless_since_ns.get_or_insert(ground.now_ns());
                    again_ns = sooner(again_ns, Some(ground.now_ns() + LEADER_LOOK_NS));
                    place += 1;
                }
                When::At(at_ns) => {
                    again_ns = sooner(again_ns, Some(at_ns));
                    place += 1;
                }
                When::Blocked => place += 1,
            }
        }
        again_ns
    }

    fn advance(&mut self, ground: &mut dyn Ground, in_force: &mut InForce) -> Option<u64> {
        let mut again_ns = None;
        for live in &mut self.live {
            again_ns = sooner(again_ns, live.step(ground, in_force, &mut self.notes));
        }
        self.live.retain(|live| !live.is_over());
        again_ns
    }

    /// When a planned fault may strike.
    fn when(&self, it: &Waiting, ground: &dyn Ground) -> When {
        let now_ns = ground.now_ns();
        let planned = &it.planned;
        if self.is_blocked(it) {
            return When::Blocked;
        }
        let mut at_ns = it.at_ns(self.origin_ns);
        if let Some(trigger) = planned.trigger {
            match it.sprung {
                Some((seen_ns, _)) => at_ns = seen_ns + trigger.after_ms * MILLISECOND,
                None if now_ns >= at_ns + trigger.within_ms * MILLISECOND => return When::Never,
                None if now_ns >= at_ns => {
                    return When::At(at_ns + trigger.within_ms * MILLISECOND);
                }
                None => {}
            }
        }
        let is_aimed = find(&planned.fault).is_none_or(|(_, fault)| fault.aim == Aim::ByRole);
        let is_led = || !is_aimed || ground.view().leader(now_ns).is_some();
        let since_ns = it.leaderless_since_ns.unwrap_or(now_ns);
        match now_ns >= at_ns {
            false => When::At(at_ns),
            true if is_led() || now_ns >= since_ns + LEADER_DEADLINE_NS => When::Now,
            true => When::Leaderless,
        }
    }

    /// Whether a fault that by the plan is over before this one begins is not.
    fn is_blocked(&self, it: &Waiting) -> bool {
        let begins_ms = it.planned.at_ms;
        let mut waiting = self.waiting.iter().map(|other| other.planned.end_ms());
        let mut live = self.live.iter().filter_map(|live| live.plan_end_ms);
        waiting.any(|end_ms| end_ms <= begins_ms) || live.any(|end_ms| end_ms <= begins_ms)
    }

    fn strike(&mut self, waiting: &Waiting, ground: &dyn Ground) {
        let planned = &waiting.planned;
        let Some((_, fault)) = find(&planned.fault) else {
            let record = self.skipped(waiting, "it is not in the catalogue".into());
            return self.notes.push(Note::Over(record));
        };
        let subject = waiting.sprung.map(|(_, moment)| moment.node);
        let roster = self.roster(subject, ground);
        let strike = match (fault.resolve)(&roster, &mut Dice::new(planned.pick, 0)) {
            Ok(strike) => strike,
            Err(reason) => {
                let record = self.skipped(waiting, reason);
                return self.notes.push(Note::Over(record));
            }
        };
        let mut record = self.record(waiting);
        if let Some((_, moment)) = waiting.sprung {
            let late_ms = (ground.now_ns() - moment.at_ns) as f64 / MILLISECOND as f64;
            record.effects.push(format!("struck {late_ms:.1} ms after {}", moment.words()));
        }
        let lasts = Lasts::For(planned.duration_ms * MILLISECOND);
        self.begin(record, strike, lasts, Some(planned.end_ms()), ground);
    }

    fn begin(
        &mut self,
        record: FaultRecord,
        strike: Strike,
        lasts: Lasts,
        plan_end_ms: Option<u64>,
        ground: &dyn Ground,
    ) -> u32 {
        let record = FaultRecord {
            nodes: strike.nodes.iter().copied().map(node_name).collect(),
            detail: strike.detail,
            leader_hit: strike.leader_hit,
            started_at_ns: Some(ground.now_ns()),
            ..record
        };
        self.notes.push(Note::Begins(record.clone()));
        self.struck += 1;
        let acts = strike.acts;
        self.live.push(Live::new(self.struck, record, acts, (lasts, plan_end_ms), ground));
        self.struck
    }

    fn roster(&self, subject: Option<u32>, ground: &dyn Ground) -> Roster {
        let view = ground.view();
        let leader = view.leader(ground.now_ns());
        let led = leader.and_then(|(leader, _)| view.answers.get(&leader));
        // Only a voter is worth striking. A target that does not tell its voters has all of them.
        let nodes = match led.map(|(_, status)| &status.members.voters) {
            Some(voters) if !voters.is_empty() => voters.iter().copied().collect(),
            _ => ground.nodes(),
        };
        Roster { nodes, clients: self.clients, leader, subject }
    }

    fn record(&self, waiting: &Waiting) -> FaultRecord {
        let (family, fault) = find(&waiting.planned.fault).unzip();
        FaultRecord {
            id: waiting.planned.id,
            kind: family.map_or("unknown", |family| family.name).into(),
            scope: family.map(|family| family.scope),
            name: fault.map_or(waiting.planned.fault.as_str(), |fault| fault.name).into(),
            target: fault.map_or("", |fault| fault.target).into(),
            ..blank(waiting.at_ns(self.origin_ns))
        }
    }

    fn skipped(&self, waiting: &Waiting, reason: String) -> FaultRecord {
        FaultRecord { status: FaultStatus::Skipped { reason }, ..self.record(waiting) }
    }
}

/// When a planned fault may strike.
enum When {
    Now,
    At(u64),
    /// As soon as somebody leads.
    Leaderless,
    /// When another one is over.
    Blocked,
    /// Its moment did not come.
    Never,
}

impl Waiting {
    fn at_ns(&self, origin_ns: u64) -> u64 {
        origin_ns + self.planned.at_ms * MILLISECOND
    }

    /// Whether it waits for its moment, now.
    fn is_armed(&self, origin_ns: u64, now_ns: u64) -> bool {
        let is_waiting = self.planned.trigger.is_some() && self.sprung.is_none();
        is_waiting && now_ns >= self.at_ns(origin_ns)
    }
}

fn blank(planned_at_ns: u64) -> FaultRecord {
    FaultRecord {
        id: 0,
        kind: String::new(),
        scope: None,
        name: String::new(),
        target: String::new(),
        nodes: Vec::new(),
        detail: String::new(),
        planned_at_ns,
        started_at_ns: None,
        effective_at_ns: None,
        healed_at_ns: None,
        status: FaultStatus::Installed,
        effects: Vec::new(),
        effective: false,
        leader_hit: None,
    }
}
