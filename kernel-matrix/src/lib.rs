//! Which kernels are tested, and getting them ready to boot.
//!
//! `matrix.toml` says what is tested, `matrix.lock` exactly which packages
//! that means. From there a kernel is fetched, verified, unpacked and kept by
//! content, without root and without dpkg.
//!
//! | module | holds |
//! | --- | --- |
//! | [`matrix`] | both files, joined and checked |
//! | [`manifest`] | their types |
//! | [`kernel`] | one kernel: pinned, or the user's own |
//! | [`series`], [`tier`], [`capability`], [`boot_mode`] | the words for it |
//! | [`unknown`] | a name that is none of those known, and the likeliest one |
//! | [`resolve`], [`debian_version`] | the newest package of a series |
//! | [`mirror`], [`apt_sources`] | where Debian's archives are |
//! | [`http`], [`fetch`] | a download that resumes, and is verified |
//! | [`deb`], [`kernel_package`] | files out of a package; which one is the kernel |
//! | `image_file` | an image that the user names |
//! | [`package_root`], [`root_store`] | the files of any packages, for a guest; those that are kept |
//! | [`elf_needs`] | which libraries an executable of a package asks for |
//! | [`bzimage`], [`payload`] | the ELF file out of a boot image |
//! | [`inspect`] | what an ELF file says about its kernel; the variant with broken BTF |
//! | [`store`], [`store_error`], [`record`] | what is kept, and whether it is intact |
//! | [`cache`], [`place`], [`digest`], [`progress`] | what these stand on |
//!
//! An error's text is complete: it holds what lies behind it, too, so that
//! nothing is lost, and nothing said twice, however it is printed.

pub mod apt_sources;
pub mod boot_mode;
pub mod bzimage;
pub mod cache;
pub mod capability;
pub mod deb;
pub mod debian_version;
pub mod digest;
pub mod elf_needs;
pub mod fetch;
pub mod http;
mod image_file;
pub mod inspect;
pub mod kernel;
pub mod kernel_package;
pub mod manifest;
pub mod matrix;
pub mod mirror;
pub mod package_root;
pub mod payload;
pub mod place;
pub mod progress;
pub mod record;
pub mod resolve;
pub mod root_store;
pub mod series;
pub mod store;
pub mod store_error;
pub mod tier;
pub mod unknown;

pub use boot_mode::BootMode;
pub use capability::Capability;
pub use digest::Digest;
pub use kernel::{Kernel, KernelImageError, Source};
pub use matrix::{Matrix, MatrixError};
pub use mirror::{MirrorError, Mirrors};
pub use progress::{Progress, Silent, Step};
pub use root_store::{RootError, Roots};
pub use series::Series;
pub use store::{BootImage, Store};
pub use store_error::StoreError;
pub use tier::Tier;
pub use unknown::UnknownName;
