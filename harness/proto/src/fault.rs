//! What goes wrong around an agent, and is put right again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that is wrong from [`crate::Action::Inject`] until
/// [`crate::Action::Lift`], or until the cell ends, however it ends. The guest
/// has seen that it is really there before it says that it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The agent is stopped (`SIGSTOP`).
    Stopped,
    /// Nobody reads what the agent says: its standard output fills.
    Unread,
    /// Nobody can read what the agent says ever again: its standard output has
    /// no other end.
    Unreadable,
    /// The agent can open so many descriptors more.
    Descriptors {
        /// How many.
        spare: u32,
    },
    /// The kernel kills the agent because its memory cgroup is full. It cannot be
    /// put right but by another start.
    OutOfMemory,
    /// There is no room left in a file system of its own, at most 64 MiB.
    Full {
        /// Where it is mounted.
        at: String,
    },
    /// Nothing can be changed in a folder.
    ReadOnly {
        /// Absolute path.
        at: String,
    },
    /// A file system takes no writes (`FIFREEZE`) most of the time: it is thawed
    /// for a fifth of the time that it is frozen, again and again.
    Slow {
        /// Where it is mounted; a tmpfs cannot be frozen.
        at: String,
        /// How long it is frozen at a time, in milliseconds.
        stall_ms: u64,
    },
    /// An empty file system is mounted over a folder.
    Covered {
        /// Absolute path.
        at: String,
    },
    /// A file system is unmounted (`MNT_DETACH`). Put right, another of its kind is
    /// mounted in its place.
    Unmounted {
        /// Where it is mounted.
        at: String,
    },
    /// The clock of the machine shows another time.
    Clock {
        /// So much later; negative for earlier.
        seconds: i64,
    },
    /// On every processor a program with a real-time priority spins. The guest's
    /// runner and its probes come before it, all others get what the kernel
    /// leaves to those without such a priority.
    Starved,
}

impl Fault {
    /// Whether it befalls the agent's process rather than the machine.
    pub const fn is_of_process(&self) -> bool {
        matches!(
            self,
            Self::Stopped
                | Self::Unread
                | Self::Unreadable
                | Self::Descriptors { .. }
                | Self::OutOfMemory
        )
    }

    /// What scenarios call it unless they give it a name.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Unread => "unread",
            Self::Unreadable => "unreadable",
            Self::Descriptors { .. } => "descriptors",
            Self::OutOfMemory => "out-of-memory",
            Self::Full { .. } => "full",
            Self::ReadOnly { .. } => "read-only",
            Self::Slow { .. } => "slow",
            Self::Covered { .. } => "covered",
            Self::Unmounted { .. } => "unmounted",
            Self::Clock { .. } => "clock",
            Self::Starved => "starved",
        }
    }
}
