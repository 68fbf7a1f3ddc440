//! A pass must be earned: what has to have happened for "nothing wrong" to mean something.
//!
//! The plan states the requirements; this check compares them with the record. What falls short
//! makes the run undecided, never a violation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analysis::{CheckResult, CheckState, Finding, Heading};
use crate::fact::Fact;
use crate::fault::{FaultRecord, FaultStatus, Scope};
use crate::history::{History, Outcome};
use crate::numbers::grouped;
use crate::observation::ProcessEvent;
use crate::observed::{MembershipTold, Phases};
use crate::promises::Promises;
use crate::run_folder::PLAN;
use crate::served::{self, Served};

const HEADING: Heading = Heading::new("strength", "enough happened for a pass to mean something");
/// Faults that could not strike and are named one by one.
const SKIPPED_SHOWN_MAX: usize = 5;

/// What a run must have seen. Part of `plan.json`, field `requirements`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirements {
    /// Least number of ok operations of each kind (`read`, `write`, `cas`, …) in each of the three
    /// phases: before, during and after the faults.
    pub operations_ok_min: BTreeMap<String, PhaseMinimum>,
    /// Fault kinds asked for; each must have had an observed effect at least once.
    pub fault_kinds: Vec<String>,
    /// What each of them must have done; a plan of an older version does not say it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub families: BTreeMap<String, FamilyMinimum>,
    /// At least one effective fault of any kind must have struck the leader of the moment. Only plans of
    /// an older version ask for it: [`Requirements::families`] asks it of each kind.
    #[serde(skip_serializing_if = "is_false")]
    pub leader_hit: bool,
    /// The same of one that spared it.
    #[serde(skip_serializing_if = "is_false")]
    pub leader_spared: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What the effective faults of one family must have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FamilyMinimum {
    /// One must have struck the leader of its moment.
    pub leader_hit: bool,
    /// One must have spared it.
    pub leader_spared: bool,
}

/// Least numbers for one kind of operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhaseMinimum {
    /// Before the first fault (phases `start` and `warm-up`).
    pub before: u64,
    /// In phase `faults`.
    pub during: u64,
    /// From phase `recovery` on.
    pub after: u64,
}

/// What the record is compared with the requirements by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happened<'a> {
    /// The clients' operations and the phases; `None`: no history.
    pub(crate) history: Option<&'a History>,
    /// What was done to the cluster.
    pub(crate) faults: &'a [FaultRecord],
    /// Starts and exits; `None`: not recorded.
    pub(crate) processes: Option<&'a [(u32, ProcessEvent)]>,
    /// Memberships, as traces tell them.
    pub(crate) memberships: &'a [MembershipTold],
    /// What the target promises; `None`: nothing.
    pub(crate) promises: Option<&'a Promises>,
}

impl Happened<'_> {
    /// How much was served of what was to be; `None`: nobody can tell.
    fn served(&self) -> Option<Served> {
        Served::of(&served::Observed {
            history: self.history?,
            processes: self.processes?,
            faults: self.faults,
            memberships: self.memberships,
            promises: self.promises?,
        })
    }
}

/// What was asked of a run.
#[derive(Clone, Debug, Default)]
pub(crate) enum Asked {
    /// Nothing: it is a history, not a run, or its plan requires nothing.
    #[default]
    Nothing,
    /// Nobody knows: it is a run whose plan is missing.
    Unknown,
    /// This.
    For(Requirements),
}

/// Compares what happened with what was asked for.
pub(crate) fn strength(asked: &Asked, happened: &Happened<'_>) -> CheckResult {
    let required = match asked {
        Asked::For(required) => required,
        Asked::Nothing => {
            return HEADING.not_exercised(
                &format!("no {PLAN} that says what is required"),
                "a run of this tool: its plan says what is required",
            );
        }
        Asked::Unknown => {
            let summary = "what was asked for is not known".to_owned();
            let unknown = finding(format!("{summary}: there is no {PLAN}"));
            return HEADING.result(CheckState::Undecided, summary, vec![unknown]);
        }
    };
    let counts = Counts::of(happened.history);
    let mut reasons = too_few(required, &counts);
    reasons.extend(without_effect(required, happened));
    reasons.extend(leader_spared_or_hit(required, happened.faults));
    reasons.extend(skipped(happened.faults));
    let served = happened.served();
    reasons.extend(served.and_then(|served| served.shortfall()));
    let summary = summary(required, &counts, happened.faults, served);
    let findings = reasons.into_iter().map(finding).collect();
    HEADING.result(CheckState::Undecided, summary, findings)
}

fn finding(reason: String) -> Finding {
    Finding {
        anomaly: "too-weak".to_owned(),
        headline: "Too little happened for a pass to mean something.".to_owned(),
        explanation: reason,
        ..Finding::default()
    }
}

/// Ok operations by kind: before, during and after the faults.
#[derive(Debug, Default)]
struct Counts {
    by_kind: BTreeMap<&'static str, [u64; 3]>,
}

impl Counts {
    fn of(history: Option<&History>) -> Counts {
        let mut counts = Counts::default();
        let Some(history) = history else { return counts };
        let phases = Phases::of(history);
        for operation in &history.operations {
            if operation.outcome != Outcome::Ok {
                continue;
            }
            let part = match phases.at(operation.completed_at_ns) {
                None | Some("start" | "warm-up") => 0,
                Some("faults") => 1,
                Some(_) => 2,
            };
            counts.by_kind.entry(operation.function.word()).or_default()[part] += 1;
        }
        counts
    }

    fn of_kind(&self, kind: &str) -> [u64; 3] {
        self.by_kind.get(kind).copied().unwrap_or_default()
    }

    fn total(&self) -> u64 {
        self.by_kind.values().flatten().sum()
    }
}

fn too_few(required: &Requirements, counts: &Counts) -> Vec<String> {
    let mut reasons = Vec::new();
    for (kind, minimum) in &required.operations_ok_min {
        let parts = [
            ("before the faults", minimum.before),
            ("during the faults", minimum.during),
            ("after the faults", minimum.after),
        ];
        for ((when, least), count) in parts.into_iter().zip(counts.of_kind(kind)) {
            if count < least {
                let (count, least) = (grouped(count), grouped(least));
                reasons
                    .push(format!("{count} {kind} operations succeeded {when}; {least} needed."));
            }
        }
    }
    reasons
}

fn without_effect(required: &Requirements, happened: &Happened<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    let dials = happened.history.and_then(dials);
    for kind in &required.fault_kinds {
        let of_kind: Vec<_> = happened.faults.iter().filter(|fault| &fault.kind == kind).collect();
        if !of_kind.iter().any(|fault| fault.effective) {
            let count = of_kind.len();
            reasons.push(match count {
                0 => format!("No {kind} fault struck, and the plan asked for one."),
                _ if dials.as_ref().is_some_and(|dials| are_never_dialled(&of_kind, dials)) => format!(
                    "None of the {count} {kind} faults had an observed effect: no server was ever seen to dial another across them."
                ),
                _ => format!("None of the {count} {kind} faults had an observed effect."),
            });
        }
    }
    reasons
}

/// How often each pair of nodes, `n1>n2`, was seen to dial; `None`: nobody looked.
fn dials(history: &History) -> Option<BTreeMap<String, u64>> {
    history.nemesis.iter().find_map(|(_, event)| match Fact::of(event)? {
        Fact::Dials { redirected, .. } => Some(redirected),
        _ => None,
    })
}

/// Whether all of these are cuts, and nobody dialled across any of them at any time: then they cut nothing.
fn are_never_dialled(faults: &[&FaultRecord], dials: &BTreeMap<String, u64>) -> bool {
    let is_inside = |fault: &FaultRecord, name: &str| fault.nodes.iter().any(|node| node == name);
    faults.iter().all(|fault| {
        let mut pairs = dials.keys().filter_map(|pair| pair.split_once('>'));
        fault.scope == Some(Scope::LinksCut)
            && !pairs.any(|(from, to)| is_inside(fault, from) != is_inside(fault, to))
    })
}

fn leader_spared_or_hit(required: &Requirements, faults: &[FaultRecord]) -> Vec<String> {
    let has = |hit, family: Option<&str>| {
        let mut of_family =
            faults.iter().filter(|it| family.is_none_or(|family| it.kind == family));
        of_family.any(|fault| fault.effective && fault.leader_hit == Some(hit))
    };
    let mut reasons = Vec::new();
    for (family, minimum) in &required.families {
        // A family without any effect has been told of.
        if !faults.iter().any(|fault| &fault.kind == family && fault.effective) {
            continue;
        }
        if minimum.leader_hit && !has(true, Some(family)) {
            reasons.push(format!("No effective {family} fault struck the leader of its moment."));
        }
        if minimum.leader_spared && !has(false, Some(family)) {
            reasons.push(format!("No effective {family} fault spared the leader of its moment."));
        }
    }
    if required.leader_hit && !has(true, None) {
        reasons.push("No effective fault struck the leader of its moment.".to_owned());
    }
    if required.leader_spared && !has(false, None) {
        reasons.push("No effective fault spared the leader of its moment.".to_owned());
    }
    reasons
}

/// What was planned and could not strike: another schedule was run than the one that was asked for.
fn skipped(faults: &[FaultRecord]) -> Option<String> {
    let told: Vec<String> = faults
        .iter()
        .filter_map(|fault| match &fault.status {
            FaultStatus::Skipped { reason } => Some(format!("{} ({reason})", fault.name)),
            FaultStatus::Installed | FaultStatus::Indeterminate { .. } => None,
        })
        .collect();
    if told.is_empty() {
        return None;
    }
    let (count, all) = (grouped(told.len() as u64), grouped(faults.len() as u64));
    let more = if told.len() > SKIPPED_SHOWN_MAX { ", …" } else { "" };
    let shown = told[..told.len().min(SKIPPED_SHOWN_MAX)].join(", ");
    Some(format!("{count} of {all} planned faults could not strike: {shown}{more}."))
}

fn summary(
    required: &Requirements,
    counts: &Counts,
    faults: &[FaultRecord],
    served: Option<Served>,
) -> String {
    let mut effective: BTreeMap<&str, u64> = BTreeMap::new();
    for fault in faults {
        *effective.entry(&fault.kind).or_default() += u64::from(fault.effective);
    }
    let mut summary = format!("{} ok operations", grouped(counts.total()));
    for (kind, count) in effective {
        summary.push_str(&format!(", {kind} effective {}", times(count)));
    }
    if let Some(served) = served.and_then(|served| served.summary()) {
        summary.push_str(&format!(", {served}"));
    }
    if required.fault_kinds.is_empty() {
        summary.push_str(", no faults asked for: what faults bring out was not required");
    }
    summary
}

fn times(count: u64) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{} times", grouped(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history;
    use crate::options::Options;

    /// A history with this many ok writes before, during and after the faults.
    fn history(writes: [u64; 3]) -> History {
        let mut text = String::new();
        let mut time_ns = 0;
        let mut line = |text: &mut String, start: &str| {
            time_ns += 1;
            text.push_str(&format!("{{{start},\"time_ns\":{time_ns}}}\n"));
        };
        for (phase, count) in ["warm-up", "faults", "recovery"].into_iter().zip(writes) {
            let value = format!(r#""f":"phase","value":{{"name":"{phase}"}}"#);
            line(&mut text, &format!(r#""process":"nemesis","type":"info",{value}"#));
            for _ in 0..count {
                for kind in ["invoke", "ok"] {
                    let write = r#""f":"write","key":"k","value":1"#;
                    line(&mut text, &format!(r#""process":1,"type":"{kind}",{write}"#));
                }
            }
        }
        let input = Box::new(std::io::Cursor::new(text.into_bytes()));
        history::read_from("test", input, &Options::default()).unwrap().history
    }

    fn fault(kind: &str, effective: bool, leader_hit: Option<bool>) -> FaultRecord {
        FaultRecord {
            id: 1,
            kind: kind.to_owned(),
            scope: None,
            name: String::new(),
            target: String::new(),
            nodes: Vec::new(),
            detail: String::new(),
            planned_at_ns: 0,
            started_at_ns: None,
            effective_at_ns: None,
            healed_at_ns: None,
            status: FaultStatus::Installed,
            effects: Vec::new(),
            effective,
            leader_hit,
        }
    }

    fn happened<'a>(history: Option<&'a History>, faults: &'a [FaultRecord]) -> Happened<'a> {
        Happened { history, faults, processes: None, memberships: &[], promises: None }
    }

    fn required() -> Requirements {
        let minimum = PhaseMinimum { before: 2, during: 3, after: 1 };
        Requirements {
            operations_ok_min: BTreeMap::from([("write".to_owned(), minimum)]),
            fault_kinds: vec!["kill".to_owned()],
            families: BTreeMap::from([(
                "kill".to_owned(),
                FamilyMinimum { leader_hit: true, leader_spared: true },
            )]),
            ..Requirements::default()
        }
    }

    fn judge(writes: [u64; 3], faults: &[FaultRecord]) -> CheckResult {
        let history = history(writes);
        strength(&Asked::For(required()), &happened(Some(&history), faults))
    }

    #[test]
    fn what_meets_every_requirement_passes() {
        let faults = [fault("kill", true, Some(true)), fault("kill", true, Some(false))];
        let check = judge([2, 3, 1], &faults);
        assert_eq!(check.state, CheckState::Holds);
        assert_eq!(check.summary, "6 ok operations, kill effective twice");
    }

    #[test]
    fn whatever_falls_short_is_named_and_undecided() {
        let check = judge([2, 2, 0], &[fault("kill", false, Some(true))]);
        assert_eq!(check.state, CheckState::Undecided);
        let reasons: Vec<_> = check.findings.iter().map(|f| f.explanation.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "2 write operations succeeded during the faults; 3 needed.",
                "0 write operations succeeded after the faults; 1 needed.",
                "None of the 1 kill faults had an observed effect.",
            ]
        );
        let none = judge([2, 3, 1], &[]);
        assert_eq!(
            none.findings[0].explanation,
            "No kill fault struck, and the plan asked for one."
        );
    }

    #[test]
    fn cuts_across_which_nobody_dials_are_told_from_cuts_that_stopped_nothing() {
        let cut = |nodes: &[&str], scope| FaultRecord {
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
            scope: Some(scope),
            ..fault("partition", false, None)
        };
        let dials = |pairs: &[&str]| pairs.iter().map(|pair| ((*pair).to_owned(), 1)).collect();
        let one = cut(&["n1"], Scope::LinksCut);
        let two = cut(&["n1", "n2"], Scope::LinksCut);
        assert!(are_never_dialled(&[&one, &two], &dials(&[])));
        assert!(are_never_dialled(&[&two], &dials(&["n1>n2", "n2>n1", "n3>n4"])));
        assert!(!are_never_dialled(&[&one, &two], &dials(&["n1>n2"])), "n1 is cut off from n2");
        assert!(!are_never_dialled(&[&two], &dials(&["n3>n2"])));
        let killed = cut(&["n1"], Scope::ProcessDown);
        assert!(!are_never_dialled(&[&killed], &dials(&[])), "it is no cut");
    }

    fn reasons(check: &CheckResult) -> Vec<&str> {
        check.findings.iter().map(|finding| finding.explanation.as_str()).collect()
    }

    #[test]
    fn every_family_has_to_hit_and_to_spare_the_leader_itself() {
        let kills = [fault("kill", true, Some(true)), fault("kill", true, Some(false))];
        let mut required = required();
        required.fault_kinds.push("pause".to_owned());
        let hits = FamilyMinimum { leader_hit: true, leader_spared: false };
        required.families.insert("pause".to_owned(), hits);
        let judge = |faults: Vec<FaultRecord>| {
            let history = history([2, 3, 1]);
            strength(&Asked::For(required.clone()), &happened(Some(&history), &faults))
        };
        let pauses = |pause: FaultRecord| kills.iter().cloned().chain([pause]).collect();
        assert_eq!(judge(pauses(fault("pause", true, Some(true)))).state, CheckState::Holds);
        let spared = judge(pauses(fault("pause", true, Some(false))));
        assert_eq!(reasons(&spared), ["No effective pause fault struck the leader of its moment."]);
        let nobody_led = judge(pauses(fault("pause", true, None)));
        assert_eq!(nobody_led.state, CheckState::Undecided);
        let none = judge(kills.to_vec());
        assert_eq!(reasons(&none), ["No pause fault struck, and the plan asked for one."]);
    }

    #[test]
    fn a_fault_that_could_not_strike_costs_the_pass() {
        let mut skipped = fault("kill", false, None);
        skipped.status = FaultStatus::Skipped { reason: "no node led".to_owned() };
        skipped.name = "kill -9 leader".to_owned();
        let faults = [fault("kill", true, Some(true)), fault("kill", true, Some(false)), skipped];
        let check = judge([2, 3, 1], &faults);
        assert_eq!(check.state, CheckState::Undecided);
        let told = "1 of 3 planned faults could not strike: kill -9 leader (no node led).";
        assert_eq!(reasons(&check), [told]);
    }

    #[test]
    fn a_plan_of_an_older_version_asks_it_of_all_faults_together() {
        let old = Requirements { leader_hit: true, leader_spared: true, ..Requirements::default() };
        let faults = [fault("kill", true, Some(true)), fault("pause", true, Some(false))];
        let judge = |faults| strength(&Asked::For(old.clone()), &happened(None, faults));
        assert_eq!(judge(&faults).state, CheckState::Holds);
        assert_eq!(
            reasons(&judge(&faults[..1])),
            ["No effective fault spared the leader of its moment."]
        );
    }

    #[test]
    fn a_run_that_asked_for_no_faults_says_so() {
        let required = Requirements::default();
        let check = strength(&Asked::For(required.clone()), &happened(None, &[]));
        assert_eq!(check.state, CheckState::Holds);
        assert!(check.summary.contains("no faults asked for"), "{}", check.summary);
    }

    #[test]
    fn a_history_is_required_nothing_and_a_run_without_its_plan_is_undecided() {
        let check = strength(&Asked::Nothing, &happened(None, &[]));
        assert_eq!(check.state, CheckState::NotExercised);
        let check = strength(&Asked::Unknown, &happened(None, &[]));
        assert_eq!(check.state, CheckState::Undecided);
        assert_eq!(check.summary, "what was asked for is not known");
    }
}
