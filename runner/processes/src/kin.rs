//! All processes of a child: itself, and whatever it started, in whichever way.
//!
//! A wrapper script, a worker, a server that went into the background: what befalls a node befalls all of them, or
//! one of them is a hiding place. They are found in /proc: the child's process group, everybody's descendants, and whoever carries the
//! child's mark in its environment, which survives double forks and `setsid`. Out of reach is a process that did all
//! of it: left the group, lost its parent, and was started with an environment of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The variable that carries the mark.
pub(crate) const MARK: &str = "WHITEWATER_KIN";
/// Scans in a row that have to find nobody: one that is being forked is in none of its parent's scans.
const EMPTY_SCANS: u32 = 2;
/// Between two scans.
const SCAN_EVERY: Duration = Duration::from_millis(2);
/// Killed processes are gone within milliseconds, unless the kernel holds them in a call that cannot be interrupted.
const KILL_WITHIN: Duration = Duration::from_secs(5);
/// New ones that start while others are signalled are looked for so often.
const ROUNDS_MAX: u32 = 4;

/// What /proc/PID/stat says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: u32,
    group: u32,
    /// In clock ticks since the machine started.
    started: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name in brackets may itself hold brackets and blanks, so the last one counts.
    fn parse(stat: &str) -> Option<Self> {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        // The fields from the 6th, the session, to the 21st are of no interest here.
        let started = fields.nth(16)?.parse().ok()?;
        Some(Self { state, parent, group, started })
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// The state letter of a process, as /proc tells it.
pub(crate) fn state(pid: u32) -> Option<char> {
    Stat::read(pid).map(|stat| stat.state)
}

/// Whose kin is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Kin {
    /// The child, which leads a process group of its own.
    pub(crate) first: u32,
    /// What it and its kin carry.
    pub(crate) mark: String,
}

impl Kin {
    /// Who lives, with his state; `is_reaped`: the child itself is gone, and its number may be another's by now.
    pub(crate) fn living(&self, is_reaped: bool) -> BTreeMap<u32, char> {
        let all = processes();
        let first = all.get(&self.first).filter(|_| !is_reaped);
        let since = first.map_or(0, |first| first.started);
        let mut kin: BTreeMap<u32, char> = BTreeMap::new();
        let is_kin = |pid: u32, stat: &Stat| {
            !is_reaped && (pid == self.first || stat.group == self.first)
                || stat.started >= since && carries(pid, |mark| mark == self.mark.as_bytes())
        };
        kin.extend(
            all.iter()
                .filter(|(pid, stat)| is_kin(**pid, stat))
                .map(|(pid, stat)| (*pid, stat.state)),
        );
        loop {
            let is_new = |(pid, stat): &(&u32, &Stat)| {
                kin.contains_key(&stat.parent) && !kin.contains_key(pid)
            };
            let fresh: Vec<_> =
                all.iter().filter(is_new).map(|(pid, stat)| (*pid, stat.state)).collect();
            if fresh.is_empty() {
                return kin;
            }
            kin.extend(fresh);
        }
    }

    /// Signals all of them: the group at one stroke, and then whoever left it.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let group = kill(pid_of(self.first, true), signal);
        let mut seen = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let living = self.living(false).into_keys();
            let fresh: Vec<u32> = living.filter(|pid| seen.insert(*pid)).collect();
            if fresh.is_empty() {
                break;
            }
            for pid in fresh {
                if Stat::read(pid).is_some_and(|stat| stat.group != self.first) {
                    // It may have ended meanwhile, which is as good.
                    let _ = kill(pid_of(pid, false), signal);
                }
            }
        }
        Ok(group?)
    }

    /// Kills whoever is left of a child that is gone, once `grace` is over; how many there were.
    pub(crate) fn kill_survivors(&self, grace: Duration) -> usize {
        let end = Instant::now() + grace;
        while Instant::now() < end && !self.living(true).is_empty() {
            thread::sleep(SCAN_EVERY);
        }
        kill_all(|| self.living(true).into_keys().collect())
    }
}

/// Waits until standard input ends, which it does when the process at its other end does, however that ends; then kills
/// every process whose mark begins so. For a process of its own, which outlives the one that it watches.
pub fn guard(marks: &str) {
    let mut sink = [0; 64];
    let mut input = io::stdin();
    while matches!(input.read(&mut sink), Ok(1..)) {}
    let own = std::process::id();
    let is_marked =
        |pid: &u32| *pid != own && carries(*pid, |mark| mark.starts_with(marks.as_bytes()));
    kill_all(|| processes().into_keys().filter(is_marked).collect());
}

/// Kills whom `find` finds until it finds nobody any more; how many there were.
fn kill_all(find: impl Fn() -> Vec<u32>) -> usize {
    let end = Instant::now() + KILL_WITHIN;
    let mut killed = BTreeSet::new();
    let mut empty = 0;
    while empty < EMPTY_SCANS && Instant::now() < end {
        let found = find();
        empty = if found.is_empty() { empty + 1 } else { 0 };
        for pid in found {
            let _ = kill(pid_of(pid, false), Signal::SIGKILL);
            killed.insert(pid);
        }
        if empty < EMPTY_SCANS {
            thread::sleep(SCAN_EVERY);
        }
    }
    killed.len()
}

/// All that live.
fn processes() -> BTreeMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| {
        std::str::from_utf8(entry.file_name().as_bytes()).ok()?.parse::<u32>().ok()
    });
    let all = pids.filter_map(|pid| Some((pid, Stat::read(pid)?)));
    all.filter(|(_, stat)| stat.is_alive()).collect()
}

/// Whether a process was started with such a mark. Of others' processes nothing is told, and they are nobody's kin.
fn carries(pid: u32, is_such: impl Fn(&[u8]) -> bool) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    let prefix = [MARK.as_bytes(), b"="].concat();
    variables.any(|variable| variable.strip_prefix(&prefix[..]).is_some_and(&is_such))
}

fn pid_of(pid: u32, is_group: bool) -> Pid {
    let pid = i32::try_from(pid).expect("process ids fit into 31 bits");
    Pid::from_raw(if is_group { -pid } else { pid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_brackets_does_not_shift_the_fields_of_a_process() {
        let stat =
            "4711 (a) b (c) T 12 4711 4711 0 -1 4194304 99 0 0 0 1 2 0 0 20 0 1 0 8888 1 2 3";
        let expected = Stat { state: 'T', parent: 12, group: 4711, started: 8888 };
        assert_eq!(Stat::parse(stat), Some(expected));
        let own = Stat::read(std::process::id()).unwrap();
        assert!(own.is_alive() && own.started > 0, "{own:?}");
    }
}
