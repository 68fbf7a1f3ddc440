//! Puts a journal through the core again, and finds the first step that comes out differently.
//!
//! Outputs are compared as bytes. Everything after the first difference would follow from it, and the recorded inputs
//! answer what the replayed core never said, so a replay ends there.

use std::collections::VecDeque;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use whitewater_raft::{Input, Raft};

use super::describe;
use super::divergence::Divergence;
use super::reader::{Reader, Torn};
use super::step::{Outline, Output};
use super::{Header, JournalError};
use crate::mutants::Mutant;

/// Inputs that are shown with a difference: those since the `Ready` before it, at most so many.
const INPUTS_SHOWN_MAX: usize = 8;

/// By whose rules a journal is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnderRules {
    /// Those it was recorded under: the core must do the same again.
    Recorded,
    /// The paper's, or a mutant's: where would this one have acted differently?
    Of(Option<Mutant>),
}

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What the journal begins with.
    pub header: Header,
    /// By whose rules it was replayed.
    pub mutant: Option<Mutant>,
    /// Steps replayed, a differing one included.
    pub steps: u64,
    /// Entries that the core handed out as committed.
    pub entries: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What a kill left half-written.
    pub torn: Option<Torn>,
    /// The first difference.
    pub divergence: Option<Divergence>,
}

/// Replays a journal.
///
/// # Errors
/// Where it cannot be read. A torn tail is none.
pub fn replay(path: &Path, rules: UnderRules) -> Result<Replayed, JournalError> {
    let (reader, header) = Reader::open(path)?;
    run(reader, header, rules)
}

/// Replays a journal that lies in memory; `name` is for the errors.
///
/// # Errors
/// As [`replay`].
pub fn replay_bytes(
    name: &Path,
    bytes: &[u8],
    rules: UnderRules,
) -> Result<Replayed, JournalError> {
    let (reader, header) = Reader::new(bytes, bytes.len() as u64, name)?;
    run(reader, header, rules)
}

fn run<R: Read>(
    mut reader: Reader<R>,
    header: Header,
    rules: UnderRules,
) -> Result<Replayed, JournalError> {
    let mutant = match (rules, &header.mutant) {
        (UnderRules::Of(mutant), _) => mutant,
        (UnderRules::Recorded, None) => None,
        (UnderRules::Recorded, Some(name)) => Some(name.parse().map_err(|_| {
            JournalError::UnknownMutant { path: reader.path().to_owned(), name: name.clone() }
        })?),
    };
    let (config, restored) = (header.settings.under(mutant), header.restored.clone());
    let mut replayed =
        Replayed { header, mutant, steps: 0, entries: 0, bytes: 0, torn: None, divergence: None };
    match unwound(|| Raft::new(config, restored)) {
        Err(panic) => replayed.divergence = Some(describe::panicked(0, Vec::new(), &panic)),
        Ok(raft) => {
            let mut replayer = Replayer { raft, recent: VecDeque::new(), actual: Vec::new() };
            while replayed.divergence.is_none()
                && let Some(block) = reader.block()?
            {
                let done = replayer.block(&block, &mut replayed);
                done.map_err(|why| reader.damaged(why))?;
            }
        }
    }
    (replayed.bytes, replayed.torn) = (reader.offset, reader.torn);
    Ok(replayed)
}

struct Replayer {
    raft: Raft,
    /// Inputs since the last `Ready`.
    recent: VecDeque<Input>,
    actual: Vec<u8>,
}

impl Replayer {
    /// Replays a block's steps, up to a difference. Its checksum was right, so an error means another format.
    fn block(&mut self, block: &[u8], replayed: &mut Replayed) -> Result<(), String> {
        let wrong = |error| format!("a step cannot be read: {error}");
        let (first, mut rest) = postcard::take_from_bytes::<u64>(block).map_err(wrong)?;
        if first != replayed.steps + 1 {
            return Err(format!("step {first} follows step {}", replayed.steps));
        }
        while !rest.is_empty() {
            let (input, output) = postcard::take_from_bytes::<Input>(rest).map_err(wrong)?;
            replayed.steps += 1;
            self.remember(&input);
            let raft = &mut self.raft;
            let actual = match unwound(|| raft.take(input).account(Outline::of)) {
                Ok(actual) => actual,
                Err(panic) => {
                    let inputs = self.inputs();
                    replayed.divergence = Some(describe::panicked(replayed.steps, inputs, &panic));
                    return Ok(());
                }
            };
            replayed.entries += committed(&actual);
            self.actual.clear();
            let bytes = std::mem::take(&mut self.actual);
            self.actual = postcard::to_extend(&actual, bytes).expect("a vector takes any value");
            // No output's bytes are the beginning of another one's.
            let Some(after) = output.strip_prefix(self.actual.as_slice()) else {
                let (recorded, _) = postcard::take_from_bytes::<Output>(output).map_err(wrong)?;
                let inputs = self.inputs();
                replayed.divergence =
                    Some(describe::differs(replayed.steps, inputs, &recorded, &actual));
                return Ok(());
            };
            if matches!(actual, Output::Ready(_)) {
                self.recent.clear();
            }
            rest = after;
        }
        Ok(())
    }

    fn remember(&mut self, input: &Input) {
        if self.recent.len() == INPUTS_SHOWN_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(input.clone());
    }

    fn inputs(&self) -> Vec<String> {
        self.recent.iter().map(describe::input).collect()
    }
}

fn committed(output: &Output) -> u64 {
    match output {
        Output::Ready(outline) => outline.committed.map_or(0, |entries| entries.count),
        _ => 0,
    }
}

/// Runs something that a broken core may panic in: that is a way to differ, and not the end of the replay.
fn unwound<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic without words").to_owned()
    })
}
