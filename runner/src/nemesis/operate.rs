//! What an operator asks of a cluster, each request seen through to its effect.
//!
//! Answers are not trusted: they may be lost, and a change may take effect after a time-out. What was
//! achieved is read from the nodes' statuses, before anything is asked again.

use std::time::Duration;

use super::act::{Arena, Seen};
use super::membership::{Goal, Step, next_step};
use crate::observe::{Observer, View};
use crate::target::Wish;
use whitewater_server::clock::monotonic_ns;

/// How long a hand-over may take: two elections, on a busy machine.
const TRANSFER_DEADLINE: Duration = Duration::from_secs(3);
/// How long one hand-over is waited for before the leader is asked again.
const TRANSFER_PATIENCE: Duration = Duration::from_millis(800);
/// How long the members may take to become what was asked for; a node that lost its disk has to be sent
/// the whole state.
const MEMBERS_DEADLINE: Duration = Duration::from_secs(10);
/// How long a cut-off leader may take to put a change into its log: it leads on for an election timeout.
const IN_VAIN_DEADLINE: Duration = Duration::from_millis(1500);
/// How long one answer is waited for.
const ANSWER_DEADLINE: Duration = Duration::from_millis(500);
/// How long the next answers of the nodes are waited for: some polls.
const NEWS_DEADLINE: Duration = Duration::from_millis(300);

/// The leader hands over, to `target` or to whom it likes.
pub(super) async fn transfer(arena: Arena<'_>, observer: &Observer, target: Option<u32>) -> Seen {
    let start_ns = monotonic_ns();
    let end = tokio::time::Instant::now() + TRANSFER_DEADLINE;
    let Some(first) = observer.view().leader(start_ns) else {
        return Seen::nothing("no node led");
    };
    let mut refusal = String::new();
    while tokio::time::Instant::now() < end {
        if let Some((leader, _)) = observer.view().leader(monotonic_ns())
            && let Err(reason) = ask(arena, leader, Wish::Transfer(target)).await
        {
            refusal = format!(": n{leader} said {reason}");
        }
        let is_newer = |view: &View, now_ns| view.leader(now_ns).is_some_and(|it| it.1 > first.1);
        if observer.wait_for(TRANSFER_PATIENCE, is_newer).await {
            let at_ns = monotonic_ns();
            let took_ms = (at_ns - start_ns) / 1_000_000;
            let (next, term) = observer.view().leader(at_ns).unwrap_or_default();
            let fact = format!(
                "n{} led term {} and n{next} led term {term} {took_ms} ms after the request",
                first.0, first.1
            );
            return Seen::at(at_ns, fact);
        }
    }
    Seen::nothing(&format!("nobody led a later term than {}{refusal}", first.1))
}

/// The leader is asked to hand over to a node that cannot take over: it has to give up, and commit again.
pub(super) async fn fail_transfer(arena: Arena<'_>, observer: &Observer, target: u32) -> Seen {
    let start_ns = monotonic_ns();
    let Some((leader, term)) = observer.view().leader(start_ns) else {
        return Seen::nothing("no node led");
    };
    let own = |view: &View| {
        let (at_ns, status) = view.answers.get(&leader)?;
        (*at_ns > start_ns && status.is_leader() && status.term == term).then(|| status.clone())
    };
    let begun = match ask(arena, leader, Wish::Transfer(Some(target))).await {
        Err(reason) => format!("n{leader} refused ({reason})"),
        Ok(()) => {
            let is_begun = |view: &View, _| own(view).is_some_and(|it| it.transfer == Some(target));
            if !observer.wait_for(NEWS_DEADLINE, is_begun).await {
                return Seen::nothing(&format!("n{leader} was not seen to hand over to n{target}"));
            }
            format!("n{leader} tried to hand over to n{target}")
        }
    };
    // What it commits from here on, it commits after it gave up.
    let mut since = None;
    let serves_again = |view: &View, _| {
        let Some(status) = own(view).filter(|status| status.transfer.is_none()) else {
            return false;
        };
        status.commit > *since.get_or_insert(status.commit)
    };
    if !observer.wait_for(TRANSFER_DEADLINE, serves_again).await {
        let view = observer.view();
        return match view.leader(monotonic_ns()) {
            Some(next) if next != (leader, term) => {
                Seen::nothing(&format!("{begun}, and n{} led term {}", next.0, next.1))
            }
            _ => Seen::nothing(&format!("{begun}, and was not seen to commit again")),
        };
    }
    let at_ns = monotonic_ns();
    let took_ms = (at_ns - start_ns) / 1_000_000;
    Seen::at(at_ns, format!("{begun}, and committed again in term {term} after {took_ms} ms"))
}

/// Members change until a goal is reached and committed.
pub(super) async fn reach(arena: Arena<'_>, observer: &Observer, goal: Goal) -> Seen {
    let start_ns = monotonic_ns();
    let end = tokio::time::Instant::now() + MEMBERS_DEADLINE;
    let mut said = String::new();
    while tokio::time::Instant::now() < end {
        let now_ns = monotonic_ns();
        let view = observer.view();
        let led = view.leader(now_ns).and_then(|(leader, _)| {
            let (at_ns, status) = view.answers.get(&leader)?;
            // An answer from before the request may be one of a leader that was.
            (*at_ns > start_ns).then_some((leader, status))
        });
        if let Some((leader, status)) = led {
            let members = &status.members;
            match next_step(goal, members, status.commit) {
                Step::Reached => {
                    let took_ms = (now_ns - start_ns) / 1_000_000;
                    let fact = format!(
                        "voters are {} by index {}, committed at n{leader} after {took_ms} ms",
                        members.voters_words(),
                        members.index
                    );
                    return Seen::at(now_ns, fact);
                }
                Step::Wait => {}
                Step::Ask(wish) => {
                    if let Err(reason) = ask(arena, leader, wish).await {
                        said = format!("; n{leader} said {reason}");
                    }
                }
            }
        }
        // Whatever the answer was, the next statuses tell what came of it.
        let asked_ns = monotonic_ns();
        let is_news = |view: &View, now_ns| {
            let leader = view.leader(now_ns).and_then(|(leader, _)| view.answers.get(&leader));
            leader.is_some_and(|(at_ns, _)| *at_ns > asked_ns)
        };
        observer.wait_for(NEWS_DEADLINE, is_news).await;
    }
    let what = match goal {
        Goal::Gone(node) => format!("n{node} is still a member"),
        Goal::Voter(node) => format!("n{node} is not a voter again"),
    };
    Seen::nothing(&format!("{what} after {} s{said}", MEMBERS_DEADLINE.as_secs()))
}

/// A leader that cannot commit is asked to remove a node, and takes the change into its log.
pub(super) async fn remove_in_vain(
    arena: Arena<'_>,
    observer: &Observer,
    leader: u32,
    node: u32,
) -> Seen {
    let start_ns = monotonic_ns();
    // It answers when the change is committed, which it is not going to be.
    let asked = ask(arena, leader, Wish::Remove(node));
    let has_it = |view: &View, _| {
        view.answers.get(&leader).is_some_and(|(at_ns, status)| {
            *at_ns > start_ns
                && !status.members.voters.contains(&node)
                && status.members.index > status.commit
        })
    };
    let (said, is_taken) = tokio::join!(asked, observer.wait_for(IN_VAIN_DEADLINE, has_it));
    if !is_taken {
        let said = said.err().unwrap_or_else(|| "it is done".into());
        let fact = format!("n{leader} was not seen with a change that it cannot commit: {said}");
        return Seen::nothing(&fact);
    }
    Seen::at(monotonic_ns(), format!("n{leader} holds the removal of n{node}, uncommitted"))
}

async fn ask(arena: Arena<'_>, node: u32, wish: Wish) -> Result<(), String> {
    match arena.operator {
        Some(operator) => operator.ask(node, wish, ANSWER_DEADLINE).await,
        None => Err("this target cannot be asked".into()),
    }
}
