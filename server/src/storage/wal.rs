//! The write-ahead log: term, vote and entries, in preallocated segment files.
//!
//! [`Wal::append`] only adds to memory; [`Wal::flush`] writes everything added since as one frame and
//! makes it durable. Bytes that are not flushed are therefore lost by a plain kill -9, just as a power
//! loss would lose them. [`Wal::open`] replays what is there, and makes it durable before anyone may build
//! on it; the formats are in [`super::segment`] and [`super::record`]. A new segment begins with the term
//! and vote, so the segments before it can be removed once a snapshot covers their entries.

use std::path::Path;
use std::sync::Arc;

use whitewater_raft::{Entry, HardState, Index, Persist, Position};

use super::record::{self, Record};
use super::segment::{self, Place, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::{StorageError, TornTail, Volume, VolumeFile, sync_names};

/// How the log is written.
#[derive(Clone, Copy, Debug)]
pub struct WalOptions {
    /// Whose log it is.
    pub node: u64,
    /// Size of a segment, in bytes. Preallocated, so that a flush changes no file size: that saves a
    /// quarter of the time of an fsync.
    pub segment_bytes: usize,
    /// False: never sync. For measurements only.
    pub fsync: bool,
}

/// What was found in the log.
#[derive(Debug, Default)]
pub struct WalContents {
    /// Term and vote.
    pub hard_state: HardState,
    /// The entries, without gaps.
    pub entries: Vec<Entry>,
    /// Where a snapshot replaced the log last, if it is still told.
    pub reset: Option<Position>,
    /// What was cut off.
    pub torn: Option<TornTail>,
}

/// The open log.
#[derive(Debug)]
pub struct Wal {
    volume: Arc<dyn Volume>,
    options: WalOptions,
    /// All segments in order; the last one is being written.
    segments: Vec<Segment>,
    file: Box<dyn VolumeFile>,
    /// Where the next frame goes in the file, and in the chain.
    end: usize,
    place: Place,
    /// Size of the file being written.
    capacity: usize,
    hard_state: HardState,
    /// Records that no flush has written yet, and the highest index among them.
    pending: Vec<u8>,
    pending_index: Index,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    name: String,
    /// The highest index of any entry in it: it can go once a snapshot covers that.
    last_index: Index,
}

impl Wal {
    /// Opens the log on `volume`, or begins one.
    pub fn open(
        volume: &Arc<dyn Volume>,
        options: WalOptions,
    ) -> Result<(Wal, WalContents), StorageError> {
        let all = segment_names(&**volume)?;
        if all.is_empty() {
            return Ok((Wal::create(volume, options)?, WalContents::default()));
        }
        let (returned, names) = all.split_at(end_of_returned(&all));
        let mut contents = WalContents::default();
        let mut segments = Vec::new();
        let (mut place, mut capacity, mut valid) = (None, 0, Vec::new());
        for (position, name) in names.iter().enumerate() {
            let is_last = position + 1 == names.len();
            let path = &volume.path(name);
            let mut bytes =
                volume.read(name).map_err(|e| StorageError::io("read wal segment", path, e))?;
            let header = check_header(path, &bytes, options.node, segments.last(), place)?;
            let scan = segment::scan(path, &bytes, header.at, is_last)?;
            let mut segment = Segment { number: header.number, name: name.clone(), last_index: 0 };
            for (offset, payload) in &scan.frames {
                let records = record::decode(payload)
                    .and_then(|records| replay(&mut contents, &mut segment, records));
                records.map_err(|why| StorageError::corrupt(path, *offset as u64, why))?;
            }
            if scan.torn_bytes > 0 {
                let (offset, bytes) = (scan.end as u64, scan.torn_bytes as u64);
                contents.torn = Some(TornTail { segment: path.clone(), offset, bytes });
            }
            place = Some(scan.next);
            let end = scan.end;
            capacity = bytes.len().max(end);
            bytes.resize(end, 0);
            valid = bytes;
            segments.push(segment);
        }
        let name = &names[names.len() - 1];
        let file = write_segment(&**volume, options, name, &valid, capacity)?;
        for name in returned {
            remove(&**volume, name)?;
        }
        let wal = Wal {
            volume: Arc::clone(volume),
            options,
            segments,
            file,
            end: valid.len(),
            place: place.expect("there is at least one segment"),
            capacity,
            hard_state: contents.hard_state,
            pending: Vec::new(),
            pending_index: 0,
        };
        Ok((wal, contents))
    }

    fn create(volume: &Arc<dyn Volume>, options: WalOptions) -> Result<Wal, StorageError> {
        let place = Place { sequence: 1, previous: 0 };
        let mut payload = Vec::new();
        record::encode_hard_state(&mut payload, HardState::default());
        let started = start_segment(&**volume, options, 1, place, &payload)?;
        Ok(Wal {
            volume: Arc::clone(volume),
            options,
            segments: vec![started.segment],
            file: started.file,
            end: started.end,
            place: started.place,
            capacity: started.capacity,
            hard_state: HardState::default(),
            pending: Vec::new(),
            pending_index: 0,
        })
    }

    /// Adds what `persist` says of term, vote and entries, in memory.
    pub fn append(&mut self, persist: &Persist) {
        if let Some(meta) = &persist.snapshot {
            record::encode_reset(&mut self.pending, meta.last);
        }
        if let Some(state) = persist.hard_state {
            self.hard_state = state;
            record::encode_hard_state(&mut self.pending, state);
        }
        for entry in &persist.entries {
            record::encode_entry(&mut self.pending, entry);
        }
        let highest = persist.entries.last().map_or(0, |entry| entry.index);
        self.pending_index = self.pending_index.max(highest);
    }

    /// Says that a snapshot up to here replaced the log.
    pub(super) fn reset(&mut self, last: Position) {
        record::encode_reset(&mut self.pending, last);
    }

    /// Writes what was added and makes it durable. After an error nothing may be written any more:
    /// the kernel may have dropped the pages (Rebello et al., ATC 2020).
    pub fn flush(&mut self) -> Result<(), StorageError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.end + segment::frame_bytes(self.pending.len()) > self.capacity {
            self.roll()?;
        } else {
            self.write()?;
        }
        let last = self.segments.last_mut().expect("a log has a segment");
        last.last_index = last.last_index.max(self.pending_index);
        self.pending.clear();
        self.pending_index = 0;
        Ok(())
    }

    fn write(&mut self) -> Result<(), StorageError> {
        let mut bytes = Vec::with_capacity(segment::frame_bytes(self.pending.len()));
        let place = segment::encode_frame(&mut bytes, self.place, &self.pending);
        let mut write = || {
            self.file.write_at(&bytes, self.end as u64)?;
            if self.options.fsync { self.file.sync_data() } else { Ok(()) }
        };
        let name = &self.segments[self.segments.len() - 1].name;
        write().map_err(|e| StorageError::io("write wal segment", &self.volume.path(name), e))?;
        self.end += bytes.len();
        self.place = place;
        Ok(())
    }

    /// Removes the segments whose entries are all at or before `index`.
    pub fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        let covered = |segment: &Segment| segment.last_index <= index;
        let removable = self.segments.iter().take_while(|segment| covered(segment)).count();
        for segment in self.segments.drain(..removable.min(self.segments.len() - 1)) {
            remove(&*self.volume, &segment.name)?;
        }
        Ok(())
    }

    /// Goes on in a new segment. Its first frame holds what is pending as well: term and vote alone
    /// would be durable before the entries that belong to them.
    fn roll(&mut self) -> Result<(), StorageError> {
        let number = self.segments.last().map_or(0, |last| last.number) + 1;
        let mut payload = Vec::new();
        record::encode_hard_state(&mut payload, self.hard_state);
        payload.extend_from_slice(&self.pending);
        let started = start_segment(&*self.volume, self.options, number, self.place, &payload)?;
        self.segments.push(started.segment);
        (self.file, self.end) = (started.file, started.end);
        (self.place, self.capacity) = (started.place, started.capacity);
        Ok(())
    }
}

/// Takes records over, or says why they cannot follow what is there.
fn replay(
    contents: &mut WalContents,
    segment: &mut Segment,
    records: Vec<Record>,
) -> Result<(), String> {
    for record in records {
        match record {
            Record::HardState(state) => contents.hard_state = state,
            Record::Reset(position) => {
                contents.reset = Some(position);
                contents.entries.clear();
            }
            Record::Entry(entry) => {
                segment.last_index = segment.last_index.max(entry.index);
                push(&mut contents.entries, contents.reset, entry)?;
            }
        }
    }
    Ok(())
}

/// Adds an entry and removes everything from its index on.
fn push(entries: &mut Vec<Entry>, reset: Option<Position>, entry: Entry) -> Result<(), String> {
    let last = entries.last().map(|last| last.index).or(reset.map(|reset| reset.index));
    if let Some(last) = last
        && entry.index > last + 1
    {
        return Err(format!("entry {} follows entry {last}", entry.index));
    }
    let first = entries.first().map_or(entry.index, |first| first.index);
    let keep = entry.index.saturating_sub(first);
    entries.truncate(usize::try_from(keep).expect("a log in memory"));
    entries.push(entry);
    Ok(())
}

/// What is left of a log behind a snapshot (section 7): the entries after it where the log holds the
/// snapshot's last entry, and otherwise nothing. False where entries had to go that the log does not
/// know to be replaced.
pub(super) fn keep_after_snapshot(entries: &mut Vec<Entry>, last: Position) -> bool {
    let Some(first) = entries.first() else { return true };
    if first.index == last.index + 1 {
        return true;
    }
    match entries.iter().position(|entry| entry.position() == last) {
        Some(at) => drop(entries.drain(..=at)),
        None => {
            entries.clear();
            return false;
        }
    }
    true
}

fn check_header(
    path: &Path,
    bytes: &[u8],
    node: u64,
    before: Option<&Segment>,
    place: Option<Place>,
) -> Result<SegmentHeader, StorageError> {
    let corrupt = |why: String| StorageError::corrupt(path, 0, why);
    let header =
        SegmentHeader::decode(bytes).ok_or_else(|| corrupt("its header is damaged".into()))?;
    if header.node != node {
        return Err(corrupt(format!(
            "it belongs to node {}, and this is node {node}",
            header.node
        )));
    }
    if let Some(before) = before
        && (header.number != before.number + 1 || Some(header.at) != place)
    {
        return Err(corrupt(format!("it does not continue segment {}", before.number)));
    }
    Ok(header)
}

struct Started {
    segment: Segment,
    file: Box<dyn VolumeFile>,
    end: usize,
    place: Place,
    capacity: usize,
}

/// Makes a segment with a first frame. It gets its name once that is durable.
fn start_segment(
    volume: &dyn Volume,
    options: WalOptions,
    number: u64,
    at: Place,
    payload: &[u8],
) -> Result<Started, StorageError> {
    let name = format!("{number:016}.wal");
    let mut bytes = SegmentHeader { node: options.node, number, at }.encode();
    debug_assert_eq!(bytes.len(), SEGMENT_HEADER_BYTES);
    let place = segment::encode_frame(&mut bytes, at, payload);
    let capacity = options.segment_bytes.max(bytes.len());
    let file = write_segment(volume, options, &name, &bytes, capacity)?;
    let segment = Segment { number, name, last_index: 0 };
    Ok(Started { segment, file, end: bytes.len(), place, capacity })
}

/// Writes the last segment, new or once more, and makes it durable. It gets its name after that.
///
/// Once more at every start: what can be read there need not be on the disk. A process that was killed
/// between a write and its sync leaves it in the page cache; and after a sync that failed the kernel may take
/// pages for written that are not, and no later sync writes them (Rebello et al., ATC 2020). A node that
/// acknowledged such an entry, or kept such a vote, would break its word with the next power loss. Bytes in
/// a new file are all unwritten, so its sync speaks of all of them.
///
/// The segments before it need none of this. A segment is begun by a process that goes on behind it: what
/// that one found there went through here first, and what it wrote itself was synced by every flush, or the
/// flush failed and the process ended.
fn write_segment(
    volume: &dyn Volume,
    options: WalOptions,
    name: &str,
    bytes: &[u8],
    capacity: usize,
) -> Result<Box<dyn VolumeFile>, StorageError> {
    let temporary = name.replace(".wal", ".tmp");
    let write = || {
        let mut file = volume.create(&temporary)?;
        file.allocate(capacity as u64)?;
        file.write_at(bytes, 0)?;
        if options.fsync {
            file.sync()?;
        }
        volume.rename(&temporary, name)?;
        Ok(file)
    };
    let file = write().map_err(|e| StorageError::io("write wal segment", &volume.path(name), e))?;
    if options.fsync {
        // The snapshot beside it was perhaps renamed in vain as well: this speaks of its name too.
        sync_names(volume)?;
    }
    Ok(file)
}

/// The number of the oldest segment of the log; `None`: there is no log.
pub(super) fn first_segment(volume: &dyn Volume) -> Result<Option<u64>, StorageError> {
    let names = segment_names(volume)?;
    Ok(names.get(end_of_returned(&names)).and_then(|name| number_of(name)))
}

fn number_of(name: &str) -> Option<u64> {
    name.split('.').next()?.parse().ok()
}

/// How many of these are no part of the log: those before the last gap in the numbers. Segments are removed oldest
/// first, so one behind a gap was removed and came back: no sync of the directory spoke of that, or the one
/// that was to do so failed. What follows the gap is judged as if they were not there.
fn end_of_returned(names: &[String]) -> usize {
    let follows = |pair: &[String]| number_of(&pair[0]).map(|it| it + 1) == number_of(&pair[1]);
    names.windows(2).rposition(|pair| !follows(pair)).map_or(0, |at| at + 1)
}

fn remove(volume: &dyn Volume, name: &str) -> Result<(), StorageError> {
    volume.remove(name).map_err(|e| StorageError::io("remove wal segment", &volume.path(name), e))
}

/// The segments in order. Removes what a crash left half-made.
fn segment_names(volume: &dyn Volume) -> Result<Vec<String>, StorageError> {
    let list = || {
        let mut names = Vec::new();
        for name in volume.names()? {
            let Some((stem, extension)) = name.split_once('.') else { continue };
            let is_segment = stem.len() == 16 && stem.bytes().all(|byte| byte.is_ascii_digit());
            match extension {
                "wal" if is_segment => names.push(name),
                "tmp" if is_segment => volume.remove(&name)?,
                _ => {}
            }
        }
        names.sort();
        Ok(names)
    };
    list().map_err(|source| StorageError::io("list", &volume.path(""), source))
}
