//! Kinds of violations of semaphores, and their sentences.

use super::close::SemaphoreObject;
use crate::history::{Function, Operation, Outcome};
use crate::linear::witness::{Case, Explain, Told, fallback, words};
use crate::object::mutex::{granted, releases};

impl Explain for SemaphoreObject<'_> {
    /// Kinds of violations of a semaphore.
    fn explain(&self, case: &Case<'_>) -> Told {
        let names = |operations: &[(u32, &Operation)]| {
            words::listed(&operations.iter().map(|&(index, _)| case.one(index)).collect::<Vec<_>>())
        };
        let acquired = granted(case);
        let released: Vec<(u32, &Operation)> = releases(case).collect();
        let permits = self.permits as usize;
        if acquired.len() > permits + released.len() {
            let given_back = match released.len() {
                0 => "nothing".to_owned(),
                _ => format!("only {}", names(&released)),
            };
            let explanation = format!(
                "{} were granted, of {permits} in all, and {given_back} can have given a permit back between them.",
                words::capital(&names(&acquired)),
            );
            let headline = "More permits of a semaphore were out than there are.";
            return Told::new("too-many-permits", headline, explanation);
        }
        let given: Vec<(u32, &Operation)> = released
            .iter()
            .copied()
            .filter(|(_, operation)| operation.outcome == Outcome::Ok)
            .collect();
        let taken: Vec<(u32, &Operation)> =
            case.own().filter(|(_, operation)| operation.function == Function::Acquire).collect();
        if given.len() > taken.len() {
            let verb = if given.len() == 1 { "was" } else { "were" };
            let taken = match taken.len() {
                0 => "nothing".to_owned(),
                _ => format!("only {}", names(&taken)),
            };
            let explanation = format!(
                "{} {verb} granted, each gives a permit back, and {taken} can have taken one before.",
                words::capital(&names(&given)),
            );
            let headline = "A permit of a semaphore was given back that nobody had.";
            return Told::new("unheld-release", headline, explanation);
        }
        fallback(
            case,
            &format!(
                "At most {permits} permits are out at a time, and a release gives back one that is out."
            ),
        )
    }
}
