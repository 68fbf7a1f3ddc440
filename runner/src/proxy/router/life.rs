//! One life of a node, from its start to its end: what it is told, and what it prints.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use super::super::Direction;
use super::message::shown;
use super::{Name, Router};

/// Longest line; what goes on is no message.
const LINE_BYTES_MAX: u64 = 4 << 20;
/// So many lines that are no messages are told in the node's log.
const STRAYS_LOGGED_MAX: u32 = 20;

/// A line on its way to a node.
#[derive(Debug)]
pub(super) struct Parcel {
    /// With its end.
    pub(super) line: Vec<u8>,
    /// Whose rule it obeys; `None`: nobody's, it is from the runner or the node itself.
    pub(super) direction: Option<Arc<Direction>>,
}

/// Tells the node what there is to tell, until it reads no more.
pub(super) async fn tell(stdin: pipe::Sender, mut inbox: mpsc::Receiver<Parcel>) {
    while let Some(parcel) = inbox.recv().await {
        let mut written = 0;
        while written < parcel.line.len() {
            // A node that is paused reads nothing, and may be cut off meanwhile.
            let more = match stdin.writable().await {
                Ok(()) => write_some(&stdin, &parcel, written),
                Err(error) => Err(error),
            };
            match more {
                Ok(Some(more)) => written += more,
                Ok(None) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

/// Writes while it holds a look at the rule; `None`: the rule let nothing pass. A line that has begun is written to its end, as
/// half of it would spoil the next.
fn write_some(stdin: &pipe::Sender, parcel: &Parcel, written: usize) -> io::Result<Option<usize>> {
    let rest = &parcel.line[written..];
    let Some(direction) = parcel.direction.as_ref().filter(|_| written == 0) else {
        return stdin.try_write(rest).map(Some);
    };
    let length = parcel.line.len();
    let passed = direction.pass(length, || stdin.try_write(rest));
    passed.transpose()
}

/// Hears what the node prints, to its end.
pub(super) async fn hear(router: Arc<Router>, name: Name, stdout: pipe::Receiver, mut log: File) {
    let mut stdout = BufReader::new(stdout);
    let (mut line, mut is_amidst, mut strays) = (Vec::new(), false, 0);
    loop {
        line.clear();
        let read = (&mut stdout).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(1..)) {
            break;
        }
        let (is_rest, is_whole) = (is_amidst, line.ends_with(b"\n"));
        is_amidst = !is_whole;
        let is_too_long = !is_whole && line.len() as u64 == LINE_BYTES_MAX;
        let trouble = match (is_rest, is_whole) {
            (true, _) => continue,
            (false, true) => router.heard(name, &line),
            (false, false) if is_too_long => {
                Err(format!("is longer than {} MiB", LINE_BYTES_MAX >> 20))
            }
            // It ended in the midst of a line.
            (false, false) => continue,
        };
        let Err(why) = trouble else { continue };
        strays += 1;
        let told = format!("{} on stdout, which {why}", shown(&line));
        if strays <= STRAYS_LOGGED_MAX {
            // The router's notes have it as well.
            let _ = writeln!(log, "whitewater: no message: {told}");
        }
        router.note_stray(name.node, told);
    }
    router.ended(name);
}
