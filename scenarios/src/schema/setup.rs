//! What a scenario finds in the guest.

use std::net::SocketAddr;

use harness_proto::{Probe, Transport, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something made in the guest before the first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Setup {
    /// A text file. One that is there already is replaced by another.
    File {
        /// Absolute path.
        path: String,
        /// Whole content.
        content: String,
        /// Permission bits.
        #[serde(default = "readable")]
        mode: u32,
    },
    /// Files named 0, 1, 2 … in a folder, which is made too.
    Files {
        /// Absolute path.
        folder: String,
        /// How many.
        count: u32,
    },
    /// A folder.
    Folder {
        /// Absolute path.
        path: String,
    },
    /// A program that can be executed: a copy of the probe.
    Program {
        /// Absolute path.
        path: String,
    },
    /// A script that can be executed; its interpreter, a program of a setup,
    /// ends as the probe does.
    Script {
        /// Absolute path.
        path: String,
        /// Absolute path.
        interpreter: String,
    },
    /// A cgroup.
    Cgroup {
        /// A path from the root of the v2 hierarchy.
        path: String,
    },
    /// The guest's disk in memory, with an empty ext4 on it, mounted in a folder
    /// that is made; its device is `/dev/ram0`. For scenarios that need
    /// `ram-disk`; `/dev/ram1` holds nothing.
    Disk {
        /// Absolute path.
        at: String,
    },
    /// A file system in memory with little room, mounted in a folder that is made.
    SmallDisk {
        /// Absolute path.
        at: String,
    },
    /// A listening TCP or bound UDP socket.
    Listener {
        /// Socket type.
        transport: Transport,
        /// Local address.
        address: SocketAddr,
    },
    /// Every file beneath a folder whose name begins so is removed.
    Removed {
        /// Absolute path.
        beneath: String,
        /// The beginning of the names.
        prefix: String,
    },
    /// A file system in memory with all of this in it, where everyone may do
    /// everything: what the model makes.
    World(World),
    /// Whatever a probe can do; it must be allowed.
    Do(Probe),
}

const fn readable() -> u32 {
    0o644
}
