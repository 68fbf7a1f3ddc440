//! What a trial says of nodes that speak on their standard input and output, and who is linked with whom.

use std::collections::BTreeSet;

use super::Bench;
use crate::proxy::Router;

impl Bench<'_> {
    /// How many ordered pairs of nodes there are.
    pub(super) fn ordered_pairs(&self) -> usize {
        self.nodes.len() * self.nodes.len().saturating_sub(1)
    }

    /// Every two nodes of which neither was seen to reach the other.
    pub(super) fn unlinked(&self, seen: &BTreeSet<(u32, u32)>) -> Vec<String> {
        let all =
            self.nodes.iter().flat_map(|one| self.nodes.iter().map(move |other| (*one, *other)));
        let is_unlinked = |&(one, other): &(u32, u32)| {
            one < other && !seen.contains(&(one, other)) && !seen.contains(&(other, one))
        };
        all.filter(is_unlinked).map(|(one, other)| format!("n{one}-n{other}")).collect()
    }

    /// Who sent to whom, and what was printed that is no message.
    pub(super) fn tell_carried(&mut self, router: &Router) {
        let (all, seen) = (self.ordered_pairs(), router.pairs());
        let missing = self.unlinked(&seen);
        let what = "who sent to whom";
        let told = format!("messages on {} of {all} ordered pairs", seen.len());
        match (missing.is_empty(), seen.is_empty()) {
            _ if all == 0 => {}
            (true, _) => self.facts.good(what, format!("{told}, and every two nodes are linked")),
            (_, true) => self.facts.wrong(
                what,
                format!("{told}: partitions would be empty"),
                "command: nodes reach each other by messages on stdout with `dest` n1, n2, …; sockets of their own are not cut",
            ),
            _ => self.facts.limited(
                what,
                format!("{told}; never linked: {}", missing.join(", ")),
                "nothing, if nodes only speak with who leads; partitions between these have no effect until they do",
            ),
        }
        let oddities = router.notes();
        match oddities.is_empty() {
            true => self.facts.good("stdout", "nothing but messages"),
            false => self.facts.limited(
                "stdout",
                oddities.join("; "),
                "command: what is no message belongs on stderr",
            ),
        }
    }

    pub(super) fn tell_no_status(&mut self) {
        self.facts.good(
            "status",
            "such nodes are not asked: faults strike by lot, and no rule about leaders and terms is checked",
        );
    }
}
