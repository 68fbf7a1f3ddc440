//! Where a benchmark ran: figures mean nothing without the machine and the builds they came from.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde::Serialize;

use super::Contender;
use super::harness::Harness;

/// The machine, as far as it matters for a server on loopback with an fsync per batch.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    /// Cores this process may use.
    pub(super) cores: usize,
    /// The processor's name.
    pub(super) processor: String,
    /// The kernel's release.
    pub(super) kernel: String,
}

impl Machine {
    /// This machine; what cannot be read is `unknown`, because a benchmark can do without it.
    pub(super) fn here() -> Machine {
        let unknown = || "unknown".to_owned();
        let processor =
            fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| processor_name(&text));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
        Machine {
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: processor.unwrap_or_else(unknown),
            kernel: kernel.map_or_else(unknown, |release| release.trim().to_owned()),
        }
    }
}

fn processor_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Which build of a contender is measured, in its own words.
pub(super) fn version(harness: &Harness, contender: Contender) -> String {
    match (contender, harness.etcd(), &harness.clusters().server) {
        (Contender::Etcd, Some(etcd), _) => first_line(etcd),
        (_, _, Some(server)) => server.display().to_string(),
        _ => format!("whitewater {}", env!("CARGO_PKG_VERSION")),
    }
}

fn first_line(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    text.lines()
        .next()
        .map_or_else(|| program.display().to_string(), |line| line.replace("etcd Version:", "etcd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_once_for_all_cores() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 7763\nprocessor\t: 1\nmodel name\t: AMD EPYC 7763\n";
        assert_eq!(processor_name(text).as_deref(), Some("AMD EPYC 7763"));
        assert_eq!(processor_name("processor : 0\nBogoMIPS : 50\n"), None);
    }

    #[test]
    fn this_machine_has_cores_and_a_kernel() {
        let machine = Machine::here();
        assert!(machine.cores > 0);
        assert_ne!(machine.kernel, "unknown");
    }

    #[test]
    fn a_program_that_says_no_version_is_named_by_its_path() {
        assert_eq!(first_line(Path::new("/nowhere/etcd")), "/nowhere/etcd");
    }
}
