//! One action in the guest with an observed verdict.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One action, done by the probe executable in a process of its own. It says
/// what to do, never what should come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Probe {
    /// `openat(2)` and, for [`Access::Read`], one `read(2)` of a byte.
    Open {
        /// Absolute path, or relative to `cwd`.
        path: String,
        /// How it is opened.
        #[serde(default)]
        access: Access,
        /// Change to this folder first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cwd: Option<String>,
    },
    /// `execve(2)` of a copy of the probe, which must exit with
    /// [`crate::NOOP_EXIT_STATUS`].
    Exec {
        /// Absolute path.
        path: String,
    },
    /// `connect(2)`; TCP must reach a listener to be allowed.
    Connect {
        /// Socket type.
        transport: Transport,
        /// Peer; an IPv4-mapped IPv6 address makes an IPv6 socket.
        address: SocketAddr,
    },
    /// `renameat2(2)`.
    Rename {
        /// Existing name.
        from: String,
        /// New name.
        to: String,
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
    /// `openat(2)` with `O_CREAT | O_EXCL`.
    Create {
        /// New name.
        path: String,
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
    /// `mount(2)` with `MS_BIND`.
    BindMount {
        /// Existing file or folder.
        from: String,
        /// Where it appears.
        to: String,
    },
}

/// What [`Probe::Flood`] opens, as [`Probe::Open`] does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FloodedFile {
    /// Absolute path.
    pub path: String,
}

/// How [`Probe::Open`] opens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// `O_RDONLY`.
    #[default]
    Read,
    /// `O_WRONLY`.
    Write,
}

/// Socket type of [`Probe::Connect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// `SOCK_STREAM`.
    Tcp,
    /// `SOCK_DGRAM`.
    Udp,
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
