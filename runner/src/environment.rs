//! Where a run took place: what a report has to say about the machine.

use std::env;
use std::fs;
use std::path::Path;

use whitewater_checker::Options;
use whitewater_checker::run_folder::{Environment, Judged};

use whitewater_processes::OWN_PROGRAM;

/// Collects what can be known before a run.
pub(crate) fn collect(folder: &Path, server: Option<&Path>) -> Environment {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = load_average();
    Environment {
        tool_version: env!("CARGO_PKG_VERSION").into(),
        tool_commit: env!("WHITEWATER_COMMIT").into(),
        server_version: String::new(),
        server_digest: digest(server.unwrap_or(Path::new(OWN_PROGRAM))).unwrap_or_default(),
        host: host.to_string_lossy().into_owned(),
        system: format!("Linux {} {}", kernel.trim(), env::consts::ARCH),
        cores: cores(),
        memory_mib: memory_mib().unwrap_or_default(),
        file_system: file_system(folder).unwrap_or_default(),
        fault_tier: String::new(),
        ci: ci(),
        load_average: (load, load),
    }
}

/// The build and the budget of a verdict made here.
pub(crate) fn judged(options: &Options) -> Judged {
    Judged {
        tool_version: env!("CARGO_PKG_VERSION").into(),
        tool_commit: env!("WHITEWATER_COMMIT").into(),
        budget_ms: u64::try_from(options.budget.as_millis()).unwrap_or(u64::MAX),
        memory_bytes: options.memory_bytes,
    }
}

/// Number of cores this process may use.
pub(crate) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}

/// The load average of the last minute.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

/// Main memory in MiB.
pub(crate) fn memory_mib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

/// The type of the file system a path is on.
pub(crate) fn file_system(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    file_system_in(&mounts, &path)
}

/// Fields of a line: `36 35 98:0 / /mnt rw,noatime shared:1 - ext4 /dev/root rw`.
fn file_system_in(mounts: &str, path: &Path) -> Option<String> {
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let place = left.split_whitespace().nth(4)?.replace("\\040", " ");
        let kind = right.split_whitespace().next()?.to_owned();
        path.starts_with(&place).then_some((place.len(), kind))
    };
    // Of equal places, the one mounted last lies on top.
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// Tells builds apart: length and CRC-32 of the executable.
fn digest(program: &Path) -> Option<String> {
    let bytes = fs::read(program).ok()?;
    Some(format!("{:08x}{:08x}", bytes.len(), crc32fast::hash(&bytes)))
}

/// The CI system and a link to the job, where this runs in one.
fn ci() -> Option<String> {
    let var = |name| env::var(name).ok();
    if var("GITHUB_ACTIONS").is_some() {
        let (server, repository) = (var("GITHUB_SERVER_URL")?, var("GITHUB_REPOSITORY")?);
        let run = var("GITHUB_RUN_ID")?;
        return Some(format!("GitHub Actions {server}/{repository}/actions/runs/{run}"));
    }
    if var("GITLAB_CI").is_some() {
        return Some(format!("GitLab CI {}", var("CI_JOB_URL").unwrap_or_default()));
    }
    if var("BUILDKITE").is_some() {
        return Some(format!("Buildkite {}", var("BUILDKITE_BUILD_URL").unwrap_or_default()));
    }
    var("CI").map(|_| "an unnamed CI system".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_tells_the_file_system() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/a rw\n\
                      30 22 0:5 / /tmp rw - tmpfs tmpfs rw\n\
                      31 30 0:6 / /tmp/a\\040b rw shared:1 - xfs /dev/b rw\n";
        let of = |path: &str| file_system_in(mounts, Path::new(path)).unwrap();
        assert_eq!(of("/home/x"), "ext4");
        assert_eq!(of("/tmp/x"), "tmpfs");
        assert_eq!(of("/tmp/a b/c"), "xfs");
    }

    #[test]
    fn this_machine_can_be_described() {
        let environment = collect(Path::new("."), None);
        assert!(environment.system.starts_with("Linux "), "{environment:?}");
        assert!(environment.cores >= 1 && environment.memory_mib > 0, "{environment:?}");
        assert_eq!(environment.server_digest.len(), 16, "{environment:?}");
    }
}
