//! Rules and subjects as the programs read them.

use crate::{key::Key, operation::Operations};

/// Subjects that one policy can tell apart.
pub const SUBJECTS: usize = 63;

/// The bit that every process has, besides those of the subjects that it is.
pub const EVERYONE: u64 = 1 << 63;

/// What a rule does in the mode of its domain. Later ones are stronger.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing.
    #[default]
    None = 0,
    /// It only reports.
    Audit = 1,
    /// It would deny, but the domain is in audit mode.
    WouldDeny = 2,
    /// It denies.
    Deny = 3,
    /// It denies and ends the process.
    Kill = 4,
}

/// One rule.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Whose operations, a bit for each [`Subject`], or [`EVERYONE`].
    pub scope: u64,
    /// Whose operations not.
    pub except: u64,
    /// [`Operations`].
    pub operations: u32,
    /// [`Effect`].
    pub effect: u32,
    /// Lowest port, host order.
    pub first_port: u16,
    /// Highest port.
    pub last_port: u16,
    /// IANA protocol number.
    pub protocol: u8,
    /// Which bits of it must be the attempt's: all, or for any protocol none.
    pub protocol_mask: u8,
    /// Always 0.
    pub reserved: u16,
    /// The key of the [`Tenant`](crate::counter::Tenant) that it counts for.
    pub tenant: u64,
}

impl Rule {
    /// About which operations it can decide at its own object.
    #[inline(always)]
    pub const fn operations(&self) -> Operations {
        Operations(self.operations)
    }
}

/// Who tries. All fields must hold. A mask is all ones where its field says
/// something and 0 where it is any, so that comparing takes no branch.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Object of the process's program.
    pub program: Key,
    /// Mask of the program.
    pub program_mask: u64,
    /// Name of the task: only ever to be denied more by it.
    pub command: [u64; 2],
    /// Mask of the name.
    pub command_mask: u64,
    /// Inode number of the mount namespace.
    pub mount_namespace: u32,
    /// Mask of the mount namespace.
    pub mount_namespace_mask: u32,
    /// Lowest real user id.
    pub first_uid: u32,
    /// Highest.
    pub last_uid: u32,
    /// Id of the cgroup in the v2 hierarchy.
    pub cgroup: u64,
    /// Mask of the cgroup.
    pub cgroup_mask: u64,
    /// Depth of the cgroup below the root.
    pub cgroup_level: u32,
    /// Always 0.
    pub reserved: u32,
}

impl Default for Subject {
    fn default() -> Self {
        Self {
            program: Key::default(),
            program_mask: 0,
            command: [0; 2],
            command_mask: 0,
            mount_namespace: 0,
            mount_namespace_mask: 0,
            first_uid: 0,
            last_uid: u32::MAX,
            cgroup: 0,
            cgroup_mask: 0,
            cgroup_level: 0,
            reserved: 0,
        }
    }
}

/// The subjects of a policy.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subjects {
    /// How many there are.
    pub count: u32,
    /// Always 0.
    pub reserved: u32,
    /// Up to `count`.
    pub list: [Subject; SUBJECTS],
}

impl Default for Subjects {
    fn default() -> Self {
        Self {
            count: 0,
            reserved: 0,
            list: [Subject::default(); SUBJECTS],
        }
    }
}
