//! What a log entry asks of the state machine, and its bytes.
//!
//! An entry's payload is one version byte and then the [`Command`] in postcard's encoding. The
//! version byte is checked first, so a newer server's entry is refused by name and never misread.
//! Nothing here applies a command: see [`crate::machine`].

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The encoding this build writes and reads.
const VERSION: u8 = 1;

/// A client session's name: the index of the entry that opened it (thesis 6.3). 0: no session.
pub type SessionId = u64;

/// What an entry asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Opens a client session; its id is this entry's index.
    OpenSession {
        /// The proposing leader's clock.
        time_ms: u64,
        /// How long the session may lie idle, in log time. Inside the entry, so that nodes with
        /// different settings still expire the same sessions.
        expiry_ms: u64,
    },
    /// Changes one key.
    Write {
        /// The proposing leader's clock.
        time_ms: u64,
        /// The session, or 0.
        session: SessionId,
        /// The session's command number, from 1.
        sequence: u64,
        /// The key.
        key: String,
        /// What to do with it.
        operation: Operation,
    },
    /// Tells every node where a member is reached.
    Address {
        /// The member.
        node: u64,
        /// `host:port`.
        address: String,
    },
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Sets the value.
    Put(Bytes),
    /// Removes the key.
    Delete,
    /// Sets the value where it is `expected`; `None` means absent.
    Cas {
        /// What must be there.
        expected: Option<Bytes>,
        /// What is there afterwards.
        new: Option<Bytes>,
    },
    /// Adds bytes at the end; an absent key counts as empty.
    Append(Bytes),
}

/// Bytes that are no command of this build.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Written by a newer build.
    #[error("decode a command of version {0}: this build knows version {VERSION} only")]
    Version(u8),
    /// Not even that.
    #[error("decode a command: {0}")]
    Malformed(#[from] postcard::Error),
    /// Nothing at all.
    #[error("decode a command: it is empty")]
    Empty,
}

impl Command {
    /// The entry payload.
    pub fn encode(&self) -> Arc<[u8]> {
        let mut start = Vec::with_capacity(self.bytes_at_most());
        start.push(VERSION);
        let bytes = postcard::to_extend(self, start).expect("a vector takes any command");
        bytes.into()
    }

    /// Room for the encoding: commands are encoded by the thousand, and growing costs copies.
    fn bytes_at_most(&self) -> usize {
        /// The version, the variants, and five integers of at most ten bytes.
        const FIXED: usize = 64;
        let value = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let text = match self {
            Command::OpenSession { .. } => 0,
            Command::Address { address, .. } => address.len(),
            Command::Write { key, operation, .. } => {
                let operand = match operation {
                    Operation::Put(value) | Operation::Append(value) => value.len(),
                    Operation::Cas { expected, new } => value(expected) + value(new),
                    Operation::Delete => 0,
                };
                key.len() + operand
            }
        };
        FIXED + text
    }

    /// Reads an entry payload.
    pub fn decode(bytes: &[u8]) -> Result<Command, CommandError> {
        match bytes.split_first() {
            None => Err(CommandError::Empty),
            Some((&VERSION, rest)) => Ok(postcard::from_bytes(rest)?),
            Some((&version, _)) => Err(CommandError::Version(version)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_survives_its_encoding() {
        let operation = Operation::Cas { expected: None, new: Some(Bytes::from_static(b"x")) };
        let command =
            Command::Write { time_ms: 7, session: 3, sequence: 9, key: "k".into(), operation };
        assert_eq!(Command::decode(&command.encode()).unwrap(), command);
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut bytes = Command::Address { node: 1, address: "h:1".into() }.encode().to_vec();
        bytes[0] = 9;
        let error = Command::decode(&bytes).unwrap_err().to_string();
        assert_eq!(error, "decode a command of version 9: this build knows version 1 only");
        assert!(matches!(Command::decode(&[]), Err(CommandError::Empty)));
        assert!(matches!(Command::decode(&[VERSION]), Err(CommandError::Malformed(_))));
    }
}
