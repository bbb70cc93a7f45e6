//! Fetching a file whose size and digest are known beforehand.
//!
//! What has been received is kept in `<destination>.part`; a later try, or a
//! later run, goes on from there. Only a file of the right digest gets its
//! final name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    digest::Digest,
    http::Transport,
    place::{self, PlaceError},
    progress::{Progress, Step},
};

/// Tries in a row that bring nothing before it is given up.
const TRIES: u32 = 4;

/// What to fetch and where to put it.
#[derive(Debug, Clone)]
pub struct Download<'a> {
    /// For [`Progress`].
    pub subject: &'a str,
    /// Where it can be had, the best place first.
    pub urls: &'a [String],
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Digest,
    /// Its final name.
    pub destination: &'a Path,
}

/// Why a file was not fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No server gave it.
    #[error("cannot download {url}: {reason}")]
    Download {
        /// The last place tried.
        url: String,
        /// What happened there.
        reason: String,
    },
    /// The servers do not have it.
    #[error(
        "{url} is not there any more (HTTP {status}): mirrors drop old versions, so run \
         `cargo xtask matrix update`, or take a mirror that keeps them with --mirror"
    )]
    Gone {
        /// The last place tried.
        url: String,
        /// The answer.
        status: u16,
    },
    /// It is not what it should be. It has been deleted.
    #[error(
        "{url} is corrupt and was deleted:\n  expected sha256 {expected} ({size} bytes)\n  \
         received sha256 {actual} ({received} bytes)\nIf it stays so, something between here and \
         the mirror alters files; take another mirror with --mirror"
    )]
    Corrupt {
        /// Where it came from.
        url: String,
        /// The digest it should have.
        expected: Digest,
        /// The size it should have.
        size: u64,
        /// The digest it has.
        actual: Digest,
        /// The bytes that came.
        received: u64,
    },
    /// It cannot be written.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// One try that did not succeed.
enum Miss {
    /// Asking the same server again may help.
    Transient(String),
    /// It will not.
    Final(FetchError),
}

/// Fetch a file, unless it is there already and has the right digest.
pub fn fetch(
    transport: &dyn Transport,
    download: &Download<'_>,
    progress: &dyn Progress,
) -> Result<(), FetchError> {
    if is_there(download) {
        return Ok(());
    }
    place::make_folder(download.destination.parent().unwrap_or(Path::new(".")))?;
    let mut result = Err(FetchError::Download {
        url: download.destination.display().to_string(),
        reason: "no place to get it from was given".into(),
    });
    for url in download.urls {
        result = fetch_from(transport, url, download, progress);
        match &result {
            Ok(()) | Err(FetchError::Place(_)) => return result,
            Err(_) => {}
        }
    }
    result
}

fn is_there(download: &Download<'_>) -> bool {
    download.destination.is_file()
        && Digest::of_file(download.destination)
            .is_ok_and(|found| found == (download.sha256, download.size))
}

fn fetch_from(
    transport: &dyn Transport,
    url: &str,
    download: &Download<'_>,
    progress: &dyn Progress,
) -> Result<(), FetchError> {
    let part = part_of(download.destination);
    // A part from an earlier run may be of another file or damaged: then one
    // more try from the start is due.
    let mut resumed = length_of(&part) > 0;
    let mut tries = 0;
    loop {
        let before = length_of(&part);
        match receive(transport, url, download, &part, progress) {
            Ok(()) => match verify(url, download, &part, progress) {
                Err(FetchError::Corrupt { .. }) if resumed => resumed = false,
                result => return result,
            },
            Err(Miss::Final(error)) => return Err(error),
            Err(Miss::Transient(reason)) => {
                tries = if length_of(&part) > before {
                    1
                } else {
                    tries + 1
                };
                if tries >= TRIES {
                    return Err(FetchError::Download {
                        url: url.into(),
                        reason: format!("{reason} ({TRIES} tries)"),
                    });
                }
                progress.update(download.subject, &Step::Retrying { reason: &reason });
                transport.pause(tries);
            }
        }
    }
}

/// Where the beginning of a file is kept until it is whole.
pub fn part_of(destination: &Path) -> PathBuf {
    let mut name = destination.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn length_of(part: &Path) -> u64 {
    fs::metadata(part).map_or(0, |metadata| metadata.len())
}

/// Append to the part until it has its full size.
fn receive(
    transport: &dyn Transport,
    url: &str,
    download: &Download<'_>,
    part: &Path,
    progress: &dyn Progress,
) -> Result<(), Miss> {
    let write_error = |source: io::Error| {
        // On a full disk the part is of more use gone.
        let _ = fs::remove_file(part);
        Miss::Final(PlaceError::new(part, source).into())
    };
    let mut have = length_of(part);
    if have >= download.size {
        // Too long is for `verify` to report.
        return Ok(());
    }
    let answer = transport.get(url, have).map_err(|error| {
        if error.transient {
            Miss::Transient(error.message)
        } else {
            Miss::Final(FetchError::Download {
                url: url.into(),
                reason: error.message,
            })
        }
    })?;
    match answer.status {
        200 | 206 if answer.starts_at <= have => have = answer.starts_at,
        200 | 206 => {
            return Err(Miss::Transient(format!(
                "the server sent the file from byte {} on, not from {have}",
                answer.starts_at
            )));
        }
        404 | 410 => {
            return Err(Miss::Final(FetchError::Gone {
                url: url.into(),
                status: answer.status,
            }));
        }
        // The part is longer than the server's file: begin anew.
        416 => {
            let _ = fs::remove_file(part);
            return Err(Miss::Transient(
                "the server's file is shorter (HTTP 416)".into(),
            ));
        }
        408 | 429 | 500..=599 => {
            return Err(Miss::Transient(format!("HTTP {}", answer.status)));
        }
        status => {
            return Err(Miss::Final(FetchError::Download {
                url: url.into(),
                reason: format!("HTTP {status}"),
            }));
        }
    }
    let mut file = open_at(part, have).map_err(write_error)?;
    // One byte more than promised, so that a file too long is noticed.
    let mut body = answer.body.take(download.size - have + 1);
    let mut buffer = vec![0; 128 * 1024];
    let total = download.size;
    loop {
        progress.update(download.subject, &Step::Downloading { done: have, total });
        match body.read(&mut buffer) {
            Ok(0) if have < total => {
                return Err(Miss::Transient(format!(
                    "the connection ended after {have} of {total} bytes"
                )));
            }
            Ok(0) => return file.sync_all().map_err(write_error),
            Ok(read) => {
                file.write_all(&buffer[..read]).map_err(write_error)?;
                have += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Miss::Transient(error.to_string())),
        }
    }
}

/// Open for writing at the end, having cut off what is after `length`.
fn open_at(part: &Path, length: u64) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(part)?;
    file.set_len(length)?;
    Ok(file)
}

/// Give the part its final name, or delete it.
fn verify(
    url: &str,
    download: &Download<'_>,
    part: &Path,
    progress: &dyn Progress,
) -> Result<(), FetchError> {
    progress.update(download.subject, &Step::Verifying);
    let (actual, received) =
        Digest::of_file(part).map_err(|source| PlaceError::new(part, source))?;
    if (actual, received) == (download.sha256, download.size) {
        return Ok(place::rename_durably(part, download.destination)?);
    }
    fs::remove_file(part).map_err(|source| PlaceError::new(part, source))?;
    Err(FetchError::Corrupt {
        url: url.into(),
        expected: download.sha256,
        size: download.size,
        actual,
        received,
    })
}
