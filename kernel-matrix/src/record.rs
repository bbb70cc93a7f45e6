//! What is known about the files kept for one kernel, and whether they are
//! still what was written.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Mutex,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use crate::{
    capability::Capability,
    digest::Digest,
    inspect,
    place::{self, PlaceError},
};

const FILE: &str = "record.json";

/// Written beside the files, after them: a file that it does not describe is
/// not trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The kernel's full version.
    pub version: String,
    /// What the kernel shows that it can do, without modules.
    pub capabilities: BTreeSet<Capability>,
    /// The modules that are kept for it; absent when nobody looked yet.
    #[serde(default)]
    pub modules: Option<BTreeSet<String>>,
    /// The [`crate::inspect::REVISION`] that found this out.
    #[serde(default)]
    pub inspection: u32,
    /// Size and digest of each file, by name.
    pub files: BTreeMap<String, Entry>,
}

/// What a file was when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    size: u64,
    sha256: Digest,
}

impl Entry {
    /// The entry of a file with this content.
    pub fn of(content: &[u8]) -> Self {
        Self {
            size: content.len() as u64,
            sha256: Digest::of(content),
        }
    }
}

impl Record {
    /// What it can do with its modules.
    pub fn all_capabilities(&self) -> BTreeSet<Capability> {
        let modules = self.modules.iter().flatten();
        let loaded = modules.filter_map(|name| inspect::capability_of_module(name));
        self.capabilities.iter().copied().chain(loaded).collect()
    }

    /// The record of a folder; none if it is missing or unreadable, since
    /// everything can be made again.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// Whether a file is there and has its size; its content is not looked at.
    pub fn seems_to_have(&self, folder: &Path, name: &str) -> bool {
        self.files.get(name).is_some_and(|entry| {
            fs::metadata(folder.join(name)).is_ok_and(|metadata| metadata.len() == entry.size)
        })
    }

    /// Write it, whole or not at all.
    pub fn write(&self, folder: &Path) -> Result<(), PlaceError> {
        let path = folder.join(FILE);
        let json = serde_json::to_vec_pretty(self)
            .map_err(|error| PlaceError::new(&path, io::Error::other(error)))?;
        place::write_atomically(&path, &json)
    }
}

/// Compares files with their records. The digest is computed when a file is
/// met for the first time, and again when its metadata has changed since.
#[derive(Debug, Default)]
pub struct Checker {
    seen: Mutex<HashMap<PathBuf, (Stamp, Digest)>>,
}

/// A file with the same stamp has, within one process, the same content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    inode: u64,
    modified: SystemTime,
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            size: metadata.len(),
            inode: metadata.ino(),
            modified: metadata.modified()?,
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl Checker {
    /// Whether the file is there and what its entry says.
    pub fn is_intact(&self, path: &Path, entry: &Entry) -> bool {
        Stamp::of(path).is_ok_and(|stamp| stamp.size == entry.size)
            && self.digest(path).is_ok_and(|found| found == entry.sha256)
    }

    /// The digest of a file, remembered.
    pub fn digest(&self, path: &Path) -> io::Result<Digest> {
        let stamp = Stamp::of(path)?;
        let seen = || {
            self.seen
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        if let Some((known, digest)) = seen().get(path)
            && *known == stamp
        {
            return Ok(*digest);
        }
        let (digest, _) = Digest::of_file(path)?;
        seen().insert(path.into(), (stamp, digest));
        Ok(digest)
    }
}
