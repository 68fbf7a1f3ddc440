//! What several commands' flags have in common: where runs are, and how lengths of time are written.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// The mutant that is no server's: the checker itself is made to report a violation.
pub(crate) const CANARY: &str = "canary";
/// The word for "no faults at all".
pub(crate) const NO_FAULTS: &str = "none";

/// Where runs are stored.
#[derive(Clone, Debug, Args)]
pub(crate) struct StoreArguments {
    /// Folder in which every run gets a folder of its own
    #[arg(long, env = "WHITEWATER_RUNS_DIR", default_value = "runs", value_name = "DIR")]
    pub(crate) runs_dir: PathBuf,
}

/// A length of time as people write it: 300ms, 20s, 5m, 1m30s.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "expected a length of time such as 300ms, 20s or 5m".to_owned())?;
    match Duration::try_from(parsed) {
        Ok(duration) if !duration.is_zero() => within_longest(duration),
        _ => Err("expected a length of time above zero".into()),
    }
}

/// Longer than anything here lasts; a plan of so many faults still fits into memory.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// Refuses a length of time that nobody means, and of which clocks would run over.
pub(crate) fn within_longest(duration: Duration) -> Result<Duration, String> {
    if duration > LONGEST {
        let hours = LONGEST.as_secs() / 3600;
        return Err(format!("expected a length of time of at most {hours}h"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        assert_eq!(duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "20", "-5s", "0s", "soon", "99999999999999h", "721h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(duration("720h").is_ok());
    }
}
