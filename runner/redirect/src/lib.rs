//! Sends the dials of unmodified processes elsewhere.
//!
//! A process that is to be redirected installs a seccomp filter before it becomes the program under test
//! ([`hand_over`]): the kernel then stops every `connect(2)` of that program and of all it starts, and tells the
//! holder of the filter's *listener*. That is the runner ([`supervise`]): it reads where the dial was to go, asks a
//! table, and connects the very same socket to another address, or lets the call go on as it was.
//!
//! - **What it needs**: Linux 5.9, `PR_SET_NO_NEW_PRIVS`, and the right to read the memory of one's own children. No
//!   root, no user namespace, no cooperation of the program, and no library in it: static programs are caught as well.
//! - **What is caught**: `connect` on IPv4 and IPv4-mapped IPv6 stream sockets, blocking or not, of any thread and any
//!   descendant. What could go round it is refused: `io_uring_setup` and calls of a foreign instruction set as if the kernel
//!   had none, `MSG_FASTOPEN` as if the protocol had none.
//! - **How**: the process's own socket is fetched with `pidfd_getfd` and connected, so that every option on it holds.
//!   Where that is denied (containers), a new socket is connected and put in its place; options set before
//!   `connect` are lost with the old one, and so is a copy of it under another number.
//! - **What it is not**: a jail. A program that means to get round it can; one under test does not.
//! - **What it does not know**: nodes, proxies and rules. It is given addresses.
//!
//! A filter cannot be taken off again, and a listener that nobody holds any more makes every `connect` fail with ENOSYS:
//! a program outlives its supervisor only disconnected.

mod address;
mod filter;
mod handover;
mod kernel;
mod supervisor;

pub use handover::{hand_over, pair};
pub use kernel::connections_dropped;
pub use supervisor::{Dial, Dials, supervise};
