//! What a journal promises, on the small journals of three cores that talk to each other here.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use whitewater_raft::{Input, Membership, Message, Paper, Persist, Position, Rules, SnapshotMeta};

use super::step::Output;
use super::*;
use crate::journal::reader::Reader;

#[derive(Clone, Debug, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Three cores with disks that take no time, and a network that loses what `cut` is told of.
struct Trio {
    cores: Vec<Core>,
    sinks: Vec<Sink>,
    cut: Option<NodeId>,
}

impl Trio {
    fn new(mutant: Option<Mutant>) -> Trio {
        let (mut cores, mut sinks) = (Vec::new(), Vec::new());
        for id in 1..=3 {
            let sink = Sink::default();
            let bootstrap = Membership { voters: [1, 2, 3].into(), ..Membership::default() };
            let restored = Restored { bootstrap, ..Restored::default() };
            let recorder = Some(Recorder::to(Box::new(sink.clone())));
            let name = mutant.map(|mutant| mutant.to_string());
            let mut core =
                Core::new(config(id, Mutant::rules(mutant)), restored, 1, name, recorder);
            core.set_log_tail(2);
            cores.push(core);
            sinks.push(sink);
        }
        Trio { cores, sinks, cut: None }
    }

    fn tick(&mut self) {
        for place in 0..3 {
            self.cores[place].tick();
            self.settle();
        }
    }

    fn settle(&mut self) {
        while let Some(place) = self.cores.iter().position(|core| core.has_ready()) {
            let core = &mut self.cores[place];
            let ready = core.ready();
            if let Some(Persist { number, .. }) = ready.persist {
                core.persisted(number);
            }
            if let Some(entry) = ready.committed.last() {
                core.applied(entry.index);
            }
            for message in ready.messages.into_iter().chain(ready.messages_after_persist) {
                self.deliver(message);
            }
        }
    }

    fn deliver(&mut self, message: Message) {
        if [message.from, message.to].iter().all(|node| self.cut != Some(*node)) {
            self.cores[message.to as usize - 1].step(message);
        }
    }

    fn leader(&mut self) -> usize {
        for _ in 0..1_000 {
            let leads = |core: &Core| core.status().role == whitewater_raft::event::Role::Leader;
            if let Some(place) = self
                .cores
                .iter()
                .position(|core| leads(core) && Some(core.status().leader.unwrap_or(0)) != self.cut)
            {
                return place;
            }
            self.tick();
        }
        panic!("nobody was elected in 1000 ticks");
    }

    /// A life with elections, proposals, reads, a snapshot and a hand-over.
    fn live(&mut self) {
        let leader = self.leader();
        for number in 0..6_u8 {
            let position = self.cores[leader].propose(Arc::from([number; 5])).unwrap();
            self.cores[leader].acknowledges(position.index);
            self.cores[leader].read(u64::from(number));
            self.settle();
        }
        let applied = self.cores[leader].status().applied;
        let last = Position { index: applied, term: self.cores[leader].term_at(applied).unwrap() };
        let chain = self.cores[leader].chain_at(applied).unwrap_or_default();
        let membership = self.cores[leader].membership().clone();
        self.cores[leader].compacted(SnapshotMeta { last, chain, membership });
        let _ = self.cores[leader].transfer_leadership(None);
        self.settle();
        self.cut = Some(leader as u64 + 1);
        let next = self.leader();
        self.cut = None;
        let _ = self.cores[next].propose(Arc::from(*b"after"));
        for _ in 0..20 {
            self.tick();
        }
    }

    /// The three journals, complete.
    fn end(self) -> Vec<Vec<u8>> {
        drop(self.cores);
        self.sinks.iter().map(|sink| sink.0.lock().unwrap().clone()).collect()
    }
}

fn config(id: NodeId, rules: Arc<dyn Rules>) -> Config {
    Config {
        id,
        election_timeout_ticks_min: 10,
        election_timeout_ticks_max: 20,
        heartbeat_ticks: 2,
        pre_vote: true,
        check_quorum: true,
        read_mode: ReadMode::Index,
        append_entries_max: 8,
        append_bytes_max: 1 << 10,
        appends_in_flight_max: 4,
        append_entries_min: 2,
        seed: 7 + id,
        rules,
    }
}

fn journals(mutant: Option<Mutant>) -> Vec<Vec<u8>> {
    let mut trio = Trio::new(mutant);
    trio.live();
    trio.end()
}

fn replayed(bytes: &[u8], rules: UnderRules) -> Result<Replayed, JournalError> {
    replay_bytes(std::path::Path::new("n1-boot1.journal"), bytes, rules)
}

/// A journal's header block and its steps.
fn taken_apart(bytes: &[u8]) -> (Header, Vec<(Input, Output)>) {
    let path = std::path::Path::new("n1-boot1.journal");
    let (mut reader, header) = Reader::new(bytes, bytes.len() as u64, path).unwrap();
    let mut steps = Vec::new();
    while let Some(block) = reader.block().unwrap() {
        let (_, mut rest) = postcard::take_from_bytes::<u64>(&block).unwrap();
        while !rest.is_empty() {
            let (step, after) = postcard::take_from_bytes(rest).unwrap();
            steps.push(step);
            rest = after;
        }
    }
    (header, steps)
}

/// A journal with these steps, well formed whatever they say.
fn put_together(header: &Header, steps: &[(Input, Output)]) -> Vec<u8> {
    let sink = Sink::default();
    let mut recorder = Recorder::to(Box::new(sink.clone()));
    recorder.begin(header);
    for (input, output) in steps {
        recorder.input(input);
        recorder.output(output);
    }
    drop(recorder);
    sink.0.lock().unwrap().clone()
}

#[test]
fn a_journal_replays_alike_and_every_time_the_same() {
    for bytes in journals(None) {
        let one = replayed(&bytes, UnderRules::Recorded).unwrap();
        assert_eq!(one.divergence, None);
        assert_eq!(one.torn, None);
        assert!(one.steps > 50 && one.entries > 5, "{} steps, {} entries", one.steps, one.entries);
        assert_eq!(one.bytes, bytes.len() as u64);
        let other = replayed(&bytes, UnderRules::Of(None)).unwrap();
        assert_eq!(
            (one.steps, one.entries, one.divergence),
            (other.steps, other.entries, other.divergence)
        );
    }
    assert_eq!(journals(None), journals(None), "the same life is the same bytes");
}

#[test]
fn taken_apart_and_put_together_it_is_the_same_file() {
    let bytes = journals(None).remove(0);
    let (header, steps) = taken_apart(&bytes);
    assert_eq!(put_together(&header, &steps), bytes);
    assert_eq!(header.settings, Settings::of(&config(1, Arc::new(Paper))));
}

#[test]
fn a_changed_output_is_told_at_its_step() {
    let bytes = journals(None).remove(0);
    let (header, steps) = taken_apart(&bytes);
    let mut changed = 0;
    for place in 0..steps.len() {
        let mut steps = steps.clone();
        match &mut steps[place].1 {
            Output::Ready(outline) => {
                match (&mut outline.committed, outline.messages.first_mut()) {
                    (Some(entries), _) => entries.hash ^= 1,
                    (None, Some(sent)) => sent.message.term += 1,
                    (None, None) => continue,
                }
            }
            Output::Acknowledges(answer) => *answer = !*answer,
            _ => continue,
        }
        let found = replayed(&put_together(&header, &steps), UnderRules::Recorded).unwrap();
        let divergence = found.divergence.expect("an output was changed");
        assert_eq!(divergence.step, place as u64 + 1, "{}", divergence.headline);
        assert!(!divergence.recorded.is_empty() && !divergence.replayed.is_empty());
        changed += 1;
    }
    assert!(changed > 10, "only {changed} outputs were changed");
}

#[test]
fn a_changed_entry_is_told_where_it_is_first_handed_on() {
    let bytes = journals(None).remove(0);
    let (header, mut steps) = taken_apart(&bytes);
    let place = steps.iter().position(|(input, _)| {
        matches!(input, Input::Propose(_))
            || matches!(input, Input::Step(Message { body: whitewater_raft::Body::Append { entries, .. }, .. })
                if entries.iter().any(|entry| matches!(entry.payload, whitewater_raft::Payload::Command(_))))
    });
    let place = place.expect("entries go through every node");
    match &mut steps[place].0 {
        Input::Propose(command) => *command = Arc::from(*b"wrong"),
        Input::Step(Message { body: whitewater_raft::Body::Append { entries, .. }, .. }) => {
            for entry in entries {
                entry.payload = whitewater_raft::Payload::Command(Arc::from(*b"wrong"));
            }
        }
        other => unreachable!("{other:?}"),
    }
    let found = replayed(&put_together(&header, &steps), UnderRules::Recorded).unwrap();
    let divergence = found.divergence.expect("an entry was changed");
    let (first, last) = (place as u64 + 1, place as u64 + 4);
    assert!((first..=last).contains(&divergence.step), "{divergence:?}, changed at {first}");
    assert!(divergence.headline.contains("hash"), "{}", divergence.headline);
}

#[test]
fn the_rules_of_a_mutant_part_from_the_papers() {
    for mutant in [Mutant::AckOnAppend, Mutant::LeaderLocalRead, Mutant::CommitOldTerm] {
        let found: Vec<_> = journals(Some(mutant))
            .iter()
            .filter_map(|bytes| {
                let as_recorded = replayed(bytes, UnderRules::Recorded).unwrap();
                assert_eq!(as_recorded.divergence, None, "{mutant} is repeatable");
                replayed(bytes, UnderRules::Of(None)).unwrap().divergence
            })
            .collect();
        assert!(!found.is_empty(), "{mutant} acts like the paper");
    }
    let clean = journals(None);
    let under =
        |bytes: &Vec<u8>| replayed(bytes, UnderRules::Of(Some(Mutant::AckOnAppend))).unwrap();
    let found = clean.iter().filter_map(|bytes| under(bytes).divergence).next().unwrap();
    assert_eq!(found.recorded, ["does not acknowledge it yet"]);
    assert_eq!(found.replayed, ["acknowledges it"]);
}

#[test]
fn a_journal_cut_anywhere_is_torn_or_refused_and_never_wrong() {
    let bytes = journals(None).remove(1);
    let whole = replayed(&bytes, UnderRules::Recorded).unwrap();
    let mut torn = 0;
    for length in 0..bytes.len() {
        match replayed(&bytes[..length], UnderRules::Recorded) {
            Ok(found) => {
                assert_eq!(found.divergence, None, "cut at {length}");
                assert!(found.steps < whole.steps, "cut at {length}");
                let left = found.torn.map_or(0, |torn| torn.bytes);
                assert_eq!(
                    found.torn.map_or(length as u64, |torn| torn.offset) + left,
                    length as u64
                );
                torn += u64::from(found.torn.is_some());
            }
            Err(JournalError::NotAJournal(_)) => assert_eq!(length, 0),
            Err(JournalError::NoHeader { offset, .. }) => assert_eq!(offset, length as u64),
            Err(other) => panic!("cut at {length}: {other}"),
        }
    }
    assert!(torn > 1_000, "only {torn} of {} cuts were torn tails", bytes.len());
}

#[test]
fn a_flipped_bit_anywhere_is_refused_with_its_place() {
    let bytes = journals(None).remove(2);
    for place in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << (place % 8);
        match (place, replayed(&bytes, UnderRules::Recorded).map(|found| found.steps)) {
            (0..8, Err(JournalError::NotAJournal(_)))
            | (8..12, Err(JournalError::Version { .. })) => {}
            (12.., Err(JournalError::Damaged { offset, .. })) => {
                assert!(offset <= place as u64, "damage at {place} is told at {offset}");
            }
            (_, other) => panic!("bit flipped in byte {place}: {other:?}"),
        }
    }
}

#[test]
fn a_missing_block_and_a_strange_mutant_are_refused() {
    let (mut header, steps) = taken_apart(&journals(None)[0]);
    let whole = put_together(&header, &steps);
    let path = std::path::Path::new("n1-boot1.journal");
    let (mut reader, _) = Reader::new(&whole[..], whole.len() as u64, path).unwrap();
    let mut ends = vec![reader.offset as usize];
    while reader.block().unwrap().is_some() {
        ends.push(reader.offset as usize);
    }
    let hole = [&whole[..ends[2]], &whole[ends[3]..]].concat();
    let error = replayed(&hole, UnderRules::Recorded).unwrap_err().to_string();
    assert!(error.contains(" follows step ") && error.contains("damaged at byte"), "{error}");
    header.mutant = Some("no-such-bug".into());
    let strange = put_together(&header, &steps);
    let error = replayed(&strange, UnderRules::Recorded).unwrap_err();
    assert!(error.to_string().contains("no-such-bug") && error.is_usage(), "{error}");
    assert!(replayed(&strange, UnderRules::Of(None)).is_ok(), "rules that are named are known");
}

#[test]
fn a_core_that_panics_is_a_difference() {
    let (header, mut steps) = taken_apart(&journals(None)[0]);
    steps.insert(3, (Input::Persisted(99), Output::Nothing));
    let found = replayed(&put_together(&header, &steps), UnderRules::Recorded).unwrap();
    let divergence = found.divergence.unwrap();
    assert_eq!(divergence.step, 4);
    assert!(divergence.headline.contains("persist 99 was never asked for"), "{divergence:?}");
}

#[test]
fn an_earlier_journal_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_of_boot(&folder.path().join("n1.journal"), 3);
    assert!(path.ends_with("n1-boot3.journal"));
    drop(Recorder::create(&path).unwrap());
    let error = Recorder::create(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
}

/// Takes what it is given, up to a limit.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_is_full_is_told_once() {
    let recorder = Some(Recorder::to(Box::new(Full(300))));
    let mut core = Core::new(config(1, Arc::new(Paper)), Restored::default(), 1, None, recorder);
    assert!(core.check_journal().is_ok());
    for _ in 0..100 {
        core.tick();
    }
    assert_eq!(core.check_journal().unwrap_err().kind(), io::ErrorKind::StorageFull);
}
