//! Opening a file without pause while the agent is busy with policies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Errno;

/// A file that is denied by every policy is opened without pause, while the
/// agent is given one policy after the other. For its teeth the file is opened
/// a thousand times without the agent, and with the rules removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Storm {
    /// Absolute path.
    pub open: String,
    /// With which every open must fail.
    pub errno: Errno,
    /// So many processes open it.
    #[serde(default = "two")]
    pub openers: u32,
    /// At least so many opens in all.
    pub opens: u64,
    /// How many policies the agent is given.
    pub rounds: u32,
    /// What else is done to it meanwhile.
    #[serde(default)]
    pub agent: StormAgent,
    /// The policies, which take turns: for each the ids of the rules that are
    /// left out of it.
    pub without: Vec<Vec<String>>,
    /// Denials of at least so many different policies are reported.
    pub generations: u64,
    /// For all of it, in seconds.
    pub deadline_s: u32,
}

/// What happens to the agent in each round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum StormAgent {
    /// It goes on, and says that the policy is in force.
    #[default]
    GoesOn,
    /// It is killed a moment after it was told of the policy, and started
    /// again with it.
    IsKilled {
        /// At most so long after, in microseconds.
        within_us: u64,
        /// Decides how long in each round.
        seed: u64,
    },
}

const fn two() -> u32 {
    2
}
