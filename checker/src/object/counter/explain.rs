//! Kinds of violations of counters, and their sentences.

use super::close::CounterObject;
use crate::history::Function;
use crate::linear::witness::{Case, Explain, Told, failed, failed_before, fallback};

impl Explain for CounterObject<'_> {
    /// Kinds of counter violations.
    fn explain(&self, case: &Case<'_>) -> Told {
        if !case.is_blocked || case.blocked().function != Function::Read {
            return fallback(case, "");
        }
        let counted = failed_before(case, Function::Add)
            .find(|&(index, _)| self.has_order_with(case.operations, index, case.budget));
        if let Some((add, _)) = counted {
            let text = failed(case, add, "shows a sum that can be had with it, and not without it");
            let headline = "A client read a sum that counts an addition reported as failed.";
            return Told::new("failed-write-read", headline, text);
        }
        fallback(case, "The sum that was read cannot be reached in any order.")
    }
}
