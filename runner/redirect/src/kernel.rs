//! The calls for which no crate has a safe form, each behind a function that has: the only `unsafe` of the project.
//!
//! The contract, once for all: every pointer handed to the kernel points to a live value of the type that the call is
//! documented to read or write (seccomp(2), seccomp_unotify(2), pidfd_getfd(2), socket(7)) and outlives the call, which keeps
//! none of them; every descriptor handed to it is borrowed from an owner; and every descriptor that it returns is new,
//! and gets its one owner here. Nothing else is assumed: a process that hands out nonsense makes calls fail, no more.
#![expect(
    unsafe_code,
    reason = "seccomp's listener and a foreign descriptor have no safe interface anywhere"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_long, c_uint};
use nix::sys::socket::ControlMessageOwned;

/// Of socket(7), missing in `libc`; the same number on all machines known here.
const SO_MEMINFO: c_int = 55;

/// A system call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification {
    /// Its name, never used twice.
    pub(crate) id: u64,
    /// The thread that made it.
    pub(crate) thread: u32,
    pub(crate) arguments: [u64; 6],
}

/// Installs a filter for this thread, and for all that it starts or becomes. Returns the filter's listener.
///
/// The thread must have set `PR_SET_NO_NEW_PRIVS` before, or be privileged.
pub(crate) fn install(filter: &[libc::sock_filter]) -> io::Result<OwnedFd> {
    let length = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut() };
    // SAFETY: `program` lives until the call is over and names as many instructions as `filter` has, which the kernel copies
    // and does not write.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    // SAFETY: with this flag the call returns a new descriptor, or a negative number.
    unsafe { adopt(listener) }
}

/// Takes the next call that waits; blocks while there is none.
pub(crate) fn receive(listener: &OwnedFd) -> io::Result<Notification> {
    let data = libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] };
    // The kernel insists on zeroes.
    let mut notification = libc::seccomp_notif { id: 0, pid: 0, flags: 0, data };
    control(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &mut notification)?;
    Ok(Notification {
        id: notification.id,
        thread: notification.pid,
        arguments: notification.data.args,
    })
}

/// Whether a call still waits: after what was read of its thread, that is the proof that it was that thread's.
pub(crate) fn is_waiting(listener: &OwnedFd, id: u64) -> bool {
    let mut id = id;
    control(listener, libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &mut id).is_ok()
}

/// Lets a call go on as if there were no filter.
pub(crate) fn let_go(listener: &OwnedFd, id: u64) -> io::Result<()> {
    let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let mut response = libc::seccomp_notif_resp { id, val: 0, error: 0, flags };
    control(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &mut response).map(drop)
}

/// Answers a call in the kernel's place: 0, or an error number.
pub(crate) fn answer(listener: &OwnedFd, id: u64, error: i32) -> io::Result<()> {
    let mut response = libc::seccomp_notif_resp { id, val: 0, error: -error, flags: 0 };
    control(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &mut response).map(drop)
}

/// Puts a copy of `ours` in the place of a waiting process's descriptor `theirs`.
pub(crate) fn replace(
    listener: &OwnedFd,
    id: u64,
    ours: &OwnedFd,
    theirs: RawFd,
    closes_on_exec: bool,
) -> io::Result<()> {
    let mut request = libc::seccomp_notif_addfd {
        id,
        flags: libc::SECCOMP_ADDFD_FLAG_SETFD as u32,
        srcfd: number(ours.as_raw_fd())?,
        newfd: number(theirs)?,
        newfd_flags: if closes_on_exec { libc::O_CLOEXEC as u32 } else { 0 },
    };
    control(listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD, &mut request).map(drop)
}

/// A copy of descriptor `theirs` of another process: the same socket, under a number of ours.
pub(crate) fn fetch(process: u32, theirs: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only, and returns a new descriptor or a negative number.
    let handle = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0 as c_uint) };
    // SAFETY: as said above.
    let handle = unsafe { adopt(handle)? };
    // SAFETY: as above; `handle` is open until the end of this function.
    let copy =
        unsafe { libc::syscall(libc::SYS_pidfd_getfd, handle.as_raw_fd(), theirs, 0 as c_uint) };
    // SAFETY: as said above.
    unsafe { adopt(copy) }
}

/// How many connection attempts a listening socket has dropped because its queue was full, since it exists. It wraps.
///
/// # Errors
/// Where the kernel, before Linux 4.12, does not tell.
pub fn connections_dropped(socket: impl AsFd) -> io::Result<u32> {
    let mut counts = [0_u32; libc::SK_MEMINFO_DROPS as usize + 1];
    let mut length = size_of_val(&counts) as libc::socklen_t;
    // SAFETY: `length` says how many bytes of `counts` may be written, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            counts.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < size_of_val(&counts) {
        return Err(io::Error::from(io::ErrorKind::Unsupported));
    }
    Ok(counts[libc::SK_MEMINFO_DROPS as usize])
}

/// The descriptors that came with a message, which the kernel made for it.
pub(crate) fn received(message: ControlMessageOwned) -> Vec<OwnedFd> {
    let ControlMessageOwned::ScmRights(descriptors) = message else { return Vec::new() };
    // SAFETY: the message was received by the caller and is used up here, so nobody else owns them.
    let adopt = |descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) };
    descriptors.into_iter().map(adopt).collect()
}

/// The owner of a descriptor that a call has just returned.
///
/// # Safety
/// `returned` is what a call returned that gives a new descriptor, or a negative number and `errno`.
unsafe fn adopt(returned: c_long) -> io::Result<OwnedFd> {
    match RawFd::try_from(returned) {
        // SAFETY: the caller's promise: it is new, so nobody else owns it.
        Ok(descriptor @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// One request to a listener. The type of `value` is the one whose size is part of `request`'s number: each caller is one of
/// the pairs of linux/seccomp.h.
fn control<T>(listener: &OwnedFd, request: libc::Ioctl, value: &mut T) -> io::Result<c_int> {
    debug_assert_eq!(size_of::<T>(), (request as usize >> 16) & 0x3fff);
    // SAFETY: `value` is live, exclusively ours, and as large as `request` says, which is asserted; the kernel reads or
    // writes that much. All types used are plain numbers, of which any bits are a value.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), request, std::ptr::from_mut(value)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn number(descriptor: RawFd) -> io::Result<u32> {
    u32::try_from(descriptor).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))
}
