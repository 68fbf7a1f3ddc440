//! The four verdicts and how they merge.

use serde::{Deserialize, Serialize};

/// What a check, or a whole run, comes to. Ordered so that the worst one is the greatest.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Checked completely, nothing wrong.
    #[default]
    Pass,
    /// Too little happened, or a budget ran out. Never a pass.
    Undecided,
    /// The environment or the tool failed; says nothing about the target.
    Error,
    /// The target broke a promise; there is a witness.
    Violation,
}

impl Verdict {
    /// The worse of the two.
    #[must_use]
    pub fn merge(self, other: Verdict) -> Verdict {
        self.max(other)
    }

    /// The word used in files and on the terminal.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Undecided => "undecided",
            Verdict::Error => "error",
            Verdict::Violation => "violation",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Error, Pass, Undecided, Violation};

    #[test]
    fn the_worst_verdict_wins() {
        assert_eq!(Pass.merge(Undecided), Undecided);
        assert_eq!(Undecided.merge(Error), Error);
        assert_eq!(Error.merge(Violation), Violation);
        assert_eq!(Violation.merge(Pass), Violation);
        assert_eq!(Pass.merge(Pass), Pass);
    }
}
