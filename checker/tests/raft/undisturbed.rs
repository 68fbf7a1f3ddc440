//! A leader in contact with a quorum is left in peace where the plan promises it.

use whitewater_checker::analysis::CheckResult;
use whitewater_checker::{Options, Promises, Recorded, check_recorded};
use whitewater_raft::event::{Event, Record, Role};
use whitewater_raft::{Chain, HardState, Membership, Position};

/// The shortest election timeout of these stories.
const PROMISED_MS: u64 = 100;

/// Node 1 leads term 1 from 0 ms and commits every 20 ms until this time, by itself and node 2.
struct Story {
    records: Vec<Record>,
}

impl Story {
    fn new(contact_until_ms: u64) -> Story {
        let mut story = Story { records: Vec::new() };
        for node in 1..=3 {
            let membership =
                Membership { voters: [1, 2, 3].into_iter().collect(), ..Membership::default() };
            let (position, chain) = (Position::default(), Chain::default());
            story.tell(
                0,
                node,
                0,
                Role::Follower,
                Event::Boot {
                    hard_state: HardState::default(),
                    snapshot: position,
                    last: position,
                    chain,
                    applied: 0,
                    state_hash: chain,
                    mutant: None,
                    membership,
                },
            );
        }
        let (last, chain) = (Position::default(), Chain::default());
        story.tell(0, 1, 1, Role::Leader, Event::Leader { votes: vec![1, 2], last, chain });
        for index in 1..=contact_until_ms / 20 {
            let to = Position { index, term: 1 };
            let matched = vec![(1, index), (2, index), (3, 0)];
            let commit = Event::Commit { to, chain: Chain(index), matched };
            story.tell(index * 20, 1, 1, Role::Leader, commit);
        }
        story
    }

    fn tell(&mut self, at_ms: u64, node: u64, term: u64, role: Role, event: Event) {
        let seq = self.records.iter().filter(|record| record.node == node).count() as u64 + 1;
        let time_ns = at_ms * 1_000_000;
        self.records.push(Record { node, boot: 1, seq, time_ns, term, role, event });
    }

    fn campaign(mut self, at_ms: u64, pre_vote: bool, transfer: bool) -> Story {
        let term = if pre_vote { 1 } else { 2 };
        let role = if pre_vote { Role::PreCandidate } else { Role::Candidate };
        self.tell(at_ms, 3, term, role, Event::Campaign { pre_vote, transfer });
        self
    }

    fn deposed(mut self, at_ms: u64) -> Story {
        let cause = "saw a higher term".to_owned();
        self.tell(at_ms, 1, 1, Role::Leader, Event::Stepdown { cause });
        self
    }

    fn check(mut self, undisturbed_ms: Option<u64>) -> CheckResult {
        self.records.sort_by_key(|record| record.time_ns);
        let promises = Some(Promises { undisturbed_ms, ..Promises::default() });
        let recorded = Recorded { trace: &self.records, promises, ..Recorded::default() };
        let analysis = check_recorded(&recorded, &Options::default()).unwrap();
        let found = analysis.checks.into_iter().find(|check| check.name == "undisturbed-leader");
        found.expect("the check is there")
    }
}

#[test]
fn a_node_that_campaigns_in_its_corner_and_comes_back_disturbs() {
    let story = || Story::new(1_500).campaign(1_010, false, false).deposed(1_510);
    let found = story().check(Some(PROMISED_MS));
    assert_eq!(found.findings.len(), 1, "{found:?}");
    assert_eq!(found.findings[0].anomaly, "disturbed-leader");
    let words =
        "n1 led term 1 and had heard from a quorum 10 ms before n3 began an election for term 2";
    assert!(found.findings[0].explanation.contains(words), "{found:?}");
    assert_eq!(found.findings[0].nodes, ["n1", "n3"]);
    assert_eq!(found.findings[0].evidence.len(), 2);
    // A target that does not promise it is not judged.
    let unjudged = story().check(None);
    assert_eq!(unjudged.findings.len(), 0);
    assert_eq!(unjudged.summary, "the target does not promise it");
}

#[test]
fn a_leader_without_contact_may_be_replaced() {
    let lost = Story::new(900).campaign(1_010, false, false).deposed(1_510);
    assert_eq!(lost.check(Some(PROMISED_MS)).findings.len(), 0);
    // Its successor's trial began before there was contact again.
    let young = Story::new(300).campaign(110, false, false).deposed(290);
    assert_eq!(young.check(Some(PROMISED_MS)).findings.len(), 0);
}

#[test]
fn a_trial_that_began_before_the_contact_excuses_the_election() {
    let early = Story::new(1_500).campaign(50, true, false).campaign(1_010, false, false);
    assert_eq!(early.deposed(1_510).check(Some(PROMISED_MS)).findings.len(), 0);
    let late = Story::new(1_500).campaign(900, true, false).campaign(1_010, false, false);
    assert_eq!(late.deposed(1_510).check(Some(PROMISED_MS)).findings.len(), 1);
}

#[test]
fn a_hand_over_is_no_disturbance_and_neither_is_a_rival_that_loses() {
    let handed = Story::new(1_500).campaign(1_010, false, true).deposed(1_020);
    assert_eq!(handed.check(Some(PROMISED_MS)).findings.len(), 0);
    let unheard = Story::new(1_500).campaign(1_010, false, false);
    assert_eq!(unheard.check(Some(PROMISED_MS)).findings.len(), 0);
}
