//! What is asked of the kernel through io_uring instead of a system call.
#![expect(unsafe_code, reason = "submissions hold pointers")]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use harness_proto::Verdict;
use io_uring::{IoUring, opcode, squeue::Entry, types::Fd};
use rustix::io::Errno;

/// Why there is no answer of the operation itself.
pub(super) fn unavailable(error: &std::io::Error) -> Verdict {
    super::broken(&format!("set up io_uring: {error}"))
}

/// `IORING_OP_OPENAT`.
pub(super) fn open(path: &CStr, flags: i32) -> std::io::Result<rustix::io::Result<OwnedFd>> {
    let entry = opcode::OpenAt::new(Fd(libc::AT_FDCWD), path.as_ptr())
        .flags(flags)
        .build();
    let opened = submit(&entry)?;
    // SAFETY: the kernel has just made it for this caller.
    Ok(opened.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// `IORING_OP_CONNECT`.
pub(super) fn connect(
    socket: BorrowedFd<'_>,
    peer: &rustix::net::SocketAddrAny,
) -> std::io::Result<rustix::io::Result<i32>> {
    let fd = Fd(socket.as_raw_fd());
    submit(&opcode::Connect::new(fd, peer.as_ptr().cast(), peer.addr_len()).build())
}

/// `IORING_OP_READ` at the start of a file.
pub(super) fn read(
    file: BorrowedFd<'_>,
    room: &mut [u8],
) -> std::io::Result<rustix::io::Result<i32>> {
    let fd = Fd(file.as_raw_fd());
    let length = u32::try_from(room.len()).unwrap_or(u32::MAX);
    submit(
        &opcode::Read::new(fd, room.as_mut_ptr(), length)
            .offset(0)
            .build(),
    )
}

/// One submission, and what came of it. What it points to must outlive this.
fn submit(entry: &Entry) -> std::io::Result<rustix::io::Result<i32>> {
    let mut ring = IoUring::new(2)?;
    // SAFETY: it is waited for below, while the callers hold what it points to.
    let pushed = unsafe { ring.submission().push(entry) };
    pushed.map_err(|_| std::io::Error::other("the queue is full"))?;
    ring.submit_and_wait(1)?;
    let completion = ring.completion().next();
    let result = completion
        .ok_or_else(|| std::io::Error::other("no completion"))?
        .result();
    Ok(if result < 0 {
        Err(Errno::from_raw_os_error(-result))
    } else {
        Ok(result)
    })
}
