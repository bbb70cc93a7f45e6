//! One kernel of the matrix, or of the user's own.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    boot_mode::BootMode,
    bzimage::{self, ImageError},
    capability::Capability,
    digest::Digest,
    image_file,
    inspect::{self, InspectError},
    manifest::Pin,
    series::Series,
    tier::Tier,
};

/// One kernel that can be tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its series.
    pub series: Series,
    /// The lowest tier that tests it.
    pub tier: Tier,
    /// What it can do when it is booted in mode `bpf-lsm`.
    pub capabilities: BTreeSet<Capability>,
    /// Where it comes from.
    pub source: Source,
}

/// Where a kernel comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A package that the matrix names.
    Pinned {
        /// The suite that had it.
        suite: String,
        /// Which package exactly.
        pin: Pin,
    },
    /// A file of the user's own.
    Image {
        /// A bzImage or a vmlinux ELF file.
        path: PathBuf,
        /// Its full version.
        version: String,
        /// Of the file, when it was looked at.
        sha256: Digest,
    },
}

/// Why a file cannot be used as a kernel.
#[derive(Debug, Error)]
pub enum KernelImageError {
    /// It cannot be read.
    #[error("cannot read the kernel image {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// It is not a kernel, or a corrupt one.
    #[error("cannot use {path} as a kernel: {cause}")]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: ImageError,
    },
    /// The ELF file in it cannot be used.
    #[error("cannot use {path} as a kernel: {cause}")]
    Inspect {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: InspectError,
    },
}

impl Kernel {
    /// A kernel of the user's own: a bzImage or a vmlinux ELF file. Series and
    /// capabilities are those that the file itself shows.
    pub fn from_image(path: &Path) -> Result<Self, KernelImageError> {
        let image = image_file::read(path).map_err(|cause| KernelImageError::Read {
            path: path.into(),
            cause,
        })?;
        let sha256 = Digest::of(&image);
        let vmlinux = if bzimage::is_elf(&image) {
            image
        } else {
            bzimage::extract_vmlinux(&image).map_err(|cause| KernelImageError::Image {
                path: path.into(),
                cause,
            })?
        };
        let inspect_error = |cause| KernelImageError::Inspect {
            path: path.into(),
            cause,
        };
        let capabilities = inspect::capabilities(&vmlinux).map_err(inspect_error)?;
        let version = inspect::version(&vmlinux).map_err(inspect_error)?;
        let series = Series::of_version(&version)
            .ok_or(InspectError::NoVersion)
            .map_err(inspect_error)?;
        Ok(Self {
            series,
            tier: Tier::Smoke,
            capabilities,
            source: Source::Image {
                path: path.into(),
                version,
                sha256,
            },
        })
    }

    /// What it can do when it is booted in this mode.
    pub fn capabilities_in(&self, mode: BootMode) -> BTreeSet<Capability> {
        mode.limit(&self.capabilities)
    }

    /// The digest of what it is made from: the package or the image.
    pub fn content(&self) -> Digest {
        match &self.source {
            Source::Pinned { pin, .. } => pin.sha256,
            Source::Image { sha256, .. } => *sha256,
        }
    }

    /// A few words for people: which package, or which file.
    pub fn description(&self) -> String {
        match &self.source {
            Source::Pinned { pin, .. } => format!("{} {}", pin.package, pin.version),
            Source::Image { path, version, .. } => format!("{} ({version})", path.display()),
        }
    }
}
