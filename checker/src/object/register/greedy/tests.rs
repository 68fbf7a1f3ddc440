//! What the walk does at each kind of return, and how often it is enough. That it never finds an order where
//! there is none is for the oracle of all small histories to say.

use super::Greedy;
use crate::generate::{Generate, Plant, generate};
use crate::history::{self, NEVER};
use crate::object::register::call::{Call, Effect, register_calls};
use crate::object::register::tests::{call, cas, not, read, write};
use crate::options::Options;

fn finds_order(calls: &[Call]) -> bool {
    Greedy::default().finds_order(calls)
}

#[test]
fn one_after_the_other() {
    assert!(finds_order(&[]));
    assert!(finds_order(&[
        read(0, 1, 2),
        write(5, 3, 4),
        read(5, 5, 6),
        cas(5, 6, 7, 8),
        read(6, 9, 10)
    ]));
    assert!(!finds_order(&[write(5, 1, 2), write(6, 3, 4), read(5, 5, 6)]));
    assert!(!finds_order(&[write(5, 1, 2), cas(6, 7, 3, 4)]));
}

#[test]
fn a_returning_read_brings_about_the_write_that_it_saw() {
    assert!(finds_order(&[write(5, 1, 6), write(6, 2, 7), read(6, 3, 4)]));
    // Of two writers of the value, the one that returns first: the other may be needed again.
    assert!(finds_order(&[
        write(5, 1, 20),
        write(5, 2, 6),
        read(5, 3, 4),
        write(7, 8, 9),
        read(5, 10, 11)
    ]));
}

#[test]
fn a_returning_cas_brings_about_the_value_that_it_expected() {
    assert!(finds_order(&[write(5, 1, 6), cas(5, 6, 2, 3), read(6, 4, 5)]));
    assert!(finds_order(&[cas(0, 5, 1, 8), cas(5, 6, 2, 3), read(6, 4, 5)]));
}

#[test]
fn a_write_that_another_one_hid_is_shown_only_where_the_next_reader_wants_it() {
    let overlapping = [write(5, 1, 4), write(6, 2, 3)];
    assert!(finds_order(&[overlapping[0], overlapping[1], read(5, 5, 6)]));
    assert!(finds_order(&[overlapping[0], overlapping[1], read(6, 5, 6)]));
}

#[test]
fn a_cas_takes_its_last_chance_before_a_write() {
    assert!(finds_order(&[cas(0, 5, 1, 6), write(7, 2, 3), read(7, 4, 5)]));
}

#[test]
fn indeterminate_calls_are_used_on_demand_and_once() {
    let offer = write(5, 1, NEVER);
    assert!(finds_order(&[offer, read(0, 2, 3)]));
    assert!(finds_order(&[offer, read(0, 2, 3), read(5, 4, 5)]));
    assert!(!finds_order(&[offer, read(5, 2, 3), write(6, 4, 5), read(6, 6, 7), read(5, 8, 9)]));
    assert!(finds_order(&[cas(0, 5, 1, NEVER), read(5, 2, 3)]));
    assert!(!finds_order(&[cas(6, 5, 1, NEVER), read(5, 2, 3)]));
}

#[test]
fn a_rejected_cas_that_tells_nothing_holds_or_ends_the_walk() {
    assert!(finds_order(&[not(5, 1, 2), write(5, 3, 4)]));
    assert!(!finds_order(&[write(5, 1, 2), not(5, 3, 4)]));
    assert!(!finds_order(&[call(Effect::Impossible, 5, 0, 1, 2)]));
}

#[test]
fn it_gives_up_before_it_is_expensive() {
    // Each read wants another indeterminate write, from the far end of the list.
    let count = 2_000;
    let offers = (0..count).map(|value| write(value + 1, value + 1, NEVER));
    let reads = (0..count).map(|n| read(count - n, 2 * count + 2 * n, 2 * count + 2 * n + 1));
    let calls: Vec<Call> = offers.chain(reads).collect();
    let mut greedy = Greedy::default();
    assert!(!greedy.finds_order(&calls));
    assert_eq!(greedy.looks_left, 0);
}

/// Keys of a generated history, and for how many of them the walk found an order.
fn found(settings: Generate) -> (usize, usize) {
    let mut text = Vec::new();
    generate(settings, &mut text).expect("a Vec takes everything");
    let input = Box::new(std::io::Cursor::new(text));
    let history =
        history::read_from("generated", input, &Options::default()).expect("good").history;
    let mut calls = Vec::new();
    let mut greedy = Greedy::default();
    let keys = history.keys();
    let found = (0..keys as u32).filter(|&key| {
        register_calls(&history, history.by_key().operations(key), &mut calls);
        greedy.finds_order(&calls)
    });
    (found.count(), keys)
}

#[test]
fn it_decides_nearly_all_keys_of_few_values() {
    let settings = Generate { operations: 20_000, keys: 200, values: 5, ..Generate::default() };
    let (all_found, keys) = found(settings);
    assert_eq!(keys, 200);
    assert!(all_found >= 190, "{all_found} of {keys}");
    // A planted violation: one key fewer.
    let (rest, _) = found(Generate { plant: Plant::StaleRead, ..settings });
    assert!(rest < keys, "{rest} of {keys}");
}
