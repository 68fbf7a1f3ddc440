//! When which fault strikes.
//!
//! First come the faults that the run must have seen: for each family one that strikes the leader and
//! one that spares it, in a random order. Then whole rounds of everything that was asked for, each
//! round in a random order. So the first half minute is worth the most, and a long run leaves nothing
//! out.

use super::Known;
use crate::dice::Dice;
use crate::nemesis::{Aim, Fault, PlannedFault, family};

/// Separates this part's draws from the others'.
const PURPOSE: u64 = 1;
/// The first fault strikes within this, milliseconds.
const FIRST_MS: (u64, u64) = (100, 400);
/// A fault lasts this long, milliseconds: longer than two election timeouts (600 ms), so that a new
/// leader is there before the old one comes back; short enough for many.
const DURATION_MS: (u64, u64) = (800, 2500);
/// Time between the end of one fault and the next, milliseconds: an election and a moment of work.
const RECOVERY_MS: (u64, u64) = (700, 1200);
/// The least a fault lasts in a run too short for the above, milliseconds.
const DURATION_LEAST_MS: u64 = 700;
/// The least time between faults in a run too short for the above, milliseconds.
const RECOVERY_LEAST_MS: u64 = 500;

/// Draws the schedule of a fault phase of `time_ms`.
pub(super) fn faults(
    seed: u64,
    cluster: Known,
    time_ms: u64,
    families: &[String],
) -> Result<Vec<PlannedFault>, String> {
    let mut dice = Dice::new(seed, PURPOSE);
    let mut decks = Vec::new();
    for family in families {
        decks.push(usable(family, cluster)?);
    }
    if decks.is_empty() {
        return Ok(Vec::new());
    }
    let mut deck: Vec<&Fault> = Vec::new();
    let required = required(&decks, &mut dice);
    let longest = Longest::of(time_ms, required.len() as u64);
    let mut planned = Vec::new();
    let mut at_ms = dice.between(FIRST_MS.0, FIRST_MS.1);
    deck.extend(required.into_iter().rev());
    loop {
        let Some(fault) = deck.pop() else {
            deck = decks.iter().flatten().copied().collect();
            dice.shuffle(&mut deck);
            continue;
        };
        let duration_ms = drawn(&mut dice, DURATION_MS.0, longest.duration_ms);
        let recovery_ms = drawn(&mut dice, RECOVERY_MS.0, longest.recovery_ms);
        if at_ms + duration_ms > time_ms {
            return Ok(planned);
        }
        planned.push(PlannedFault {
            id: planned.len() as u32 + 1,
            fault: fault.slug.to_owned(),
            at_ms,
            duration_ms,
            pick: dice.draw(),
            trigger: None,
        });
        at_ms += duration_ms + recovery_ms;
    }
}

/// The longest that may be drawn in a run of this length, so that everything required has its place.
struct Longest {
    duration_ms: u64,
    recovery_ms: u64,
}

impl Longest {
    /// Each of `required` faults has an equal part of the time, three fifths of it to last.
    fn of(time_ms: u64, required: u64) -> Self {
        let slot_ms = time_ms / required.max(1);
        Self {
            duration_ms: DURATION_MS.1.min(slot_ms * 3 / 5).max(DURATION_LEAST_MS),
            recovery_ms: RECOVERY_MS.1.min(slot_ms * 2 / 5).max(RECOVERY_LEAST_MS),
        }
    }

    /// When the last of `required` faults has ended, whatever is drawn.
    fn end_ms(&self, required: u64) -> u64 {
        let between = required.saturating_sub(1) * self.recovery_ms;
        FIRST_MS.1 + required * self.duration_ms + between
    }
}

/// The least length of a fault phase that holds everything that these families require, for every seed.
///
/// A longer phase holds it as well: what may be drawn grows no faster than the phase.
///
/// # Errors
/// Where a family means nothing in a cluster of this size.
pub(super) fn least_ms(cluster: Known, families: &[String]) -> Result<u64, String> {
    let mut required = 0;
    for family in families {
        required += wanted(&usable(family, cluster)?).len() as u64;
    }
    if required == 0 {
        return Ok(0);
    }
    // A part of the time shorter than the least it is filled with makes no difference any more.
    let most_ms = required * (DURATION_MS.1 + RECOVERY_MS.1) + FIRST_MS.1;
    let mut range = (0, most_ms);
    while range.0 < range.1 {
        let middle_ms = u64::midpoint(range.0, range.1);
        match Longest::of(middle_ms, required).end_ms(required) <= middle_ms {
            true => range.1 = middle_ms,
            false => range.0 = middle_ms + 1,
        }
    }
    Ok(range.1)
}

/// Whether a family can be asked to hit the leader, and to spare it, in a cluster of this size.
pub(super) fn roles(family: &str, cluster: Known) -> Result<(bool, bool), String> {
    let deck = usable(family, cluster)?;
    Ok((has_role(&deck, true), has_role(&deck, false)))
}

/// What a run must see of these faults: one that hits the leader and one that spares it, or, where neither can be
/// told beforehand, one of whatever kind.
fn wanted(deck: &[&'static Fault]) -> Vec<Option<bool>> {
    let roles: Vec<_> =
        [true, false].into_iter().filter(|hits| has_role(deck, *hits)).map(Some).collect();
    if roles.is_empty() { vec![None] } else { roles }
}

/// Whether one of these faults hits the leader, or spares it, for certain, and leaves a majority.
fn has_role(deck: &[&'static Fault], hits: bool) -> bool {
    deck.iter().any(|fault| is_of_role(fault, hits))
}

fn is_of_role(fault: &Fault, hits: bool) -> bool {
    fault.strikes_leader == Some(hits) && fault.keeps_quorum
}

/// A time between `from` and `to`, or `to` where the run is too short for `from`.
fn drawn(dice: &mut Dice, from: u64, to: u64) -> u64 {
    dice.between(from.min(to), to)
}

/// The faults of a family that mean something in such a cluster.
fn usable(name: &str, cluster: Known) -> Result<Vec<&'static Fault>, String> {
    let aim = if cluster.is_led { Aim::ByRole } else { Aim::AtAnybody };
    let nodes = cluster.nodes;
    let of_family = family(name).into_iter().flat_map(|family| family.faults);
    let aimed: Vec<&Fault> = of_family.filter(|fault| fault.aim == aim).collect();
    if aimed.is_empty() && !cluster.is_led {
        return Err(format!(
            "the faults of `{name}` are aimed at the leader or past it, and nobody tells who leads: leave it out of \
             --faults, or describe the target's status"
        ));
    }
    let usable: Vec<&Fault> = aimed.into_iter().filter(|fault| fault.nodes_min <= nodes).collect();
    if usable.is_empty() {
        return Err(format!(
            "the fault family `{name}` needs more nodes than {nodes}; leave it out of --faults, or give more --nodes"
        ));
    }
    Ok(usable)
}

/// What each family must show, families in turn. The cluster can go on during each of them where that can be told: an
/// election is wanted.
fn required(decks: &[Vec<&'static Fault>], dice: &mut Dice) -> Vec<&'static Fault> {
    let mut rounds: [Vec<&Fault>; 2] = [Vec::new(), Vec::new()];
    for deck in decks {
        if wanted(deck) == [None] {
            rounds[0].push(deck[dice.index(deck.len())]);
            continue;
        }
        let strikes_first = dice.once_in(2);
        for (round, strikes) in [strikes_first, !strikes_first].into_iter().enumerate() {
            let choice: Vec<_> = deck.iter().filter(|it| is_of_role(it, strikes)).collect();
            if !choice.is_empty() {
                rounds[round].push(*choice[dice.index(choice.len())]);
            }
        }
    }
    for round in &mut rounds {
        dice.shuffle(round);
    }
    rounds.concat()
}
