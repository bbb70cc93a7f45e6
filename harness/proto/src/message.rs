//! The messages of both directions.
//!
//! ```text
//! guest: Hello … repeated until the machine is stopped for the snapshot
//! host:  Start … repeated until Started (bytes of a snapshot can be lost)
//! guest: Started, then Record and Log, then Final
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::observation::Observation;

/// From the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum HostMessage {
    /// Run one cell.
    Start {
        /// Names the file in [`crate::CELLS_DIR`].
        cell: String,
        /// Fresh for each cell; known to the runner only, repeated in
        /// [`GuestMessage::Final`].
        nonce: String,
        /// Mixed into the guest's random pool: restored machines would
        /// otherwise all draw the same numbers.
        seed: u64,
        /// Nanoseconds since 1970, to set the guest's clock.
        unix_time_ns: u64,
    },
    /// The machine was suspended and goes on.
    Resumed,
}

/// From the guest's runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum GuestMessage {
    /// Ready for a snapshot.
    Hello {
        /// [`crate::PROTOCOL_VERSION`] of the guest.
        protocol: u32,
        /// What this machine can do, read from the kernel itself.
        facts: Facts,
    },
    /// The cell was found and is about to run.
    Started {
        /// The nonce of the `Start` that is answered.
        nonce: String,
    },
    /// One action was carried out.
    Record {
        /// Index of the action in the program, from 0 without gaps.
        index: u32,
        /// What was seen.
        observation: Observation,
        /// How long it took.
        micros: u64,
    },
    /// Part of the output of a process, sent after the last record.
    Log {
        /// The name given in `Spawn`.
        process: String,
        /// Which output.
        stream: LogStream,
        /// Valid UTF-8; other bytes are replaced.
        text: String,
        /// Bytes left out before this text, because the log was too long.
        omitted: u64,
    },
    /// The runner got to the end of the cell.
    Final {
        /// The nonce of `Start`.
        nonce: String,
        /// How many records were sent.
        records: u32,
    },
    /// The runner cannot go on; nothing follows.
    Fatal {
        /// Why.
        message: String,
    },
}

/// What the guest's kernel says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// `uname -r`.
    pub release: String,
    /// The active LSMs in order, from `/sys/kernel/security/lsm`.
    pub lsm: Vec<String>,
    /// Whether the kernel loads the smallest BPF program there is.
    pub bpf: bool,
    /// Whether `/sys/kernel/btf/vmlinux` is there and begins as type
    /// information does.
    pub btf: bool,
    /// What else it has of what kernels differ in.
    pub features: BTreeSet<Feature>,
}

/// What kernels differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// By its type information, LSM programs may sleep.
    SleepableLsm,
    /// By its type information, LSM programs can ask for a file's digest.
    ImaFileHash,
    /// By its type information, making a user namespace is an LSM hook.
    UsernsCreate,
    /// `io_uring_setup(2)` exists.
    IoUring,
    /// There are sockets of MPTCP.
    Mptcp,
    /// `/proc/filesystems` has overlay.
    Overlay,
    /// There is a `/dev/ram0`.
    RamDisk,
}

/// An output of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
