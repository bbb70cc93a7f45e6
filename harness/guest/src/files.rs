//! Making files and folders for a cell.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::attempt::{Attempt, AttemptError};

/// Make a folder and its parents.
pub fn make_folder(path: &Path) -> Result<(), AttemptError> {
    fs::create_dir_all(path).attempt(|| format!("make the folder {}", path.display()))
}

/// Write a file beside its place, flush it and rename it there.
pub fn write_file(path: &Path, content: &str, mode: u32) -> Result<(), AttemptError> {
    make_parent(path)?;
    let beside = beside(path);
    let attempt = || format!("write {}", beside.display());
    let mut file = File::create(&beside).attempt(attempt)?;
    file.write_all(content.as_bytes()).attempt(attempt)?;
    // Not at creation, where the process's mask would take bits away.
    file.set_permissions(Permissions::from_mode(mode))
        .attempt(attempt)?;
    file.sync_all().attempt(attempt)?;
    fs::rename(&beside, path)
        .attempt(|| format!("rename {} to {}", beside.display(), path.display()))
}

/// Copy a file with its permission bits.
pub fn copy_file(from: &Path, to: &Path) -> Result<(), AttemptError> {
    make_parent(to)?;
    fs::copy(from, to)
        .attempt(|| format!("copy {} to {}", from.display(), to.display()))
        .map(drop)
}

/// Make a folder and in it files that are named 0, 1, 2 …, with their number
/// as content. They are not flushed: a machine that dies has no use for them.
pub fn make_files(folder: &Path, count: u32) -> Result<(), AttemptError> {
    make_folder(folder)?;
    for number in 0..count {
        let path = folder.join(number.to_string());
        fs::write(&path, number.to_string()).attempt(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// Remove every file beneath a folder whose name begins so. One that has gone
/// meanwhile is gone.
pub fn remove_files(beneath: &Path, prefix: &str) -> Result<(), AttemptError> {
    let attempt = || format!("remove {prefix}* beneath {}", beneath.display());
    let mut folders = vec![beneath.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).attempt(attempt)? {
            let entry = entry.attempt(attempt)?;
            if entry.file_type().attempt(attempt)?.is_dir() {
                folders.push(entry.path());
            } else if entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(prefix.as_bytes())
            {
                match fs::remove_file(entry.path()) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error).attempt(attempt);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn make_parent(path: &Path) -> Result<(), AttemptError> {
    path.parent().map_or(Ok(()), make_folder)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::{copy_file, remove_files, write_file};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_appears_whole_with_its_mode_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/policy");
        write_file(&path, "one", 0o640).unwrap();
        write_file(&path, "two", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_copy_keeps_the_permission_bits() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("tool"), folder.path().join("x/copy"));
        write_file(&from, "content", 0o751).unwrap();
        copy_file(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "content");
        assert_eq!(
            fs::metadata(&to).unwrap().permissions().mode() & 0o7777,
            0o751
        );
    }

    #[test]
    fn only_files_whose_name_begins_so_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/link-x", "a/b/link-y", "a/map", "other-link-z"] {
            write_file(&folder.path().join(name), "", 0o600).unwrap();
        }
        remove_files(folder.path(), "link-").unwrap();
        let there = |name: &str| folder.path().join(name).exists();
        assert!(!there("a/link-x") && !there("a/b/link-y"));
        assert!(there("a/map") && there("other-link-z"));
    }

    #[test]
    fn an_error_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = copy_file(&folder.path().join("absent"), &folder.path().join("to"));
        assert!(error.unwrap_err().to_string().contains("absent"));
    }
}
