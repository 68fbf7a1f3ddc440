//! The thread that owns the disk: it takes everything queued, writes it, and syncs once.
//!
//! Group commit falls out of that: what arrives during a sync goes into the next one. Jobs are done in
//! the order they came. The queue needs no bound of its own, because the node stops taking input
//! while too much is on its way to the disk.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;
use whitewater_raft::{Index, Persist, SnapshotMeta};

use super::{Disk, StorageError};

/// Something for the disk to do.
#[derive(Debug)]
pub enum Job {
    /// Make this durable. A snapshot in it comes with its data.
    Persist(Persist, Option<Bytes>),
    /// Make a snapshot of the own state durable.
    Snapshot(SnapshotMeta, Bytes),
    /// The log may be dropped up to here.
    Compact(Index),
}

/// Something the disk has done.
#[derive(Debug)]
pub enum Report {
    /// All persists up to this number are durable.
    Persisted(u64),
    /// The own snapshot is durable.
    Snapshotted(SnapshotMeta),
    /// The disk failed. Nothing more is written, and the process has to end.
    Failed(StorageError),
}

/// The way to the thread. It ends when this is dropped.
#[derive(Debug)]
pub struct Writer {
    jobs: Sender<Job>,
}

impl Writer {
    /// Starts the thread. Reports arrive at `reports`.
    pub fn start(disk: Box<dyn Disk>, reports: UnboundedSender<Report>) -> std::io::Result<Writer> {
        let (jobs, queue) = channel();
        thread::Builder::new().name("disk".into()).spawn(move || {
            if let Err(error) = run(disk, &queue, &reports) {
                // Nobody listens only when the node is already gone.
                let _ = reports.send(Report::Failed(error));
            }
        })?;
        Ok(Writer { jobs })
    }

    /// Queues a job. After a failure jobs go nowhere: the failure has been reported.
    pub fn submit(&self, job: Job) {
        let _ = self.jobs.send(job);
    }
}

fn run(
    mut disk: Box<dyn Disk>,
    queue: &Receiver<Job>,
    reports: &UnboundedSender<Report>,
) -> Result<(), StorageError> {
    while let Ok(first) = queue.recv() {
        let batch = std::iter::once(first).chain(queue.try_iter());
        // Nobody listens only when the node is already gone.
        carry_out(&mut *disk, batch, |report| drop(reports.send(report)))?;
    }
    Ok(())
}

/// Does what is queued, with one flush at the end. What the thread does, and the simulator.
pub fn carry_out(
    disk: &mut dyn Disk,
    batch: impl IntoIterator<Item = Job>,
    mut report: impl FnMut(Report),
) -> Result<(), StorageError> {
    let mut persisted = None;
    for job in batch {
        match job {
            Job::Persist(persist, data) => {
                if let (Some(meta), Some(data)) = (&persist.snapshot, data) {
                    // The file comes first: the log must never say that a snapshot replaced it
                    // while there is none.
                    disk.save_snapshot(meta, &data)?;
                }
                disk.append(&persist)?;
                persisted = Some(persist.number);
            }
            Job::Snapshot(meta, data) => {
                disk.save_snapshot(&meta, &data)?;
                report(Report::Snapshotted(meta));
            }
            Job::Compact(index) => disk.compact(index)?,
        }
    }
    disk.flush()?;
    if let Some(number) = persisted {
        report(Report::Persisted(number));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::Recovered;
    use super::*;

    /// Counts what it is asked, and fails its syncs from a given one on.
    struct Counting {
        calls: Arc<Mutex<Vec<&'static str>>>,
        flushes_left: u32,
    }

    impl Disk for Counting {
        fn recover(&mut self) -> Result<Recovered, StorageError> {
            Ok(Recovered::default())
        }
        fn append(&mut self, _: &Persist) -> Result<(), StorageError> {
            self.calls.lock().unwrap().push("append");
            Ok(())
        }
        fn flush(&mut self) -> Result<(), StorageError> {
            self.calls.lock().unwrap().push("flush");
            match self.flushes_left {
                0 => Err(StorageError::InUse("gone".into())),
                _ => {
                    self.flushes_left -= 1;
                    Ok(())
                }
            }
        }
        fn save_snapshot(&mut self, _: &SnapshotMeta, _: &[u8]) -> Result<(), StorageError> {
            self.calls.lock().unwrap().push("snapshot");
            Ok(())
        }
        fn compact(&mut self, _: Index) -> Result<(), StorageError> {
            self.calls.lock().unwrap().push("compact");
            Ok(())
        }
    }

    fn persist(number: u64) -> Job {
        let snapshot = None;
        Job::Persist(Persist { number, hard_state: None, entries: Vec::new(), snapshot }, None)
    }

    #[test]
    fn what_is_queued_shares_one_flush() {
        let calls = Arc::default();
        let disk = Counting { calls: Arc::clone(&calls), flushes_left: 9 };
        let (jobs, queue) = channel();
        let (reports, mut reported) = tokio::sync::mpsc::unbounded_channel();
        for number in 1..=3 {
            jobs.send(persist(number)).unwrap();
        }
        drop(jobs);
        run(Box::new(disk), &queue, &reports).unwrap();
        assert_eq!(*calls.lock().unwrap(), ["append", "append", "append", "flush"]);
        assert!(matches!(reported.try_recv(), Ok(Report::Persisted(3))));
        assert!(reported.try_recv().is_err());
    }

    #[test]
    fn a_failed_flush_is_reported_and_nothing_is_acknowledged() {
        let disk = Counting { calls: Arc::default(), flushes_left: 0 };
        let (reports, mut reported) = tokio::sync::mpsc::unbounded_channel();
        let writer = Writer::start(Box::new(disk), reports).unwrap();
        writer.submit(persist(1));
        assert!(matches!(reported.blocking_recv(), Some(Report::Failed(_))));
        writer.submit(persist(2));
        assert!(reported.blocking_recv().is_none());
    }
}
