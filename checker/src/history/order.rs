//! In which order the events of a file happened: by `index`, else by time, else by line, as the file has them.
//!
//! Files that are written as things happen are in order, and are taken as they come; at the first event that goes
//! back the reader begins again and sorts. Events of the same time keep the order of their lines, but a call comes
//! before a return: intervals are closed, so what ends at the moment at which another begins overlaps it.

use super::compact::{NONE, PlacedEvent};

/// What the order of a file's events goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum By {
    /// No event was seen.
    #[default]
    Unknown,
    Index,
    Time,
    Line,
}

impl By {
    /// What an event alone would be placed by.
    fn of(event: &PlacedEvent) -> By {
        match (event.place.index, event.time_ns) {
            (NONE, NONE) => By::Line,
            (NONE, _) => By::Time,
            _ => By::Index,
        }
    }
}

/// Watches that events come in order.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) by: By,
    last: u64,
    /// Where the last event was: its line.
    last_line: u64,
}

/// An event that goes back, or that tells its place in another way than those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disorder {
    /// Its line, from 1.
    pub(super) line: u64,
    /// The line of the event before.
    pub(super) after: u64,
}

impl Watch {
    /// Looks at the next event, whose line is `line`.
    #[inline]
    pub(super) fn see(&mut self, event: &PlacedEvent, line: u64) -> Result<(), Disorder> {
        let by = By::of(event);
        let number = match by {
            By::Index => event.place.index,
            By::Time => event.time_ns,
            By::Line | By::Unknown => 0,
        };
        let is_first = self.by == By::Unknown;
        let repeats = by == By::Index && number == self.last;
        if !is_first && (by != self.by || number < self.last || repeats) {
            return Err(Disorder { line, after: self.last_line });
        }
        (self.by, self.last, self.last_line) = (by, number, line);
        Ok(())
    }
}

/// Sorts all events of a file; returns what by, and the first line that was not in order.
pub(super) fn sort(events: &mut [PlacedEvent]) -> (By, Option<Disorder>) {
    let has_indices = events.iter().all(|event| event.place.index != NONE) && {
        let mut indices: Vec<u64> = events.iter().map(|event| event.place.index).collect();
        indices.sort_unstable();
        indices.windows(2).all(|two| two[0] != two[1])
    };
    let by = match () {
        () if events.is_empty() => By::Unknown,
        () if has_indices => By::Index,
        () if events.iter().all(|event| event.time_ns != NONE) => By::Time,
        () => By::Line,
    };
    let number = |event: &PlacedEvent| match by {
        By::Index => event.place.index,
        By::Time => event.time_ns,
        By::Line | By::Unknown => 0,
    };
    let back = events.windows(2).find(|two| number(&two[1]) < number(&two[0]));
    let disorder = back.map(|two| Disorder {
        line: u64::from(two[1].place.line),
        after: u64::from(two[0].place.line),
    });
    if disorder.is_some() {
        events.sort_by_key(number);
    }
    (by, disorder)
}

/// An event with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) position: u32,
    /// Its operation.
    pub(super) operation: u32,
    pub(super) is_return: bool,
}

/// Events at one moment, as they were placed.
#[derive(Debug, Default)]
pub(super) struct Moment {
    time_ns: u64,
    /// The first one, and those at the same time: nearly always none.
    first: Option<Member>,
    others: Vec<Member>,
    /// There was another moment before this one.
    pub(super) is_later: bool,
}

impl Moment {
    /// Adds an event; gives back the moment before, if this is another one, with new positions where it has calls
    /// behind returns.
    #[inline]
    pub(super) fn add(&mut self, time_ns: u64, member: Member) -> Vec<(u32, Member)> {
        if time_ns == self.time_ns && self.first.is_some() {
            self.others.push(member);
            return Vec::new();
        }
        let before = if self.others.is_empty() { Vec::new() } else { self.rearranged() };
        self.is_later |= self.first.is_some();
        self.time_ns = time_ns;
        self.first = Some(member);
        self.others.clear();
        before
    }

    /// The members, each with the position it should have; none where all have it.
    pub(super) fn rearranged(&self) -> Vec<(u32, Member)> {
        let members = || self.first.iter().chain(&self.others);
        let is_placed =
            members().zip(&self.others).all(|(before, after)| !before.is_return || after.is_return);
        if is_placed {
            return Vec::new();
        }
        let (returns, calls): (Vec<Member>, Vec<Member>) =
            members().partition(|member| member.is_return);
        let positions = members().map(|member| member.position);
        positions.zip(calls.into_iter().chain(returns)).collect()
    }
}
