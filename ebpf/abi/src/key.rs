//! Keys and values of the rule maps.

/// Longest name of a directory entry, `NAME_MAX` of Linux, without the NUL.
pub const NAME_LENGTH: usize = 255;

/// Port ranges that one address or network can carry, its own and those of
/// the networks around it. The policy compiler refuses more.
pub const PORT_RANGES: usize = 8;

/// A rule, by its place in the policy plus one; 0 is no rule.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleRef(pub u32);

impl RuleRef {
    /// No rule.
    pub const NONE: Self = Self(0);

    /// The rule at an index of the policy.
    pub const fn from_index(index: u32) -> Self {
        Self(index + 1)
    }

    /// The index in the policy, or `None` for no rule.
    pub const fn index(self) -> Option<u32> {
        self.0.checked_sub(1)
    }

    /// Whether there is no rule.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// This rule, or `other` when there is none.
    #[must_use]
    #[inline(always)]
    pub const fn or(self, other: Self) -> Self {
        if self.is_none() { other } else { self }
    }
}

/// An inode of a file system.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// `inode.i_ino`.
    pub inode: u64,
    /// `super_block.s_dev`: major number times 2^20 plus minor number. Not
    /// the encoding of `stat(2)`.
    pub device: u32,
    /// Always 0.
    pub reserved: u32,
}

/// A name in a folder, whether or not something is there.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceKey {
    /// The folder.
    pub folder: ObjectKey,
    /// The name, filled up with NUL bytes.
    pub name: [u8; NAME_LENGTH + 1],
}

/// The rules of one object or place.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileRules {
    /// Rule against opening it.
    pub open: RuleRef,
    /// Rule against executing it.
    pub exec: RuleRef,
    /// 1 when some [`PlaceKey`] names this object as its folder.
    pub is_folder_of_place: u32,
}

/// An IPv6 address, or an IPv4 address in its IPv4-mapped form, in network
/// order: one key space, so that an IPv4 peer reached through an IPv6 socket
/// is the same peer.
pub type AddressKey = [u8; 16];

/// Ports, both ends included, in host order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
    /// The rule that denies them; no rule ends the list.
    pub rule: RuleRef,
}

/// The rules of one address or network, those of the networks around it
/// included: a longest-prefix match finds one entry only.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortRules {
    /// Up to the first entry without a rule.
    pub ranges: [PortRange; PORT_RANGES],
}

/// What a generation is, kept in its own map beside its rules: enough to adopt
/// it after a restart, or to see that it cannot be.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// [`crate::ABI_VERSION`] of the agent that loaded it.
    pub abi: u32,
    /// 1 when it decides in BPF LSM hooks, 2 when it only watches tracepoints.
    pub mechanism: u32,
    /// [`crate::Mode`] of the file domain.
    pub file_mode: u32,
    /// [`crate::Mode`] of the exec domain.
    pub exec_mode: u32,
    /// [`crate::Mode`] of the network domain.
    pub network_mode: u32,
    /// Rules of the policy.
    pub rules: u32,
    /// SHA-256 over the map image (rules, resolved objects, modes) and the
    /// programs.
    pub digest: [u8; 32],
}
