//! Why a kernel cannot be had.

use std::{collections::BTreeSet, io, path::PathBuf};

use thiserror::Error;

use crate::{
    bzimage::ImageError, capability::Capability, deb::DebError, fetch::FetchError,
    inspect::InspectError, mirror::MirrorError, place::PlaceError, series::Series,
};

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
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The package cannot be unpacked.
    #[error("cannot unpack {package}: {cause}")]
    Unpack {
        /// Name of the package.
        package: String,
        /// What is wrong with it.
        cause: DebError,
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
    #[error("cannot take the kernel out of {from}: {cause}")]
    Image {
        /// Name of the package or the file.
        from: String,
        /// What is wrong.
        cause: ImageError,
    },
    /// The ELF file in it cannot be used.
    #[error("cannot use the kernel of {from}: {cause}")]
    Inspect {
        /// Name of the package or the file.
        from: String,
        /// What is wrong.
        cause: InspectError,
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
