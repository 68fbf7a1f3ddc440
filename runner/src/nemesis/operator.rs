//! What an operator asks of a cluster, each request seen through to its effect.
//!
//! Answers are not trusted: they may be lost, and a change may take effect after a time-out. What was
//! achieved is read from the nodes' statuses, before anything is asked again.

use super::act::{Act, Request, Seen};
use super::ground::Ground;
use super::hands::Hands;
use super::membership::{Goal, Step, next_step};
use super::process_state::ProcessState;
use crate::observe::View;
use whitewater_target::{NodeStatus, Wish};

const MILLISECOND: u64 = 1_000_000;
/// How often a request under way is looked after.
pub(super) const LOOK_NS: u64 = 20 * MILLISECOND;
/// How long a request may take: a node that lost its disk has to be sent the whole state, and on a busy machine or in
/// foul weather a hand-over takes several elections.
const DEADLINE_NS: u64 = 10_000 * MILLISECOND;
/// How long one hand-over is waited for before the leader is asked again.
const TRANSFER_PATIENCE_NS: u64 = 800 * MILLISECOND;
/// How long a cut-off leader may take to put a change into its log: it leads on for an election timeout.
const IN_VAIN_DEADLINE_NS: u64 = 1_500 * MILLISECOND;
/// How long one answer is waited for.
pub(super) const ANSWER_DEADLINE_NS: u64 = 500 * MILLISECOND;
/// How long what a leader says it has begun may take to be seen: some polls.
const NEWS_DEADLINE_NS: u64 = 300 * MILLISECOND;
/// A node whose disk was emptied is started after this: no message is on its way that long, so that none reaches the
/// new node that was meant for the one whose promises are forgotten.
const QUIET_NS: u64 = 1_500 * MILLISECOND;

/// What is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Somebody leads a later term.
    Transfer(Option<u32>),
    /// A leader gives up handing over to this node, and commits again.
    FailTransfer(u32),
    /// Members are as they are to be, committed.
    Reach(Goal),
    /// A node leaves, loses its disk, and is started to join.
    Replace(u32),
    /// A leader holds a removal in its log that it cannot commit.
    InVain { leader: u32, node: u32 },
}

impl Task {
    /// What a request is to come to.
    pub(super) fn of(request: Request) -> Task {
        match request {
            Request::Transfer(target) => Task::Transfer(target),
            Request::FailTransfer(target) => Task::FailTransfer(target),
            Request::Remove(node) => Task::Reach(Goal::Gone(node)),
            Request::Replace(node) => Task::Replace(node),
            Request::RemoveInVain { leader, node } => Task::InVain { leader, node },
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Errand {
    task: Task,
    since_ns: u64,
    /// Who led when it began.
    first: Option<(u32, u64)>,
    question: Option<Question>,
    /// What was said last, where that was not that it is done.
    said: String,
    /// Of a hand-over that must fail: how it began, and what was committed when it had been given up.
    begun: Option<(String, Option<u64>)>,
    /// Of a replacement: what was seen so far, and from when on the node may be started.
    emptied: Option<(Vec<String>, Option<u64>)>,
}

/// What was asked and is not answered yet.
#[derive(Clone, Copy, Debug)]
struct Question {
    number: u64,
    node: u32,
    asked_ns: u64,
    is_open: bool,
}

impl Errand {
    /// A request of which nothing was asked yet.
    pub(super) fn new(task: Task, ground: &dyn Ground) -> Self {
        let since_ns = ground.now_ns();
        let first = ground.view().leader(since_ns);
        let (question, said, begun, emptied) = (None, String::new(), None, None);
        Self { task, since_ns, first, question, said, begun, emptied }
    }

    /// Looks, and asks for what is next. What was seen, where it is over.
    pub(super) fn step(&mut self, hands: &mut Hands<'_>) -> Option<Seen> {
        self.listen(hands.ground);
        let view = hands.ground.view();
        match self.task {
            Task::Transfer(target) => self.transfer(target, &view, hands.ground),
            Task::FailTransfer(target) => self.fail_transfer(target, &view, hands.ground),
            Task::Reach(goal) => self.reach(goal, &view, hands.ground),
            Task::Replace(node) => self.replace(node, &view, hands),
            Task::InVain { leader, node } => self.in_vain(leader, node, &view, hands.ground),
        }
    }

    /// The leader hands over, to `target` or to whom it likes.
    fn transfer(
        &mut self,
        target: Option<u32>,
        view: &View,
        ground: &mut dyn Ground,
    ) -> Option<Seen> {
        let now_ns = ground.now_ns();
        let Some(first) = self.first else { return Some(Seen::nothing("no node led".into())) };
        let led = view.leader(now_ns);
        if let Some((next, term)) = led.filter(|(_, term)| *term > first.1) {
            let fact = format!(
                "n{} led term {} and n{next} led term {term} {} ms after the request",
                first.0,
                first.1,
                self.took_ms(now_ns)
            );
            return Some(Seen::at(now_ns, fact));
        }
        if self.is_late(now_ns, DEADLINE_NS) {
            let reason = format!("nobody led a later term than {}{}", first.1, self.said());
            return Some(Seen::nothing(reason));
        }
        if let Some((leader, _)) = led
            && self.may_ask(now_ns, TRANSFER_PATIENCE_NS)
        {
            self.ask(leader, Wish::Transfer(target), ground);
        }
        None
    }

    /// The leader is asked to hand over to a node that cannot take over: it has to give up, and commit again.
    fn fail_transfer(&mut self, target: u32, view: &View, ground: &mut dyn Ground) -> Option<Seen> {
        let now_ns = ground.now_ns();
        let Some((leader, term)) = self.first else {
            return Some(Seen::nothing("no node led".into()));
        };
        if self.question.is_none() {
            self.ask(leader, Wish::Transfer(Some(target)), ground);
            return None;
        }
        let own = self.news_of(leader, view).filter(|it| it.is_leader() && it.term == term);
        if self.begun.is_none() {
            let refused =
                (!self.said.is_empty()).then(|| format!("n{leader} refused ({})", self.said));
            let tries = own.is_some_and(|status| status.transfer == Some(target));
            let begun = tries.then(|| format!("n{leader} tried to hand over to n{target}"));
            self.begun = begun.or(refused).map(|begun| (begun, None));
        }
        let Some((begun, since)) = &mut self.begun else {
            let is_late = self.is_late(now_ns, ANSWER_DEADLINE_NS + NEWS_DEADLINE_NS);
            let reason = format!("n{leader} was not seen to hand over to n{target}");
            return is_late.then(|| Seen::nothing(reason));
        };
        if let Some(status) = own.filter(|status| status.transfer.is_none())
            // What it commits from here on, it commits after it gave up.
            && status.commit > *since.get_or_insert(status.commit)
        {
            let begun = begun.clone();
            let took_ms = self.took_ms(now_ns);
            let fact = format!("{begun}, and committed again in term {term} after {took_ms} ms");
            return Some(Seen::at(now_ns, fact));
        }
        let begun = begun.clone();
        match view.leader(now_ns) {
            Some((next, later)) if later > term => {
                Some(Seen::nothing(format!("{begun}, and n{next} led term {later}")))
            }
            _ => self
                .is_late(now_ns, DEADLINE_NS)
                .then(|| Seen::nothing(format!("{begun}, and was not seen to commit again"))),
        }
    }

    /// Members change until a goal is reached and committed.
    fn reach(&mut self, goal: Goal, view: &View, ground: &mut dyn Ground) -> Option<Seen> {
        let now_ns = ground.now_ns();
        let led = view.leader(now_ns);
        // An answer from before the request, or from before the last one, may be one of what was.
        let asked_ns = self.question.map_or(self.since_ns, |it| it.asked_ns);
        let status = led.and_then(|(leader, _)| view.answers.get(&leader));
        if let (Some((leader, _)), Some((at_ns, status))) = (led, status)
            && *at_ns > asked_ns
        {
            let members = &status.members;
            match next_step(goal, members, status.commit) {
                Step::Reached => {
                    let fact = format!(
                        "voters are {} by index {}, committed at n{leader} after {} ms",
                        members.voters_words(),
                        members.index,
                        self.took_ms(now_ns)
                    );
                    return Some(Seen::at(now_ns, fact));
                }
                Step::Wait => {}
                Step::Ask(wish) => {
                    if self.may_ask(now_ns, 0) {
                        self.ask(leader, wish, ground);
                    }
                }
            }
        }
        let what = match goal {
            Goal::Gone(node) => format!("n{node} is still a member"),
            Goal::Voter(node) => format!("n{node} is not a voter again"),
        };
        let reason = format!("{what} after {} s{}", DEADLINE_NS / 1_000_000_000, self.said());
        self.is_late(now_ns, DEADLINE_NS).then(|| Seen::nothing(reason))
    }

    /// Only a node that has left for good may lose its disk: what it promised counts no more.
    fn replace(&mut self, node: u32, view: &View, hands: &mut Hands<'_>) -> Option<Seen> {
        let now_ns = hands.ground.now_ns();
        let hold = Act::Kill(node);
        let Some((facts, from_ns)) = &mut self.emptied else {
            let seen = self.reach(Goal::Gone(node), view, hands.ground)?;
            if seen.at_ns.is_none() {
                return Some(seen);
            }
            // Nobody is to start it before it is empty and all is quiet.
            hands.in_force.enter(hands.fault, &hold);
            let is_down = matches!(hands.ground.process(node), ProcessState::Down(_));
            let killed = if is_down { Ok(()) } else { hands.ground.kill(node) };
            self.emptied = Some((seen.effects, None));
            return killed.err().map(|error| self.not_emptied(node, &error, hands));
        };
        match *from_ns {
            None => {
                if let ProcessState::Down(how) = hands.ground.process(node) {
                    facts.push(format!("n{node}: exit by {how}"));
                    *from_ns = Some(now_ns + QUIET_NS);
                    if let Err(error) = hands.ground.wipe(node) {
                        return Some(self.not_emptied(node, &error, hands));
                    }
                }
                None
            }
            Some(from_ns) if now_ns < from_ns => None,
            Some(_) => {
                hands.in_force.leave(hands.fault, &hold);
                if let Err(error) = hands.ground.start(node) {
                    return Some(self.not_emptied(node, &format!("start failed: {error}"), hands));
                }
                let mut effects = std::mem::take(facts);
                effects.push(format!("n{node}: disk removed, started to join"));
                Some(Seen { at_ns: Some(now_ns), effects })
            }
        }
    }

    fn not_emptied(&mut self, node: u32, error: &str, hands: &mut Hands<'_>) -> Seen {
        hands.in_force.leave(hands.fault, &Act::Kill(node));
        let mut effects = self.emptied.take().map_or_else(Vec::new, |(facts, _)| facts);
        effects.push(format!("n{node}: {error}"));
        Seen { at_ns: None, effects }
    }

    /// A leader that cannot commit is asked to remove a node, and takes the change into its log.
    fn in_vain(
        &mut self,
        leader: u32,
        node: u32,
        view: &View,
        ground: &mut dyn Ground,
    ) -> Option<Seen> {
        let now_ns = ground.now_ns();
        let holds = self.news_of(leader, view).is_some_and(|status| {
            !status.members.voters.contains(&node) && status.members.index > status.commit
        });
        if holds {
            let fact = format!("n{leader} holds the removal of n{node}, uncommitted");
            return Some(Seen::at(now_ns, fact));
        }
        if self.is_late(now_ns, IN_VAIN_DEADLINE_NS) {
            let said = self.said();
            return Some(Seen::nothing(format!(
                "n{leader} was not seen with a change that it cannot commit{said}"
            )));
        }
        // It answers when the change is committed, which it is not going to be.
        if self.may_ask(now_ns, NEWS_DEADLINE_NS) {
            self.ask(leader, Wish::Remove(node), ground);
        }
        None
    }

    /// What a node has said of itself since this began.
    fn news_of<'a>(&self, node: u32, view: &'a View) -> Option<&'a NodeStatus> {
        let (at_ns, status) = view.answers.get(&node)?;
        (*at_ns > self.since_ns).then_some(status)
    }

    fn ask(&mut self, node: u32, wish: Wish, ground: &mut dyn Ground) {
        let number = ground.ask(node, wish);
        self.question = Some(Question { number, node, asked_ns: ground.now_ns(), is_open: true });
    }

    /// Takes in what was said.
    fn listen(&mut self, ground: &mut dyn Ground) {
        let now_ns = ground.now_ns();
        let Some(question) = self.question.as_mut().filter(|it| it.is_open) else { return };
        match ground.answer(question.number) {
            Some(answer) => {
                question.is_open = false;
                if let Err(reason) = answer {
                    self.said = reason;
                }
            }
            None => question.is_open = now_ns < question.asked_ns + ANSWER_DEADLINE_NS,
        }
    }

    /// Whether the next question may be asked: the last one is answered or never will be, and that long ago.
    fn may_ask(&self, now_ns: u64, patience_ns: u64) -> bool {
        self.question.is_none_or(|it| !it.is_open && now_ns >= it.asked_ns + patience_ns)
    }

    /// `; n2 said …`, where somebody did.
    fn said(&self) -> String {
        match self.question {
            Some(question) if !self.said.is_empty() => {
                format!("; n{} said {}", question.node, self.said)
            }
            _ => String::new(),
        }
    }

    fn took_ms(&self, now_ns: u64) -> u64 {
        (now_ns - self.since_ns) / MILLISECOND
    }

    fn is_late(&self, now_ns: u64, deadline_ns: u64) -> bool {
        now_ns >= self.since_ns + deadline_ns
    }
}
