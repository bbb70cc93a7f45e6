//! Kernels on this machine: fetched, verified, unpacked and kept by content.
//!
//! ```text
//! <cache>/downloads/<sha256>.deb[.part]   until it is unpacked
//! <cache>/kernels/<sha256>/               of the package, or of the user's image
//!     vmlinuz, vmlinux, vmlinux-broken-btfwhat can be booted
//!     modules.cpio                        what is loaded then, if there is any
//!     record.json                         their digests
//! <cache>/kernels/<sha256>.lock           held while they are made
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use cpio::newc::{self, ModeFileType};

use crate::{
    boot_mode::BootMode,
    bzimage,
    deb::DebError,
    digest::Digest,
    fetch::{self, Download},
    http::{Http, Transport},
    image_file, inspect,
    kernel::{Kernel, Source},
    kernel_package,
    manifest::{Archive, PackageFile, Pin},
    mirror::Mirrors,
    place::{self, PlaceError},
    progress::{Progress, Step},
    record::{Checker, Entry, Record},
    series::Series,
    store_error::StoreError,
};

const VMLINUZ: &str = "vmlinuz";
const VMLINUX: &str = "vmlinux";
const VMLINUX_BROKEN_BTF: &str = "vmlinux-broken-btf";
const MODULES: &str = "modules.cpio";

/// What a kernel is booted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootImage {
    /// The ELF file.
    pub kernel: PathBuf,
    /// An archive with its modules, as `modules/NAME.ko`.
    pub modules: Option<PathBuf>,
}

/// The kernels kept in a cache folder.
pub struct Store {
    cache: PathBuf,
    mirror: Option<String>,
    transport: Box<dyn Transport>,
    checker: Checker,
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
        let image = self.boot_image(kernel, BootMode::BpfLsm, progress)?;
        Ok(image.kernel)
    }

    /// What boots the kernel in this mode, made available if it is not.
    pub fn boot_image(
        &self,
        kernel: &Kernel,
        mode: BootMode,
        progress: &dyn Progress,
    ) -> Result<BootImage, StoreError> {
        let folder = self.folder(kernel);
        let _lock = self.lock(kernel, progress)?;
        let mut record = match self.intact(&folder, VMLINUX) {
            Some(record) if record.inspection == inspect::REVISION => record,
            Some(record) => inspect_again(kernel, &folder, record)?,
            None => self.make_vmlinux(kernel, &folder, progress)?,
        };
        if let Source::Pinned { pin, .. } = &kernel.source
            && !self.has_modules(&folder, &record)
        {
            record = self.make_modules(pin, kernel, &folder, record, progress)?;
        }
        // From here on the package is only in the way.
        let _ = fs::remove_file(self.download(kernel.content()));
        check_expectations(kernel, &record)?;
        let modules = record.files.contains_key(MODULES);
        let name = match mode {
            BootMode::BpfLsm | BootMode::NoBpfLsm | BootMode::NoBtf => VMLINUX,
            BootMode::BrokenBtf => {
                if self.intact(&folder, VMLINUX_BROKEN_BTF).is_none() {
                    let vmlinux = read(&folder.join(VMLINUX))?;
                    let variant =
                        inspect::with_broken_btf(vmlinux).map_err(|cause| StoreError::Inspect {
                            from: kernel.description(),
                            cause,
                        })?;
                    add_file(&folder, record, VMLINUX_BROKEN_BTF, &variant)?;
                }
                VMLINUX_BROKEN_BTF
            }
        };
        progress.update(&kernel.series.to_string(), &Step::Ready);
        Ok(BootImage {
            kernel: folder.join(name),
            modules: modules.then(|| folder.join(MODULES)),
        })
    }

    /// Whether somebody looked for modules, and what was found is intact.
    fn has_modules(&self, folder: &Path, record: &Record) -> bool {
        match &record.modules {
            None => false,
            Some(none) if none.is_empty() => true,
            Some(_) => self.intact(folder, MODULES).is_some(),
        }
    }

    fn make_modules(
        &self,
        pin: &Pin,
        kernel: &Kernel,
        folder: &Path,
        mut record: Record,
        progress: &dyn Progress,
    ) -> Result<Record, StoreError> {
        let subject = kernel.series.to_string();
        let same = || PackageFile {
            package: pin.package.clone(),
            path: pin.path.clone(),
            size: pin.size,
            sha256: pin.sha256,
        };
        let file = pin.modules.clone().unwrap_or_else(same);
        let download = self.download(file.sha256);
        self.fetch(pin.archive, &file, &subject, &download, progress)?;
        progress.update(&subject, &Step::Unpacking);
        let modules = kernel_package::modules(&file.package, &download)?;
        record.modules = Some(modules.keys().cloned().collect());
        let record = if modules.is_empty() {
            record.write(folder)?;
            record
        } else {
            let archive = initramfs_of(&modules).map_err(|cause| StoreError::Unpack {
                package: file.package,
                cause: DebError::Archive { cause },
            })?;
            add_file(folder, record, MODULES, &archive)?
        };
        let _ = fs::remove_file(&download);
        Ok(record)
    }

    fn download(&self, content: Digest) -> PathBuf {
        let downloads = self.cache.join("downloads");
        downloads.join(format!("{content}.deb"))
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
        let lock_error = |cause| PlaceError::new(&path, cause);
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
            Err(TryLockError::Error(cause)) => return Err(lock_error(cause).into()),
        }
        Ok(file)
    }

    fn make_vmlinux(
        &self,
        kernel: &Kernel,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<Record, StoreError> {
        place::remove_unfinished(folder);
        let subject = kernel.series.to_string();
        let download = self.download(kernel.content());
        let image = match &kernel.source {
            _ if self.intact(folder, VMLINUZ).is_some() => read(&folder.join(VMLINUZ))?,
            Source::Pinned { pin, .. } => {
                let file = PackageFile {
                    package: pin.package.clone(),
                    path: pin.path.clone(),
                    size: pin.size,
                    sha256: pin.sha256,
                };
                self.fetch(pin.archive, &file, &subject, &download, progress)?;
                progress.update(&subject, &Step::Unpacking);
                kernel_package::boot_image(&pin.package, &download)?
            }
            Source::Image { path, sha256, .. } => {
                let image = image_file::read(path).map_err(|cause| StoreError::Read {
                    path: path.into(),
                    cause,
                })?;
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
            bzimage::extract_vmlinux(&image).map_err(|cause| StoreError::Image {
                from: from(),
                cause,
            })?
        };
        let inspect_error = |cause| StoreError::Inspect {
            from: from(),
            cause,
        };
        // Modules are kept through the loss of the kernel's own file.
        let kept = Record::read(folder);
        let archive = kept.as_ref().and_then(|record| record.files.get(MODULES));
        let record = Record {
            version: inspect::version(&vmlinux).map_err(inspect_error)?,
            capabilities: inspect::capabilities(&vmlinux).map_err(inspect_error)?,
            files: archive
                .map(|entry| (MODULES.to_owned(), *entry))
                .into_iter()
                .collect(),
            modules: kept.and_then(|record| record.modules),
            inspection: inspect::REVISION,
        };
        check_expectations(kernel, &record)?;
        let record = if bzimage::is_elf(&image) {
            record
        } else {
            add_file(folder, record, VMLINUZ, &image)?
        };
        add_file(folder, record, VMLINUX, &vmlinux)
    }

    fn fetch(
        &self,
        archive: Archive,
        file: &PackageFile,
        subject: &str,
        destination: &Path,
        progress: &dyn Progress,
    ) -> Result<(), StoreError> {
        let urls = Mirrors::discover(self.mirror.as_deref())?.urls(archive, &file.path)?;
        let download = Download {
            subject,
            urls: &urls,
            size: file.size,
            sha256: file.sha256,
            destination,
        };
        Ok(fetch::fetch(&*self.transport, &download, progress)?)
    }
}

/// An older version of this program found out something else about the same
/// file: it need not be fetched again.
fn inspect_again(kernel: &Kernel, folder: &Path, mut record: Record) -> Result<Record, StoreError> {
    let vmlinux = read(&folder.join(VMLINUX))?;
    record.capabilities = inspect::capabilities(&vmlinux).map_err(|cause| StoreError::Inspect {
        from: kernel.description(),
        cause,
    })?;
    record.inspection = inspect::REVISION;
    record.write(folder)?;
    Ok(record)
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
    // Before somebody looked for modules, less is not too little.
    let has = record.all_capabilities();
    let lacks_modules_only = record.modules.is_none() && has.is_subset(&kernel.capabilities);
    if has != kernel.capabilities && !lacks_modules_only {
        return Err(StoreError::Capabilities {
            series: kernel.series,
            package: pin.package.clone(),
            expected: kernel.capabilities.clone(),
            actual: has,
        });
    }
    Ok(())
}

/// The archive that is appended to the one with the guest's own files.
fn initramfs_of(modules: &BTreeMap<String, Vec<u8>>) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    let folder = newc::Builder::new("modules").nlink(2).mode(0o755);
    let folder = folder.set_mode_file_type(ModeFileType::Directory);
    folder.write(&mut archive, 0).finish()?;
    for (number, (name, content)) in (1..).zip(modules) {
        let length = u32::try_from(content.len()).map_err(io::Error::other)?;
        let file = newc::Builder::new(&format!("modules/{name}.ko"));
        let file = file.ino(number).mode(0o644);
        let mut file = file
            .set_mode_file_type(ModeFileType::Regular)
            .write(&mut archive, length);
        file.write_all(content)?;
        file.finish()?;
    }
    newc::trailer(&mut archive)?;
    Ok(archive)
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
    fs::read(path).map_err(|cause| StoreError::Read {
        path: path.into(),
        cause,
    })
}
