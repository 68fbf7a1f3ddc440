//! Real programs dial under the filter, and arrive where the table says.
//!
//! The program is this very test: started once more, it puts itself under the filter and plays the part that the
//! environment names.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::SocketError;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, SockaddrIn, bind, connect, getsockname,
    getsockopt, listen, sendto, socket,
};
use whitewater_redirect::{Dial, Dials, connections_dropped, hand_over, pair, supervise};

const DEADLINE: Duration = Duration::from_secs(20);
const PART: &str = "WHITEWATER_TEST_PART";
const TO: &str = "WHITEWATER_TEST_TO";
const THREADS: usize = 100;

/// A server that says one letter to everybody.
fn server(letter: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(&[letter]);
        }
    });
    address
}

#[derive(Default)]
struct Table {
    routes: BTreeMap<SocketAddr, SocketAddr>,
    seen: Mutex<Vec<Dial>>,
}

impl Dials for Table {
    fn route(&self, destination: SocketAddr) -> Option<SocketAddr> {
        self.routes.get(&destination).copied()
    }

    fn note(&self, dial: Dial) {
        self.seen.lock().unwrap().push(dial);
    }
}

/// A program under the filter, and who answers it.
struct Program {
    child: Child,
    supervisor: JoinHandle<()>,
    table: Arc<Table>,
}

impl Program {
    fn start(part: &str, to: SocketAddr, routes: &[(SocketAddr, SocketAddr)]) -> Self {
        let routes = routes.iter().copied().collect();
        let table = Arc::new(Table { routes, ..Table::default() });
        let (ours, theirs) = pair().unwrap();
        let supervisor = supervise(ours, table.clone()).unwrap();
        let child = play(part, to).stdin(theirs).spawn().unwrap();
        Self { child, supervisor, table }
    }

    /// Waits for the program's end and, which is not the same, for its supervisor's.
    fn end(mut self) -> (ExitStatus, Vec<Dial>) {
        let status = self.child.wait().unwrap();
        let (ended, end) = mpsc::channel();
        thread::spawn(move || ended.send(self.supervisor.join()));
        end.recv_timeout(DEADLINE).expect("the supervisor ends with its program").unwrap();
        let seen = self.table.seen.lock().unwrap().clone();
        (status, seen)
    }
}

/// This test once more, in that part.
fn play(part: &str, to: SocketAddr) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["the_program_plays_its_part", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(PART, part).env(TO, to.to_string()).stdout(Stdio::null());
    command
}

/// Not a test: what the started program does. A panic is its exit code 101.
#[test]
fn the_program_plays_its_part() {
    let Ok(part) = std::env::var(PART) else { return };
    let to: SocketAddr = std::env::var(TO).unwrap().parse().unwrap();
    let part = match part.strip_prefix("free ") {
        Some(rest) => rest.to_owned(),
        None => {
            hand_over(std::io::stdin().as_fd()).unwrap();
            part
        }
    };
    match part.as_str() {
        "blocking" => assert_eq!(said(TcpStream::connect(to).unwrap()), b'p'),
        "passes" => assert_eq!(said(TcpStream::connect(to).unwrap()), b'r'),
        "non-blocking" => assert_eq!(dial_without_waiting(to), Ok(b'p')),
        "refused" => {
            let error = TcpStream::connect(to).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
            assert_eq!(dial_without_waiting(to), Err(Errno::ECONNREFUSED));
        }
        "mapped" => {
            let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
            assert_eq!(said(TcpStream::connect((mapped, to.port())).unwrap()), b'p');
        }
        "threads" => {
            let barrier = Barrier::new(THREADS);
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        barrier.wait();
                        assert_eq!(said(TcpStream::connect(to).unwrap()), b'p');
                        assert_eq!(dial_without_waiting(to), Ok(b'p'));
                    });
                }
            });
        }
        "descendant" => assert!(play("free blocking", to).status().unwrap().success()),
        "datagram" => {
            let own = UdpSocket::bind("127.0.0.1:0").unwrap();
            own.connect(to).unwrap();
            assert_eq!(own.peer_addr().unwrap(), to);
        }
        "fast open" => {
            let own = tcp(SockFlag::empty());
            let flags = MsgFlags::from_bits_retain(0x2000_0000);
            let sent = sendto(own.as_raw_fd(), b"x", &in_address(to), flags);
            assert_eq!(sent, Err(Errno::EOPNOTSUPP));
        }
        "interrupted" => panic!("{}", Command::new("python3").args(["-c", INTERRUPTED]).exec()),
        other => panic!("no part {other}"),
    }
}

/// A static program of another language, whose thread hears a signal in every moment of its dials.
const INTERRUPTED: &str = r#"
import os, signal, socket
host, port = os.environ["WHITEWATER_TEST_TO"].split(":")
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.00005, 0.00005)
answers = {}
for dial in range(400):
    own = socket.socket()
    own.setblocking(False)
    answer = own.connect_ex((host, int(port)))
    answers[answer] = answers.get(answer, 0) + 1
    own.close()
signal.setitimer(signal.ITIMER_REAL, 0)
assert list(answers) == [115], answers
"#;

fn said(mut stream: TcpStream) -> u8 {
    let mut letter = [0];
    stream.read_exact(&mut letter).unwrap();
    letter[0]
}

fn tcp(flags: SockFlag) -> std::os::fd::OwnedFd {
    socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap()
}

fn in_address(address: SocketAddr) -> SockaddrIn {
    let SocketAddr::V4(address) = address else { panic!("{address} is not of IPv4") };
    SockaddrIn::from(address)
}

/// As every event loop does it.
fn dial_without_waiting(to: SocketAddr) -> Result<u8, Errno> {
    let own = tcp(SockFlag::SOCK_NONBLOCK);
    assert_eq!(connect(own.as_raw_fd(), &in_address(to)), Err(Errno::EINPROGRESS));
    let mut look = [PollFd::new(own.as_fd(), PollFlags::POLLOUT)];
    let deadline = PollTimeout::try_from(DEADLINE).unwrap();
    assert_eq!(poll(&mut look, deadline), Ok(1), "connected or failed within the deadline");
    match getsockopt(&own, SocketError).unwrap() {
        0 => {}
        error => return Err(Errno::from_raw(error)),
    }
    let stream = TcpStream::from(own);
    stream.set_nonblocking(false).unwrap();
    Ok(said(stream))
}

fn redirected(part: &str) -> Vec<Dial> {
    let (real, proxy) = (server(b'r'), server(b'p'));
    let (status, seen) = Program::start(part, real, &[(real, proxy)]).end();
    assert!(status.success(), "{part}: {status}, {} dials", seen.len());
    let other = seen.iter().find(|dial| **dial != Dial::Redirected(real));
    assert_eq!(other, None, "{part}");
    seen
}

#[test]
fn dials_arrive_where_the_table_says_however_they_are_made() {
    for part in ["blocking", "non-blocking", "mapped", "descendant"] {
        assert_eq!(redirected(part).len(), 1, "{part}");
    }
}

#[test]
fn a_hundred_threads_dial_at_once() {
    assert_eq!(redirected("threads").len(), 2 * THREADS);
}

#[test]
fn what_is_in_no_table_goes_where_it_was_meant_to_and_is_told() {
    let (real, elsewhere) = (server(b'r'), server(b'p'));
    let (status, seen) = Program::start("passes", real, &[(elsewhere, elsewhere)]).end();
    assert!(status.success(), "{status}");
    assert_eq!(seen, [Dial::Passed(real)]);
}

#[test]
fn a_refusal_reaches_the_program_as_its_own() {
    let real = server(b'r');
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (status, seen) = Program::start("refused", real, &[(real, nobody)]).end();
    assert!(status.success(), "{status} {seen:?}");
}

#[test]
fn a_dial_that_a_signal_interrupts_is_answered_once() {
    assert!(redirected("interrupted").len() >= 400);
}

#[test]
fn datagrams_and_fast_open_are_not_redirected() {
    let (real, proxy) = (server(b'r'), server(b'p'));
    for part in ["datagram", "fast open"] {
        let (status, seen) = Program::start(part, real, &[(real, proxy)]).end();
        assert!(status.success() && seen.is_empty(), "{part}: {status} {seen:?}");
    }
}

#[test]
fn whoever_never_hands_a_listener_over_leaves_no_supervisor_behind() {
    let real = server(b'r');
    let (status, seen) = Program::start("free passes", real, &[]).end();
    assert!(status.success() && seen.is_empty(), "{status} {seen:?}");
}

/// A listener whose queue is full: it drops every SYN.
fn deaf() -> (std::os::fd::OwnedFd, SocketAddr, TcpStream) {
    let listener = tcp(SockFlag::empty());
    bind(listener.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let own: SockaddrIn = getsockname(listener.as_raw_fd()).unwrap();
    let address = SocketAddr::from((own.ip(), own.port()));
    let filler = TcpStream::connect(address).unwrap();
    (listener, address, filler)
}

#[test]
fn a_program_killed_while_it_dials_holds_nobody_up() {
    let real = server(b'r');
    let (listener, address, _filler) = deaf();
    let mut program = Program::start("threads", real, &[(real, address)]);
    let end = Instant::now() + DEADLINE;
    let dialled = |program: &Program| program.table.seen.lock().unwrap().len();
    while dialled(&program) < THREADS || connections_dropped(&listener).unwrap() == 0 {
        assert!(Instant::now() < end, "{} dials seen", dialled(&program));
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(dialled(&program), THREADS, "all wait in their first dial");
    program.child.kill().unwrap();
    program.end();
}

#[test]
fn where_foreign_descriptors_cannot_be_fetched_another_socket_takes_their_place() {
    // On a thread of its own, as a filter is never taken off: what it starts inherits it, as in a container.
    let denied = thread::spawn(|| {
        use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
        let denied = [(nix::libc::SYS_pidfd_getfd, Vec::new())].into_iter().collect();
        let eperm = SeccompAction::Errno(nix::libc::EPERM as u32);
        let machine = std::env::consts::ARCH.try_into().unwrap();
        let filter = SeccompFilter::new(denied, SeccompAction::Allow, eperm, machine).unwrap();
        apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
        for part in ["blocking", "non-blocking", "mapped", "descendant", "threads", "interrupted"] {
            redirected(part);
        }
    });
    denied.join().unwrap();
}
