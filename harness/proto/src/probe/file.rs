//! Ways to open, change and map a file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How [`super::Probe::Open`] opens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// `O_RDONLY`.
    #[default]
    Read,
    /// `O_WRONLY`.
    Write,
    /// `O_RDWR`.
    ReadWrite,
    /// `O_WRONLY | O_APPEND`.
    Append,
    /// `O_WRONLY | O_TRUNC`.
    Truncate,
    /// `O_WRONLY | O_CREAT`, of a file that may exist.
    Create,
}

/// By which calls [`super::Probe::Open`] opens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OpenWay {
    /// `openat(2)`.
    #[default]
    Openat,
    /// `openat2(2)`.
    Openat2,
    /// With `O_PATH` first, which opens nothing, then through
    /// `/proc/self/fd`.
    Reopened,
    /// Beneath `/proc/self/root`.
    ProcRoot,
    /// `name_to_handle_at(2)` and `open_by_handle_at(2)`.
    Handle,
    /// `IORING_OP_OPENAT`.
    IoUring,
    /// A descriptor of the folder, and the name alone.
    AtFolder,
    /// Beneath `/proc/self/cwd`, from the folder.
    ProcCwd,
    /// `openat2(2)` with `RESOLVE_IN_ROOT`, the folder being the root.
    InRoot,
    /// A second hard link to it, whose name is no text: it has a byte 0xff.
    RawName,
    /// A symbolic link that leads to it and to another file in turn, while it
    /// is opened again and again. Allowed if it was opened even once.
    Raced,
    /// `pivot_root(2)` first, in a mount namespace of its own, to another
    /// mount of its folder.
    Pivoted,
    /// The system call of 32-bit programs, on x86.
    Compat,
}

/// By which calls [`super::Probe::Create`] creates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CreateWay {
    /// `openat(2)` with `O_CREAT | O_EXCL`.
    #[default]
    Openat,
    /// `O_TMPFILE`, a file without a name, then `linkat(2)`.
    Tmpfile,
}

/// What [`super::Probe::Change`] changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// `chmod(2)`.
    Mode,
    /// `fchmod(2)` of a file opened with `O_RDONLY`. That it cannot be opened
    /// is no verdict.
    ModeOfDescriptor,
    /// `chown(2)`.
    Owner,
    /// `utimensat(2)`.
    Times,
    /// `setxattr(2)` of `trusted.probe`.
    Xattr,
    /// `removexattr(2)` of `trusted.absent`, which no file has.
    AbsentXattr,
}

/// What [`super::Probe::Mknod`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A named pipe.
    Pipe,
    /// The character device 1:3.
    NullDevice,
    /// An empty file.
    File,
}

/// By which calls [`super::Probe::MapExec`] maps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MapWay {
    /// `mmap(2)` with `PROT_EXEC`.
    #[default]
    Mmap,
    /// `mmap(2)` without, then `mprotect(2)` with it.
    Mprotect,
    /// `read(2)` into memory of no file, then `mprotect(2)` with it.
    Anonymous,
}

/// What [`super::Probe::Flood`] opens, as [`super::Probe::Open`] does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FloodedFile {
    /// Absolute path.
    pub path: String,
}
