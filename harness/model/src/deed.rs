//! What can be done, of whatever kind.

use std::fmt;

use scenarios::operation::{FileOperation, KernelOperation, NetworkOperation};
use serde::{Deserialize, Serialize};

/// An operation that a rule can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Opening for reading.
    Read,
    /// Opening for writing.
    Write,
    /// Making something at a place.
    Create,
    /// Removing a name.
    Delete,
    /// Renaming, from a name or to it.
    Rename,
    /// Making a hard link.
    Link,
    /// Changing the length.
    Truncate,
    /// Changing mode, owner, times or extended attributes.
    Attributes,
    /// Executing.
    Exec,
    /// Mapping executable.
    MmapExec,
    /// Connecting to a peer.
    Connect,
    /// Sending without connecting.
    Send,
    /// Binding to a local address.
    Bind,
    /// Listening at one.
    Listen,
    /// Tracing another process.
    Ptrace,
    /// Loading a module.
    ModuleLoad,
    /// Loading another kernel.
    Kexec,
    /// `bpf(2)`.
    Bpf,
    /// Mounting, and mounting over something.
    Mount,
    /// Making a user namespace.
    UserNamespace,
    /// Opening a device that holds a mounted file system.
    RawDevice,
}

impl Deed {
    /// All that a rule about files can name.
    pub const ON_FILES: [Self; 10] = [
        Self::Read,
        Self::Write,
        Self::Create,
        Self::Delete,
        Self::Rename,
        Self::Link,
        Self::Truncate,
        Self::Attributes,
        Self::Exec,
        Self::MmapExec,
    ];
    /// What a rule about programs speaks of.
    pub const OF_PROGRAMS: [Self; 2] = [Self::Exec, Self::MmapExec];
    /// What a rule about peers speaks of that names nothing.
    pub const TO_PEERS: [Self; 2] = [Self::Connect, Self::Send];
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl From<FileOperation> for Deed {
    fn from(operation: FileOperation) -> Self {
        match operation {
            FileOperation::Read => Self::Read,
            FileOperation::Write => Self::Write,
            FileOperation::Create => Self::Create,
            FileOperation::Delete => Self::Delete,
            FileOperation::Rename => Self::Rename,
            FileOperation::Link => Self::Link,
            FileOperation::Truncate => Self::Truncate,
            FileOperation::Attributes => Self::Attributes,
            FileOperation::Exec => Self::Exec,
            FileOperation::MmapExec => Self::MmapExec,
        }
    }
}

impl From<NetworkOperation> for Deed {
    fn from(operation: NetworkOperation) -> Self {
        match operation {
            NetworkOperation::Connect => Self::Connect,
            NetworkOperation::Send => Self::Send,
            NetworkOperation::Bind => Self::Bind,
            NetworkOperation::Listen => Self::Listen,
        }
    }
}

impl From<KernelOperation> for Deed {
    fn from(operation: KernelOperation) -> Self {
        match operation {
            KernelOperation::Ptrace => Self::Ptrace,
            KernelOperation::ModuleLoad => Self::ModuleLoad,
            KernelOperation::Kexec => Self::Kexec,
            KernelOperation::Bpf => Self::Bpf,
            KernelOperation::Mount => Self::Mount,
            KernelOperation::UserNamespace => Self::UserNamespace,
            KernelOperation::RawDevice => Self::RawDevice,
        }
    }
}
