//! Reaping what the kernel hands to PID 1.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use harness_proto::Exit;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, wait};
use signal_hook::consts::SIGCHLD;

use super::process::exit_of;

/// Tells of the end of any child, and reaps it.
///
/// Only for PID 1: it takes the status of every child there is.
///
/// A handler that writes into a socket, and not a signalfd: that would need
/// the signal blocked, and children inherit what is blocked, but no handlers.
#[derive(Debug)]
pub struct Orphans(UnixStream);

impl Orphans {
    /// Receive `SIGCHLD` from now on.
    pub fn watch() -> io::Result<Self> {
        let (told, telling) = UnixStream::pair()?;
        told.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGCHLD, telling)?;
        Ok(Self(told))
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Every child that has ended. The signals are taken first: one that
    /// comes while reaping wakes the next poll.
    pub(super) fn reap(&mut self) -> io::Result<Vec<(Pid, Exit)>> {
        let mut signals = [0_u8; 64];
        while rustix::io::read(&self.0, &mut signals).is_ok_and(|length| length > 0) {}
        let mut ended = Vec::new();
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => ended.extend(exit_of(status).map(|exit| (pid, exit))),
                Ok(None) | Err(Errno::CHILD) => return Ok(ended),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
