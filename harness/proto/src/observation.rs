//! What the guest saw.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{batch::Batched, probe::Verdict, soak::Soaked, storm::Stormed};

/// The result of one [`crate::Action`]; which variant belongs to which action
/// is said there. [`Observation::Broken`] can answer any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Observation {
    /// It was done.
    Done,
    /// What came of a probe.
    Probed(Verdict),
    /// A process was started.
    Spawned {
        /// The first line that matched, or null when none did.
        ready: Option<Value>,
        /// Set when it exited before it was ready.
        exit: Option<Exit>,
    },
    /// A process ended, or `None` when the deadline passed first.
    Exited(Option<Exit>),
    /// The lines that matched.
    Lines {
        /// How many matched.
        count: u64,
        /// The last of them.
        last: Option<Value>,
    },
    /// What some processes have said in all.
    Tally {
        /// How many lines matched; those of a later process with a number that an
        /// earlier one had last are the same once more.
        count: u64,
        /// How many of them, but for the first, have another number than the
        /// one after that of the line before; a line without a number is one.
        gaps: u64,
        /// The last line in which the process sums up.
        summary: Option<Value>,
    },
    /// What came of a storm.
    Stormed(Box<Stormed>),
    /// What came of a soak.
    Soaked(Box<Soaked>),
    /// What came of a batch.
    Batched(Batched),
    /// A command ran to its end.
    Ran {
        /// `None` when the deadline passed and it was killed.
        exit: Option<Exit>,
        /// At most the last 16 KiB.
        stdout: String,
        /// At most the last 16 KiB.
        stderr: String,
    },
    /// Every BPF link the kernel holds, by ascending id.
    BpfLinks(Vec<BpfLink>),
    /// The action could not be carried out.
    Broken {
        /// What was tried and the error.
        message: String,
    },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

/// One BPF link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BpfLink {
    /// The kernel's link id.
    pub id: u32,
    /// The id of the program behind it.
    pub program_id: u32,
}
