//! Ways to execute a program.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// By which calls [`super::Probe::Exec`] executes. That the program cannot be
/// opened or copied first is no verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExecWay {
    /// `execve(2)`.
    #[default]
    Execve,
    /// `execveat(2)` of a descriptor, with `AT_EMPTY_PATH`.
    Descriptor,
    /// `execve(2)` of `/proc/self/fd/N`.
    ProcFd,
    /// `execveat(2)` of a copy in a `memfd_create(2)`.
    Memfd,
    /// `execveat(2)` of a descriptor whose file has been removed. A copy of
    /// the program has to be put in its place afterwards.
    Deleted,
    /// `execveat(2)` of a descriptor of the folder, and the name alone.
    AtFolder,
    /// The system call of 32-bit programs, on x86.
    Compat,
}
