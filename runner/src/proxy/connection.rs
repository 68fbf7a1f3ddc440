//! One proxied TCP connection: two pumps and the rules they obey.
//!
//! A stalled connection is never repaired by dropping bytes in its middle and going on: a byte
//! stream with a hole is a failure no network produces. It is held, and reset when the block ends.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::direction::Direction;
use super::rule::{Rule, Schedule};
use crate::dice::Dice;

/// Read size: one HTTP/2 frame of the largest default size, with room for its header.
const READ_BYTES: usize = 32 * 1024;
/// How much a delayed direction holds before it stops reading. Enough for a second of replication;
/// beyond it the sender feels back-pressure, as it would from a full router.
const QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// A paused server's kernel accepts for it, so only a full backlog takes longer than an instant.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a link leads, and its two directions, seen from the side that connects.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// The server's own address.
    pub(super) target: SocketAddr,
    /// The address from which the server is to see itself called, so that it can tell callers apart; `None`: any.
    pub(super) source: Option<IpAddr>,
    pub(super) forward: Arc<Direction>,
    pub(super) backward: Arc<Direction>,
}

impl Path {
    /// The direction that is blocked, or the first of them.
    pub(super) fn blocking(&self) -> Option<&Direction> {
        let directions = [&self.forward, &self.backward].into_iter();
        directions.map(AsRef::as_ref).find(|direction| direction.current() == Rule::Block)
    }

    fn is_blocked(&self) -> bool {
        self.blocking().is_some()
    }

    /// Waits until a direction is blocked.
    pub(super) async fn blocked(&self) {
        tokio::select! {
            () = self.forward.obeys(|rule| rule == Rule::Block) => {}
            () = self.backward.obeys(|rule| rule == Rule::Block) => {}
        }
    }

    fn is_reset(&self) -> bool {
        self.forward.current() == Rule::Reset || self.backward.current() == Rule::Reset
    }

    /// Waits until neither direction is blocked.
    pub(super) async fn healed(&self) {
        while self.is_blocked() {
            self.forward.obeys(|rule| rule != Rule::Block).await;
            self.backward.obeys(|rule| rule != Rule::Block).await;
        }
    }

    /// A connection to the server.
    async fn connect(&self) -> io::Result<TcpStream> {
        let Some(source) = self.source else { return TcpStream::connect(self.target).await };
        let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(SocketAddr::new(source, 0))?;
        socket.connect(self.target).await
    }

    fn count_reset(&self) {
        let resetting =
            if self.backward.current() == Rule::Reset { &self.backward } else { &self.forward };
        resetting.count_reset();
    }
}

/// Carries one accepted connection to its end.
pub(super) async fn carry(near: TcpStream, path: Path, mut dice: Dice) {
    if path.is_reset() {
        path.count_reset();
        return reset(near);
    }
    if path.is_blocked() {
        // It was made in the moment before the listener became deaf.
        hold_new(&near, &path).await;
        return reset(near);
    }
    let far = match tokio::time::timeout(CONNECT_TIMEOUT, path.connect()).await {
        Ok(Ok(far)) => far,
        // Nobody listens there: the caller is to see what it would see without a proxy.
        Ok(Err(_)) | Err(_) => return reset(near),
    };
    let _ = near.set_nodelay(true);
    let _ = far.set_nodelay(true);
    let end = {
        let mut forward = Pump::new(&near, &far, &path.forward, dice.draw());
        let mut backward = Pump::new(&far, &near, &path.backward, dice.draw());
        tokio::select! {
            end = forward.run() => end,
            end = backward.run() => end,
        }
    };
    if path.is_blocked() {
        // One side ended while the other must not learn of it yet.
        path.healed().await;
        reset(near);
        return reset(far);
    }
    if end == End::Reset {
        path.count_reset();
        reset(near);
        reset(far);
    }
}

/// Stalls a connection that was made against a block, until the block is lifted.
async fn hold_new(near: &TcpStream, path: &Path) {
    let Some(blocked) = path.blocking() else { return };
    blocked.count_blocked_connections(1);
    tokio::select! {
        () = path.healed() => {}
        () = swallow(near, blocked) => path.healed().await,
    }
}

/// Reads and discards until the connection ends.
async fn swallow(from: &TcpStream, direction: &Direction) {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    while let Ok(length @ 1..) = read(from, &mut buffer).await {
        direction.count_blocked(length);
        buffer.clear();
    }
}

/// Ends a connection with RST instead of FIN, so that its owner sees a failure, not an end.
pub(super) fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

async fn read(from: &TcpStream, buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(READ_BYTES);
    loop {
        from.readable().await?;
        match from.try_read_buf(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// One side closed it, and everything it had sent was handed on.
    Closed,
    /// A rule, or a side's failure, breaks it.
    Reset,
}

/// Moves bytes one way.
struct Pump<'a> {
    from: &'a TcpStream,
    to: &'a TcpStream,
    direction: &'a Direction,
    rules: watch::Receiver<Rule>,
    schedule: Schedule,
    queue: VecDeque<(Instant, Bytes)>,
    queued_bytes: usize,
    is_ended: bool,
    buffer: BytesMut,
}

impl<'a> Pump<'a> {
    fn new(from: &'a TcpStream, to: &'a TcpStream, direction: &'a Direction, seed: u64) -> Self {
        Self {
            from,
            to,
            direction,
            rules: direction.rule.subscribe(),
            schedule: Schedule::new(Instant::now(), Dice::new(seed, 0)),
            queue: VecDeque::new(),
            queued_bytes: 0,
            is_ended: false,
            buffer: BytesMut::new(),
        }
    }

    async fn run(&mut self) -> End {
        loop {
            let rule = *self.rules.borrow_and_update();
            match rule {
                Rule::Reset => return End::Reset,
                Rule::Block => {
                    self.stall().await;
                    return End::Reset;
                }
                Rule::Pass | Rule::Slow { .. } => {}
            }
            if let Some(end) = self.step(rule).await {
                return end;
            }
        }
    }

    /// One read or one round of writes; `Some` when the connection has ended.
    async fn step(&mut self, rule: Rule) -> Option<End> {
        if self.is_ended && self.queue.is_empty() {
            return Some(End::Closed);
        }
        let due = self.queue.front().map(|(due, _)| *due);
        let can_read = !self.is_ended && self.queued_bytes < QUEUE_BYTES;
        tokio::select! {
            biased;
            changed = self.rules.changed() => changed.is_err().then_some(End::Reset),
            () = sleep_until(due), if due.is_some() => self.write_due().await.err(),
            result = read(self.from, &mut self.buffer), if can_read => match result {
                Ok(0) => { self.is_ended = true; None }
                Ok(length) => {
                    let now = Instant::now();
                    let due = self.schedule.due(rule, now, length);
                    self.queue.push_back((due, self.buffer.split().freeze()));
                    self.queued_bytes += length;
                    if matches!(rule, Rule::Slow { .. }) {
                        self.direction.count_slowed(length);
                    }
                    if due <= now { self.write_due().await.err() } else { None }
                }
                Err(_) => Some(End::Reset),
            },
        }
    }

    /// Writes what is due, until the rule changes.
    async fn write_due(&mut self) -> Result<(), End> {
        while self.queue.front().is_some_and(|(due, _)| *due <= Instant::now()) {
            match self.try_write() {
                Ok(Some(0)) => return Err(End::Reset),
                Ok(Some(_)) => {}
                // The rule changed: `run` decides anew.
                Ok(None) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::select! {
                        _ = self.rules.changed() => return Ok(()),
                        writable = self.to.writable() => writable.map_err(|_| End::Reset)?,
                    }
                }
                Err(_) => return Err(End::Reset),
            }
        }
        Ok(())
    }

    /// Hands the front piece to the kernel while looking at the rule; `None` where the rule stops
    /// it. The look is what makes a block leak-proof (see [`Direction`]).
    fn try_write(&mut self) -> io::Result<Option<usize>> {
        let Some((_, piece)) = self.queue.front_mut() else { return Ok(None) };
        let rule = self.rules.borrow();
        if matches!(*rule, Rule::Block | Rule::Reset) {
            return Ok(None);
        }
        let written = self.to.try_write(piece)?;
        drop(rule);
        piece.advance(written);
        let is_done = piece.is_empty();
        self.direction.count_passed(written);
        self.queued_bytes -= written;
        if is_done {
            self.queue.pop_front();
        }
        Ok(Some(written))
    }

    /// Holds the connection during a block: what was under way and what is still sent is lost.
    async fn stall(&mut self) {
        self.direction.count_blocked_connections(1);
        if self.queued_bytes > 0 {
            self.direction.count_blocked(self.queued_bytes);
            self.queue.clear();
            self.queued_bytes = 0;
        }
        let mut rules = self.rules.clone();
        let healed = rules.wait_for(|rule| *rule != Rule::Block);
        tokio::pin!(healed);
        tokio::select! {
            _ = &mut healed => return,
            () = swallow(self.from, self.direction) => {}
        }
        let _ = healed.await;
    }
}

/// Sleeps until a piece is due; for ever where there is none.
async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) if due <= Instant::now() => {}
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
