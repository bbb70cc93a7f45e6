//! The file systems of packages on this machine, kept by what is in them.
//!
//! ```text
//! <cache>/downloads/<sha256>.deb[.part]  until it is unpacked
//! <cache>/roots/<digest>/root.cpio       digest: of the packages' digests
//!                        root.sha256     of the archive, written after it
//! <cache>/roots/<digest>.lock            held while it is made
//! ```

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    deb::DebError,
    digest::Digest,
    fetch::{Download, FetchError, fetch},
    http::{Http, Transport},
    manifest::PackagePin,
    mirror::{MirrorError, Mirrors},
    package_root::{PackageRoot, REVISION},
    place::{self, PlaceError},
    progress::{Progress, Step},
};

const ARCHIVE: &str = "root.cpio";
const DIGEST: &str = "root.sha256";

/// Why there is no such file system.
#[derive(Debug, Error)]
pub enum RootError {
    /// No mirror.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// A package cannot be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A package cannot be unpacked.
    #[error("cannot unpack {package}: {cause}")]
    Unpack {
        /// Its name.
        package: String,
        /// What is wrong with it.
        cause: DebError,
    },
    /// A program cannot run.
    #[error("{program} cannot run in the guest: no package has {missing}")]
    Missing {
        /// The program.
        program: String,
        /// A file or the name of a library.
        missing: String,
    },
    /// A file of the cache cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A file of the cache cannot be written.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// The file systems kept in a cache folder.
pub struct Roots {
    cache: PathBuf,
    mirror: Option<String>,
    transport: Box<dyn Transport>,
}

impl Roots {
    /// Those of a cache folder, which need not exist. `mirror` is as for
    /// [`crate::Store::open`].
    pub fn open(cache: &Path, mirror: Option<String>) -> Self {
        Self::with_transport(cache, mirror, Box::new(Http::default()))
    }

    /// The same over another transport.
    pub fn with_transport(
        cache: &Path,
        mirror: Option<String>,
        transport: Box<dyn Transport>,
    ) -> Self {
        Self {
            cache: cache.into(),
            mirror,
            transport,
        }
    }

    /// The archive with the files of these packages, made available if it is
    /// not. Each of `programs` (absolute paths) must find all its libraries.
    pub fn archive(
        &self,
        packages: &[PackagePin],
        programs: &[&str],
        progress: &dyn Progress,
    ) -> Result<PathBuf, RootError> {
        let folder = self.cache.join("roots").join(name(packages, programs));
        let archive = folder.join(ARCHIVE);
        place::make_folder(&folder)?;
        let _lock = lock(&folder.with_extension("lock"))?;
        if is_intact(&archive, &folder.join(DIGEST)) {
            return Ok(archive);
        }
        let mut root = PackageRoot::default();
        for pin in packages {
            let deb = self.fetch(pin, progress)?;
            progress.update(&pin.package, &Step::Unpacking);
            let file = File::open(&deb).map_err(|cause| RootError::Read {
                path: deb.clone(),
                cause,
            })?;
            root.add(file).map_err(|cause| RootError::Unpack {
                package: pin.package.clone(),
                cause,
            })?;
        }
        for program in programs {
            if let Some(missing) = root.missing(program) {
                return Err(RootError::Missing {
                    program: (*program).to_owned(),
                    missing,
                });
            }
        }
        let bytes = root
            .archive()
            .map_err(|cause| PlaceError::new(&archive, cause))?;
        place::write_atomically(&archive, &bytes)?;
        let digest = Digest::of(&bytes).to_string();
        place::write_atomically(&folder.join(DIGEST), digest.as_bytes())?;
        // From here on the packages are only in the way.
        for pin in packages {
            let _ = fs::remove_file(self.download(pin));
        }
        Ok(archive)
    }

    fn download(&self, pin: &PackagePin) -> PathBuf {
        let downloads = self.cache.join("downloads");
        downloads.join(format!("{}.deb", pin.sha256))
    }

    fn fetch(&self, pin: &PackagePin, progress: &dyn Progress) -> Result<PathBuf, RootError> {
        let destination = self.download(pin);
        let urls = Mirrors::discover(self.mirror.as_deref())?.urls(pin.archive, &pin.path)?;
        let download = Download {
            subject: &pin.package,
            urls: &urls,
            size: pin.size,
            sha256: pin.sha256,
            destination: &destination,
        };
        fetch(&*self.transport, &download, progress)?;
        Ok(destination)
    }
}

/// The same for the same files, and for the same that was asked of them.
fn name(packages: &[PackagePin], programs: &[&str]) -> String {
    let mut text = format!("{REVISION}\n");
    for pin in packages {
        text.push_str(&pin.sha256.to_string());
        text.push('\n');
    }
    text.push_str(&programs.join("\n"));
    Digest::of(text.as_bytes()).to_string()
}

fn is_intact(archive: &Path, digest: &Path) -> bool {
    let known = fs::read_to_string(digest).ok();
    let found = Digest::of_file(archive).ok();
    matches!((known, found), (Some(known), Some((found, _))) if known == found.to_string())
}

/// The system releases it when this process ends, however it ends.
fn lock(path: &Path) -> Result<File, RootError> {
    let error = |cause| PlaceError::new(path, cause);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(error)?;
    file.lock().map_err(error)?;
    Ok(file)
}
