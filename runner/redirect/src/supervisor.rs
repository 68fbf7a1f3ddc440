//! Answers the dials of one program: a thread that lives as long as any process under its filter.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::SockType as TypeOf;
use nix::sys::socket::{
    AddressFamily, Shutdown, SockFlag, SockType, SockaddrIn, SockaddrIn6, connect, getsockopt,
    shutdown, socket,
};
use nix::sys::stat::fstat;

use crate::address::{Destination, LENGTH_MAX};
use crate::handover;
use crate::kernel::{self, Notification};

/// Blocking dials of one program that may wait at a time, each with a thread here. A dial beyond gets EAGAIN.
const WAITING_MAX: usize = 1024;
/// Such a thread only connects.
const STACK_BYTES: usize = 64 * 1024;
/// How long an answer may be on its way. A signal handler that runs longer than this, and a second `connect` after it,
/// are answered by the kernel.
const ANSWER_TIME: Duration = Duration::from_millis(100);
/// Threads whose last answer is kept.
const ANSWERS_MAX: usize = 4096;

/// What became of a dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dial {
    /// It went where the table says.
    Redirected(SocketAddr),
    /// It went on to where it was meant to go.
    Passed(SocketAddr),
    /// It was to be redirected, could not be, and was refused: rather no connection than one that no rule reaches.
    Refused(SocketAddr, String),
    /// Where it was to go could not be read, and it went on.
    Unread(String),
}

/// The table, and who is told. Both are called from the supervisor's threads and have to return soon: a process waits.
pub trait Dials: Send + Sync {
    /// Where a dial of `destination` is to go; `None`: where it was meant to.
    fn route(&self, destination: SocketAddr) -> Option<SocketAddr>;

    /// A dial is answered so. Told before the process goes on.
    fn note(&self, dial: Dial);
}

/// Answers the dials of the process that holds the other end of `socket`, and of all that it starts, from a thread that
/// ends with the last of them, or at once where that process never hands its listener over.
///
/// # Errors
/// Where no thread can be started.
pub fn supervise(socket: UnixStream, dials: Arc<dyn Dials>) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("dials".into()).spawn(move || {
        let listener = match handover::receive(&socket) {
            Ok(Some(listener)) => listener,
            Ok(None) => return,
            Err(error) => return dials.note(Dial::Unread(format!("no listener: {error}"))),
        };
        drop(socket);
        let listener = Arc::new(listener);
        Supervisor { listener, dials, waiting: Arc::default(), answers: Arc::default() }.watch();
    })
}

#[derive(Clone)]
struct Supervisor {
    listener: Arc<OwnedFd>,
    dials: Arc<dyn Dials>,
    /// Sockets of blocking dials that are under way.
    waiting: Arc<Mutex<BTreeMap<u64, Arc<OwnedFd>>>>,
    /// The last answer to each thread.
    answers: Arc<Mutex<BTreeMap<u32, Answer>>>,
}

/// A signal may strike between our connect and the moment when the thread hears of it, and the kernel does not tell that it
/// did: the thread then makes the same call again, and would be told EALREADY or EISCONN where it is to be told
/// what the first call came to.
struct Answer {
    inode: u64,
    error: i32,
    given: Instant,
}

/// A socket to connect.
struct Socket {
    ours: OwnedFd,
    /// The process's socket.
    inode: u64,
    is_blocking: bool,
    /// Whose place it takes once it is connected; `None`: it is the process's own.
    takes_place_of: Option<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    theirs: RawFd,
    closes_on_exec: bool,
}

/// What to do with a dial.
enum Move {
    LetGo,
    Answer(i32),
    /// Somebody else answers, or nobody waits any more.
    Nothing,
}

impl Supervisor {
    fn watch(&self) {
        loop {
            let mut look = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
            match poll(&mut look, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                Err(_) => break,
                Ok(_) => {}
            }
            let seen = look[0].revents().unwrap_or(PollFlags::POLLERR);
            if !seen.contains(PollFlags::POLLIN) {
                // Hung up: no process is left under the filter.
                break;
            }
            // Who made the call may have been killed meanwhile: then there is nothing to take.
            let Ok(notification) = kernel::receive(&self.listener) else { continue };
            self.attend(notification);
        }
        // What still dials does so for nobody.
        for socket in lock(&self.waiting).values() {
            let _ = shutdown(socket.as_raw_fd(), Shutdown::Both);
        }
    }

    fn attend(&self, notification: Notification) {
        // Whoever was killed meanwhile needs no answer.
        let _ = match self.look_at(notification) {
            Move::LetGo => kernel::let_go(&self.listener, notification.id),
            Move::Answer(error) => kernel::answer(&self.listener, notification.id, error),
            Move::Nothing => Ok(()),
        };
    }

    fn look_at(&self, notification: Notification) -> Move {
        let destination = match read_destination(&notification) {
            Ok(Some(destination)) => destination,
            // Of no family that is redirected, or nonsense, which the kernel refuses.
            Ok(None) => return Move::LetGo,
            Err(error) => {
                if kernel::is_waiting(&self.listener, notification.id) {
                    self.dials.note(Dial::Unread(error.to_string()));
                }
                return Move::LetGo;
            }
        };
        // Only now is it sure that the memory was that of the thread that waits.
        if !kernel::is_waiting(&self.listener, notification.id) {
            return Move::Nothing;
        }
        let Some(to) = self.dials.route(destination.address) else {
            self.dials.note(Dial::Passed(destination.address));
            return Move::LetGo;
        };
        match take_socket(&notification, destination) {
            Ok(Some(socket)) if kernel::is_waiting(&self.listener, notification.id) => {
                self.redirect(notification, destination, to, socket)
            }
            Ok(Some(_)) => Move::Nothing,
            Ok(None) => Move::LetGo,
            Err(error) => {
                self.dials.note(Dial::Refused(destination.address, error.to_string()));
                Move::Answer(libc::ENETUNREACH)
            }
        }
    }

    fn redirect(
        &self,
        notification: Notification,
        destination: Destination,
        to: SocketAddr,
        socket: Socket,
    ) -> Move {
        if let Some(error) = self.given(notification.thread, socket.inode) {
            return Move::Answer(error);
        }
        let Socket { ours, inode, is_blocking, takes_place_of } = socket;
        let (me, ours) = (self.clone(), Arc::new(ours));
        let id = notification.id;
        if is_blocking {
            let mut waiting = lock(&self.waiting);
            if waiting.len() >= WAITING_MAX {
                let reason = format!("{WAITING_MAX} dials wait already");
                self.dials.note(Dial::Refused(destination.address, reason));
                return Move::Answer(libc::EAGAIN);
            }
            waiting.insert(id, ours.clone());
        }
        self.dials.note(Dial::Redirected(destination.address));
        let work = move || {
            let error = dial(&ours, destination.same_form(to));
            let mut inode = inode;
            if let Some(place) = takes_place_of
                && (error == 0 || error == libc::EINPROGRESS)
            {
                inode = inode_of(&ours);
                // Where nobody waits any more, its own socket is as it was.
                let _ =
                    kernel::replace(&me.listener, id, &ours, place.theirs, place.closes_on_exec);
            }
            me.keep(notification.thread, Answer { inode, error, given: Instant::now() });
            let _ = kernel::answer(&me.listener, id, error);
            lock(&me.waiting).remove(&id);
        };
        if !is_blocking {
            work();
            return Move::Nothing;
        }
        let started =
            thread::Builder::new().name("dial".into()).stack_size(STACK_BYTES).spawn(work);
        match started {
            Ok(_) => Move::Nothing,
            Err(_) => {
                lock(&self.waiting).remove(&id);
                Move::Answer(libc::EAGAIN)
            }
        }
    }

    fn keep(&self, thread: u32, answer: Answer) {
        let mut answers = lock(&self.answers);
        if answers.len() >= ANSWERS_MAX {
            answers.retain(|_, answer| answer.given.elapsed() < ANSWER_TIME);
        }
        answers.insert(thread, answer);
    }

    fn given(&self, thread: u32, inode: u64) -> Option<i32> {
        let answers = lock(&self.answers);
        let last = answers.get(&thread)?;
        (last.inode == inode && last.given.elapsed() < ANSWER_TIME).then_some(last.error)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connects; 0, or the error's number.
fn dial(socket: &OwnedFd, to: SocketAddr) -> i32 {
    let result = match to {
        SocketAddr::V4(to) => connect(socket.as_raw_fd(), &SockaddrIn::from(to)),
        SocketAddr::V6(to) => connect(socket.as_raw_fd(), &SockaddrIn6::from(to)),
    };
    result.err().map_or(0, |error| error as i32)
}

/// Where a call of `connect(descriptor, address, length)` is to go.
fn read_destination(notification: &Notification) -> io::Result<Option<Destination>> {
    let [_, address, length, ..] = notification.arguments;
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(LENGTH_MAX);
    let mut bytes = [0; LENGTH_MAX];
    let memory = File::open(format!("/proc/{}/mem", notification.thread))?;
    match memory.read_exact_at(&mut bytes[..length], address) {
        Ok(()) => Ok(Destination::parse(&bytes[..length])),
        // A pointer to nowhere: the kernel will say EFAULT.
        Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The socket to connect: the process's own, or one in its place; `None` where there is nothing to redirect.
fn take_socket(
    notification: &Notification,
    destination: Destination,
) -> io::Result<Option<Socket>> {
    // The kernel takes the lower half.
    let theirs = notification.arguments[0] as RawFd;
    match kernel::fetch(process_of(notification.thread)?, theirs) {
        Ok(ours) => {
            if getsockopt(&ours, TypeOf) != Ok(SockType::Stream) {
                return Ok(None);
            }
            let flags = OFlag::from_bits_retain(fcntl(&ours, FcntlArg::F_GETFL)?);
            let is_blocking = !flags.contains(OFlag::O_NONBLOCK);
            let inode = inode_of(&ours);
            Ok(Some(Socket { ours, inode, is_blocking, takes_place_of: None }))
        }
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(None),
        Err(_) => stand_in(notification.thread, theirs, destination),
    }
}

/// A new socket for one that cannot be fetched. That it is of a stream is taken for granted: nobody is known to
/// `connect` a datagram socket to a server's TCP port.
fn stand_in(thread: u32, theirs: RawFd, destination: Destination) -> io::Result<Option<Socket>> {
    let Ok(kind) = fs::read_link(format!("/proc/{thread}/fd/{theirs}")) else { return Ok(None) };
    let Some(inode) = inode_in(&kind.to_string_lossy()) else { return Ok(None) };
    let told = fs::read_to_string(format!("/proc/{thread}/fdinfo/{theirs}"))?;
    let flags = OFlag::from_bits_retain(flags_in(&told).unwrap_or_default());
    let is_blocking = !flags.contains(OFlag::O_NONBLOCK);
    let family = if destination.is_ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let blocking = if is_blocking { SockFlag::empty() } else { SockFlag::SOCK_NONBLOCK };
    let ours = socket(family, SockType::Stream, blocking | SockFlag::SOCK_CLOEXEC, None)?;
    let place = Place { theirs, closes_on_exec: flags.contains(OFlag::O_CLOEXEC) };
    Ok(Some(Socket { ours, inode, is_blocking, takes_place_of: Some(place) }))
}

/// The line `flags: 02004002` of /proc/PID/fdinfo/N, which is octal.
fn flags_in(told: &str) -> Option<i32> {
    let digits = told.lines().find_map(|line| line.strip_prefix("flags:"))?;
    i32::from_str_radix(digits.trim(), 8).ok()
}

/// The process that a thread belongs to.
fn process_of(thread: u32) -> io::Result<u32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    line.and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/{thread}/status names no process")))
}

/// The target `socket:[4711]` of a link in /proc/PID/fd.
fn inode_in(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn inode_of(socket: &OwnedFd) -> u64 {
    fstat(socket).map_or(0, |it| it.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says_of_a_descriptor_is_understood() {
        let told = "pos:\t0\nflags:\t02004002\nmnt_id:\t10\n";
        let flags = OFlag::from_bits_retain(flags_in(told).unwrap());
        assert!(flags.contains(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC));
        assert_eq!(flags_in("pos:\t0\n"), None);
        assert_eq!(inode_in("socket:[4711]"), Some(4711));
        assert_eq!(inode_in("pipe:[4711]"), None);
    }

    #[test]
    fn a_thread_is_traced_to_its_process() {
        let thread = thread::spawn(|| {
            let thread = nix::unistd::gettid().as_raw();
            process_of(u32::try_from(thread).unwrap()).unwrap()
        });
        assert_eq!(thread.join().unwrap(), std::process::id());
    }
}
