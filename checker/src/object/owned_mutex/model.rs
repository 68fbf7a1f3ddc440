//! Locks that know who holds them.

use crate::model::Model;

/// A lock that begins free and that only its holder may release, as Jepsen's owner-aware mutex; with `is_reentrant` the holder
/// may acquire it again, and it is free when it was released as often as it was acquired.
#[derive(Clone, Debug, Default)]
pub struct OwnedMutex {
    /// Whether the holder may acquire it again.
    pub is_reentrant: bool,
}

/// What a lock that knows its holder can do. Processes are given by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnedMutexOperation {
    /// This process holds it now: it was free, or the lock is reentrant and this process's.
    Acquire(u64),
    /// This process held it, and gave it back, once.
    Release(u64),
}

impl Model for OwnedMutex {
    /// The holder, and how often it has acquired the lock.
    type State = Option<(u64, u32)>;
    type Operation = OwnedMutexOperation;

    fn initial(&self) -> Self::State {
        None
    }

    fn step(&self, held: &Self::State, operation: &OwnedMutexOperation) -> Option<Self::State> {
        match (*held, *operation) {
            (None, OwnedMutexOperation::Acquire(process)) => Some(Some((process, 1))),
            (Some((holder, times)), OwnedMutexOperation::Acquire(process)) => {
                (self.is_reentrant && holder == process).then_some(Some((holder, times + 1)))
            }
            (Some((holder, times)), OwnedMutexOperation::Release(process)) => {
                (holder == process).then_some((times > 1).then_some((holder, times - 1)))
            }
            (None, OwnedMutexOperation::Release(_)) => None,
        }
    }
}
