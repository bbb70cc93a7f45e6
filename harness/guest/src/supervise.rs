//! Child processes, their output and their end.
//!
//! One thread, one `poll(2)`: [`Supervisor::pump`] waits for any child's
//! output or end, any peer of a listener, or the time limit, and deals with
//! all of it. Everything that waits is a loop around it.

mod orphans;
mod process;
mod search;
mod transcript;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use orphans::Orphans;
pub use process::{Output, Process, Unread};
pub use search::LineSearch;
pub use transcript::{Forgotten, Transcript};

use crate::attempt::AttemptError;
use crate::listen::Listener;

/// Which child of a [`Supervisor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId(u32);

/// The children and listeners of this process.
#[derive(Debug, Default)]
pub struct Supervisor {
    processes: BTreeMap<ProcessId, Process>,
    next_id: u32,
    listeners: Vec<Listener>,
    orphans: Option<Orphans>,
}

/// What woke the poll.
#[derive(Debug, Clone, Copy)]
enum Source {
    Output(ProcessId),
    End(ProcessId),
    Peer(usize),
    Orphan,
}

impl Supervisor {
    /// Without orphans: for a process that is not PID 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reap whatever the kernel hands to PID 1, too.
    pub fn with_orphans(orphans: Orphans) -> Self {
        Self {
            orphans: Some(orphans),
            ..Self::default()
        }
    }

    /// Start a program.
    pub fn spawn(&mut self, argv: &[String]) -> Result<ProcessId, AttemptError> {
        Ok(self.insert(Process::spawn(argv, Stdio::null())?))
    }

    /// Start a program that is told things: see [`Process::tell`].
    pub fn spawn_listening(&mut self, argv: &[String]) -> Result<ProcessId, AttemptError> {
        Ok(self.insert(Process::spawn(argv, Stdio::piped())?))
    }

    /// Start a program that goes on with the output of a child that has
    /// ended; that one is given up, unless the program cannot be started.
    ///
    /// # Panics
    /// When the child was taken before.
    pub fn spawn_after(
        &mut self,
        ended: ProcessId,
        argv: &[String],
    ) -> Result<ProcessId, AttemptError> {
        let mut process = Process::spawn(argv, Stdio::null())?;
        process.go_on_with(self.take(ended).into_output());
        Ok(self.insert(process))
    }

    fn insert(&mut self, process: Process) -> ProcessId {
        let id = ProcessId(self.next_id);
        self.next_id += 1;
        self.processes.insert(id, process);
        id
    }

    /// A child that was spawned here and not taken.
    ///
    /// # Panics
    /// When it was taken.
    pub fn process(&self, id: ProcessId) -> &Process {
        &self.processes[&id]
    }

    /// Read what a child has said, and let it find that nobody ever will again.
    pub fn close_output(&mut self, id: ProcessId) -> io::Result<()> {
        let process = self.processes.get_mut(&id);
        process.ok_or(io::ErrorKind::NotFound)?.close_output();
        Ok(())
    }

    /// Give a child up, with what it has said so far.
    ///
    /// # Panics
    /// When it was taken before.
    pub fn take(&mut self, id: ProcessId) -> Process {
        let taken = self.processes.remove(&id);
        taken.expect("an id is given up with its process")
    }

    /// Accept this listener's peers from now on.
    pub fn listen(&mut self, listener: Listener) {
        self.listeners.push(listener);
    }

    /// Pump until `done` has an answer or the deadline has passed. What has
    /// already happened is always taken in first.
    pub fn wait<T>(
        &mut self,
        deadline: Instant,
        mut done: impl FnMut(&Self) -> Option<T>,
    ) -> io::Result<Option<T>> {
        self.pump(Some(Duration::ZERO))?;
        loop {
            if let Some(answer) = done(self) {
                return Ok(Some(answer));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.pump(Some(left))?;
        }
    }

    /// Wait once for anything to happen, at most `limit`, and take it in.
    pub fn pump(&mut self, limit: Option<Duration>) -> io::Result<()> {
        for source in self.ready(limit)? {
            match source {
                Source::Output(id) => {
                    if let Some(process) = self.processes.get_mut(&id) {
                        process.drain();
                    }
                }
                Source::End(id) => {
                    if let Some(process) = self.processes.get_mut(&id) {
                        process.reap()?;
                    }
                }
                Source::Peer(index) => self.listeners[index].drain(),
                Source::Orphan => self.reap_orphans()?,
            }
        }
        Ok(())
    }

    fn ready(&self, limit: Option<Duration>) -> io::Result<Vec<Source>> {
        let watched = self.watched();
        let mut polled: Vec<PollFd<'_>> = watched
            .iter()
            .map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let limit = limit.map(|limit| Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        });
        match poll(&mut polled, limit.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            result => result?,
        };
        Ok(polled
            .iter()
            .zip(&watched)
            .filter(|(polled, _)| !polled.revents().is_empty())
            .map(|(_, (source, _))| *source)
            .collect())
    }

    fn watched(&self) -> Vec<(Source, BorrowedFd<'_>)> {
        let mut watched = Vec::new();
        for (&id, process) in &self.processes {
            watched.extend(process.pipes().map(|fd| (Source::Output(id), fd)));
            watched.extend(process.end().map(|fd| (Source::End(id), fd)));
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            watched.push((Source::Peer(index), std::os::fd::AsFd::as_fd(listener)));
        }
        watched.extend(self.orphans.iter().map(|it| (Source::Orphan, it.as_fd())));
        watched
    }

    /// A child of ours can turn up among the orphans when it ended a moment
    /// ago: its status is noted, not lost.
    fn reap_orphans(&mut self) -> io::Result<()> {
        let Some(orphans) = &mut self.orphans else {
            return Ok(());
        };
        for (pid, exit) in orphans.reap()? {
            for process in self.processes.values_mut() {
                process.note_end(pid, exit);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
