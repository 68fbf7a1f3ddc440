//! When which fault strikes.
//!
//! First come the faults that the run must have seen: for each family one that strikes the leader and
//! one that spares it, in a random order. Then whole rounds of everything that was asked for, each
//! round in a random order. So the first half minute is worth the most, and a long run leaves nothing
//! out.

use crate::dice::Dice;
use crate::nemesis::{Fault, PlannedFault, catalogue};

/// Separates this part's draws from the others'.
const PURPOSE: u64 = 1;
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
    nodes: u32,
    time_ms: u64,
    families: &[String],
) -> Result<Vec<PlannedFault>, String> {
    let mut dice = Dice::new(seed, PURPOSE);
    let mut decks = Vec::new();
    for family in families {
        decks.push(usable(family, nodes)?);
    }
    if decks.is_empty() {
        return Ok(Vec::new());
    }
    let mut deck: Vec<&dyn Fault> = Vec::new();
    let required = required(&decks, &mut dice);
    let slot_max_ms = time_ms / (required.len() as u64).max(1);
    let mut planned = Vec::new();
    let mut at_ms = dice.between(100, 400);
    deck.extend(required.into_iter().rev());
    loop {
        let Some(fault) = deck.pop() else {
            deck = decks.iter().flatten().copied().collect();
            dice.shuffle(&mut deck);
            continue;
        };
        let duration_ms = drawn(&mut dice, DURATION_MS, slot_max_ms * 3 / 5, DURATION_LEAST_MS);
        let recovery_ms = drawn(&mut dice, RECOVERY_MS, slot_max_ms * 2 / 5, RECOVERY_LEAST_MS);
        if at_ms + duration_ms > time_ms {
            return Ok(planned);
        }
        planned.push(PlannedFault {
            id: planned.len() as u32 + 1,
            fault: fault.slug(),
            at_ms,
            duration_ms,
            pick: dice.draw(),
        });
        at_ms += duration_ms + recovery_ms;
    }
}

/// A time within the range, but no longer than `most` where the run is short, and never below `least`.
fn drawn(dice: &mut Dice, (from, to): (u64, u64), most: u64, least: u64) -> u64 {
    let to = to.min(most).max(least);
    dice.between(from.min(to), to)
}

/// The faults of a family that mean something in a cluster of this size.
fn usable(family: &str, nodes: u32) -> Result<Vec<&'static dyn Fault>, String> {
    let all = catalogue().iter().map(AsRef::as_ref).filter(|fault| fault.family() == family);
    let usable: Vec<&dyn Fault> = all.filter(|fault| fault.nodes_min() <= nodes).collect();
    if usable.is_empty() {
        return Err(format!("the fault family `{family}` needs more nodes than {nodes}"));
    }
    Ok(usable)
}

/// For each family one fault that strikes the leader and one that spares it, families in turn. The
/// cluster can go on during each of them: an election is wanted.
fn required(decks: &[Vec<&'static dyn Fault>], dice: &mut Dice) -> Vec<&'static dyn Fault> {
    let mut rounds: [Vec<&dyn Fault>; 2] = [Vec::new(), Vec::new()];
    for deck in decks {
        let strikes_first = dice.once_in(2);
        for (round, strikes) in [strikes_first, !strikes_first].into_iter().enumerate() {
            let is_choice = |fault: &&&dyn Fault| {
                fault.strikes_leader() == Some(strikes) && fault.keeps_quorum()
            };
            let choice: Vec<_> = deck.iter().filter(is_choice).collect();
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
