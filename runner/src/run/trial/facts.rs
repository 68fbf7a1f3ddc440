//! What a trial found out: one line for each thing that a description may have wrong, and what to write where it is.

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As it has to be.
    Good,
    /// A run is possible, and says less than it could.
    Limited,
    /// A run would be wrong or worthless.
    Wrong,
}

impl Standing {
    /// For machines.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Standing::Good => "ok",
            Standing::Limited => "limited",
            Standing::Wrong => "wrong",
        }
    }
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tried {
    /// What: `a write through n2`.
    pub(crate) what: String,
    /// How it stands.
    pub(crate) standing: Standing,
    /// What was seen.
    pub(crate) seen: String,
    /// What to write, where something is to be changed.
    pub(crate) advice: Option<String>,
}

/// Everything that was tried, in that order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// One for each thing.
    pub(crate) tried: Vec<Tried>,
}

impl Facts {
    /// It is as it has to be.
    pub(crate) fn good(&mut self, what: impl Into<String>, seen: impl Into<String>) {
        self.add(what.into(), Standing::Good, seen.into(), None);
    }

    /// A run is possible, and says less.
    pub(crate) fn limited(
        &mut self,
        what: impl Into<String>,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(what.into(), Standing::Limited, seen.into(), Some(advice.into()));
    }

    /// A run would be wrong.
    pub(crate) fn wrong(
        &mut self,
        what: impl Into<String>,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(what.into(), Standing::Wrong, seen.into(), Some(advice.into()));
    }

    fn add(&mut self, what: String, standing: Standing, seen: String, advice: Option<String>) {
        self.tried.push(Tried { what, standing, seen, advice });
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_sound(&self) -> bool {
        !self.tried.iter().any(|it| it.standing == Standing::Wrong)
    }

    /// What is to be written, each once.
    pub(crate) fn advice(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for advice in self.tried.iter().filter_map(|it| it.advice.as_deref()) {
            if !all.contains(&advice) {
                all.push(advice);
            }
        }
        all
    }
}

impl Tried {
    /// The line for people.
    pub(crate) fn line(&self) -> String {
        let word = match self.standing {
            // So that it is found among the others.
            Standing::Wrong => "WRONG",
            other => other.word(),
        };
        format!("{word:8} {}: {}", self.what, self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_thing_spoils_it_and_advice_is_told_once() {
        let mut facts = Facts::default();
        facts.good("a write", "acknowledged after 3 ms");
        facts.limited("status", "none", "[status.http] …");
        facts.limited("terms", "none", "[status.http] …");
        assert!(facts.is_sound());
        assert_eq!(facts.advice(), ["[status.http] …"]);
        facts.wrong("a read", "another value", "read = …");
        assert!(!facts.is_sound());
        assert_eq!(facts.tried[3].line(), "WRONG    a read: another value");
    }
}
