//! What is pinned, and where.
//!
//! ```text
//! /sys/fs/bpf/aegisbpf/COUNTERS DENIALS AUDITS
//! /sys/fs/bpf/aegisbpf/programs-<digest>/ACTIVE META … link-<hook> …
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::paths;

const PROGRAMS: &str = "programs-";
const LINK: &str = "link-";

/// The pin of a shared map.
pub fn shared_map(name: &str) -> PathBuf {
    Path::new(paths::PINS).join(name)
}

/// The folder of one version of the programs, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder(PathBuf);

impl Folder {
    /// Of the programs with this digest.
    pub fn of(digest: &str) -> Self {
        Self(Path::new(paths::PINS).join(format!("{PROGRAMS}{digest}")))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Make it.
    pub fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.0)
    }

    /// The pin of a map.
    pub fn map(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The pin of the link of a hook.
    pub fn link(&self, hook: &str) -> PathBuf {
        self.0.join(format!("{LINK}{hook}"))
    }

    /// The hooks whose links are pinned.
    pub fn links(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut hooks = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            if let Some(hook) = name.to_str().and_then(|name| name.strip_prefix(LINK)) {
                hooks.push(hook.to_owned());
            }
        }
        hooks.sort_unstable();
        Ok(hooks)
    }

    /// Unpin everything in it; its programs detach when nobody else holds
    /// them.
    pub fn remove(&self) -> io::Result<()> {
        absent_is_fine(fs::remove_dir_all(&self.0))
    }
}

/// The folders that exist.
pub fn folders() -> io::Result<Vec<Folder>> {
    let entries = match fs::read_dir(paths::PINS) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PROGRAMS)) {
            folders.push(Folder(entry.path()));
        }
    }
    folders.sort_unstable();
    Ok(folders)
}

/// Whether anything is pinned.
pub fn any() -> io::Result<bool> {
    match fs::read_dir(paths::PINS) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Unpin everything.
pub fn remove_all() -> io::Result<()> {
    absent_is_fine(fs::remove_dir_all(paths::PINS))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
