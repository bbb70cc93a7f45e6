//! Which object a path is, asked of the kernel.
//!
//! `stat(2)` gives neither an inode's generation nor, on some file systems,
//! the device of its super block. So the agent opens a path without access to
//! what is there, and has the kernel run a program of its own, which notes the
//! key under which the other programs will see the file. It is attached
//! nowhere: to attach a program to a hook and to take it away again takes the
//! kernel hundreds of milliseconds.

use std::{io, os::fd::AsRawFd as _, path::Path};

use aegisbpf_abi::{Key, names};
use aya::{
    maps::{Array, Map, MapData, MapError},
    programs::{ProgramError, RawTracePoint, RawTracePointRunOptions, TestRun as _},
};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use thiserror::Error;

use super::{
    chain::chain,
    programs::{Programs, ProgramsError},
};

/// Why the kernel cannot be asked about a path.
#[derive(Debug, Error)]
pub enum IdentifyError {
    /// The path cannot be looked at.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The answer cannot be read.
    #[error("cannot read the kernel's answer: {0}")]
    Map(#[from] MapError),
    /// The program cannot be run.
    #[error("the kernel cannot be asked: {}", chain(.0))]
    Run(#[from] ProgramError),
    /// There was no answer.
    #[error("the kernel did not say which object it is")]
    Silent,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Its key.
    pub key: Key,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// Tells which object a path is.
pub trait Identify {
    /// The object at a path, symbolic links followed, or `None` when there is
    /// nothing.
    fn identify(&mut self, path: &Path) -> Result<Option<Identity>, IdentifyError>;
}

/// The kernel.
pub struct Kernel<'programs> {
    program: &'programs RawTracePoint,
    answer: Array<MapData, Key>,
}

impl<'programs> Kernel<'programs> {
    /// With the program that answers.
    pub fn new(programs: &'programs mut Programs) -> Result<Self, ProgramsError> {
        let name = names::policy_map::IDENTITY;
        let answer = MapData::from_pin(programs.folder().map(name))
            .and_then(Map::from_map_data)
            .and_then(Array::try_from)
            .map_err(|source| ProgramsError::Io {
                what: format!("cannot use the map {name}"),
                source: io::Error::other(source),
            })?;
        Ok(Self {
            program: programs.identify()?,
            answer,
        })
    }
}

impl Identify for Kernel<'_> {
    fn identify(&mut self, path: &Path) -> Result<Option<Identity>, IdentifyError> {
        self.answer.set(0, Key::default(), 0)?;
        // Which is no opening that a rule could deny.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = match openat(CWD, path, flags, Mode::empty()) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(io::Error::from(error).into()),
        };
        let mut asked = RawTracePointRunOptions::new();
        asked.args[0] = u64::from(file.as_raw_fd().unsigned_abs());
        self.program.test_run(asked)?;
        let key = self.answer.get(&0, 0)?;
        if key == Key::default() {
            return Err(IdentifyError::Silent);
        }
        let status = fstat(&file).map_err(io::Error::from)?;
        Ok(Some(Identity {
            key,
            is_folder: FileType::from_raw_mode(status.st_mode) == FileType::Directory,
        }))
    }
}
