//! The archive that the guest boots from.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use cpio::newc::{self, ModeFileType};
use harness_proto::{CELLS_DIR, CellProgram, DISK_IMAGE, PROBE_PATH};
use thiserror::Error;

use crate::{
    atomic,
    room::{Kept, cannot_write},
};

/// What the guest boots with.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestFiles {
    /// The runner: the guest's PID 1.
    pub runner: PathBuf,
    /// The probe.
    pub probe: PathBuf,
    /// Other executables, such as agents, with their places in the guest.
    pub executables: Vec<(String, PathBuf)>,
    /// Files that are no programs, with their places in the guest.
    pub plain: Vec<(String, PathBuf)>,
    /// The programs of the cells, by name.
    pub programs: Vec<(String, CellProgram)>,
    /// What the guest's disk in memory holds, if there is to be anything.
    pub disk: Option<PathBuf>,
}

/// Why there is no archive.
#[derive(Debug, Error)]
pub enum InitramfsError {
    /// A file that goes into it.
    #[error("cannot read {path}: {cause}; `cargo xtask build` makes it")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A file too large for the format.
    #[error("{path} is {bytes} bytes long; an initramfs holds files below 4 GiB")]
    TooLarge {
        /// In the guest.
        path: String,
        /// Its length.
        bytes: usize,
    },
    /// The archive itself.
    #[error("{}", cannot_write(Kept::Results, path, cause))]
    Write {
        /// The archive.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
}

/// Write the archive. Not compressed: unpacking costs the guest more than
/// copying does.
///
/// # Panics
/// Never: programs can always be serialised.
pub fn write(files: &GuestFiles, to: &Path) -> Result<(), InitramfsError> {
    let bytes = archive(&entries(files)?)?;
    atomic::write(to, &bytes).map_err(|cause| InitramfsError::Write {
        path: to.to_owned(),
        cause,
    })
}

/// What a kernel boots with: an archive that [`write`] made, and behind it the
/// one with the kernel's own modules, if it has any.
pub fn with_modules(
    archive: PathBuf,
    modules: Option<&Path>,
    to: &Path,
) -> Result<PathBuf, InitramfsError> {
    with_archives(archive, modules.into_iter(), to)
}

/// The same with any archives.
pub fn with_archives<'a>(
    archive: PathBuf,
    others: impl Iterator<Item = &'a Path>,
    to: &Path,
) -> Result<PathBuf, InitramfsError> {
    let mut others = others.peekable();
    if others.peek().is_none() {
        return Ok(archive);
    }
    let read = |path: &Path| {
        fs::read(path).map_err(|cause| InitramfsError::Read {
            path: path.to_owned(),
            cause,
        })
    };
    let mut bytes = read(&archive)?;
    for other in others {
        // The kernel looks for the next archive at multiples of four.
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.append(&mut read(other)?);
    }
    atomic::write(to, &bytes).map_err(|cause| InitramfsError::Write {
        path: to.to_owned(),
        cause,
    })?;
    Ok(to.to_owned())
}

/// One file, or a folder when there is no content.
struct Entry {
    path: String,
    content: Option<Vec<u8>>,
    executable: bool,
}

fn entries(files: &GuestFiles) -> Result<Vec<Entry>, InitramfsError> {
    let read = |from: &Path, to: &str| {
        let content = fs::read(from).map_err(|cause| InitramfsError::Read {
            path: from.to_owned(),
            cause,
        })?;
        Ok(Entry {
            path: to.trim_start_matches('/').to_owned(),
            content: Some(content),
            executable: true,
        })
    };
    let mut entries: Vec<Entry> = Vec::new();
    let mut found = vec![
        read(&files.runner, "/init")?,
        read(&files.probe, PROBE_PATH)?,
    ];
    for (to, from) in &files.executables {
        found.push(read(from, to)?);
    }
    for (to, from) in &files.plain {
        let mut plain = read(from, to)?;
        plain.executable = false;
        found.push(plain);
    }
    if let Some(disk) = &files.disk {
        let mut disk = read(disk, DISK_IMAGE)?;
        disk.executable = false;
        found.push(disk);
    }
    for (name, program) in &files.programs {
        found.push(Entry {
            path: format!("{}/{name}.json", CELLS_DIR.trim_start_matches('/')),
            content: Some(serde_json::to_vec(program).expect("programs have string keys")),
            executable: false,
        });
    }
    let mut folders: Vec<String> = Vec::new();
    for entry in &found {
        let parents = Path::new(&entry.path).ancestors().skip(1);
        folders.extend(parents.map(|folder| folder.to_string_lossy().into_owned()));
    }
    // Sorted, a folder comes before what is in it.
    folders.sort();
    folders.dedup();
    folders.retain(|folder| !folder.is_empty());
    entries.extend(folders.into_iter().map(|path| Entry {
        path,
        content: None,
        executable: true,
    }));
    entries.extend(found);
    Ok(entries)
}

fn archive(entries: &[Entry]) -> Result<Vec<u8>, InitramfsError> {
    let mut archive = Vec::new();
    for (number, entry) in (1..).zip(entries) {
        let content = entry.content.as_deref().unwrap_or_default();
        let length = u32::try_from(content.len()).map_err(|_| InitramfsError::TooLarge {
            path: entry.path.clone(),
            bytes: content.len(),
        })?;
        let (file_type, links) = match entry.content {
            Some(_) => (ModeFileType::Regular, 1),
            None => (ModeFileType::Directory, 2),
        };
        let mode = if entry.executable { 0o755 } else { 0o644 };
        let mut writer = newc::Builder::new(&entry.path)
            .ino(number)
            .nlink(links)
            .mode(mode)
            .set_mode_file_type(file_type)
            .write(&mut archive, length);
        // Writing to memory fails only where memory does.
        io::Write::write_all(&mut writer, content)
            .and_then(|()| writer.finish().map(drop))
            .map_err(in_memory(&entry.path))?;
    }
    newc::trailer(&mut archive).map_err(in_memory("the end"))?;
    Ok(archive)
}

fn in_memory(what: &str) -> impl FnOnce(io::Error) -> InitramfsError {
    let path = PathBuf::from(what);
    move |cause| InitramfsError::Write { path, cause }
}

#[cfg(test)]
mod tests {
    use super::{GuestFiles, write};
    use cpio::newc::Reader;
    use harness_proto::CellProgram;
    use std::fs;

    #[test]
    fn the_archive_holds_every_file_after_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, name).unwrap();
            path
        };
        let files = GuestFiles {
            runner: file("runner"),
            probe: file("probe"),
            executables: vec![("/bin/agent".into(), file("agent"))],
            plain: vec![("/bin/agent.conf".into(), file("conf"))],
            programs: vec![("a.agent".into(), CellProgram { actions: vec![] })],
            disk: Some(file("disk")),
        };
        let to = folder.path().join("guest.cpio");
        write(&files, &to).unwrap();
        let bytes = fs::read(&to).unwrap();
        let mut rest: &[u8] = &bytes;
        let mut listed = Vec::new();
        loop {
            let reader = Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            let mut content = Vec::new();
            rest = reader.to_writer(&mut content).unwrap();
            listed.push(format!(
                "{mode:06o} {name} {}",
                String::from_utf8_lossy(&content)
            ));
        }
        insta::assert_snapshot!(listed.join("\n"), @r#"
        040755 bin 
        040755 cells 
        100755 init runner
        100755 bin/probe probe
        100755 bin/agent agent
        100644 bin/agent.conf conf
        100644 disk.img disk
        100644 cells/a.agent.json {"actions":[]}
        "#);
    }

    #[test]
    fn a_missing_file_is_named_and_leaves_no_archive() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("runner");
        let files = GuestFiles {
            runner: missing.clone(),
            probe: missing.clone(),
            executables: vec![],
            plain: vec![],
            programs: vec![],
            disk: None,
        };
        let to = folder.path().join("guest.cpio");
        let error = write(&files, &to).unwrap_err().to_string();
        assert!(error.contains(missing.to_str().unwrap()), "{error}");
        assert!(!to.exists());
    }
}
