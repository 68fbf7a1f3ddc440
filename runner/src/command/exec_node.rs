//! `exec-node`: ties a server's life to its parent's, then becomes that server.
//!
//! A process can ask the kernel to be killed when its parent dies, but only for itself, so the
//! request has to be made between fork and exec. Doing that in this hidden subcommand needs no
//! `unsafe` and leaves the server's own program untouched: the request survives exec. So does the filter that
//! stops the server's dials, where they are to be redirected: its listener goes to the parent over standard input,
//! which is a socket then.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::Context;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use whitewater_redirect::hand_over;

/// Arguments of the hidden subcommand `exec-node`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExecNodeArguments {
    /// Process id of the parent whose death ends this process.
    #[arg(long)]
    parent: i32,
    /// Have this process's dials, and those of all it starts, answered by the parent, to which standard input leads
    #[arg(long)]
    redirect: bool,
    /// The program to become, and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, num_args = 1..)]
    program: Vec<OsString>,
}

/// Becomes the program; returns only where that failed.
pub(crate) fn run(arguments: &ExecNodeArguments) -> anyhow::Result<std::convert::Infallible> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("ask to die with the parent")?;
    // The parent may have died before the request was made; then nobody will send the signal.
    let parent = getppid().as_raw();
    anyhow::ensure!(
        parent == arguments.parent,
        "the parent {} is gone (now {parent}): not starting",
        arguments.parent
    );
    let (program, rest) =
        arguments.program.split_first().context("exec-node needs a program to become")?;
    let mut command = Command::new(program);
    command.args(rest);
    if arguments.redirect {
        hand_over(std::io::stdin().as_fd())
            .context("let the parent answer this process's dials")?;
        command.stdin(Stdio::null());
    }
    if program == whitewater_processes::OWN_PROGRAM {
        command.arg0(env!("CARGO_BIN_NAME"));
    }
    let error = command.exec();
    Err(error).with_context(|| format!("start {}", program.display()))
}
