//! What is done before a node's first start, and once for a cluster: files written, commands run to their end.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::Signal;
use whitewater_processes::{Launch, Spawner};
use whitewater_target::Preparation;

use super::last_words;

/// Tools that make an empty database are done within a second; a loaded machine may take longer.
const COMMAND_WITHIN: Duration = Duration::from_secs(30);

/// Makes the data folder, writes files into it, runs commands.
pub(super) fn prepare(
    spawner: &Spawner,
    data_dir: &Path,
    preparation: &Preparation,
) -> io::Result<()> {
    for (path, text) in &preparation.files {
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        written
            .and_then(|()| fs::write(path, text))
            .map_err(|error| named(&error, &format!("write {}", path.display())))?;
    }
    fs::create_dir_all(data_dir)
        .map_err(|error| named(&error, &format!("make {}", data_dir.display())))?;
    preparation.commands.iter().try_for_each(|command| run_to_end(spawner, command))
}

/// Runs a command to its end, which has to be a good one.
pub(super) fn run_to_end(spawner: &Spawner, launch: &Launch) -> io::Result<()> {
    let log_start = fs::metadata(&launch.log).map_or(0, |log| log.len());
    let (ended, end) = mpsc::channel();
    let child = spawner.spawn(launch, move |how, _| {
        let _ = ended.send(how.to_owned());
    })?;
    let how = end.recv_timeout(COMMAND_WITHIN).unwrap_or_else(|_| {
        let _ = child.signal(Signal::SIGKILL);
        format!("nothing within {} s", COMMAND_WITHIN.as_secs())
    });
    if how == "exit code 0" {
        return Ok(());
    }
    let said = last_words::since(&launch.log, log_start, false);
    let said = said.last().map_or_else(String::new, |line| format!(" and said “{}”", line.trim()));
    Err(io::Error::other(format!("`{}` ended with {how}{said}", in_words(launch))))
}

fn in_words(launch: &Launch) -> String {
    let arguments = launch.arguments.iter().map(|it| it.to_string_lossy().into_owned());
    let words = std::iter::once(launch.program.display().to_string()).chain(arguments);
    words.collect::<Vec<_>>().join(" ")
}

fn named(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
