//! Whom a client asks: clients differ in this, and faults and plans count on it.

/// Which nodes a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Follows redirects and leaves nodes that do not answer.
    Roaming,
    /// Always asks this node first, and waits for it: what it says while it is cut off, or after a
    /// pause, is what must be checked. It only reads: a change would hold it up until its deadline at
    /// a leader that has lost its majority, and nobody would be there to see a stale answer.
    Pinned(u32),
}

impl Habit {
    /// Every other client is pinned, to each node in turn. The first one roams, so that a single
    /// client does everything.
    pub(crate) fn of(client: u32, nodes: u32) -> Self {
        if client.is_multiple_of(2) {
            Habit::Roaming
        } else {
            Habit::Pinned(client / 2 % nodes + 1)
        }
    }

    /// Whether it changes nothing.
    pub(crate) fn only_reads(self) -> bool {
        matches!(self, Habit::Pinned(_))
    }
}
