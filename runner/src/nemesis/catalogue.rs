//! Every family there is, in one list.

use std::sync::LazyLock;

use super::family::{Family, Fault};
use super::{kill, link, membership, partition, pause, transfer};

/// The families, in the order in which people are told of them.
pub(crate) static FAMILIES: [&Family; 6] = [
    &kill::FAMILY,
    &pause::FAMILY,
    &partition::FAMILY,
    &link::FAMILY,
    &membership::FAMILY,
    &transfer::FAMILY,
];

/// The names of the families that a user may ask for.
pub(crate) fn family_names() -> Vec<&'static str> {
    FAMILIES.iter().map(|family| family.name).collect()
}

/// Those of a run that asks for none in particular.
pub(crate) fn default_families() -> Vec<String> {
    let default = FAMILIES.iter().filter(|family| family.is_default);
    default.map(|family| family.name.to_owned()).collect()
}

/// The same as an argument: `kill,pause,partition`.
pub(crate) fn default_argument() -> &'static str {
    static ARGUMENT: LazyLock<String> = LazyLock::new(|| default_families().join(","));
    &ARGUMENT
}

/// The family of a name.
pub(crate) fn family(name: &str) -> Option<&'static Family> {
    FAMILIES.into_iter().find(|family| family.name == name)
}

/// The fault of a plan's slug, and its family.
pub(crate) fn find(slug: &str) -> Option<(&'static Family, &'static Fault)> {
    FAMILIES
        .into_iter()
        .find_map(|family| Some((family, family.faults.iter().find(|fault| fault.slug == slug)?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use whitewater_checker::fault::Scope;

    use super::super::{Aim, Roster};
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn slugs_are_unique_found_and_begin_with_their_familys_name() {
        let mut slugs = BTreeSet::new();
        for family in FAMILIES {
            for fault in family.faults {
                assert!(slugs.insert(fault.slug), "{}", fault.slug);
                assert!(fault.slug.starts_with(family.name) && !fault.name.is_empty());
            }
        }
        assert_eq!(find("kill-leader").unwrap().1.name, "kill -9 leader");
        assert!(find("kil-leader").is_none());
    }

    /// Members leave, so a fault may find fewer voters than the cluster has that it was planned for.
    #[test]
    fn every_fault_is_aimed_at_somebody_however_few_voters_are_left() {
        for (family, fault) in FAMILIES.iter().flat_map(|it| it.faults.iter().map(move |f| (it, f)))
        {
            for (voters, seed) in (2..=7).flat_map(|n| (0..20).map(move |s| (n, s))) {
                let (nodes, leader) = ((1..=voters).collect(), Some((2, 4)));
                let roster = Roster { nodes, clients: 6, leader, subject: None };
                let what = format!("{} of {voters} voters", fault.slug);
                let strike = match (fault.resolve)(&roster, &mut Dice::new(seed, 0)) {
                    Ok(strike) => strike,
                    Err(reason) => {
                        assert!(voters < fault.nodes_min && !reason.is_empty(), "{what}: {reason}");
                        continue;
                    }
                };
                assert!(!strike.nodes.is_empty() && !strike.acts.is_empty(), "{what}");
                let has_far_side = strike.nodes.len() < voters as usize;
                assert!(has_far_side || family.scope != Scope::LinksCut, "{what}");
            }
        }
    }

    #[test]
    fn every_family_can_hit_and_spare_a_leader_of_three_nodes() {
        for family in FAMILIES {
            for strikes in [true, false] {
                let is_it =
                    |fault: &&Fault| fault.nodes_min <= 3 && fault.strikes_leader == Some(strikes);
                assert!(family.faults.iter().any(|it| is_it(&it)), "{}, {strikes}", family.name);
            }
        }
    }

    /// What a card says beforehand is what comes of it, for every size and draw.
    #[test]
    fn every_fault_strikes_whom_its_card_says_and_nobody_where_nobody_leads() {
        for fault in FAMILIES.iter().flat_map(|family| family.faults) {
            for (nodes, seed) in
                (fault.nodes_min.max(2)..=7).flat_map(|n| (0..20).map(move |s| (n, s)))
            {
                let leader = Some((2, 7));
                let roster =
                    Roster { nodes: (1..=nodes).collect(), clients: 4, leader, subject: None };
                let strike = (fault.resolve)(&roster, &mut Dice::new(seed, 0)).unwrap();
                assert!(strike.nodes.iter().all(|node| roster.nodes.contains(node)));
                if fault.strikes_leader.is_some() {
                    assert_eq!(strike.leader_hit, fault.strikes_leader, "{}", fault.slug);
                }
                let quorum = strike.nodes.len() * 2 < nodes as usize || nodes == 2;
                assert!(quorum || !fault.keeps_quorum, "{} of {nodes}", fault.slug);
                let lost = Roster { leader: None, ..roster };
                let unled = (fault.resolve)(&lost, &mut Dice::new(seed, 0));
                assert_eq!(unled.is_ok(), fault.aim != Aim::ByRole, "{}", fault.slug);
            }
        }
    }
}
