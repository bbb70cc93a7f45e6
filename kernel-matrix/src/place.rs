//! Writing files that a later run trusts: whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why a file or folder cannot be written.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// There is no room for it.
    #[error(
        "no room to write {path} ({cause}): free some space there, or name another \
         folder with the variable AEGISBPF_CACHE"
    )]
    NoRoom {
        /// What was to be written.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Anything else.
    #[error("cannot write {path}: {cause}")]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
}

impl PlaceError {
    /// The error of writing to `path`.
    pub fn new(path: &Path, cause: io::Error) -> Self {
        let path = path.into();
        match cause.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::NoRoom { path, cause },
            _ => Self::Write { path, cause },
        }
    }
}

/// How the names of unfinished files begin.
const UNFINISHED: &str = ".new-";

/// Make a folder and those above it.
pub fn make_folder(path: &Path) -> Result<(), PlaceError> {
    fs::create_dir_all(path).map_err(|cause| PlaceError::new(path, cause))
}

/// Write a whole file, so that after a crash at any moment there is either
/// the old one or the new one. What is unfinished is removed on an error.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), PlaceError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let place = || -> io::Result<()> {
        let mut temporary = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        temporary.write_all(content)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)
    };
    place().map_err(|cause| PlaceError::new(path, cause))
}

/// Remove what [`write_atomically`] left in a folder when its process was
/// killed. Only for the one who alone writes there.
pub fn remove_unfinished(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(UNFINISHED.as_bytes())
        {
            // Not trusted by anyone, so only the room is lost.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Give a finished file its final name.
pub fn rename_durably(from: &Path, to: &Path) -> Result<(), PlaceError> {
    let rename = || -> io::Result<()> {
        File::open(from)?.sync_all()?;
        fs::rename(from, to)?;
        sync_folder(to.parent().unwrap_or(Path::new(".")))
    };
    rename().map_err(|cause| PlaceError::new(to, cause))
}

/// A rename is on the disk only when the folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
