//! What must come of a probe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A verdict that must be observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Expect {
    /// The kernel does it.
    Allowed,
    /// The kernel refuses with this errno.
    Denied(Errno),
    /// The probe is ended by `SIGKILL` while doing it.
    Killed,
}

impl Expect {
    /// Whether it must not be done: such a probe needs teeth.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Killed)
    }
}

/// The errnos a scenario may name, with their numbers on Linux, the same on
/// every architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Errno {
    /// 1
    EPERM,
    /// 2
    ENOENT,
    /// 3
    ESRCH,
    /// 8
    ENOEXEC,
    /// 9
    EBADF,
    /// 13
    EACCES,
    /// 16
    EBUSY,
    /// 17
    EEXIST,
    /// 18
    EXDEV,
    /// 20
    ENOTDIR,
    /// 21
    EISDIR,
    /// 22
    EINVAL,
    /// 38
    ENOSYS,
    /// 39
    ENOTEMPTY,
    /// 61
    ENODATA,
    /// 95
    EOPNOTSUPP,
    /// 111
    ECONNREFUSED,
}

impl Errno {
    /// The number on Linux.
    pub const fn number(self) -> i32 {
        match self {
            Self::EPERM => 1,
            Self::ENOENT => 2,
            Self::ESRCH => 3,
            Self::ENOEXEC => 8,
            Self::EBADF => 9,
            Self::EACCES => 13,
            Self::EBUSY => 16,
            Self::EEXIST => 17,
            Self::EXDEV => 18,
            Self::ENOTDIR => 20,
            Self::EISDIR => 21,
            Self::EINVAL => 22,
            Self::ENOSYS => 38,
            Self::ENOTEMPTY => 39,
            Self::ENODATA => 61,
            Self::EOPNOTSUPP => 95,
            Self::ECONNREFUSED => 111,
        }
    }
}
