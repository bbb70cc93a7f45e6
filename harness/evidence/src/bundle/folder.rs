//! A bundle's folder: its files as they are, none of them believed yet.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::Manifest;
use crate::{
    canonical::{self, CanonicalError},
    digest::Digest,
    sign::Envelope,
};

/// The largest file that is read.
const MOST_BYTES: u64 = 1 << 30;

/// Every file of a folder, by its path in it.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Why a folder cannot be read or written.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The system says no.
    #[error("cannot {what} {path}: {cause}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Something that a bundle never has.
    #[error("{path} is {what}, which a bundle does not have")]
    Odd {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It has no canonical text.
    #[error("cannot write it down: {0}")]
    Canonical(#[from] CanonicalError),
}

/// Read a folder whole.
pub fn read(folder: &Path) -> Result<Files, FolderError> {
    let mut files = Files::new();
    read_into(folder, "", &mut files)?;
    Ok(files)
}

fn read_into(folder: &Path, prefix: &str, files: &mut Files) -> Result<(), FolderError> {
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |cause| FolderError::Io { what, path, cause }
    };
    for entry in fs::read_dir(folder).map_err(io("read", folder))? {
        let entry = entry.map_err(io("read", folder))?;
        let path = entry.path();
        let odd = |what| FolderError::Odd {
            path: path.clone(),
            what,
        };
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(odd("named in no alphabet"));
        };
        let name = format!("{prefix}{name}");
        let about = fs::symlink_metadata(&path).map_err(io("read", &path))?;
        if about.is_dir() {
            read_into(&path, &format!("{name}/"), files)?;
        } else if !about.is_file() {
            return Err(odd("no plain file"));
        } else if about.len() > MOST_BYTES {
            return Err(odd("larger than 1 GiB"));
        } else {
            files.insert(name, fs::read(&path).map_err(io("read", &path))?);
        }
    }
    Ok(())
}

/// Write a folder anew: beside its place, then renamed, so that it is whole or
/// absent.
pub fn write(folder: &Path, files: &Files) -> Result<(), FolderError> {
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |cause| FolderError::Io { what, path, cause }
    };
    let parent = folder
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io("make", parent))?;
    let fresh = tempfile::Builder::new()
        .prefix(".partial-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(parent)
        .map_err(io("write in", parent))?;
    for (name, bytes) in files {
        let path = fresh.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io("make", parent))?;
        }
        fs::write(&path, bytes).map_err(io("write", &path))?;
    }
    let fresh = fresh.keep();
    fs::rename(&fresh, folder).map_err(io("rename to", folder))
}

/// The files of a bundle without sign-offs.
pub fn files_of(
    manifest: &Manifest,
    blobs: &[Vec<u8>],
    statement: &Envelope,
) -> Result<Files, FolderError> {
    let mut files = Files::from([
        ("manifest.json".to_owned(), canonical::write(manifest)?),
        ("statement.json".to_owned(), statement.to_bytes()?),
    ]);
    for blob in blobs {
        files.insert(blob_name(Digest::of(blob)), blob.clone());
    }
    Ok(files)
}

/// Where a blob is.
pub fn blob_name(digest: Digest) -> String {
    format!("blobs/{digest}")
}

/// Where the next sign-off goes.
pub fn sign_off_name(files: &Files) -> String {
    let taken = files.keys().filter(|name| name.starts_with("sign-offs/"));
    format!("sign-offs/{}.json", taken.count() + 1)
}
