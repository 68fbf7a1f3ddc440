//! Builds the program of a description, where it says how.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::description::Build;
use super::template::Scope;

/// A program that takes longer is not built because it is tested.
const WITHIN: Duration = Duration::from_secs(600);
/// So many lines of a failed build are shown.
const LINES_SHOWN: usize = 8;

/// Runs the build in the folder of the description; the program that it made.
///
/// # Errors
/// Where it fails, takes too long, or makes no such program; in words.
pub(super) fn build(build: &Build, here: &Path) -> Result<PathBuf, String> {
    let place = here.display().to_string();
    let (places, lists) = (BTreeMap::new(), BTreeMap::new());
    let scope = Scope { places: &places, node: 0, lists: &lists, words: &[("here", &place)] };
    let words = build.command.fill(&scope);
    let within = build.timeout.map_or(WITHIN, |time| time.0);
    let failed = |why: String| format!("[build] `{}` {why}", words.join(" "));
    let output =
        tempfile::NamedTempFile::new().map_err(|error| failed(format!("has no log: {error}")))?;
    let how = run(&words, here, output.as_file(), within)
        .map_err(|error| failed(format!("did not start: {error}")))?;
    if how != "exit status: 0" {
        let said = std::fs::read(output.path()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n  ");
        return Err(failed(format!("ended with {how}:\n  {last}")));
    }
    let program = here.join(&build.program);
    match program.is_file() {
        true => Ok(program),
        false => Err(failed(format!("made no {}", program.display()))),
    }
}

fn run(words: &[String], here: &Path, output: &File, within: Duration) -> io::Result<String> {
    let (name, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(name);
    command.args(arguments).current_dir(here).stdin(Stdio::null()).process_group(0);
    let mut child = command.stdout(output.try_clone()?).stderr(output.try_clone()?).spawn()?;
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait()));
    Ok(match end.recv_timeout(within) {
        Ok(status) => status?.to_string(),
        Err(_) => {
            if let Ok(group) = group {
                let _ = killpg(group, Signal::SIGKILL);
            }
            format!("nothing within {} s", within.as_secs_f32())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::read;

    fn built(rest: &str) -> Result<PathBuf, String> {
        let text = format!("ports = ['x']\ncommand = 'x'\n[client.etcd]\n[build]\n{rest}");
        let description = read("x.toml", &text, &|_| None).unwrap_or_else(|flaw| panic!("{flaw}"));
        let folder = tempfile::tempdir().unwrap();
        build(&description.build.unwrap(), folder.path())
    }

    #[test]
    fn a_program_is_built_beside_its_description() {
        let program = built("command = ['sh', '-c', 'touch {here}/out']\nprogram = 'out'").unwrap();
        assert!(program.ends_with("out"));
    }

    #[test]
    fn what_a_build_said_is_shown_where_it_fails_and_what_is_missing_is_named() {
        for (rest, says) in [
            (
                "command = ['sh', '-c', 'echo no such header >&2; exit 2']\nprogram = 'out'",
                "exit status: 2:\n  no such header",
            ),
            ("command = 'true'\nprogram = 'out'", "made no /"),
            ("command = 'no-such-make'\nprogram = 'out'", "did not start"),
            ("command = 'sleep 60'\nprogram = 'out'\ntimeout = '50ms'", "nothing within 0.05 s"),
        ] {
            let error = built(rest).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
