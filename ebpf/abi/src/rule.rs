//! Rules and subjects as the programs read them.

use crate::{key::Key, operation::Operations};

/// Subjects that one policy can tell apart.
pub const SUBJECTS: usize = 64;

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
    /// Whose operations, a bit for each [`Subject`]; 0: everyone's.
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
    /// IANA protocol number; 0: any.
    pub protocol: u8,
    /// 1: it speaks of everything but the keys that are exempt.
    pub all_but: u8,
    /// Always 0.
    pub reserved: u16,
}

impl Rule {
    /// The operations it speaks of.
    #[inline(always)]
    pub const fn operations(&self) -> Operations {
        Operations(self.operations)
    }
}

/// Which fields of a [`Subject`] say something.
pub mod field {
    /// The program.
    pub const PROGRAM: u32 = 1;
    /// The cgroup.
    pub const CGROUP: u32 = 2;
    /// The user.
    pub const UID: u32 = 4;
    /// The mount namespace.
    pub const MOUNT_NAMESPACE: u32 = 8;
    /// The name of the task, as [`super::Subject::command`].
    pub const COMMAND: u32 = 16;
}

/// Who tries. All fields must hold.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Object of the process's program; an inode of 0 is any.
    pub program: Key,
    /// Id of the cgroup in the v2 hierarchy; 0 is any.
    pub cgroup: u64,
    /// Name of the task: only ever to be denied more by it. Empty is any.
    pub command: [u64; 2],
    /// Depth of the cgroup below the root.
    pub cgroup_level: u32,
    /// Lowest real user id.
    pub first_uid: u32,
    /// Highest.
    pub last_uid: u32,
    /// Inode number of the mount namespace; 0 is any.
    pub mount_namespace: u32,
    /// Of [`field`]: which are not any.
    pub fields: u32,
    /// Always 0.
    pub reserved: u32,
}

impl Default for Subject {
    fn default() -> Self {
        Self {
            program: Key::default(),
            cgroup: 0,
            command: [0; 2],
            cgroup_level: 0,
            first_uid: 0,
            last_uid: u32::MAX,
            mount_namespace: 0,
            fields: 0,
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
    /// Every field that some subject names.
    pub fields: u32,
    /// Up to `count`.
    pub list: [Subject; SUBJECTS],
}

impl Default for Subjects {
    fn default() -> Self {
        Self {
            count: 0,
            fields: 0,
            list: [Subject::default(); SUBJECTS],
        }
    }
}
