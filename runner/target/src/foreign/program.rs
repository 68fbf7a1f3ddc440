//! Programs that are run for a description: one for each operation, or for each look at a node's status.
//!
//! What is not done in time is killed with all that it started.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{AccessFlags, Pid, access};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use whitewater_processes::OWN_PROGRAM;

use super::meaning::Reply;

/// More output than this is not read; the program then finds its pipe closed.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// How programs are started.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The folder of the description, in which they run.
    pub(super) here: PathBuf,
    /// Whether they are tied to this process's life, by its own subcommand for that, which a test has not.
    are_tied: bool,
    /// A folder that is gone when nobody needs it any more.
    _kept: Option<Arc<TempDir>>,
}

/// Why a program said nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// Whether it had begun to run.
    pub(super) has_begun: bool,
    /// In words.
    pub(super) reason: String,
}

impl Programs {
    /// Beside a description in this folder.
    pub(crate) fn beside(folder: &Path) -> Self {
        Self { here: folder.to_owned(), are_tied: !cfg!(test), _kept: None }
    }

    /// In a folder of their own, which goes with them.
    pub(crate) fn own(folder: TempDir) -> Self {
        let beside = Self::beside(folder.path());
        Self { _kept: Some(Arc::new(folder)), ..beside }
    }

    /// A command that is ready to start, in a process group of its own.
    pub(super) fn command(&self, words: &[String]) -> Result<Command, String> {
        let (name, arguments) = words.split_first().ok_or("a command of nothing")?;
        let program = self.find(name)?;
        let mut command = match self.are_tied {
            true => {
                let mut command = Command::new(OWN_PROGRAM);
                command.args(["exec-node", "--parent", &std::process::id().to_string(), "--"]);
                command.arg(program);
                command
            }
            false => Command::new(program),
        };
        command.args(arguments).current_dir(&self.here).process_group(0).kill_on_drop(true);
        Ok(command)
    }

    /// The program of a name: a path, one beside the description, or one on PATH.
    fn find(&self, name: &str) -> Result<PathBuf, String> {
        let runs = |path: &Path| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&folders).map(|folder| folder.join(name));
        let beside = std::iter::once(self.here.join(name));
        let mut candidates: Box<dyn Iterator<Item = PathBuf>> = match name.contains('/') {
            true => Box::new(beside),
            false => Box::new(on_path.chain(beside)),
        };
        candidates.find(|path| runs(path)).ok_or_else(|| {
            format!("no program `{name}`: neither on PATH nor in {}", self.here.display())
        })
    }

    /// Runs a program to its end. The reply's status is its exit code, its text what it printed, and where that is
    /// nothing what it printed to stderr.
    pub(super) async fn run(&self, words: &[String], time: Duration) -> Result<Reply, Failed> {
        let unborn = |reason: String| Failed { has_begun: false, reason };
        let mut command = self.command(words).map_err(unborn)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| unborn(format!("start `{}`: {error}", words[0])))?;
        let group = Group::of(&child);
        let (out, errors) = (child.stdout.take(), child.stderr.take());
        let ended = async {
            let (out, errors, status) = tokio::join!(all(out), all(errors), child.wait());
            (out, errors, status)
        };
        let Ok((out, errors, status)) = timeout(time, ended).await else {
            let reason =
                format!("`{}` did not end within {} ms", words.join(" "), time.as_millis());
            return Err(Failed { has_begun: true, reason });
        };
        group.forget();
        match status.ok().and_then(|status| status.code()) {
            Some(code) => Ok(Reply::new(code.into(), if out.is_empty() { errors } else { out })),
            None => {
                Err(Failed { has_begun: true, reason: format!("`{}` was killed", words.join(" ")) })
            }
        }
    }
}

async fn all(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What could be read counts.
        let _ = pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Kills a process group when it is dropped.
#[derive(Debug)]
pub(super) struct Group(Option<Pid>);

impl Group {
    /// Of a child that leads one.
    pub(super) fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        Self(pid.map(Pid::from_raw))
    }

    /// Its leader was reaped, and its number may be another's soon.
    pub(super) fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> Programs {
        Programs::beside(&std::env::temp_dir())
    }

    async fn run(words: &[&str], ms: u64) -> Result<Reply, Failed> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        programs().run(&words, Duration::from_millis(ms)).await
    }

    #[tokio::test]
    async fn a_program_that_ends_is_told_by_its_code_and_what_it_printed() {
        let reply = run(&["sh", "-c", "echo out; echo err >&2; exit 3"], 5_000).await.unwrap();
        assert_eq!((reply.status, reply.trimmed()), (3, "out"));
        let reply = run(&["sh", "-c", "echo err >&2"], 5_000).await.unwrap();
        assert_eq!((reply.status, reply.trimmed()), (0, "err"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_has_not_begun_and_one_that_hangs_has() {
        let failed = run(&["no-such-program", "x"], 5_000).await.unwrap_err();
        assert!(!failed.has_begun && failed.reason.contains("neither on PATH"), "{failed:?}");
        let failed = run(&["sh", "-c", "sleep 60 & sleep 60"], 50).await.unwrap_err();
        assert!(failed.has_begun && failed.reason.contains("within 50 ms"), "{failed:?}");
    }

    #[tokio::test]
    async fn a_flood_of_output_is_cut_off() {
        let reply = run(&["sh", "-c", "yes | head -c 3000000; exit 0"], 20_000).await;
        let length = reply.map_or(0, |reply| reply.text.len());
        assert!(length <= usize::try_from(OUTPUT_BYTES_MAX).unwrap(), "{length}");
    }
}
