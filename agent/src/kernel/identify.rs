//! Which object a path is, asked of the kernel.
//!
//! `stat(2)` gives neither an inode's generation nor, on some file systems,
//! the device of its super block. So the agent stats a path, and a program of
//! its own on that hook, attached for as long as the agent asks, notes the key
//! under which the other programs will see the file.

use std::{io, path::Path};

use aegisbpf_abi::{Key, names};
use aya::{
    maps::{Array, Map, MapData, MapError},
    programs::links::FdLink,
};
use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, statx};
use thiserror::Error;

use super::programs::{Programs, ProgramsError, parse_btf, read_btf};

/// Why the kernel cannot be asked about a path.
#[derive(Debug, Error)]
pub enum IdentifyError {
    /// The path cannot be looked at.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The answer cannot be read.
    #[error("cannot read the kernel's answer: {0}")]
    Map(#[from] MapError),
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
pub struct Kernel {
    answer: Array<MapData, Key>,
    _link: FdLink,
}

impl Kernel {
    /// Attach the program that answers, until this is dropped.
    pub fn new(programs: &mut Programs) -> Result<Self, ProgramsError> {
        let btf = parse_btf(&read_btf()?)?;
        let link = programs.attach_unpinned(names::IDENTIFY, "inode_getattr", &btf)?;
        let name = names::policy_map::IDENTITY;
        let answer = MapData::from_pin(programs.folder().map(name))
            .and_then(Map::from_map_data)
            .and_then(Array::try_from)
            .map_err(|source| ProgramsError::Io {
                what: format!("cannot use the map {name}"),
                source: io::Error::other(source),
            })?;
        Ok(Self {
            answer,
            _link: link,
        })
    }
}

impl Identify for Kernel {
    fn identify(&mut self, path: &Path) -> Result<Option<Identity>, IdentifyError> {
        self.answer.set(0, Key::default(), 0)?;
        let status = match statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS) {
            Ok(status) => status,
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(io::Error::from(error).into()),
        };
        let key = self.answer.get(&0, 0)?;
        if key == Key::default() {
            return Err(IdentifyError::Silent);
        }
        Ok(Some(Identity {
            key,
            is_folder: FileType::from_raw_mode(u32::from(status.stx_mode)) == FileType::Directory,
        }))
    }
}
