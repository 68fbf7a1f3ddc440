//! The one source of randomness: a ChaCha stream from the plan's seed.
//!
//! Plans must stay the same for a seed across releases, and `rand` promises that for its ChaCha
//! streams but not for its ranges and shuffles, so those few lines are here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Draws that repeat for a seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of `seed` set aside for `purpose`, so that one part drawing more never changes
    /// what another part draws.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        stream.set_stream(purpose);
        Self(stream)
    }

    /// A number of 64 bits.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "a die needs a side");
        // The high half of the product: no modulo, and a bias far below one in 2^32 for our sizes.
        let product = u128::from(self.draw()) * u128::from(end);
        u64::try_from(product >> 64).expect("the high half fits")
    }

    /// A number from `from` to `to`, both possible.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        assert!(from <= to, "an empty range: {from} to {to}");
        from + self.below(to - from + 1)
    }

    /// True once in `times` draws.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Puts the items in a random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// An index into something of `length` items, of which there must be one.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("an index fits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_draws_for_ever() {
        let mut dice = Dice::new(1, 0);
        let draws: Vec<u64> = (0..8).map(|_| dice.below(100)).collect();
        assert_eq!(
            draws,
            [40, 8, 59, 21, 28, 71, 46, 15],
            "stored plans and printed seeds depend on this stream"
        );
    }

    #[test]
    fn purposes_do_not_disturb_each_other() {
        assert_ne!(Dice::new(1, 0).draw(), Dice::new(1, 1).draw());
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_both_ends_of_a_range_are_drawn() {
        let mut dice = Dice::new(7, 0);
        let mut items: Vec<u32> = (0..50).collect();
        dice.shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
        let seen: std::collections::BTreeSet<u64> = (0..100).map(|_| dice.between(3, 5)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
    }
}
