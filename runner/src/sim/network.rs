//! Messages on their way: delayed, lost, doubled, overtaken, or stopped by a partition.
//!
//! Every directed pair of parties has a link of its own. Peers' links suffer from the weather of the
//! seed; clients' links are short, for what a client does not see in time hides what it could have seen, and
//! lose little. There is no stream: each message takes its own time, so messages overtake each other.

use std::collections::BTreeMap;

use serde::Serialize;

use super::chance::Chance;
use crate::proxy::Party;

/// How links between nodes behave.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct LinkHabits {
    /// Shortest and longest usual delay.
    pub(super) delay_ns: (u64, u64),
    /// So many messages in a million take much longer.
    pub(super) late_in_a_million: u32,
    /// How long those take.
    pub(super) late_ns: (u64, u64),
    /// So many in a million are lost.
    pub(super) lost_in_a_million: u32,
    /// So many in a million arrive twice.
    pub(super) doubled_in_a_million: u32,
    /// So many in a million from or to a client are lost.
    pub(super) client_lost_in_a_million: u32,
}

/// Shortest and longest delay between a client and a node.
const CLIENT_DELAY_NS: (u64, u64) = (50_000, 500_000);

/// All links.
#[derive(Debug)]
pub(super) struct Network {
    habits: LinkHabits,
    chance: Chance,
    /// How many faults block a direction now.
    blocked: BTreeMap<(Party, Party), u32>,
    /// Messages that a block stopped, since the beginning, by direction.
    stopped: BTreeMap<(Party, Party), u64>,
}

impl Network {
    /// Links without a block.
    pub(super) fn new(habits: LinkHabits, chance: Chance) -> Self {
        Self { habits, chance, blocked: BTreeMap::new(), stopped: BTreeMap::new() }
    }

    /// When a message between nodes that leaves now arrives: never, once, or twice.
    pub(super) fn peer(&mut self, now_ns: u64, from: u64, to: u64) -> [Option<u64>; 2] {
        if self.is_blocked(node(from), node(to)) {
            return [None, None];
        }
        if self.chance.in_a_million(self.habits.lost_in_a_million) {
            return [None, None];
        }
        let first = now_ns + self.delay_ns();
        let second = self.chance.in_a_million(self.habits.doubled_in_a_million);
        [Some(first), second.then(|| now_ns + self.delay_ns())]
    }

    /// When a message from or to a client arrives, if it does.
    pub(super) fn client(&mut self, now_ns: u64, from: Party, to: Party) -> Option<u64> {
        if self.is_blocked(from, to) {
            return None;
        }
        if self.chance.in_a_million(self.habits.client_lost_in_a_million) {
            return None;
        }
        Some(now_ns + self.chance.between(CLIENT_DELAY_NS))
    }

    fn delay_ns(&mut self) -> u64 {
        let is_late = self.chance.in_a_million(self.habits.late_in_a_million);
        self.chance.between(if is_late { self.habits.late_ns } else { self.habits.delay_ns })
    }

    /// Whether a message would be stopped; counts it.
    fn is_blocked(&mut self, from: Party, to: Party) -> bool {
        let is_blocked = !self.blocked.is_empty() && self.blocked.contains_key(&(from, to));
        if is_blocked {
            *self.stopped.entry((from, to)).or_default() += 1;
        }
        is_blocked
    }

    /// Messages that a block stopped in these directions, since the beginning.
    pub(super) fn stopped(&self, directions: &[(Party, Party)]) -> u64 {
        directions.iter().filter_map(|direction| self.stopped.get(direction)).sum()
    }

    /// Stops a direction.
    pub(super) fn block(&mut self, from: Party, to: Party) {
        *self.blocked.entry((from, to)).or_default() += 1;
    }

    /// Lets it pass again, unless another fault blocks it too.
    pub(super) fn unblock(&mut self, from: Party, to: Party) {
        if let Some(count) = self.blocked.get_mut(&(from, to)) {
            *count -= 1;
            if *count == 0 {
                self.blocked.remove(&(from, to));
            }
        }
    }

    /// From here on links between nodes are good.
    pub(super) fn calm_down(&mut self) {
        self.habits.late_in_a_million = 0;
        self.habits.lost_in_a_million = 0;
        self.habits.client_lost_in_a_million = 0;
    }
}

/// A node as a party.
pub(super) fn node(id: u64) -> Party {
    Party::Node(u32::try_from(id).expect("a node of this cluster"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HABITS: LinkHabits = LinkHabits {
        delay_ns: (100, 200),
        late_in_a_million: 0,
        late_ns: (0, 0),
        lost_in_a_million: 0,
        doubled_in_a_million: 0,
        client_lost_in_a_million: 0,
    };

    #[test]
    fn a_blocked_direction_lets_nothing_pass_until_every_block_is_lifted() {
        let mut network = Network::new(HABITS, Chance::new(1, 0));
        let (one, two) = (Party::Node(1), Party::Node(2));
        network.block(one, two);
        network.block(one, two);
        assert_eq!(network.peer(0, 1, 2), [None, None]);
        assert!(network.peer(0, 2, 1)[0].is_some());
        network.unblock(one, two);
        assert_eq!(network.peer(0, 1, 2), [None, None]);
        network.unblock(one, two);
        assert!(network.peer(0, 1, 2)[0].is_some());
        assert_eq!(network.stopped(&[(one, two)]), 2);
        assert_eq!(network.stopped(&[(two, one)]), 0);
    }

    #[test]
    fn messages_are_lost_and_doubled_as_often_as_told() {
        let habits =
            LinkHabits { lost_in_a_million: 100_000, doubled_in_a_million: 200_000, ..HABITS };
        let mut network = Network::new(habits, Chance::new(1, 0));
        let arrivals: Vec<_> = (0..10_000).map(|_| network.peer(1_000, 1, 2)).collect();
        let lost = arrivals.iter().filter(|arrival| arrival[0].is_none()).count();
        let doubled = arrivals.iter().filter(|arrival| arrival[1].is_some()).count();
        assert!((800..1_200).contains(&lost), "{lost} of 10,000 lost");
        assert!((1_600..2_000).contains(&doubled), "{doubled} of 10,000 doubled");
        assert!(arrivals.iter().flatten().flatten().all(|at_ns| (1_100..=1_200).contains(at_ns)));
    }

    #[test]
    fn clients_lose_messages_until_the_weather_clears_up() {
        let habits = LinkHabits { client_lost_in_a_million: 100_000, ..HABITS };
        let mut network = Network::new(habits, Chance::new(1, 0));
        let (client, server) = (Party::Client(0), Party::Node(1));
        let mut lost =
            || (0..10_000).filter(|_| network.client(0, client, server).is_none()).count();
        let before = lost();
        assert!((800..1_200).contains(&before), "{before} of 10,000 lost");
        network.calm_down();
        assert!((0..10_000).all(|_| network.client(0, client, server).is_some()));
    }
}
