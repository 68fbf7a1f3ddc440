//! One key: decided by its datatype, and a violation confirmed, explained and given a file.

use std::time::Instant;

use super::search::Budget;
use super::setting::{Decision, Setting};
use super::witness::{Asked, Confirmed, Known, file};
use crate::history::History;
use crate::object::card;
use crate::object::register::Scratch;

impl Setting<'_> {
    /// Decides a key. `operations` are its operations by invocation.
    pub(crate) fn decide(
        &self,
        operations: &[u32],
        budget: &Budget,
        scratch: &mut Scratch,
    ) -> Decision {
        (card(self.model).decide)(self, operations, budget, scratch)
    }

    /// Confirms and explains a violation, and finds a file of it that says the same.
    pub(crate) fn explain(
        &self,
        operations: &[u32],
        decision: &Decision,
        budget: Budget,
        end: Instant,
    ) -> Confirmed {
        let mut confirmed = self.confirm(operations, decision, budget.clone(), end);
        if let Confirmed::Finding(finding) = &mut confirmed {
            let budget = budget.ending(end);
            let tell = |history: &History, known: &Known<'_>| {
                let own = history.by_key().operations(0);
                let part = Setting { history, known, ..*self };
                match part.confirm(own, &Decision::default(), budget.clone(), end) {
                    Confirmed::Finding(finding) => Some(*finding),
                    Confirmed::Unconfirmed(_) => None,
                }
            };
            file::settle((self.history, self.model), operations, finding, &tell, &budget);
        }
        confirmed
    }

    fn confirm(
        &self,
        operations: &[u32],
        decision: &Decision,
        budget: Budget,
        end: Instant,
    ) -> Confirmed {
        let asked = Asked {
            history: self.history,
            known: self.known,
            all: operations,
            core: decision.core.as_deref(),
            failed: decision.failed,
            budget,
            end,
        };
        (card(self.model).confirm)(self, &asked)
    }
}
