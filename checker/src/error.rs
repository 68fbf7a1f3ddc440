//! Why a check could not be made at all. A broken promise is never an error; it is a verdict.

use std::io;
use std::path::{Path, PathBuf};

use crate::version::Newer;

/// What stopped a check.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file could not be opened or read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What should be a file is something else, which may never end.
    #[error("{}: this is a {what}; copy what it holds to a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// A file's content is not what it should be.
    #[error("{file}:{line}:{column}: {message}")]
    Malformed {
        /// The file, as given by the caller.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The byte in the line, from 1.
        column: u64,
        /// What is wrong and what was expected.
        message: String,
    },
    /// A file is of a later version than this build.
    #[error("{file}: {newer}")]
    Newer {
        /// The file.
        file: String,
        /// Its version, and this build's.
        newer: Newer,
    },
    /// The folder holds nothing that can be judged.
    #[error("{}: no {wanted} here; is this a run folder?", path.display())]
    NothingToCheck {
        /// The folder.
        path: PathBuf,
        /// What could be judged, in words.
        wanted: String,
    },
    /// An event of a stream is before the one that came before it.
    #[error(
        "{file}:{line}: this event is before the one at line {after}; put the history into a file, which is sorted, or sort it"
    )]
    Disorder {
        /// The file.
        file: String,
        /// The line of the event.
        line: u64,
        /// The line of the event before.
        after: u64,
    },
    /// A key is named that the history does not have.
    #[error("{file}: an initial value is given for key {key:?}, and no operation is on that key")]
    NoSuchKey {
        /// The file.
        file: String,
        /// The key.
        key: String,
    },
    /// A key cannot begin as it is said to.
    #[error("{file}: initial value of key {key:?}: {message}")]
    Initial {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// What it may begin as.
        message: String,
    },
    /// The history is larger than the compact form can count.
    #[error("{file}: more than {limit} {what}; split the history")]
    TooLarge {
        /// The file.
        file: String,
        /// What there is too much of.
        what: &'static str,
        /// How much is possible.
        limit: u64,
    },
    /// The operations of a history do not fit one model.
    #[error("{file}:{line}: {message}")]
    Model {
        /// The file.
        file: String,
        /// The line of the operation.
        line: u64,
        /// What does not fit and what would.
        message: String,
    },
}

impl CheckError {
    /// Wraps what the system said with the path it was about.
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> CheckError + use<> {
        let path = path.to_owned();
        move |source| CheckError::Read { path, source }
    }

    /// A version beyond what this build knows.
    pub(crate) fn newer(path: &Path) -> impl FnOnce(Newer) -> CheckError {
        |newer| CheckError::Newer { file: path.display().to_string(), newer }
    }

    /// Puts the parser's words behind the place, and `expected` between them.
    pub(crate) fn malformed(
        path: &Path,
        expected: Option<&str>,
    ) -> impl FnOnce(serde_json::Error) -> CheckError {
        move |error| {
            let said = without_place(&error);
            CheckError::Malformed {
                file: path.display().to_string(),
                line: error.line() as u64,
                column: error.column() as u64,
                message: expected.map_or_else(|| said.clone(), |it| format!("{it}: {said}")),
            }
        }
    }
}

/// The parser's words without the position, which is told before them.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
