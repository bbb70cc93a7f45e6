//! Machines: what a machine is to the rest of the harness, and QEMU behind it.

pub mod command_line;
pub(crate) mod lifeline;
mod lines;
mod process;
mod qemu;
mod qmp;

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use kernel_matrix::BootMode;
use thiserror::Error;

use crate::{
    outcome::InfraCode,
    room::{self, Kept, cannot_write},
};

pub use lines::Received;
pub use qemu::Qemu;

/// What starts machines.
pub trait Hypervisor: Sync {
    /// Start one; it is running, but has not said anything yet.
    fn boot(&self, spec: &BootSpec) -> Result<Box<dyn Booted>, VmError>;
}

/// What to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootSpec {
    /// An uncompressed kernel (ELF), or whatever QEMU's `-kernel` takes.
    pub image: PathBuf,
    /// See [`crate::initramfs`].
    pub initramfs: PathBuf,
    /// Decides the kernel's command line.
    pub boot_mode: BootMode,
    /// LSMs that are active besides those of the boot mode.
    pub lsms: Vec<String>,
    /// Where the console log goes; it exists.
    pub folder: PathBuf,
    /// The content of a disk that keeps its writes. A machine with one cannot
    /// be saved.
    pub disk: Option<PathBuf>,
}

/// A running machine with a line to the guest's runner. Dropping it ends it.
pub trait Machine: Send {
    /// Send one line, with its newline.
    fn send(&mut self, line: &str) -> io::Result<()>;
    /// The next line from the guest.
    fn receive(&mut self, deadline: Instant) -> Received;
    /// Stop it for so long, and let it go on.
    fn suspend(&mut self, time: Duration) -> Result<(), VmError>;
    /// End the machine and return what its kernel wrote on the console. An
    /// error if it was ended before by something that is not in it.
    fn end(self: Box<Self>) -> Result<String, VmError>;
}

/// A machine that was booted and can be saved.
pub trait Booted: Machine {
    /// Save its state and end it.
    fn save(self: Box<Self>) -> Result<Box<dyn Snapshot>, VmError>;
}

/// The saved state of a machine. Dropping it removes it.
pub trait Snapshot: Send + Sync {
    /// A fresh machine that goes on from there; its console log goes into the
    /// folder, which exists.
    fn restore(&self, folder: &Path) -> Result<Box<dyn Machine>, VmError>;
}

/// What can go wrong with a machine, never with what it runs.
#[derive(Debug, Error)]
pub enum VmError {
    /// QEMU is not there, or not executable.
    #[error("cannot run {program}: {cause}; `cargo xtask setup` installs QEMU")]
    Start {
        /// What was run.
        program: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// QEMU ended before it could be spoken to.
    #[error("QEMU ended at once: {said}\ncommand: {command}")]
    Refused {
        /// The end of its standard error.
        said: String,
        /// The whole command.
        command: String,
    },
    /// QEMU ended, and neither its guest nor this program made it.
    #[error("QEMU ended ({how}); did something on the host end it, for want of memory perhaps?")]
    Died {
        /// Its status, and the end of its standard error.
        how: String,
    },
    /// QEMU did not do what it was told.
    #[error("QEMU cannot {command}: {reason}")]
    Command {
        /// The QMP command.
        command: &'static str,
        /// What it answered.
        reason: String,
    },
    /// There is no room for what a machine leaves.
    #[error("{0}")]
    NoRoom(String),
    /// A machine's state could not be written or read.
    #[error("QEMU cannot {command} a machine's state: {reason} {said}")]
    Migration {
        /// The QMP command.
        command: &'static str,
        /// What it answered.
        reason: String,
        /// The end of its standard error, and that of its helper.
        said: String,
    },
    /// A file of a machine.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
}

impl VmError {
    /// What it is in a report.
    pub fn code(&self) -> InfraCode {
        match self {
            Self::Start { .. } | Self::Refused { .. } => InfraCode::QemuStart,
            Self::Died { .. } => InfraCode::QemuDied,
            Self::Command { .. } | Self::Migration { .. } => InfraCode::Snapshot,
            Self::File { .. } | Self::NoRoom(_) => InfraCode::Disk,
        }
    }

    /// For `map_err`.
    pub(crate) fn file(kept: Kept, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |cause| {
            if room::is_lacking(&cause) {
                Self::NoRoom(cannot_write(kept, &path, &cause))
            } else {
                Self::File { path, cause }
            }
        }
    }

    /// What a program said that could not write, if that was for want of room.
    pub(crate) fn no_room(kept: Kept, path: &Path, said: &str) -> Option<Self> {
        let full = ["No space left", "quota exceeded", "File too large"];
        let line = said
            .lines()
            .find(|line| full.iter().any(|words| line.contains(words)))?;
        let what = path.display().to_string();
        Some(Self::NoRoom(room::no_room(kept, &what, line.trim())))
    }
}
