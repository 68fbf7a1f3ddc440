//! The zones on hand-made histories, one per rule.

use super::{Answer, Conflict, Scratch, decide};
use crate::history::NEVER;
use crate::linear::call::{Call, Effect};

const fn call(effect: Effect, a: u32, b: u32, invoked: u32, returned: u32) -> Call {
    Call { invoked, returned, a, b, index: 0, effect }
}

const fn read(a: u32, invoked: u32, returned: u32) -> Call {
    call(Effect::Read, a, 0, invoked, returned)
}

const fn write(a: u32, invoked: u32, returned: u32) -> Call {
    call(Effect::Write, a, 0, invoked, returned)
}

const fn cas(a: u32, b: u32, invoked: u32, returned: u32) -> Call {
    call(Effect::Cas, a, b, invoked, returned)
}

const fn not(a: u32, invoked: u32, returned: u32) -> Call {
    call(Effect::NotEqual, a, 0, invoked, returned)
}

fn zones(calls: &[Call]) -> Answer {
    decide(calls, &mut Scratch::default())
}

fn conflict(calls: &[u32]) -> Answer {
    Answer::Violation(Conflict { calls: calls.to_vec() })
}

#[test]
fn reads_in_order_pass() {
    assert_eq!(zones(&[]), Answer::Linearizable);
    assert_eq!(zones(&[read(0, 1, 2)]), Answer::Linearizable);
    let calls = [read(0, 1, 2), write(5, 3, 6), read(5, 4, 5), read(5, 7, 8)];
    assert_eq!(zones(&calls), Answer::Linearizable);
}

#[test]
fn a_stale_read_names_both_blocks() {
    let calls = [write(5, 1, 2), write(6, 3, 4), read(5, 5, 6)];
    assert_eq!(zones(&calls), conflict(&[0, 1, 2]));
}

#[test]
fn the_initial_state_is_a_block_of_its_own() {
    assert_eq!(zones(&[write(5, 1, 2), read(0, 3, 4)]), conflict(&[0, 1]));
}

#[test]
fn a_value_nobody_wrote_and_one_from_the_future() {
    assert_eq!(zones(&[read(7, 1, 2)]), conflict(&[0]));
    assert_eq!(zones(&[read(7, 1, 2), write(7, 3, 4)]), conflict(&[0, 1]));
}

#[test]
fn two_orders_of_two_writes_conflict() {
    let calls = [write(5, 1, 20), write(6, 2, 19), read(5, 3, 4), read(6, 5, 6), read(5, 7, 8)];
    assert!(matches!(zones(&calls), Answer::Violation(_)));
    assert_eq!(zones(&calls[..4]), Answer::Linearizable);
}

#[test]
fn indeterminate_writes_count_only_if_seen() {
    let unseen = [write(5, 1, NEVER), write(6, 2, 3), read(6, 4, 5)];
    assert_eq!(zones(&unseen), Answer::Linearizable);
    let seen_late = [write(5, 1, NEVER), write(6, 2, 3), read(6, 4, 5), read(5, 6, 7)];
    assert_eq!(zones(&seen_late), Answer::Linearizable);
    let seen_and_gone = [write(5, 1, NEVER), write(6, 2, 3), read(5, 4, 5), read(6, 6, 7)];
    assert!(matches!(zones(&seen_and_gone), Answer::Violation(_)));
}

#[test]
fn cas_chains_are_one_block() {
    let good = [write(5, 1, 2), cas(5, 6, 3, 4), cas(6, 7, 5, 6), read(7, 7, 8)];
    assert_eq!(zones(&good), Answer::Linearizable);
    let in_between = [write(5, 1, 2), write(9, 3, 4), cas(5, 6, 5, 6)];
    assert!(matches!(zones(&in_between), Answer::Violation(_)));
    let twice = [write(5, 1, 2), cas(5, 6, 3, 4), cas(5, 7, 5, 6)];
    assert_eq!(zones(&twice), conflict(&[1, 2]));
    let ring = [cas(5, 6, 1, 4), cas(6, 5, 2, 3)];
    assert!(matches!(zones(&ring), Answer::Violation(_)));
}

#[test]
fn an_indeterminate_cas_took_effect_if_its_value_was_seen() {
    let seen = [write(5, 1, 2), cas(5, 6, 3, NEVER), read(6, 4, 5)];
    assert_eq!(zones(&seen), Answer::Linearizable);
    let seen_then_gone = [write(5, 1, 2), cas(5, 6, 3, NEVER), read(6, 4, 5), read(5, 6, 7)];
    assert!(matches!(zones(&seen_then_gone), Answer::Violation(_)));
    let unseen = [write(5, 1, 2), cas(5, 6, 3, NEVER), read(5, 4, 5)];
    assert_eq!(zones(&unseen), Answer::Linearizable);
}

#[test]
fn values_written_twice_matter_only_if_seen() {
    let unseen = [write(5, 1, 2), write(5, 3, 4), write(6, 5, 6), read(6, 7, 8)];
    assert_eq!(zones(&unseen), Answer::Linearizable);
    let seen = [write(5, 1, 2), write(5, 3, 4), read(5, 5, 6)];
    assert_eq!(zones(&seen), Answer::Unsettled);
}

#[test]
fn a_rejected_cas_without_a_value_is_placed_or_refuted_or_left() {
    let refuted = [write(5, 1, 2), not(5, 3, 4), read(5, 5, 6)];
    assert_eq!(zones(&refuted), conflict(&[0, 1, 2]));
    let placed = [write(5, 1, 2), write(6, 3, 6), not(5, 4, 5), read(6, 7, 8)];
    assert_eq!(zones(&placed), Answer::Linearizable);
    // Nothing but an indeterminate write that nobody saw can explain it.
    let left = [write(5, 1, 2), write(6, 3, NEVER), not(5, 4, 5)];
    assert_eq!(zones(&left), Answer::Unsettled);
    let before_everything = [not(5, 1, 2), write(5, 3, 4)];
    assert_eq!(zones(&before_everything), Answer::Linearizable);
    assert_eq!(zones(&[call(Effect::Impossible, 5, 0, 1, 2)]), conflict(&[0]));
}
