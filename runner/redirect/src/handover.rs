//! How a process gives the listener of its filter to whoever is to answer: over a socket, before it becomes the
//! program under test.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::socket::{ControlMessage, MsgFlags, recvmsg, sendmsg};

use crate::filter::Machine;
use crate::kernel;

/// Two ends: one for [`crate::supervise`], one for [`hand_over`] in the process that is to be redirected.
///
/// # Errors
/// Where no descriptor is left.
pub fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    Ok((ours, theirs.into()))
}

/// From now on this thread, whatever it starts and whatever it becomes cannot `connect` but by leave of who holds the
/// other end. To be called before any other thread is started, which would go free.
///
/// # Errors
/// Where the kernel refuses: it is older than Linux 5.9, a container's own filter forbids it, or this process stands
/// under such a filter already (EBUSY).
pub fn hand_over(socket: BorrowedFd<'_>) -> io::Result<()> {
    let machine = Machine::here().ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
    prctl::set_no_new_privs()?;
    let listener = kernel::install(&machine.filter())?;
    let descriptors = [listener.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(b"l")], &message, MsgFlags::empty(), None)?;
    Ok(())
}

/// Waits for the listener; `None` where the other end was closed without one.
pub(crate) fn receive(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = cmsg_space!([i32; 1]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let received = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags) {
            Err(Errno::EINTR) => {}
            other => break other?,
        }
    };
    Ok(received.cmsgs()?.flat_map(kernel::received).next())
}
