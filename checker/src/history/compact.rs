//! An event in compact form: as a chunk keeps it, and as the assembler takes it.
//!
//! A history of a million operations is two million events, each written by one thread and read by another. What most
//! files do not tell of an event, or what its line says already, is kept beside the events.

use std::ops::Deref;

use super::operation::Function;
use super::value::Value;
use crate::event::EventType;

/// A number that a file does not tell.
pub(crate) const NONE: u64 = u64::MAX;

/// An event. Of a chunk, the numbers of keys, nodes and values are the chunk's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompactEvent {
    pub(crate) process: u64,
    /// [`NONE`] if the file does not tell it.
    pub(crate) time_ns: u64,
    /// The event's position: for lines, the line's number in the chunk, from 1.
    pub(crate) position: u32,
    pub(crate) key: u32,
    pub(crate) value: Value,
    pub(crate) second: Value,
    pub(crate) saw: Value,
    pub(crate) term: u32,
    pub(crate) node: u16,
    pub(crate) function: Function,
    pub(crate) kind: EventType,
    pub(crate) has_error: bool,
    /// It says of itself that the value was another than the expected one.
    pub(crate) is_rejected: bool,
}

/// Where an event stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The event's place in the order of events; [`NONE`] if the file does not tell it.
    pub(crate) index: u64,
    /// Where it begins: the line, from 1, and the byte in it, from 1.
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Place {
    /// The place of an event that is a line of its own, and that tells no other.
    pub(crate) fn of_line(position: u32) -> Place {
        Place { index: NONE, line: position, column: 1 }
    }
}

/// The places of a chunk's events; empty while each is a line of its own that tells no other.
#[derive(Debug, Default)]
pub(crate) struct EventPlaces(Vec<Place>);

impl EventPlaces {
    /// Whether no event told one.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the place of the event behind `events`.
    pub(crate) fn push(&mut self, events: &[CompactEvent], position: u32, place: Place) {
        if self.0.is_empty() {
            if place == Place::of_line(position) {
                return;
            }
            self.0.extend(events.iter().map(|event| Place::of_line(event.position)));
        }
        self.0.push(place);
    }

    /// The place of an event.
    #[inline]
    pub(crate) fn of(&self, number: usize, event: &CompactEvent) -> Place {
        self.0.get(number).copied().unwrap_or(Place::of_line(event.position))
    }
}

/// An event as the assembler takes it, with its place. Its numbers, and the lines and positions, are the history's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlacedEvent {
    pub(crate) event: CompactEvent,
    pub(crate) place: Place,
}

impl Deref for PlacedEvent {
    type Target = CompactEvent;

    fn deref(&self) -> &CompactEvent {
        &self.event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: u32) -> CompactEvent {
        CompactEvent {
            process: 0,
            time_ns: 0,
            position,
            key: 0,
            value: Value::NIL,
            second: Value::UNTOLD,
            saw: Value::UNTOLD,
            term: 0,
            node: 0,
            function: Function::Read,
            kind: EventType::Invoke,
            has_error: false,
            is_rejected: false,
        }
    }

    #[test]
    fn places_begin_with_the_first_event_that_tells_one() {
        let told = Place { index: 7, line: 3, column: 1 };
        let placed = [Place::of_line(1), Place::of_line(2), told, Place::of_line(4)];
        let (mut places, mut events) = (EventPlaces::default(), Vec::new());
        for (position, place) in (1..).zip(placed) {
            places.push(&events, position, place);
            events.push(event(position));
            assert_eq!(places.0.is_empty(), position < 3);
        }
        let read: Vec<Place> =
            events.iter().enumerate().map(|(number, event)| places.of(number, event)).collect();
        assert_eq!(read, placed);
    }
}
