//! Judges a run that is still in memory, as a simulator leaves it.

use std::collections::{BTreeMap, BTreeSet};

use whitewater_raft::event::Record;

use crate::analysis::Analysis;
use crate::error::CheckError;
use crate::event::Event;
use crate::fault::FaultRecord;
use crate::history;
use crate::history_check::in_pool;
use crate::judge::{Material, Trace, judge};
use crate::observation::{ProcessEvent, StatusPoll};
use crate::options::Options;
use crate::promises::Promises;
use crate::raft::Place;
use crate::run_folder::{HISTORY, Numbered, STATUS, trace};
use crate::strength::{Asked, Requirements};

/// Everything that a run folder would hold.
#[derive(Clone, Debug, Default)]
pub struct Recorded<'a> {
    /// What clients and the nemesis did, in real-time order.
    pub history: &'a [Event],
    /// What nodes told, by time; each node's own lines in their order.
    pub trace: &'a [Record],
    /// What nodes answered when asked for their status.
    pub status: &'a [StatusPoll],
    /// Starts and exits.
    pub processes: &'a [ProcessEvent],
    /// What was done to the cluster.
    pub faults: &'a [FaultRecord],
    /// What must have happened for a pass to mean something; `None`: nothing.
    pub requirements: Option<&'a Requirements>,
    /// What the target promises beyond safety; `None`: nothing.
    pub promises: Option<Promises>,
}

/// Judges a recorded run by the same checks as [`crate::check_run`]. Evidence names the lines that a
/// run folder would hold.
///
/// # Errors
/// Where the history cannot have been recorded by correct clients.
pub fn check_recorded(recorded: &Recorded<'_>, options: &Options) -> Result<Analysis, CheckError> {
    in_pool(options, || {
        let files = files(recorded.trace);
        let last = u32::try_from(files.len()).unwrap_or(u32::MAX);
        let material = recorded.material(options)?;
        let records = numbered(recorded.trace, &files).map(Ok);
        let fetch = |places: &BTreeSet<Place>| Ok(recorded.fetch(places, &files));
        judge(&material, Trace { records, files: last }, fetch, options)
            .map(|(analysis, _)| analysis)
    })
}

impl Recorded<'_> {
    fn material(&self, options: &Options) -> Result<Material, CheckError> {
        let mut text = Vec::new();
        for event in self.history {
            text.extend(json(event).into_bytes());
            text.push(b'\n');
        }
        let name = "history".to_owned();
        let source = history::read_from(&name, Box::new(std::io::Cursor::new(text)), options)?;
        Ok(Material {
            history: Some((name, source)),
            status: Some(with_numbers(self.status)),
            processes: Some(with_numbers(self.processes)),
            faults: self.faults.to_vec(),
            asked: self.requirements.cloned().map_or(Asked::Nothing, Asked::For),
            promises: self.promises,
            ..Material::default()
        })
    }

    fn fetch(
        &self,
        places: &BTreeSet<Place>,
        files: &BTreeMap<u64, u32>,
    ) -> BTreeMap<Place, String> {
        let mut texts = BTreeMap::new();
        let status_file = u32::try_from(files.len()).unwrap_or(u32::MAX);
        for place in places.iter().filter(|place| place.file >= status_file) {
            let at = place.line as usize - 1;
            let (name, text) = match place.file == status_file {
                true => (STATUS.to_string(), self.status.get(at).map(json)),
                false => (HISTORY.to_string(), self.history.get(at).map(json)),
            };
            if let Some(text) = text {
                texts.insert(*place, format!("{name}:{}: {text}", place.line));
            }
        }
        for (place, record) in numbered(self.trace, files) {
            if places.contains(&place) {
                let (name, line) = (trace(&format!("n{}", record.node)), place.line);
                texts.insert(place, format!("{name}:{line}: {}", json(record)));
            }
        }
        texts
    }
}

/// The number of each node's file.
fn files(trace: &[Record]) -> BTreeMap<u64, u32> {
    let nodes: BTreeSet<u64> = trace.iter().map(|record| record.node).collect();
    nodes.into_iter().zip(0..).collect()
}

/// The records with their places in the files they would be in.
fn numbered<'a>(
    trace: &'a [Record],
    files: &'a BTreeMap<u64, u32>,
) -> impl Iterator<Item = (Place, &'a Record)> {
    let mut lines = vec![0; files.len()];
    trace.iter().map(move |record| {
        let file = files[&record.node];
        let line: &mut u32 = &mut lines[file as usize];
        *line += 1;
        (Place { file, line: *line }, record)
    })
}

fn with_numbers<T: Clone>(items: &[T]) -> Numbered<T> {
    (1..).zip(items.iter().cloned()).collect()
}

fn json<T: serde::Serialize>(item: &T) -> String {
    serde_json::to_string(item).expect("these types have no maps with odd keys")
}
