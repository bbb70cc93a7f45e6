//! Reaping what the kernel hands to PID 1.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use harness_proto::Exit;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::{Pid, WaitOptions, wait};

use super::process::exit_of;

/// Tells of the end of any child, and reaps it.
///
/// Only for PID 1: it takes the status of every child there is.
#[derive(Debug)]
pub struct Orphans(SignalFd);

impl Orphans {
    /// Receive `SIGCHLD` from now on. Needs a process of one thread: another
    /// would still take the signal. Children do not inherit the blocked
    /// signal, for the standard library clears the mask of what it spawns.
    pub fn watch() -> io::Result<Self> {
        let mut ended = SigSet::empty();
        ended.add(Signal::SIGCHLD);
        ended.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self(SignalFd::with_flags(&ended, flags)?))
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Every child that has ended. The signals are taken first: one that
    /// comes while reaping wakes the next poll.
    pub(super) fn reap(&mut self) -> io::Result<Vec<(Pid, Exit)>> {
        while self.0.read_signal()?.is_some() {}
        let mut ended = Vec::new();
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => ended.extend(exit_of(status).map(|exit| (pid, exit))),
                Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(ended),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
