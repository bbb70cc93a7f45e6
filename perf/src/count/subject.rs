//! Who is in force while operations are counted.

use std::fmt;

/// Who is in force while operations are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// No agent at all.
    None,
    /// LSM programs that do nothing, on the agent's hooks.
    NullLsm,
    /// The agent that is measured.
    Agent,
    /// The agent that it is compared with.
    Base,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no agent",
            Self::NullLsm => "the null LSM",
            Self::Agent => "the agent",
            Self::Base => "the agent that it is compared with",
        })
    }
}
