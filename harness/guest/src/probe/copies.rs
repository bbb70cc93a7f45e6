//! What a descriptor that was opened before gives to others: to another
//! process, to a socket, a pipe or another file.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use harness_proto::Verdict;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, WaitOptions};

use super::{broken, raw, verdict};

fn sockets() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// Whether a byte was read, as an exit status.
fn read(file: rustix::io::Result<OwnedFd>) -> i32 {
    file.and_then(|file| rustix::io::pread(file, &mut [0_u8; 1], 0))
        .map_or_else(Errno::raw_os_error, |_| 0)
}

/// Do something in a child, whose exit status is 0 or an errno.
fn by_another(
    child: impl FnOnce() -> i32,
    parent: impl FnOnce() -> rustix::io::Result<()>,
) -> Verdict {
    let pid = match raw::fork() {
        Ok(None) => raw::exit(child()),
        Ok(Some(pid)) => Pid::from_raw(pid),
        Err(error) => return broken(&format!("fork: {error}")),
    };
    let given = parent();
    match rustix::process::waitpid(pid, WaitOptions::empty()) {
        Ok(Some((_, status))) => match (given, status.exit_status(), status.terminating_signal()) {
            (Err(error), ..) => broken(&format!("hand it over: {error}")),
            (Ok(()), Some(0), _) => Verdict::Allowed,
            (Ok(()), Some(errno), _) => Verdict::Denied { errno },
            (Ok(()), None, Some(signal)) => Verdict::Killed { signal },
            (Ok(()), None, None) => broken("the child has not ended"),
        },
        Ok(None) => broken("the child has not ended"),
        Err(error) => broken(&format!("wait for the child: {error}")),
    }
}

pub(super) fn read_passed(file: &OwnedFd) -> Verdict {
    let (ours, theirs) = match sockets() {
        Ok(pair) => pair,
        Err(error) => return broken(&format!("make sockets: {error}")),
    };
    by_another(
        || read(receive(&theirs)),
        || {
            let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut room);
            let files = [file.as_fd()];
            control.push(SendAncillaryMessage::ScmRights(&files));
            let data = [IoSlice::new(b"x")];
            rustix::net::sendmsg(&ours, &data, &mut control, SendFlags::empty()).map(drop)
        },
    )
}

fn receive(socket: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let mut byte = [0_u8; 1];
    let mut data = [IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(socket, &mut data, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut files) = message {
            // One that a security module did not let through is missing.
            return files.next().ok_or(Errno::PERM);
        }
    }
    Err(Errno::PERM)
}

pub(super) fn read_taken(file: &OwnedFd) -> Verdict {
    let holder = rustix::process::getpid();
    let number = file.as_raw_fd();
    by_another(
        || {
            let taken =
                rustix::process::pidfd_open(holder, PidfdFlags::empty()).and_then(|pidfd| {
                    rustix::process::pidfd_getfd(pidfd, number, PidfdGetfdFlags::empty())
                });
            read(taken)
        },
        || Ok(()),
    )
}

pub(super) fn sendfile(file: &OwnedFd) -> Verdict {
    match sockets() {
        Ok((ours, _theirs)) => verdict(rustix::fs::sendfile(&ours, file, Some(&mut 0), 1)),
        Err(error) => broken(&format!("make sockets: {error}")),
    }
}

pub(super) fn splice(file: &OwnedFd) -> Verdict {
    match rustix::pipe::pipe() {
        Ok((_read, write)) => verdict(rustix::pipe::splice(
            file,
            Some(&mut 0),
            &write,
            None,
            1,
            rustix::pipe::SpliceFlags::empty(),
        )),
        Err(error) => broken(&format!("make a pipe: {error}")),
    }
}

/// The copy is gone afterwards.
pub(super) fn copy_range(file: &OwnedFd, path: &str) -> Verdict {
    let copy = format!("{path}.copy");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let result = match rustix::fs::openat(CWD, &copy, flags, Mode::from_raw_mode(0o600)) {
        Ok(out) => verdict(rustix::fs::copy_file_range(
            file,
            Some(&mut 0),
            out,
            Some(&mut 0),
            1,
        )),
        Err(error) => return broken(&format!("make {copy}: {error}")),
    };
    let _ = std::fs::remove_file(copy);
    result
}
