//! The word that says which policy decides. It is read once in each hook, so
//! a decision is made by one policy, whole; writing it is the atomic step of
//! a change.

/// The policy in force.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Active(pub u64);

/// Flags of [`Active`].
pub mod flag {
    /// Some rule speaks of a subtree.
    pub const SUBTREES: u64 = 1;
    /// Some rule speaks of a network.
    pub const NETWORKS: u64 = 2;
    /// Some rule speaks of an inode whatever its generation.
    pub const INODE_NUMBERS: u64 = 4;
    /// Some rule speaks of every program.
    pub const ALL_PROGRAMS: u64 = 8;
    /// What cannot be decided about files is denied.
    pub const FILES_CLOSED: u64 = 16;
    /// What cannot be decided about peers is denied.
    pub const NETWORK_CLOSED: u64 = 32;
    /// Some rule speaks of block devices.
    pub const RAW_DEVICES: u64 = 64;
    /// Some rule speaks of content.
    pub const CONTENTS: u64 = 128;
}

impl Active {
    /// No policy: everything is allowed.
    pub const NONE: Self = Self(0);

    /// A generation with its flags and the size of its filter.
    pub const fn new(generation: u64, filter_log2: u32, flags: u64) -> Self {
        Self(generation << 16 | ((filter_log2 as u64) & 63) << 8 | flags & 0xff)
    }

    /// The number of the generation, from 1; 0 when there is no policy.
    #[inline(always)]
    pub const fn generation(self) -> u64 {
        self.0 >> 16
    }

    /// Which of the two sets of maps holds it.
    #[inline(always)]
    pub const fn slot(self) -> u32 {
        (self.0 >> 16) as u32 & 1
    }

    /// Logarithm of the number of bits in its filter.
    #[inline(always)]
    pub const fn filter_log2(self) -> u32 {
        (self.0 >> 8) as u32 & 63
    }

    /// Whether it has a flag.
    #[inline(always)]
    pub const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_keeps_its_parts() {
        let active = Active::new(0x1234_5678_9abc, 21, flag::NETWORKS);
        assert_eq!(active.generation(), 0x1234_5678_9abc);
        assert_eq!(active.filter_log2(), 21);
        assert_eq!(active.slot(), 0);
        assert!(active.has(flag::NETWORKS) && !active.has(flag::SUBTREES));
        assert_eq!(Active::new(3, 6, 0).slot(), 1);
        assert_eq!(Active::NONE.generation(), 0);
    }
}
