//! Kernels on this machine: fetched, verified, unpacked and kept by content.
//!
//! ```text
//! <cache>/downloads/<sha256>.deb[.part]   until it is unpacked
//! <cache>/kernels/<sha256>/               of the package, or of the user's image
//!     vmlinuz, vmlinux, vmlinux-no-btf    what can be booted
//!     record.json                         their digests
//! <cache>/kernels/<sha256>.lock           held while they are made
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    boot_mode::BootMode,
    bzimage::{self, ImageError},
    capability::Capability,
    deb::{self, DebError},
    digest::Digest,
    fetch::{self, Download, FetchError},
    http::{Http, Transport},
    inspect::{self, InspectError},
    kernel::{Kernel, Source},
    manifest::Pin,
    mirror::{MirrorError, Mirrors},
    place::{self, PlaceError},
    progress::{Progress, Step},
    record::{Checker, Entry, Record},
    series::Series,
};

const VMLINUZ: &str = "vmlinuz";
const VMLINUX: &str = "vmlinux";
const VMLINUX_NO_BTF: &str = "vmlinux-no-btf";

/// The kernels kept in a cache folder.
pub struct Store {
    cache: PathBuf,
    mirror: Option<String>,
    transport: Box<dyn Transport>,
    checker: Checker,
}

/// Why a kernel cannot be had.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It is not known where to download from.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// It cannot be downloaded.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The cache cannot be written.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The package cannot be unpacked.
    #[error("cannot unpack {package}: {source}")]
    Unpack {
        /// Name of the package.
        package: String,
        /// What is wrong with it.
        source: DebError,
    },
    /// The package is not one with a kernel.
    #[error(
        "{package} has no kernel in it; expected boot/vmlinuz-* or usr/lib/modules/*/vmlinuz. \
         Is it the right package in matrix.lock?"
    )]
    NoKernel {
        /// Name of the package.
        package: String,
    },
    /// The kernel in it cannot be taken out.
    #[error("cannot take the kernel out of {from}: {source}")]
    Image {
        /// Name of the package or the file.
        from: String,
        /// What is wrong.
        source: ImageError,
    },
    /// The ELF file in it cannot be used.
    #[error("cannot use the kernel of {from}: {source}")]
    Inspect {
        /// Name of the package or the file.
        from: String,
        /// What is wrong.
        source: InspectError,
    },
    /// Not the series that the matrix says.
    #[error("matrix.lock says that {package} has kernel {expected}, but it has {actual}")]
    Series {
        /// Name of the package.
        package: String,
        /// According to the matrix.
        expected: Series,
        /// Full version of the kernel itself.
        actual: String,
    },
    /// Not what the matrix says that it can do.
    #[error(
        "matrix.toml says that kernel {series} has the capabilities {expected:?}, but {package} \
         shows {actual:?}: correct the one that is wrong"
    )]
    Capabilities {
        /// The kernel's series.
        series: Series,
        /// Name of the package.
        package: String,
        /// According to the matrix.
        expected: BTreeSet<Capability>,
        /// According to the kernel itself.
        actual: BTreeSet<Capability>,
    },
    /// The user's image is another one than at the beginning.
    #[error("{path} was changed while it was in use; start again")]
    ImageChanged {
        /// The file.
        path: PathBuf,
    },
}

impl Store {
    /// The kernels in a cache folder, which need not exist. `mirror` is the
    /// one from the command line; without it see [`Mirrors::discover`], which
    /// is asked only when there is something to download.
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
            checker: Checker::default(),
        }
    }

    /// The kernel's ELF file, made available if it is not.
    pub fn ensure(&self, kernel: &Kernel, progress: &dyn Progress) -> Result<PathBuf, StoreError> {
        self.boot_image(kernel, BootMode::BpfLsm, progress)
    }

    /// The ELF file that boots the kernel in this mode, made available if it
    /// is not.
    pub fn boot_image(
        &self,
        kernel: &Kernel,
        mode: BootMode,
        progress: &dyn Progress,
    ) -> Result<PathBuf, StoreError> {
        let folder = self.folder(kernel);
        let _lock = self.lock(kernel, progress)?;
        let record = match self.intact(&folder, VMLINUX) {
            Some(record) => record,
            None => self.make_vmlinux(kernel, &folder, progress)?,
        };
        check_expectations(kernel, &record)?;
        let name = match mode {
            BootMode::BpfLsm | BootMode::NoBpfLsm => VMLINUX,
            BootMode::NoBtf => {
                if self.intact(&folder, VMLINUX_NO_BTF).is_none() {
                    let vmlinux = read(&folder.join(VMLINUX))?;
                    let variant =
                        inspect::without_btf(vmlinux).map_err(|source| StoreError::Inspect {
                            from: kernel.description(),
                            source,
                        })?;
                    add_file(&folder, record, VMLINUX_NO_BTF, &variant)?;
                }
                VMLINUX_NO_BTF
            }
        };
        progress.update(&kernel.series.to_string(), &Step::Ready);
        Ok(folder.join(name))
    }

    /// What is known about a kernel that is already here, and intact.
    pub fn look(&self, kernel: &Kernel) -> Option<(PathBuf, Record)> {
        let folder = self.folder(kernel);
        let record = self.intact(&folder, VMLINUX)?;
        Some((folder.join(VMLINUX), record))
    }

    /// Whether it seems to be here. Cheap, because no content is looked at:
    /// for lists, not for booting.
    pub fn is_present(&self, kernel: &Kernel) -> bool {
        let folder = self.folder(kernel);
        Record::read(&folder).is_some_and(|record| record.seems_to_have(&folder, VMLINUX))
    }

    fn folder(&self, kernel: &Kernel) -> PathBuf {
        self.cache
            .join("kernels")
            .join(kernel.content().to_string())
    }

    /// The record, if this file is what it says.
    fn intact(&self, folder: &Path, name: &str) -> Option<Record> {
        let record = Record::read(folder)?;
        let entry = record.files.get(name)?;
        self.checker
            .is_intact(&folder.join(name), entry)
            .then_some(record)
    }

    /// Held by the one who makes a kernel's files. The system releases it
    /// when that process ends, however it ends.
    fn lock(&self, kernel: &Kernel, progress: &dyn Progress) -> Result<File, StoreError> {
        let path = self.folder(kernel).with_extension("lock");
        place::make_folder(path.parent().unwrap_or(&self.cache))?;
        let lock_error = |source| PlaceError::new(&path, source);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(lock_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress.update(&kernel.series.to_string(), &Step::Waiting);
                file.lock().map_err(lock_error)?;
            }
            Err(TryLockError::Error(source)) => return Err(lock_error(source).into()),
        }
        Ok(file)
    }

    fn make_vmlinux(
        &self,
        kernel: &Kernel,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<Record, StoreError> {
        let subject = kernel.series.to_string();
        let download = self
            .cache
            .join("downloads")
            .join(format!("{}.deb", kernel.content()));
        let image = match &kernel.source {
            _ if self.intact(folder, VMLINUZ).is_some() => read(&folder.join(VMLINUZ))?,
            Source::Pinned { pin, .. } => {
                self.fetch(pin, &subject, &download, progress)?;
                progress.update(&subject, &Step::Unpacking);
                unpack(&pin.package, &download)?
            }
            Source::Image { path, sha256, .. } => {
                let image = read(path)?;
                if Digest::of(&image) != *sha256 {
                    return Err(StoreError::ImageChanged { path: path.into() });
                }
                image
            }
        };
        progress.update(&subject, &Step::Unpacking);
        let from = || kernel.description();
        let vmlinux = if bzimage::is_elf(&image) {
            image.clone()
        } else {
            bzimage::extract_vmlinux(&image).map_err(|source| StoreError::Image {
                from: from(),
                source,
            })?
        };
        let inspect_error = |source| StoreError::Inspect {
            from: from(),
            source,
        };
        let record = Record {
            version: inspect::version(&vmlinux).map_err(inspect_error)?,
            capabilities: inspect::capabilities(&vmlinux).map_err(inspect_error)?,
            files: BTreeMap::new(),
        };
        check_expectations(kernel, &record)?;
        let record = if bzimage::is_elf(&image) {
            record
        } else {
            add_file(folder, record, VMLINUZ, &image)?
        };
        let record = add_file(folder, record, VMLINUX, &vmlinux)?;
        // From here on the package is only in the way.
        let _ = fs::remove_file(&download);
        Ok(record)
    }

    fn fetch(
        &self,
        pin: &Pin,
        subject: &str,
        destination: &Path,
        progress: &dyn Progress,
    ) -> Result<(), StoreError> {
        let urls = Mirrors::discover(self.mirror.as_deref())?.urls(pin.archive, &pin.path)?;
        let download = Download {
            subject,
            urls: &urls,
            size: pin.size,
            sha256: pin.sha256,
            destination,
        };
        Ok(fetch::fetch(&*self.transport, &download, progress)?)
    }
}

/// What the matrix promises must be what the kernel shows.
fn check_expectations(kernel: &Kernel, record: &Record) -> Result<(), StoreError> {
    let Source::Pinned { pin, .. } = &kernel.source else {
        return Ok(());
    };
    if Series::of_version(&record.version) != Some(kernel.series) {
        return Err(StoreError::Series {
            package: pin.package.clone(),
            expected: kernel.series,
            actual: record.version.clone(),
        });
    }
    if record.capabilities != kernel.capabilities {
        return Err(StoreError::Capabilities {
            series: kernel.series,
            package: pin.package.clone(),
            expected: kernel.capabilities.clone(),
            actual: record.capabilities.clone(),
        });
    }
    Ok(())
}

/// Write the file, then the record that makes it trusted.
fn add_file(
    folder: &Path,
    mut record: Record,
    name: &str,
    content: &[u8],
) -> Result<Record, StoreError> {
    place::write_atomically(&folder.join(name), content)?;
    record.files.insert(name.into(), Entry::of(content));
    record.write(folder)?;
    Ok(record)
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(|source| StoreError::Read {
        path: path.into(),
        source,
    })
}

/// The boot image in a kernel's package.
fn unpack(package: &str, path: &Path) -> Result<Vec<u8>, StoreError> {
    let file = File::open(path).map_err(|source| StoreError::Read {
        path: path.into(),
        source,
    })?;
    deb::find_in_files(file, |path, content| {
        if !is_boot_image(path) {
            return Ok(None);
        }
        let mut image = Vec::new();
        content.read_to_end(&mut image)?;
        Ok(Some(image))
    })
    .map_err(|source| StoreError::Unpack {
        package: package.into(),
        source,
    })?
    .ok_or_else(|| StoreError::NoKernel {
        package: package.into(),
    })
}

/// `boot/vmlinuz-<version>`, or `usr/lib/modules/<version>/vmlinuz` since
/// Debian's 7.2.
fn is_boot_image(path: &str) -> bool {
    let in_boot = path
        .strip_prefix("boot/vmlinuz-")
        .is_some_and(|version| !version.contains('/'));
    let in_modules = path
        .strip_prefix("usr/")
        .unwrap_or(path)
        .strip_prefix("lib/modules/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(_, name)| name == "vmlinuz");
    in_boot || in_modules
}
