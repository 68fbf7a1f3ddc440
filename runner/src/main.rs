//! Whitewater's one binary: parses the command line, hands it to a command, and turns what comes back
//! into an exit code.
//!
//! The crate, from the outside in: [`cli`] names things, [`command`] has one file per subcommand,
//! [`run`] lives through one run of a [`plan`]. A run starts servers ([`cluster`], `whitewater_processes`) of a
//! `whitewater_target` behind proxies ([`proxy`]), lets clients work ([`workload`]), breaks things
//! ([`nemesis`]), watches ([`observe`]) and writes everything down ([`record`], [`store`]). Judging is
//! `whitewater-checker`'s trade, drawing `whitewater-reports`'.

mod account;
mod arguments;
mod ci;
mod cli;
mod cluster;
mod command;
mod conformance;
mod dice;
mod environment;
mod exit;
mod flags;
mod invocation;
mod long_work;
mod nemesis;
mod observe;
mod phases;
mod plan;
mod progress;
mod proxy;
mod record;
mod run;
mod sentence;
mod sim;
mod store;
mod terminal;
mod tier;
mod workload;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use cli::Command;
use exit::Exit;
use progress::print_error;

/// A server makes and drops some dozens of small pieces per request; this allocator takes half the time
/// of the C library's for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = arguments::read();
    // A panic unwinds through the heal guards first; the hook has printed it by then.
    let exit = match catch_unwind(AssertUnwindSafe(|| dispatch(cli.command))) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            let exit = Exit::of_error(&error);
            let whose = if exit == Exit::Internal { "; this is a bug of whitewater" } else { "" };
            print_error(&format!("error: {}{whose}", sentence::of(&error)));
            exit
        }
        Err(_) => {
            print_error("error: this is a bug of whitewater");
            Exit::Internal
        }
    };
    if exit == Exit::Internal
        && let Some(folder) = run::CURRENT_RUN.get()
    {
        let folder = folder.display().to_string();
        let check = invocation::command(["check", &folder]);
        print_error(&format!("what was recorded is in {folder}; `{check}` judges it"));
    }
    ExitCode::from(exit.code())
}

fn dispatch(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Run(arguments) => command::run::run(*arguments),
        Command::Check(arguments) => command::check::run(&arguments),
        Command::ReplayJournal(arguments) => command::replay_journal::run(&arguments),
        Command::Report(arguments) => command::report::run(&arguments),
        Command::Init(arguments) => command::init::run(&arguments),
        Command::Try(arguments) => command::try_target::run(&arguments),
        Command::Doctor(arguments) => command::doctor::run(&arguments),
        Command::Ls(arguments) => command::ls::run(&arguments),
        Command::Show(arguments) => command::show::run(&arguments),
        Command::Cluster(arguments) => command::cluster::run(arguments),
        Command::Kv(arguments) => command::kv::run(arguments),
        Command::Server(arguments) => command::server::run(*arguments),
        Command::Sim(arguments) => command::sim::run(&arguments),
        Command::Mutants(arguments) => command::mutants::run(&arguments),
        Command::Bench(arguments) => command::bench::run(arguments),
        Command::Guard(arguments) => {
            command::guard::run(&arguments);
            Ok(Exit::Pass)
        }
        Command::ExecNode(arguments) => match command::exec_node::run(&arguments)? {},
    }
}
