//! Who is in force while operations are counted.

/// Who is in force while operations are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// No agent at all.
    None,
    /// LSM programs that do nothing, on the agent's hooks.
    NullLsm,
    /// The agent that is measured.
    Agent,
}
