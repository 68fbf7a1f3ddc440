//! What the kernel counts of processes: CPU time, peak memory, and how busy the whole machine was.
//!
//! Parsers of `/proc` text are plain functions; the few that open files are thin. The kernel counts in
//! ticks of 10 ms, so a measurement of less than a second says little about CPU time.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

/// Ticks a second where the system does not say: the value of every Linux this was built for.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time, user and system, in the kernel's ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticks(pub(super) u64);

impl Ticks {
    /// Used by process `pid` so far, all of its threads, without its children.
    pub(super) fn of_process(pid: u32) -> Result<Ticks> {
        let path = format!("/proc/{pid}/stat");
        let text = read(&path)?;
        process_ticks(&text)
            .with_context(|| format!("find utime and stime in {path}: `{}`", text.trim_end()))
    }

    /// Used by everything on the machine so far, including time taken by its hypervisor.
    pub(super) fn of_machine() -> Result<Ticks> {
        let path = "/proc/stat";
        machine_ticks(&read(path)?).with_context(|| format!("find the `cpu` line in {path}"))
    }

    /// What was used since `earlier`.
    pub(super) fn since(self, earlier: Ticks) -> Ticks {
        Ticks(self.0.saturating_sub(earlier.0))
    }

    /// In microseconds.
    pub(super) fn as_micros(self) -> f64 {
        self.0 as f64 * 1e6 / ticks_per_second() as f64
    }
}

impl std::iter::Sum for Ticks {
    fn sum<I: Iterator<Item = Ticks>>(ticks: I) -> Ticks {
        Ticks(ticks.map(|each| each.0).sum())
    }
}

/// The largest resident set process `pid` ever had, in bytes.
pub(super) fn peak_rss_bytes(pid: u32) -> Result<u64> {
    memory_bytes(pid, "VmHWM:")
}

/// The resident set of process `pid` now, in bytes.
pub(super) fn rss_bytes(pid: u32) -> Result<u64> {
    memory_bytes(pid, "VmRSS:")
}

fn memory_bytes(pid: u32, name: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    memory(&read(&path)?, name).with_context(|| format!("find {name} in {path}"))
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(Path::new(path)).with_context(|| format!("read {path}"))
}

fn ticks_per_second() -> u64 {
    let answer = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    answer.and_then(|ticks| u64::try_from(ticks).ok()).unwrap_or(TICKS_PER_SECOND)
}

/// utime + stime of a `/proc/PID/stat` line. The command name stands in parentheses and may hold
/// blanks and parentheses itself, so fields are counted from the last one.
fn process_ticks(stat: &str) -> Option<Ticks> {
    let (_, fields) = stat.rsplit_once(')')?;
    // Of the fields after the name, utime is the 12th and stime the 13th (proc(5), fields 14 and 15).
    let mut numbers = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    Some(Ticks(numbers.next()?.ok()? + numbers.next()?.ok()?))
}

/// All but idle and I/O wait of the `cpu` line of `/proc/stat`. Guest time is left out: it is counted
/// in user time already.
fn machine_ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> =
        line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    Some(Ticks(user + nice + system + irq + softirq + steal))
}

/// A figure of a `/proc/PID/status` file, such as `VmHWM:`.
fn memory(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_name_with_blanks_and_parentheses() {
        let stat = "4711 (a (b) c) S 1 4711 4711 0 -1 4194560 48158 1680464 0 693 53 283 2318 1176 20 0 13 0 24 48828416";
        assert_eq!(process_ticks(stat), Some(Ticks(53 + 283)));
        assert_eq!(process_ticks("4711 (cut off) S 1 4711"), None);
        assert_eq!(process_ticks(""), None);
    }

    #[test]
    fn idle_waiting_and_guest_time_is_not_busy_time() {
        let stat = "cpu  100 10 20 9999 8888 3 4 5 70 7\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(machine_ticks(stat), Some(Ticks(100 + 10 + 20 + 3 + 4 + 5)));
        assert_eq!(machine_ticks("cpu0 1 2 3\n"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tetcd\nVmHWM:\t   12048 kB\nVmRSS:\t 100 kB\n";
        assert_eq!(memory(status, "VmHWM:"), Some(12048 * 1024));
        assert_eq!(memory(status, "VmRSS:"), Some(100 * 1024));
        assert_eq!(memory("Name:\tkthreadd\n", "VmHWM:"), None);
    }

    #[test]
    fn this_process_has_counters_and_a_missing_one_is_named() {
        let own = std::process::id();
        assert!(peak_rss_bytes(own).unwrap() > 1 << 20);
        assert!(
            Ticks::of_machine().unwrap().since(Ticks::of_process(own).unwrap()).as_micros() > 0.0
        );
        let error = format!("{:#}", Ticks::of_process(u32::MAX).unwrap_err());
        assert!(error.contains("/proc/4294967295/stat"), "{error}");
    }
}
