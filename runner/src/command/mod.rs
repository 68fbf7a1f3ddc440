//! One file per subcommand: from parsed arguments to an exit code.

mod allocator;
pub(crate) mod bench;
pub(crate) mod check;
mod check_text;
pub(crate) mod cluster;
pub(crate) mod doctor;
pub(crate) mod exec_node;
pub(crate) mod guard;
pub(crate) mod init;
pub(crate) mod kv;
pub(crate) mod ls;
pub(crate) mod mutants;
mod rejudge;
pub(crate) mod replay_journal;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod server;
pub(crate) mod show;
pub(crate) mod sim;
pub(crate) mod try_target;
