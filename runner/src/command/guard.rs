//! `guard`: outlives the process that started it, and kills what that process's children had started.
//!
//! The parent-death signal ends a server with its runner, but not what that server has started itself: the kernel does not
//! pass the request on. Standard input leads to the runner, so that its end, however it comes, is seen here.

/// Arguments of the hidden subcommand `guard`.
#[derive(Debug, clap::Args)]
pub(crate) struct GuardArguments {
    /// How the marks of those begin that are to be killed
    marks: String,
}

/// Waits for the end of standard input.
pub(crate) fn run(arguments: &GuardArguments) {
    whitewater_processes::guard(&arguments.marks);
}
