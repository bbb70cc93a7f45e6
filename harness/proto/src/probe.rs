//! One action in the guest with an observed verdict.
//!
//! | module | holds |
//! | --- | --- |
//! | [`file`] | ways to open, change and map a file |
//! | [`execute`] | ways to execute a program |
//! | [`network`] | ways to send |
//! | [`kernel`] | what is done to the kernel and to other processes |
//! | [`mount`] | what is done to the tree of mounts |
//! | [`subject`] | as whom |

pub mod execute;
pub mod file;
pub mod kernel;
pub mod mount;
pub mod network;
pub mod subject;

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use execute::ExecWay;
pub use file::{Access, Attribute, CreateWay, FloodedFile, MapWay, NodeKind, OpenWay};
pub use kernel::KernelProbe;
pub use mount::MountProbe;
pub use network::{SendWay, SocketWay, Transport};
pub use subject::{Doer, MountNamespace, RunAs};

/// One action, done by the probe executable in a process of its own. It says
/// what to do, never what should come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Probe {
    /// Open a file and, if for reading, read a byte.
    Open {
        /// Absolute path, or relative to `cwd`.
        path: String,
        /// How it is opened.
        #[serde(default)]
        access: Access,
        /// By which calls.
        #[serde(default, skip_serializing_if = "is_default")]
        by: OpenWay,
        /// Change to this folder first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cwd: Option<String>,
    },
    /// Execute a copy of the probe, which must exit with
    /// [`crate::NOOP_EXIT_STATUS`].
    Exec {
        /// Absolute path.
        path: String,
        /// By which calls.
        #[serde(default, skip_serializing_if = "is_default")]
        by: ExecWay,
    },
    /// Connect; TCP must reach a listener to be allowed.
    Connect {
        /// Socket type.
        transport: Transport,
        /// Peer; an IPv4-mapped IPv6 address makes an IPv6 socket.
        address: SocketAddr,
        /// By which calls.
        #[serde(default, skip_serializing_if = "is_default")]
        by: SocketWay,
    },
    /// Send a byte to a peer from a socket that is not connected.
    Send {
        /// Peer.
        address: SocketAddr,
        /// By which calls.
        #[serde(default)]
        by: SendWay,
    },
    /// `bind(2)`.
    Bind {
        /// Socket type.
        transport: Transport,
        /// Local address.
        address: SocketAddr,
    },
    /// `listen(2)` on a TCP socket. That it cannot be bound first is no
    /// verdict.
    Listen {
        /// Local address; without one the kernel chooses a port of every
        /// address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<SocketAddr>,
    },
    /// `renameat2(2)`.
    Rename {
        /// Existing name.
        from: String,
        /// New name.
        to: String,
        /// `RENAME_EXCHANGE`: each takes the other's place.
        #[serde(default, skip_serializing_if = "is_default")]
        exchange: bool,
    },
    /// `linkat(2)`: a hard link.
    Link {
        /// Existing name.
        from: String,
        /// New name.
        to: String,
    },
    /// `symlinkat(2)`.
    Symlink {
        /// What the link says.
        target: String,
        /// New name.
        path: String,
    },
    /// `unlinkat(2)`.
    Unlink {
        /// Existing name.
        path: String,
    },
    /// Make an empty file.
    Create {
        /// New name.
        path: String,
        /// By which calls.
        #[serde(default, skip_serializing_if = "is_default")]
        by: CreateWay,
    },
    /// `mkdirat(2)`.
    Mkdir {
        /// New name.
        path: String,
    },
    /// `unlinkat(2)` with `AT_REMOVEDIR`.
    Rmdir {
        /// Existing name.
        path: String,
    },
    /// `mknodat(2)`.
    Mknod {
        /// New name.
        path: String,
        /// What is made.
        kind: NodeKind,
    },
    /// `truncate(2)` to one byte.
    Truncate {
        /// Existing name.
        path: String,
    },
    /// Change what the file system keeps about a file.
    Change {
        /// Existing name.
        path: String,
        /// What of it.
        attribute: Attribute,
    },
    /// Open a file for reading, then map it executable. That it cannot be
    /// opened is no verdict.
    MapExec {
        /// Existing name.
        path: String,
        /// By which calls.
        #[serde(default)]
        by: MapWay,
    },
    /// The same again and again in one process, as fast as it can. Allowed or
    /// denied only when every one was, and with the same errno; else
    /// [`Verdict::Broken`], with the counts.
    Flood {
        /// What is done.
        open: FloodedFile,
        /// How often.
        times: u32,
    },
    /// Things that come and go again and again, as fast as they can. Allowed only
    /// when every one was.
    Churn {
        /// What.
        of: Churn,
        /// How often.
        times: u32,
    },
    /// Something with a descriptor that was opened before, by
    /// [`crate::Action::Hold`].
    Held {
        /// The name given there.
        name: String,
        /// What.
        operation: HeldOperation,
    },
    /// Something to the kernel or another process.
    Kernel(KernelProbe),
    /// Something to the tree of mounts.
    Mount(MountProbe),
}

impl Probe {
    /// How long it may take, in milliseconds: one that takes longer hangs.
    pub const fn patience_ms(&self) -> u64 {
        match self {
            Self::Flood { .. } | Self::Churn { .. } => 60_000,
            _ => 10_000,
        }
    }
}

/// What comes and goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Churn {
    /// Processes that execute the probe.
    Processes,
    /// Cgroups, each with a name of its own.
    Cgroups,
    /// TCP connections.
    Connections {
        /// Where somebody listens.
        address: SocketAddr,
    },
}

/// What `probe run` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What it does.
    pub probe: Probe,
    /// As whom.
    #[serde(default, skip_serializing_if = "RunAs::is_runner")]
    pub run_as: RunAs,
}

/// What `probe hold` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Absolute path.
    pub path: String,
    /// How it is opened.
    pub access: Access,
    /// As whom.
    #[serde(default, skip_serializing_if = "RunAs::is_runner")]
    pub run_as: RunAs,
}

/// What is done with a descriptor that was opened before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeldOperation {
    /// `pread(2)` of a byte.
    Read,
    /// `pwrite(2)` of a byte.
    Write,
    /// `ftruncate(2)` to one byte.
    Truncate,
    /// `fchmod(2)`.
    Mode,
    /// `mmap(2)`, private and executable.
    MapExec,
    /// Open it again through `/proc/self/fd`, for reading.
    Reopen,
    /// `mmap(2)`, private and readable, kept for [`Self::ReadMapped`].
    Map,
    /// Read a byte of what was mapped before.
    ReadMapped,
    /// `mmap(2)`, private and readable, and read a byte.
    MapRead,
    /// `mmap(2)` without any access, `mprotect(2)` to read, and read a byte.
    ProtectRead,
    /// `mmap(2)`, shared and writable, and write a byte; the descriptor must
    /// be open for both.
    MapWrite,
    /// `mmap(2)`, shared and readable, `mprotect(2)` to write, and write a
    /// byte; the descriptor must be open for both.
    ProtectWrite,
    /// Another process reads a byte, which was sent the descriptor over a
    /// socket.
    ReadPassed,
    /// Another process reads a byte, which took the descriptor with
    /// `pidfd_getfd(2)`.
    ReadTaken,
    /// `sendfile(2)` of a byte to a socket.
    Sendfile,
    /// `splice(2)` of a byte to a pipe.
    Splice,
    /// `copy_file_range(2)` of a byte to a file beside it.
    CopyRange,
    /// `IORING_OP_READ` of a byte.
    IoUringRead,
}

/// What came of a [`Probe`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The kernel did it.
    Allowed,
    /// The kernel refused with this errno.
    Denied {
        /// Positive errno.
        errno: i32,
    },
    /// The probe was killed while doing it.
    Killed {
        /// Signal number.
        signal: i32,
    },
    /// The probe itself could not do its work; never a verdict of the kernel.
    Broken {
        /// Why.
        message: String,
    },
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
