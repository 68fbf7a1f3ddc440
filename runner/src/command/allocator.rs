//! An allocator that gives back what is freed at once, for commands that promise a limit.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

use whitewater_processes::OWN_PROGRAM;

/// Milliseconds for which mimalloc keeps freed pages: <https://microsoft.github.io/mimalloc/environment.html>.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Starts this program again, once, so that freed memory goes back to the system at once. The allocator reads its
/// settings before `main`; what it keeps of tables that grew would stand beside a limit that the searches hold.
///
/// Does nothing where the caller set the delay, or where the program cannot be started again: then it goes on as it is.
pub(super) fn give_back_at_once() {
    if env::var_os(PURGE_DELAY).is_some() {
        return;
    }
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_default();
    // Returns only where it failed.
    let _ = Command::new(OWN_PROGRAM).arg0(name).args(arguments).env(PURGE_DELAY, "0").exec();
}
