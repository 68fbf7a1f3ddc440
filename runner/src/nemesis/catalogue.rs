//! Every fault there is, in one list.

use std::sync::LazyLock;

use super::Fault;
use super::link::{self, Link};
use super::membership::{self, Membership};
use super::partition::{self, Partition};
use super::process::{self, Harm, Process};
use super::transfer::{self, Transfer};
use super::victims::Victims;

/// The families of a run that asks for none in particular.
pub(crate) const FAMILIES: [&str; 3] = [process::KILL, process::PAUSE, partition::FAMILY];
/// Every family a user may ask for.
pub(crate) const ALL_FAMILIES: [&str; 6] = [
    process::KILL,
    process::PAUSE,
    partition::FAMILY,
    link::FAMILY,
    membership::FAMILY,
    transfer::FAMILY,
];
/// The families that ask the cluster itself for something, and so need a target that can be asked.
pub(crate) const REQUEST_FAMILIES: [&str; 2] = [membership::FAMILY, transfer::FAMILY];

static CATALOGUE: LazyLock<Vec<Box<dyn Fault>>> = LazyLock::new(|| {
    let mut faults: Vec<Box<dyn Fault>> = Vec::new();
    for harm in [Harm::Kill, Harm::Pause] {
        let strike = |victims| Box::new(Process(harm, victims)) as Box<dyn Fault>;
        faults.extend(Victims::ALL.map(strike));
    }
    faults.extend(Partition::ALL.map(|shape| Box::new(shape) as Box<dyn Fault>));
    faults.extend(Link::ALL.map(|link| Box::new(link) as Box<dyn Fault>));
    faults.extend(Membership::ALL.map(|change| Box::new(change) as Box<dyn Fault>));
    faults.extend(Transfer::ALL.map(|transfer| Box::new(transfer) as Box<dyn Fault>));
    faults
});

/// The faults, family by family.
pub(crate) fn catalogue() -> &'static [Box<dyn Fault>] {
    &CATALOGUE
}

/// The fault of a plan's slug.
pub(crate) fn find(slug: &str) -> Option<&'static dyn Fault> {
    catalogue().iter().find(|fault| fault.slug() == slug).map(AsRef::as_ref)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn slugs_are_unique_and_found() {
        let slugs: BTreeSet<String> = catalogue().iter().map(|fault| fault.slug()).collect();
        assert_eq!(slugs.len(), catalogue().len());
        assert_eq!(find("kill-leader").unwrap().name(), "kill -9 leader");
        assert!(find("kil-leader").is_none());
    }

    #[test]
    fn every_family_can_hit_and_spare_a_leader_of_three_nodes() {
        for family in ALL_FAMILIES {
            for strikes in [true, false] {
                let has = catalogue().iter().any(|fault| {
                    let is_small = fault.nodes_min() <= 3;
                    fault.family() == family && fault.strikes_leader() == Some(strikes) && is_small
                });
                assert!(has, "{family}, leader struck: {strikes}");
            }
        }
    }
}
