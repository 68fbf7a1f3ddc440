//! The faults in force, so that they can be lifted whatever happens to the injector.
//!
//! An act is entered *before* it is carried out and struck off *after* it is undone: what is in the
//! journal may be in force, what is not in it is not. Undoing twice is harmless.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::act::{Act, Arena, Seen};
use crate::cluster::Cluster;
use crate::observe::Observer;
use crate::proxy::Network;
use crate::target::Operator;

/// The acts in force. Dropping it lifts what can be lifted without waiting.
pub(crate) struct Journal {
    cluster: Arc<Cluster>,
    network: Arc<Network>,
    operator: Option<Arc<dyn Operator>>,
    in_force: Mutex<Vec<Act>>,
    /// The nodes whose membership was ever touched: a change may take effect long after its fault.
    members: Mutex<BTreeSet<u32>>,
}

impl Journal {
    /// An empty journal.
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        network: Arc<Network>,
        operator: Option<Arc<dyn Operator>>,
    ) -> Self {
        let (in_force, members) = (Mutex::default(), Mutex::default());
        Self { cluster, network, operator, in_force, members }
    }

    /// The parts that acts act on.
    pub(crate) fn arena(&self) -> Arena<'_> {
        let operator = self.operator.as_deref();
        Arena { cluster: &self.cluster, network: &self.network, operator }
    }

    /// Notes an act and carries it out.
    pub(crate) async fn carry_out(&self, act: &Act, observer: &Observer) -> Seen {
        self.entries().push(act.clone());
        self.members().extend(act.member());
        act.carry_out(self.arena(), observer).await
    }

    /// Undoes an act and strikes it off.
    pub(crate) async fn undo(&self, act: &Act, observer: &Observer) -> Seen {
        let seen = act.undo(self.arena(), observer).await;
        let mut entries = self.entries();
        if let Some(position) = entries.iter().position(|entry| entry == act) {
            entries.remove(position);
        }
        seen
    }

    /// Undoes everything in force, starts every node that is down, and makes every node a voter again
    /// whose membership was touched. Returns what could not be undone, in words.
    pub(crate) async fn heal(&self, observer: &Observer) -> Vec<String> {
        let mut trouble = Vec::new();
        let acts = self.entries().clone();
        for act in acts {
            let seen = self.undo(&act, observer).await;
            if seen.at_ns.is_none() {
                trouble.extend(seen.effects);
            }
        }
        // Whatever the journal says: nothing may be blocked, paused or down from here on.
        self.heal_now();
        for node in self.cluster.numbers() {
            if !self.cluster.is_alive(node) {
                let seen = Act::Kill(node).undo(self.arena(), observer).await;
                if seen.at_ns.is_none() {
                    trouble.extend(seen.effects);
                }
            }
        }
        let touched = self.members().clone();
        for node in touched {
            let seen = Act::Remove(node).undo(self.arena(), observer).await;
            if seen.at_ns.is_none() {
                trouble.extend(seen.effects);
            }
        }
        trouble
    }

    /// Lifts what can be lifted without waiting.
    pub(crate) fn heal_now(&self) {
        self.network.heal();
        self.cluster.resume_all_now();
    }

    fn members(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Act>> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        for act in self.entries().iter() {
            act.undo_now(self.arena());
        }
        self.heal_now();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::dice::Dice;
    use crate::proxy::{Party, Rule};
    use crate::record::Recorder;
    use crate::target::{self, Build};

    const FROM: Party = Party::Node(1);
    const TO: Party = Party::Node(2);

    /// Proxies in front of nobody, and no processes: links are all that is struck here.
    async fn journal(folder: &tempfile::TempDir) -> (Journal, Arc<Network>) {
        let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let nodes = BTreeMap::from([(1, nowhere), (2, nowhere)]);
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let network = Arc::new(Network::open(ip, &nodes, 1, Dice::new(1, 0)).await.unwrap());
        let recorder = Recorder::create(folder.path()).unwrap();
        let target = target::by_name("bundled", &Build::default()).unwrap();
        let cluster = Arc::new(Cluster::new(Vec::new(), target, recorder).unwrap());
        (Journal::new(cluster, network.clone(), None), network)
    }

    /// Watches nobody.
    fn observer(journal: &Journal, folder: &tempfile::TempDir) -> Observer {
        let target = target::by_name("bundled", &Build::default()).unwrap();
        let recorder = Recorder::create(folder.path()).unwrap();
        Observer::start(journal.cluster.clone(), target.probe(BTreeMap::new()), recorder)
    }

    fn rule(network: &Network) -> Rule {
        network.direction(FROM, TO).unwrap().current()
    }

    #[tokio::test]
    async fn what_is_in_force_is_lifted_when_the_journal_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, network) = journal(&folder).await;
        let observer = observer(&journal, &folder);
        journal.carry_out(&Act::Block(vec![(FROM, TO)]), &observer).await;
        assert_eq!(rule(&network), Rule::Block);
        drop(journal);
        assert_eq!(rule(&network), Rule::Pass);
    }

    #[tokio::test]
    async fn what_is_in_force_is_lifted_by_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, network) = journal(&folder).await;
        let observer = observer(&journal, &folder);
        journal.carry_out(&Act::Block(vec![(FROM, TO)]), &observer).await;
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _in_force = journal;
            panic!("a bug in the injector");
        }));
        assert!(panicked.is_err());
        assert_eq!(rule(&network), Rule::Pass);
    }

    #[tokio::test]
    async fn healing_twice_is_harmless_and_empties_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, network) = journal(&folder).await;
        let observer = observer(&journal, &folder);
        journal.carry_out(&Act::Block(vec![(FROM, TO)]), &observer).await;
        assert_eq!(journal.heal(&observer).await, Vec::<String>::new());
        assert_eq!(rule(&network), Rule::Pass);
        assert!(journal.entries().is_empty());
        assert_eq!(journal.heal(&observer).await, Vec::<String>::new());
    }
}
