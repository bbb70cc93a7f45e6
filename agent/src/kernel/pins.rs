//! The pinned files and what they are called.
//!
//! ```text
//! /sys/fs/bpf/aegisbpf/ACTIVE, COUNTERS, DENIALS, AUDITS   shared by all generations
//! /sys/fs/bpf/aegisbpf/generation-7/OBJECTS, …, META       its rules
//! /sys/fs/bpf/aegisbpf/generation-7/link-file_open, …      its hooks
//! ```
//!
//! A generation is in force while `ACTIVE` holds its number. Any other one is
//! left from an interrupted switch and says nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::paths;

const GENERATION: &str = "generation-";
const LINK: &str = "link-";

/// The pin of a shared map.
pub fn shared_map(name: &str) -> PathBuf {
    Path::new(paths::PINS).join(name)
}

/// The folder of a generation.
pub fn generation(number: u64) -> PathBuf {
    Path::new(paths::PINS).join(format!("{GENERATION}{number}"))
}

/// The pin of the link of a program.
pub fn link(number: u64, program: &str) -> PathBuf {
    generation(number).join(format!("{LINK}{program}"))
}

/// The generations that have a folder.
pub fn generations() -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(paths::PINS) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.strip_prefix(GENERATION))
            && let Ok(number) = number.parse()
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Whether anything is pinned.
pub fn any() -> io::Result<bool> {
    match fs::read_dir(paths::PINS) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The programs of a generation whose links are pinned.
pub fn links(number: u64) -> io::Result<Vec<String>> {
    let mut programs = Vec::new();
    for entry in fs::read_dir(generation(number))? {
        let name = entry?.file_name();
        if let Some(program) = name.to_str().and_then(|name| name.strip_prefix(LINK)) {
            programs.push(program.to_owned());
        }
    }
    programs.sort_unstable();
    Ok(programs)
}

/// Unpin everything of a generation; its programs detach when nobody else
/// holds them.
pub fn remove_generation(number: u64) -> io::Result<()> {
    match fs::remove_dir_all(generation(number)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Unpin everything.
pub fn remove_all() -> io::Result<()> {
    match fs::remove_dir_all(paths::PINS) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
