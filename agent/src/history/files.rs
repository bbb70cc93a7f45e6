//! What the history asks of a file system, so that a test can take the power
//! away after each of these.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Steps whose effects last only after the right [`Files::sync`].
pub trait Files {
    /// The whole of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Names in a folder, in order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Make a folder that only its owner can use, if it is not there.
    fn make_folder(&mut self, path: &Path) -> io::Result<()>;
    /// Make a file, or empty the one that is there, and write.
    fn write(&mut self, path: &Path, content: &[u8]) -> io::Result<()>;
    /// Wait until a file's content, or the names in a folder, are on the disk.
    fn sync(&mut self, path: &Path) -> io::Result<()>;
    /// Give a file another name, in place of whatever has it.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Remove a file.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// The real one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn make_folder(&mut self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn write(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?
            .write_all(content)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}
