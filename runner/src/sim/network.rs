//! Messages on their way: delayed, lost, doubled, overtaken, or stopped by a partition.
//!
//! Every directed pair of parties has a link of its own. Peers' links suffer from the weather of the
//! seed; clients' links are short, for what a client does not see in time hides what it could have seen, and
//! lose little. There is no stream: each message takes its own time, so messages overtake each other.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::chance::Chance;
use crate::nemesis::{Touched, Way};
use crate::proxy::{Party, Rule};

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

/// A narrow way holds what takes it so long to carry; beyond that its queue is full.
const QUEUE_NS: u64 = 2_000_000_000;
/// Shortest and longest delay between a client and a node.
const CLIENT_DELAY_NS: (u64, u64) = (50_000, 500_000);

/// All links.
#[derive(Debug)]
pub(super) struct Network {
    habits: LinkHabits,
    chance: Chance,
    /// The rules in force.
    rules: BTreeMap<Way, Rule>,
    /// What rules did, since the beginning.
    touched: BTreeMap<Way, Touched>,
    /// When a narrow way has carried what was sent on it.
    free_ns: BTreeMap<Way, u64>,
}

impl Network {
    /// Links without a rule.
    pub(super) fn new(habits: LinkHabits, chance: Chance) -> Self {
        let (rules, touched, free_ns) = Default::default();
        Self { habits, chance, rules, touched, free_ns }
    }

    /// When a message between nodes that leaves now arrives: never, once, or twice.
    pub(super) fn peer(&mut self, now_ns: u64, from: u64, to: u64, bytes: u64) -> [Option<u64>; 2] {
        let Some(late_ns) = self.obey(now_ns, (node(from), node(to)), bytes) else {
            return [None, None];
        };
        if self.chance.in_a_million(self.habits.lost_in_a_million) {
            return [None, None];
        }
        let first = now_ns + late_ns + self.delay_ns();
        let second = self.chance.in_a_million(self.habits.doubled_in_a_million);
        [Some(first), second.then(|| now_ns + late_ns + self.delay_ns())]
    }

    /// When a message from or to a client arrives, if it does.
    pub(super) fn client(&mut self, now_ns: u64, from: Party, to: Party) -> Option<u64> {
        let late_ns = self.obey(now_ns, (from, to), 0)?;
        if self.chance.in_a_million(self.habits.client_lost_in_a_million) {
            return None;
        }
        Some(now_ns + late_ns + self.chance.between(CLIENT_DELAY_NS))
    }

    fn delay_ns(&mut self) -> u64 {
        let is_late = self.chance.in_a_million(self.habits.late_in_a_million);
        self.chance.between(if is_late { self.habits.late_ns } else { self.habits.delay_ns })
    }

    /// How much later than usual the rule on its way lets a message arrive; `None`: not at all. Counts it.
    fn obey(&mut self, now_ns: u64, way: Way, bytes: u64) -> Option<u64> {
        if self.rules.is_empty() {
            return Some(0);
        }
        let Some(rule) = self.rules.get(&way).copied() else { return Some(0) };
        let touched = self.touched.entry(way).or_default();
        touched.last_ns = now_ns;
        match rule {
            Rule::Pass => Some(0),
            Rule::Block => {
                touched.blocked += 1;
                None
            }
            // Whatever a connection carried is lost with it, and its owner tries again.
            Rule::Reset => {
                touched.reset += 1;
                None
            }
            Rule::Slow { delay, jitter, bytes_per_s } => {
                touched.slowed += 1;
                let mut late_ns = nanos(delay);
                if jitter > Duration::ZERO {
                    late_ns += self.chance.below(nanos(jitter) + 1);
                }
                let Some(bytes_per_s) = bytes_per_s else { return Some(late_ns) };
                let takes_ns = bytes * 1_000_000_000 / bytes_per_s.max(1);
                let free_ns = self.free_ns.entry(way).or_default();
                let done_ns = (*free_ns).max(now_ns) + takes_ns;
                // A queue that is full drops what comes next.
                if done_ns - now_ns > QUEUE_NS {
                    return None;
                }
                *free_ns = done_ns;
                Some(late_ns + done_ns - now_ns)
            }
        }
    }

    /// What rules did to what travelled there, since the beginning.
    pub(super) fn touched(&self, way: Way) -> Touched {
        self.touched.get(&way).copied().unwrap_or_default()
    }

    /// Puts a rule in force.
    pub(super) fn set_rule(&mut self, way: Way, rule: Rule) {
        match rule {
            Rule::Pass => self.rules.remove(&way),
            rule => self.rules.insert(way, rule),
        };
        self.free_ns.remove(&way);
    }

    /// From here on links between nodes are good.
    pub(super) fn calm_down(&mut self) {
        self.habits.late_in_a_million = 0;
        self.habits.lost_in_a_million = 0;
        self.habits.client_lost_in_a_million = 0;
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
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

    const WAY: Way = (Party::Node(1), Party::Node(2));

    #[test]
    fn a_rule_is_obeyed_one_way_and_what_it_does_is_counted() {
        let mut network = Network::new(HABITS, Chance::new(1, 0));
        network.set_rule(WAY, Rule::Block);
        assert_eq!(network.peer(7, 1, 2, 100), [None, None]);
        assert!(network.peer(7, 2, 1, 100)[0].is_some());
        network.set_rule(WAY, Rule::Reset);
        assert_eq!(network.peer(8, 1, 2, 100), [None, None]);
        let (delay, jitter) = (Duration::from_micros(1), Duration::from_micros(1));
        network.set_rule(WAY, Rule::late(delay, jitter));
        let late_ns = network.peer(9, 1, 2, 100)[0].unwrap() - 9;
        assert!((1_100..=2_200).contains(&late_ns), "{late_ns}");
        network.set_rule(WAY, Rule::Pass);
        assert!(network.peer(10, 1, 2, 100)[0].unwrap() <= 210);
        let touched = Touched { blocked: 1, reset: 1, slowed: 1, last_ns: 9, ..Touched::default() };
        assert_eq!(network.touched(WAY), touched);
        assert_eq!(network.touched((WAY.1, WAY.0)), Touched::default());
    }

    #[test]
    fn a_narrow_way_carries_one_message_after_the_other_until_its_queue_is_full() {
        let mut network = Network::new(HABITS, Chance::new(1, 0));
        network.set_rule(WAY, Rule::narrow(1_000));
        let mut arrives = |bytes| network.peer(0, 1, 2, bytes)[0].map(|at_ns| at_ns / 1_000_000);
        assert_eq!([arrives(500), arrives(1_000), arrives(1_000)], [Some(500), Some(1_500), None]);
        assert_eq!(arrives(400), Some(1_900), "what was dropped took no time");
        let late = Rule::late(Duration::from_millis(30), Duration::ZERO);
        network.set_rule(WAY, Rule::narrow(1_000).and(late));
        let mut arrives = |bytes| network.peer(0, 1, 2, bytes)[0].map(|at_ns| at_ns / 1_000_000);
        assert_eq!([arrives(500), arrives(500)], [Some(530), Some(1_030)], "both hold");
    }

    #[test]
    fn messages_are_lost_and_doubled_as_often_as_told() {
        let habits =
            LinkHabits { lost_in_a_million: 100_000, doubled_in_a_million: 200_000, ..HABITS };
        let mut network = Network::new(habits, Chance::new(1, 0));
        let arrivals: Vec<_> = (0..10_000).map(|_| network.peer(1_000, 1, 2, 0)).collect();
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
