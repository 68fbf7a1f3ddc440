//! How the network between nodes is put in the runner's hands: which ways there are, and which work here.
//!
//! Faults, proxies and rules are the same in both tiers. What differs is how a node's connections come to its proxies.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use nix::sys::signal::Signal;
use tokio::net::TcpListener;
use whitewater_processes::{Launch, OWN_PROGRAM, Spawner};
use whitewater_redirect::{Dial, Dials};

use crate::exit::Refusal;

/// A process is started and dials within milliseconds; a loaded machine may take longer.
const TRIAL_WITHIN: Duration = Duration::from_secs(10);

/// What a user may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// `redirect` where it works, else `proxy`
    #[default]
    Auto,
    /// Nodes know each other's real addresses, and what they dial is redirected to proxies (Linux 5.9)
    Redirect,
    /// Nodes are told the addresses of proxies in place of their peers'; for targets that take them
    Proxy,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tier::Auto => "auto",
            Tier::Redirect => "redirect",
            Tier::Proxy => "proxy",
        })
    }
}

/// What a run works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) is_redirect: bool,
    /// What it is, what it cannot do and, where it was not asked for, why it was chosen.
    pub(crate) description: String,
}

const REDIRECT: &str = "redirect: dials of unmodified servers go through TCP proxies, by a seccomp filter on connect, and \
                        signals; no UDP, and no loss, duplication or reordering of packets but of SYNs";
const PROXY: &str = "proxy: servers are told the addresses of TCP proxies as those of their peers, and signals; no UDP, no loss, \
                     duplication or reordering of packets but of SYNs, and no partition of servers that \
                     find their peers in another way";

const ROUTER: &str = "router: messages of nodes that speak on stdin and stdout are carried by the runner, and signals; those against \
                      a block are lost, slow ones overtake each other, none is doubled or lost at random";

/// What a run of nodes works with that dial nobody.
///
/// # Errors
/// Where another way was asked for.
pub(crate) fn router(asked: Tier) -> Result<&'static str, Refusal> {
    match asked {
        Tier::Auto => Ok(ROUTER),
        Tier::Redirect | Tier::Proxy => Err(Refusal::Usage(format!(
            "--tier {asked} is for servers that dial each other: nodes of kind = \"maelstrom\" speak on stdin and stdout, and \
             their messages are carried by the runner"
        ))),
    }
}

/// Settles what a run works with.
///
/// # Errors
/// Where what was asked for does not work here.
pub(crate) async fn choose(asked: Tier) -> Result<Chosen, Refusal> {
    let proxy = |why: &str| Chosen { is_redirect: false, description: format!("{PROXY}{why}") };
    if asked == Tier::Proxy {
        return Ok(proxy(""));
    }
    match (trial().await, asked) {
        (Ok(_), _) => Ok(Chosen { is_redirect: true, description: REDIRECT.into() }),
        (Err(why), Tier::Auto) => Ok(proxy(&format!(" (redirect does not work here: {why})"))),
        (Err(why), _) => Err(Refusal::Environment(format!(
            "--tier redirect does not work here: {why}; --tier proxy needs nothing of the kernel"
        ))),
    }
}

/// Has a program dial one listener, and sees whether it comes to another. What was seen, in words.
pub(crate) async fn trial() -> Result<String, String> {
    let words = |what: &str| {
        let what = what.to_owned();
        move |error: std::io::Error| format!("{what}: {error}")
    };
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let real = listen().await.map_err(words("listen"))?;
    let proxy = listen().await.map_err(words("listen"))?;
    let address = |listener: &TcpListener| listener.local_addr().map_err(words("listen"));
    let dials =
        Arc::new(Trial { route: (address(&real)?, address(&proxy)?), trouble: Mutex::default() });
    let folder = tempfile::Builder::new().prefix("whitewater-tier-").tempdir();
    let folder = folder.map_err(words("make a folder for a trial"))?;
    let launch = Launch {
        // Any program that dials would do; this one is here.
        program: OWN_PROGRAM.into(),
        arguments: ["kv", "--endpoints", &dials.route.0.to_string(), "get", "trial"]
            .map(Into::into)
            .to_vec(),
        ..Launch::into_log(&folder.path().join("log"))
    };
    let start = Instant::now();
    let spawner = Spawner::new().map_err(words("start a thread"))?;
    let child = spawner.spawn_redirected(&launch, Some(dials.clone()), |_, _| {});
    let child = child.map_err(words("start a process"))?;
    let seen = tokio::select! {
        biased;
        accepted = proxy.accept() => accepted.map(drop).map_err(words("accept")),
        _ = real.accept() => Err("a dial was not redirected".to_owned()),
        how = child.wait_exit(TRIAL_WITHIN) => Err(match how {
            Some(how) => format!("{}ended with {how}", said(&launch)),
            None => "a redirected dial did not arrive".to_owned(),
        }),
    };
    let took = start.elapsed().as_secs_f64() * 1000.0;
    let _ = child.signal(Signal::SIGKILL);
    child.wait_exit(TRIAL_WITHIN).await;
    let trouble = dials.trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (seen, trouble) {
        (Ok(()), _) => {
            Ok(format!("a process's dial arrived elsewhere, {took:.1} ms after it was started"))
        }
        (Err(_), Some(trouble)) => Err(trouble),
        (Err(seen), None) => Err(seen),
    }
}

fn said(launch: &Launch) -> String {
    let log = fs::read_to_string(&launch.log).unwrap_or_default();
    let line = log.lines().rfind(|line| !line.trim().is_empty());
    line.map_or_else(String::new, |line| format!("a process said “{}” and ", line.trim()))
}

/// One route.
struct Trial {
    route: (SocketAddr, SocketAddr),
    trouble: Mutex<Option<String>>,
}

impl Dials for Trial {
    fn route(&self, destination: SocketAddr) -> Option<SocketAddr> {
        (destination == self.route.0).then_some(self.route.1)
    }

    fn note(&self, dial: Dial) {
        if let Dial::Refused(_, reason) | Dial::Unread(reason) = dial {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            trouble.get_or_insert(reason);
        }
    }
}
