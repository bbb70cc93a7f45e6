//! Which object a path is, asked of the kernel.
//!
//! `stat(2)` gives neither an inode's generation nor, on some file systems,
//! the device of its super block. So the agent opens a path without access to
//! what is there, and has the kernel run a program of its own, which notes the
//! key under which the other programs will see the file. It is attached
//! nowhere: to attach a program to a hook and to take it away again takes the
//! kernel hundreds of milliseconds.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
};

use aegisbpf_abi::{FileFacts, Key, names};
use aya::{
    maps::{Array, Map, MapData, MapError},
    programs::{ProgramError, RawTracePoint, RawTracePointRunOptions, TestRun as _},
};
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, openat},
    io::Errno,
};
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
    answer: Array<MapData, FileFacts>,
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

impl Kernel<'_> {
    /// What there is to know about the file at a path, links followed, with
    /// the folders above where they are asked for.
    pub fn facts(
        &mut self,
        path: &Path,
        folders: bool,
    ) -> Result<Option<FileFacts>, IdentifyError> {
        let Some(file) = open(path)? else {
            return Ok(None);
        };
        self.ask(&file, folders).map(Some)
    }

    fn ask(&mut self, file: &OwnedFd, folders: bool) -> Result<FileFacts, IdentifyError> {
        self.answer.set(0, FileFacts::default(), 0)?;
        let mut asked = RawTracePointRunOptions::new();
        asked.args[0] = u64::from(file.as_raw_fd().unsigned_abs());
        asked.args[1] = u64::from(folders);
        self.program.test_run(asked)?;
        let facts = self.answer.get(&0, 0)?;
        if facts.object == Key::default() {
            return Err(IdentifyError::Silent);
        }
        Ok(facts)
    }
}

/// Open it in a way that no rule could deny.
fn open(path: &Path) -> Result<Option<OwnedFd>, IdentifyError> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

impl Identify for Kernel<'_> {
    fn identify(&mut self, path: &Path) -> Result<Option<Identity>, IdentifyError> {
        let Some(file) = open(path)? else {
            return Ok(None);
        };
        let facts = self.ask(&file, false)?;
        let status = fstat(&file).map_err(io::Error::from)?;
        Ok(Some(Identity {
            key: facts.object,
            is_folder: FileType::from_raw_mode(status.st_mode) == FileType::Directory,
        }))
    }
}
