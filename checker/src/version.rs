//! The versions of formats: what is newer than this build is refused, with both versions named.

use std::fmt;

use serde::Deserialize;

/// A version beyond what this build knows. A later form may mean what this build cannot read, or would misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newer {
    version: u64,
    known: u32,
}

impl Newer {
    /// `Some` where a version is beyond the newest that is known.
    pub fn than(known: u32, version: u64) -> Option<Newer> {
        (version > u64::from(known)).then_some(Newer { version, known })
    }

    /// The same of the `schema_version` in a JSON object; what is none, or says none, is not newer.
    pub fn in_json(known: u32, text: &[u8]) -> Option<Newer> {
        #[derive(Deserialize)]
        struct Version {
            schema_version: u64,
        }
        let Version { schema_version } = serde_json::from_slice(text).ok()?;
        Newer::than(known, schema_version)
    }
}

impl fmt::Display for Newer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Newer { version, known } = self;
        write!(
            f,
            "schema_version {version} is newer than {known}, the newest that this build knows: use a newer \
             whitewater"
        )
    }
}
