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

/// Tenants that can be told apart.
pub const TENANTS: u32 = 1024;
/// Bytes of a tenant's name.
pub const TENANT_NAME: usize = 104;

/// What is counted for a tenant: the scope of a rule. Under the key 0 is what
/// no rule decided.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Operations that were denied.
    pub denied: u64,
    /// Operations that were denied and whose process was ended.
    pub killed: u64,
    /// Operations that were only reported.
    pub audited: u64,
    /// For people, filled up with zeroes.
    pub name: [u8; TENANT_NAME],
}
