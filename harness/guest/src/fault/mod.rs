//! What goes wrong around an agent, with a guard that puts it right.
//!
//! | module | holds |
//! | --- | --- |
//! | `process` | what befalls the agent's process |
//! | `memory` | the kernel kills it for want of memory |
//! | `disk` | no room, read-only, slow |
//! | `mounts` | covered, unmounted |
//! | `clock` | another time |
//! | `processor` | a program that leaves no processor to others |
//!
//! A fault is in place when its function returns, which has looked.

mod clock;
mod disk;
mod freeze;
mod memory;
mod mounts;
mod process;
mod processor;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Instant;

use harness_proto::Fault;

use crate::attempt::AttemptError;
use crate::supervise::{ProcessId, Supervisor};

type Undo = Box<dyn FnOnce() -> Result<(), AttemptError>>;

/// Puts one fault right: when it is told to, else when it is dropped.
pub struct Guard(Option<Undo>);

impl Guard {
    fn new(undo: impl FnOnce() -> Result<(), AttemptError> + 'static) -> Self {
        Self(Some(Box::new(undo)))
    }

    /// Of what cannot be put right.
    fn nothing() -> Self {
        Self(None)
    }

    /// Put it right, and say so.
    pub fn lift(mut self) -> Result<(), AttemptError> {
        self.0.take().map_or(Ok(()), |undo| undo())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(undo) = self.0.take()
            && let Err(error) = undo()
        {
            eprintln!("guest-runner: a fault stays: {error}");
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.0.is_some() { "up" } else { "lifted" };
        formatter.debug_tuple("Guard").field(&state).finish()
    }
}

/// The faults that are in place. Dropped, the last is put right first.
#[derive(Debug, Default)]
pub struct Faults(Vec<(String, Guard)>);

impl Faults {
    /// Note one.
    pub fn add(&mut self, name: &str, guard: Guard) {
        self.0.push((name.to_owned(), guard));
    }

    /// Put one right.
    pub fn lift(&mut self, name: &str) -> Result<(), String> {
        let place = self.0.iter().rposition(|(known, _)| known == name);
        let place = place.ok_or_else(|| format!("no fault called {name} is in place"))?;
        self.0.remove(place).1.lift().map_err(|it| it.to_string())
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

/// Whom it befalls, and what it is done with.
pub struct Scene<'a> {
    /// The children.
    pub supervisor: &'a mut Supervisor,
    /// The agent's process, for faults of one.
    pub process: Option<ProcessId>,
    /// The probe executable.
    pub probe: &'a Path,
    /// Until when it must be in place.
    pub deadline: Instant,
}

/// Let it go wrong.
pub fn inject(fault: &Fault, mut scene: Scene<'_>) -> Result<Guard, AttemptError> {
    let process = scene.process.ok_or_else(|| AttemptError {
        attempt: format!("find the process of the fault {}", fault.kind()),
        source: io::ErrorKind::NotFound.into(),
    });
    match fault {
        Fault::Stopped => process::stop(process?, scene),
        Fault::Unread => Ok(process::leave_unread(process?, scene.supervisor)),
        Fault::Unreadable => process::close_output(process?, scene.supervisor),
        Fault::Descriptors { spare } => {
            process::limit_descriptors(process?, scene.supervisor, *spare)
        }
        Fault::OutOfMemory => memory::run_out(process?, &mut scene),
        Fault::Full { at } => disk::fill(Path::new(at)),
        Fault::ReadOnly { at } => disk::make_read_only(Path::new(at)),
        Fault::Slow { at, stall_ms } => disk::slow_down(Path::new(at), *stall_ms),
        Fault::Covered { at } => mounts::cover(Path::new(at)),
        Fault::Unmounted { at } => mounts::unmount(Path::new(at)),
        Fault::Clock { seconds } => clock::jump(*seconds),
        Fault::Starved => processor::starve(scene),
    }
}

/// That something is not as it was made.
fn not_in_place(attempt: impl Into<String>, seen: impl fmt::Display) -> AttemptError {
    AttemptError {
        attempt: attempt.into(),
        source: io::Error::other(format!("it did not take: {seen}")),
    }
}

#[cfg(test)]
mod tests;
