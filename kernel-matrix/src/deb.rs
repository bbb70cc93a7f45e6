//! Reading single files out of a Debian package, without dpkg and without
//! being root.
//!
//! A package is an `ar` archive whose member `data.tar.*` holds the files.

use std::io::{self, BufReader, Read};

use thiserror::Error;

/// Why a file cannot be read out of a package.
#[derive(Debug, Error)]
pub enum DebError {
    /// Not an `ar` archive, or one that ends too early.
    #[error("the package is not a Debian package, or it is cut short: {cause}")]
    Archive {
        /// What the archive's reader says.
        cause: io::Error,
    },
    /// There is no `data.tar.*`.
    #[error("the package has no data.tar member, only: {}", found.join(", "))]
    NoData {
        /// The members that there are.
        found: Vec<String>,
    },
    /// A member or a file is compressed in a way that is not known here.
    #[error("{member} is compressed in an unknown way; expected .xz, .zst, .gz or no suffix")]
    Compression {
        /// Name of the member.
        member: String,
    },
    /// The data cannot be decompressed or is no tar archive.
    #[error("{member} of the package is corrupt or cut short: {cause}")]
    Data {
        /// Name of the member.
        member: String,
        /// What the decompressor or tar's reader says.
        cause: io::Error,
    },
}

/// Call `visit` with the path (without a leading `./`) and the content of
/// each file of a package, in order, until it returns something. `None` if it
/// never does.
pub fn find_in_files<T>(
    deb: impl Read,
    mut visit: impl FnMut(&str, &mut dyn Read) -> io::Result<Option<T>>,
) -> Result<Option<T>, DebError> {
    in_data(deb, |data| visit_tar(data, &mut visit))
}

/// Something that a package puts in the file system.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Without a leading `./` and a trailing `/`.
    pub path: &'a str,
    /// Permission bits.
    pub mode: u32,
    /// What it is.
    pub kind: EntryKind<'a>,
}

/// What a package puts somewhere.
pub enum EntryKind<'a> {
    /// A folder.
    Folder,
    /// A file; its content can be read once.
    File(&'a mut dyn Read),
    /// A symbolic link, to this.
    Symlink(String),
    /// Another name of a file that came before, by its path.
    Hardlink(String),
}

impl std::fmt::Debug for EntryKind<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder => write!(f, "Folder"),
            Self::File(_) => write!(f, "File"),
            Self::Symlink(to) => write!(f, "Symlink({to})"),
            Self::Hardlink(to) => write!(f, "Hardlink({to})"),
        }
    }
}

/// Call `visit` with everything that a package puts in the file system, in
/// order. Devices are passed over: no package of Debian has any.
pub fn for_each_entry(
    deb: impl Read,
    mut visit: impl FnMut(Entry<'_>) -> io::Result<()>,
) -> Result<(), DebError> {
    in_data(deb, |data| {
        for entry in tar::Archive::new(data).entries()? {
            visit_entry(entry?, &mut visit)?;
        }
        Ok(())
    })
}

fn visit_entry(
    entry: tar::Entry<'_, impl Read>,
    visit: &mut impl FnMut(Entry<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let path = plain(&entry.path_bytes());
    let mode = entry.header().mode()? & 0o7777;
    let target = entry.link_name_bytes();
    let target = target.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let kind = entry.header().entry_type();
    let mut content = Exactly {
        left: entry.size(),
        reader: entry,
    };
    let kind = match (kind, target) {
        (kind, _) if kind.is_file() => EntryKind::File(&mut content),
        (kind, _) if kind.is_dir() => EntryKind::Folder,
        (kind, Some(target)) if kind.is_symlink() => EntryKind::Symlink(target),
        (kind, Some(target)) if kind.is_hard_link() => {
            EntryKind::Hardlink(plain(target.as_bytes()))
        }
        _ => return Ok(()),
    };
    if path.is_empty() || path == "." {
        return Ok(());
    }
    visit(Entry {
        path: &path,
        mode,
        kind,
    })
}

fn plain(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    let path = path.strip_prefix("./").unwrap_or(&path);
    path.trim_end_matches('/').to_owned()
}

/// Read the member that holds the files.
fn in_data<T>(
    deb: impl Read,
    read: impl FnOnce(Box<dyn Read + '_>) -> io::Result<T>,
) -> Result<T, DebError> {
    let mut archive = ar::Archive::new(BufReader::with_capacity(256 * 1024, deb));
    let mut found = Vec::new();
    while let Some(member) = archive.next_entry() {
        let member = member.map_err(|cause| DebError::Archive { cause })?;
        let name = String::from_utf8_lossy(member.header().identifier())
            .trim_end_matches('/')
            .to_owned();
        if !name.starts_with("data.tar") {
            found.push(name);
            continue;
        }
        let data_error = |cause| DebError::Data {
            member: name.clone(),
            cause,
        };
        let suffix = name.strip_prefix("data.tar").unwrap_or(&name);
        let data = decompressor(&name, suffix, member)?;
        return read(data).map_err(data_error);
    }
    Err(DebError::NoData { found })
}

/// What was compressed as the suffix of its name says.
pub(crate) fn decompressor<'a>(
    member: &str,
    suffix: &str,
    data: impl Read + 'a,
) -> Result<Box<dyn Read + 'a>, DebError> {
    Ok(match suffix {
        "" => Box::new(data),
        ".xz" => Box::new(lzma_rust2::XzReader::new(data, true)),
        ".gz" => Box::new(flate2::read::MultiGzDecoder::new(data)),
        ".zst" => Box::new(
            ruzstd::decoding::StreamingDecoder::new(data).map_err(|error| DebError::Data {
                member: member.into(),
                cause: io::Error::other(error),
            })?,
        ),
        _ => {
            return Err(DebError::Compression {
                member: member.into(),
            });
        }
    })
}

fn visit_tar<T>(
    data: impl Read,
    visit: &mut impl FnMut(&str, &mut dyn Read) -> io::Result<Option<T>>,
) -> io::Result<Option<T>> {
    for entry in tar::Archive::new(data).entries()? {
        let entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.strip_prefix("./").unwrap_or(&path);
        let mut content = Exactly {
            left: entry.size(),
            reader: entry,
        };
        if let Some(answer) = visit(path, &mut content)? {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

/// A file's content, whose early end is an error and not just an end.
struct Exactly<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}
