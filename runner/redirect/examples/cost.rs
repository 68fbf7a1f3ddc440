//! What a redirected dial costs: the same program dials the same server with and without the filter, in turns, and the
//! ratios are printed. `cargo run --release -p whitewater-redirect --example cost -- [ROUNDS]`; on a quiet machine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use whitewater_redirect::{Dial, Dials, hand_over, pair, supervise};

const ROUNDS_DEFAULT: usize = 10;
/// Dials of one process in a round.
const DIALS: u32 = 500;
/// Requests on one connection in a round.
const REQUESTS: u32 = 5_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

struct Everything {
    to: SocketAddr,
}

impl Dials for Everything {
    fn route(&self, _destination: SocketAddr) -> Option<SocketAddr> {
        Some(self.to)
    }

    fn note(&self, _dial: Dial) {}
}

/// Answers every byte.
fn echo() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
            });
        }
    });
    Ok(address)
}

/// The dialling process: prints the nanoseconds of a dial with its first answer, and of a request.
fn dialler(to: SocketAddr, is_redirected: bool) -> Outcome<()> {
    if is_redirected {
        hand_over(std::io::stdin().as_fd())?;
    }
    let start = Instant::now();
    for _ in 0..DIALS {
        // With an answer, so that no queue fills.
        request(&mut TcpStream::connect(to)?)?;
    }
    let dial = start.elapsed() / DIALS;
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    let start = Instant::now();
    for _ in 0..REQUESTS {
        request(&mut stream)?;
    }
    let request = start.elapsed() / REQUESTS;
    writeln!(std::io::stdout(), "{} {}", dial.as_nanos(), request.as_nanos())?;
    Ok(())
}

fn request(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut byte = [7];
    stream.write_all(&byte)?;
    stream.read_exact(&mut byte)
}

fn measured(to: SocketAddr, is_redirected: bool) -> Outcome<[Duration; 2]> {
    let mut command = Command::new(std::env::current_exe()?);
    let how = if is_redirected { "redirected" } else { "plain" };
    command.args(["--dial", how, &to.to_string()]).stderr(Stdio::inherit());
    if is_redirected {
        let (ours, theirs) = pair()?;
        supervise(ours, Arc::new(Everything { to }))?;
        command.stdin(theirs);
    }
    let output = command.output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Result<Vec<u64>, _> = text.split_whitespace().map(str::parse).collect();
    match numbers?[..] {
        [dial, request] => Ok([dial, request].map(Duration::from_nanos)),
        _ => Err(format!("the dialling process ended with {}", output.status).into()),
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, how, to] = &arguments[..]
        && flag == "--dial"
    {
        return dialler(to.parse()?, how == "redirected");
    }
    let rounds = arguments.first().map_or(Ok(ROUNDS_DEFAULT), |text| text.parse())?;
    let to = echo()?;
    let mut all = [const { Vec::new() }; 4];
    for _ in 0..rounds.max(1) {
        for (place, is_redirected) in [(0, false), (1, true)] {
            let [dial, request] = measured(to, is_redirected)?;
            all[place].push(dial);
            all[2 + place].push(request);
        }
    }
    let [plain_dial, dial, plain_request, request] = all.each_mut().map(|times| median(times));
    let mut out = std::io::stdout();
    for (what, plain, redirected) in
        [("dial", plain_dial, dial), ("request", plain_request, request)]
    {
        let ratio = redirected.as_secs_f64() / plain.as_secs_f64();
        writeln!(
            out,
            "{what:8} plain {plain:>10.1?}  redirected {redirected:>10.1?}  ratio {ratio:.2}"
        )?;
    }
    Ok(())
}
