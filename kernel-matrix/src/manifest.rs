//! `matrix.toml` and `matrix.lock` as they are written.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{capability::Capability, digest::Digest, series::Series, tier::Tier};

/// `matrix.toml`: what is tested. Written by people.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// One for each series.
    #[serde(rename = "kernel")]
    pub kernels: Vec<Wanted>,
}

/// A kernel that is to be tested.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The kernel's series.
    pub series: Series,
    /// The Debian suite that has it, such as `trixie-backports`.
    pub suite: String,
    /// The end of the package's name, such as `cloud-amd64`.
    pub flavour: String,
    /// The lowest tier that tests it.
    pub tier: Tier,
    /// What it can do; checked against the kernel itself when it is unpacked.
    pub capabilities: BTreeSet<Capability>,
}

/// `matrix.lock`: exactly which packages. Written by a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// One for each series.
    #[serde(rename = "kernel")]
    pub kernels: Vec<Pin>,
}

/// The package of a series: a file of a Debian archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The kernel's series.
    pub series: Series,
    /// Name of the package that has the kernel in it.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The archive that has it.
    pub archive: Archive,
    /// Where it is, from the archive's root.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Digest,
    /// The package that has its modules, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules: Option<PackageFile>,
}

/// Another file of the archive of a [`Pin`], of the same version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFile {
    /// Name of the package.
    pub package: String,
    /// Where it is, from the archive's root.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Digest,
}

/// Any package of a Debian archive, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackagePin {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The archive that has it.
    pub archive: Archive,
    /// Where it is, from the archive's root.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Digest,
}

/// One of the archives that Debian mirrors carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Archive {
    /// Releases, updates and backports.
    Debian,
    /// Security updates.
    DebianSecurity,
}

impl Archive {
    /// The name of the archive, which is the usual name of its folder, too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::DebianSecurity => "debian-security",
        }
    }

    /// The archive that carries a suite.
    pub fn of_suite(suite: &str) -> Self {
        // Before Debian 11 it was `buster/updates`.
        if suite.ends_with("-security") || suite.ends_with("/updates") {
            Self::DebianSecurity
        } else {
            Self::Debian
        }
    }
}
