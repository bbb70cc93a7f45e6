//! What is counted in the kernel. Plain atomic additions only: kernels before
//! 5.12 cannot fetch and add.

/// One element of the map of counters.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Denied operations: delivered or lost.
    Denials = 0,
    /// Denied operations whose event found the ring full.
    DenialsLost = 1,
    /// Reported operations: delivered or lost.
    Audits = 2,
    /// Reported operations whose event found the ring full.
    AuditsLost = 3,
    /// Fallback: a path or address of a process could not be read.
    Unreadable = 4,
    /// Fallback: calls in flight that could not be remembered.
    InFlightLost = 5,
}

impl Counter {
    /// All, by number.
    pub const ALL: [Self; 6] = [
        Self::Denials,
        Self::DenialsLost,
        Self::Audits,
        Self::AuditsLost,
        Self::Unreadable,
        Self::InFlightLost,
    ];
}
