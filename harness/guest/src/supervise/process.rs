//! One child process: its pipes, what it said, and how it ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use harness_proto::Exit;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, kill_process,
    kill_process_group, pidfd_open, waitid, waitpid,
};

use super::transcript::Transcript;
use crate::attempt::{Attempt, AttemptError};

/// One read; the size of a pipe is 64 KiB.
const CHUNK_BYTES: usize = 16 * 1024;
/// Reads in one turn, so that one noisy child cannot keep the others waiting.
const CHUNKS_PER_TURN: usize = 64;

/// What a process said.
#[derive(Debug, Default)]
pub struct Output {
    /// On standard output.
    pub stdout: Transcript,
    /// On standard error.
    pub stderr: Transcript,
}

/// A child, running or ended.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    pidfd: OwnedFd,
    exit: Option<Exit>,
    stdin_pipe: Option<OwnedFd>,
    stdout_pipe: Option<OwnedFd>,
    stderr_pipe: Option<OwnedFd>,
    output: Output,
    unread: Arc<AtomicBool>,
}

/// While it lives, nobody reads a process's standard output.
#[derive(Debug)]
pub struct Unread(Arc<AtomicBool>);

impl Drop for Unread {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Process {
    /// With `stdin` it can be told something; else it reads nothing.
    pub(super) fn spawn(argv: &[String], stdin: Stdio) -> Result<Self, AttemptError> {
        let attempt = || format!("start {}", argv.join(" "));
        let mut child = command(argv).stdin(stdin).spawn().attempt(attempt)?;
        // The child is ours to reap from here on: `Child` is not used to wait.
        let pid = Pid::from_child(&child);
        let stdin_pipe = child.stdin.take().map(OwnedFd::from);
        let stdout_pipe = child.stdout.take().map(OwnedFd::from);
        let stderr_pipe = child.stderr.take().map(OwnedFd::from);
        for pipe in [&stdout_pipe, &stderr_pipe].into_iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true).attempt(attempt)?;
        }
        Ok(Self {
            pid,
            pidfd: pidfd_open(pid, PidfdFlags::empty()).attempt(attempt)?,
            exit: None,
            stdin_pipe,
            stdout_pipe,
            stderr_pipe,
            output: Output::default(),
            unread: Arc::default(),
        })
    }

    /// Append to what another process said. To be called before this one's
    /// output is first drained.
    pub(super) fn go_on_with(&mut self, mut output: Output) {
        output.stdout.finish_line();
        output.stderr.finish_line();
        self.output = output;
    }

    /// How it ended, once it has.
    pub fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// What it has said so far.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Leave the process behind and go on with its output.
    pub fn into_output(self) -> Output {
        self.output
    }

    /// Write to its standard input, as much as a pipe takes without waiting.
    pub fn tell(&self, line: &str) -> io::Result<()> {
        let Some(pipe) = &self.stdin_pipe else {
            return Err(io::Error::other("it has no standard input"));
        };
        let written = rustix::io::write(pipe, line.as_bytes())?;
        if written == line.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// Whether no more can come on standard output.
    pub fn is_silent(&self) -> bool {
        self.exit.is_some() && self.stdout_pipe.is_none()
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// A descriptor of it, which never means another.
    pub fn pidfd(&self) -> io::Result<OwnedFd> {
        self.pidfd.try_clone()
    }

    /// Leave what it says where it is.
    pub fn leave_unread(&self) -> Unread {
        self.unread.store(true, Ordering::Relaxed);
        Unread(Arc::clone(&self.unread))
    }

    fn is_read(&self) -> bool {
        !self.unread.load(Ordering::Relaxed)
    }

    /// What it has said is read, and nothing any more.
    pub(super) fn close_output(&mut self) {
        self.drain();
        self.stdout_pipe = None;
    }

    /// Send a signal to the process itself.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        let number = signal;
        let signal = Signal::from_named_raw(number).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("no signal {number}"))
        })?;
        if self.exit.is_some() {
            return Err(Errno::SRCH.into());
        }
        Ok(kill_process(self.pid, signal)?)
    }

    /// Whether the kernel has it stopped just now, all of its threads.
    pub fn is_stopped(&self) -> io::Result<bool> {
        if self.exit.is_some() {
            return Ok(false);
        }
        // Only looked at: a process that goes on is not stopped any more, and
        // its end is left for `reap`.
        let look = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid), look) {
            Ok(status) => Ok(status.is_some_and(|status| status.stopped())),
            Err(Errno::CHILD) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Kill it with everything it has started in its process group.
    pub fn kill_group(&self) -> io::Result<()> {
        match kill_process_group(self.pid, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let stdout = self.stdout_pipe.iter().filter(|_| self.is_read());
        stdout.chain(&self.stderr_pipe).map(AsFd::as_fd)
    }

    /// Readable when the process has ended and is not yet reaped.
    pub(super) fn end(&self) -> Option<BorrowedFd<'_>> {
        self.exit.is_none().then(|| self.pidfd.as_fd())
    }

    pub(super) fn drain(&mut self) {
        if self.is_read() {
            drain(&mut self.stdout_pipe, &mut self.output.stdout);
        }
        drain(&mut self.stderr_pipe, &mut self.output.stderr);
    }

    /// Take the status, if there is one, and the last words with it.
    pub(super) fn reap(&mut self) -> io::Result<()> {
        if self.exit.is_some() {
            return Ok(());
        }
        if let Some((_, status)) = waitpid(Some(self.pid), WaitOptions::NOHANG)? {
            self.exit = exit_of(status);
        }
        self.drain();
        Ok(())
    }

    /// The process `pid` has ended and was reaped elsewhere.
    pub(super) fn note_end(&mut self, pid: Pid, exit: Exit) {
        if self.pid == pid && self.exit.is_none() {
            self.exit = Some(exit);
            self.drain();
        }
    }
}

/// `None` for a process that was only stopped or continued.
pub(super) fn exit_of(status: WaitStatus) -> Option<Exit> {
    let exited = status.exit_status().map(Exit::Status);
    exited.or_else(|| status.terminating_signal().map(Exit::Signal))
}

/// In a process group of its own, so that it can be killed with its children.
fn command(argv: &[String]) -> Command {
    let (program, arguments) = match argv {
        [] => ("", &[][..]),
        [program, arguments @ ..] => (program.as_str(), arguments),
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command
}

fn drain(pipe: &mut Option<OwnedFd>, transcript: &mut Transcript) {
    let Some(fd) = pipe else { return };
    let mut chunk = [0; CHUNK_BYTES];
    for _ in 0..CHUNKS_PER_TURN {
        match rustix::io::read(&*fd, &mut chunk) {
            Ok(length @ 1..) => transcript.append(&chunk[..length]),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return,
            // The end; an error other than those is not expected of a pipe,
            // and nothing more can be had from it either.
            Ok(0) | Err(_) => {
                *pipe = None;
                return;
            }
        }
    }
}
