//! What a kernel can do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::unknown::UnknownName;

/// Something that not every kernel can do and that scenarios depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// The kernel loads BPF programs at all.
    Bpf,
    /// The kernel describes its types in `/sys/kernel/btf/vmlinux`.
    Btf,
    /// BPF programs can be attached to LSM hooks and run.
    BpfLsm,
    /// LSM programs may sleep (5.11).
    SleepableLsm,
    /// LSM programs can ask for the digest of a file's content (5.18, with IMA).
    ImaFileHash,
    /// Creating a user namespace is an LSM hook (6.1).
    UsernsCreate,
    /// Things can be asked for through io_uring (5.1).
    IoUring,
    /// TCP connections can be made over several paths (5.6, MPTCP).
    Mptcp,
    /// Overlays can be mounted.
    Overlay,
    /// There are block devices in memory.
    RamDisk,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 10] = [
        Self::Bpf,
        Self::Btf,
        Self::BpfLsm,
        Self::SleepableLsm,
        Self::ImaFileHash,
        Self::UsernsCreate,
        Self::IoUring,
        Self::Mptcp,
        Self::Overlay,
        Self::RamDisk,
    ];

    /// The name in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bpf => "bpf",
            Self::Btf => "btf",
            Self::BpfLsm => "bpf-lsm",
            Self::SleepableLsm => "sleepable-lsm",
            Self::ImaFileHash => "ima-file-hash",
            Self::UsernsCreate => "userns-create",
            Self::IoUring => "io-uring",
            Self::Mptcp => "mptcp",
            Self::Overlay => "overlay",
            Self::RamDisk => "ram-disk",
        }
    }

    /// Whether it has to do with BPF.
    pub const fn is_of_bpf(self) -> bool {
        match self {
            Self::Bpf
            | Self::Btf
            | Self::BpfLsm
            | Self::SleepableLsm
            | Self::ImaFileHash
            | Self::UsernsCreate => true,
            Self::IoUring | Self::Mptcp | Self::Overlay | Self::RamDisk => false,
        }
    }

    /// Whether it is about LSM programs, and so is gone where they do not run.
    pub const fn is_of_lsm_programs(self) -> bool {
        match self {
            Self::Bpf | Self::Btf | Self::IoUring | Self::Mptcp | Self::Overlay | Self::RamDisk => {
                false
            }
            Self::BpfLsm | Self::SleepableLsm | Self::ImaFileHash | Self::UsernsCreate => true,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Capability {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        UnknownName::look_up("capability", text, Self::ALL, Self::name)
    }
}
