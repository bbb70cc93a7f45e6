//! Files that exist whole or not at all.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use tempfile::Builder;

/// Write a file beside its place, flush it to the disk and rename it there.
/// When it fails, what was there before still is.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = Builder::new().prefix(".partial-").tempfile_in(folder)?;
    // To the file itself: the wrapper adds the temporary name to its errors.
    file.as_file_mut().write_all(content)?;
    // Temporary files are private; reports are for whoever may read the folder.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::write;
    use std::fs;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = folder.path().join("no/such/report.json");
        assert!(write(&missing, b"x").is_err());
    }
}
