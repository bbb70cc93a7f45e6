//! What can be tried: the operations that rules speak of.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// On a file or folder.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FileOperation {
    /// Opening for reading.
    Read,
    /// Opening for writing.
    Write,
    /// Making a file, folder, device or link at a place.
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
}

/// On a socket.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkOperation {
    /// Connecting to a peer.
    Connect,
    /// Sending to a peer without connecting.
    Send,
    /// Binding to a local address.
    Bind,
    /// Listening on a local address.
    Listen,
}

/// On the kernel itself.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum KernelOperation {
    /// Tracing another process, or reading and writing its memory.
    Ptrace,
    /// Loading a kernel module.
    ModuleLoad,
    /// Loading another kernel.
    Kexec,
    /// The `bpf(2)` system call.
    Bpf,
    /// Mounting, moving a mount, unmounting, changing the root.
    Mount,
    /// Making a user namespace.
    UserNamespace,
    /// Opening a block device that holds a mounted file system.
    RawDevice,
}

/// Shown as in a scenario.
macro_rules! display_as_serialised {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        }
    )*};
}
display_as_serialised!(FileOperation, NetworkOperation, KernelOperation);
