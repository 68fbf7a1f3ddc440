//! Registers decided: by their zones, by a first guess, else by search. What can be told in register calls is decided so too.

use super::call::{Call, register_calls};
use super::greedy::Greedy;
use super::machine::Register;
use super::zones;
use crate::linear::search::Budget;
use crate::linear::setting::{Decision, Setting};

/// Memory that one worker uses again for each key.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    calls: Vec<Call>,
    zones: zones::Scratch,
    greedy: Greedy,
}

/// Decides a key.
pub(super) fn decide(
    setting: &Setting<'_>,
    operations: &[u32],
    budget: &Budget,
    scratch: &mut Scratch,
) -> Decision {
    let mut calls = std::mem::take(&mut scratch.calls);
    register_calls(setting.history, operations, &mut calls);
    let decision = decide_calls(setting, &calls, budget, scratch, "zones");
    scratch.calls = calls;
    decision
}

/// Decides register calls; `method` is what the decision is called where the zones decide.
pub(crate) fn decide_calls(
    setting: &Setting<'_>,
    calls: &[Call],
    budget: &Budget,
    scratch: &mut Scratch,
    method: &'static str,
) -> Decision {
    if !setting.search_only {
        match zones::decide(calls, &mut scratch.zones) {
            zones::Answer::Linearizable => return Decision::order(method),
            zones::Answer::Violation(conflict) => {
                let core = conflict.calls.iter().map(|&call| calls[call as usize].index);
                return Decision::violation(method, core.collect());
            }
            zones::Answer::Unsettled => {}
        }
        if scratch.greedy.finds_order(calls) {
            return Decision::order("greedy");
        }
    }
    let (machine, steps) = Register::new(calls);
    let operations: Vec<u32> = calls.iter().map(|call| call.index).collect();
    setting.search(&machine, &steps, &operations, budget)
}
