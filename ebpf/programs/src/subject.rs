//! Who tries. Asked only when some rule speaks of what is tried.

use aegisbpf_abi::{
    Key,
    rule::{EVERYONE, SUBJECTS as LIMIT},
    verdict::{Who, differs},
};
use aya_ebpf::helpers::{bpf_get_current_uid_gid, generated::bpf_get_current_task};

use crate::{
    config,
    kernel::{glance, opaque},
    maps::SUBJECTS,
};

/// A bit for each subject that the current process is, of the policy in a
/// slot, and that of everyone. A function that the verifier checks by itself, once, whatever its
/// callers found out before.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn aegisbpf_subjects(slot: u64) -> u64 {
    let Some(subjects) = SUBJECTS.get(slot as u32 & 1) else {
        return EVERYONE;
    };
    if subjects.count == 0 {
        return EVERYONE;
    }
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    let who = who(task);
    let own = Cgroup::of(task);
    let mut bits = EVERYONE;
    for (index, subject) in subjects.list.iter().enumerate() {
        if index as u32 >= subjects.count || index >= LIMIT {
            break;
        }
        let mut cgroup = opaque(0);
        if subject.cgroup_mask != 0 {
            cgroup = own.ancestor_id(subject.cgroup_level);
        }
        // Without a branch, which the compiler would make of a comparison: to
        // the verifier each subject would be two ways to go on.
        let differs = opaque(differs(subject, &who, cgroup));
        let same = !(opaque(differs.wrapping_neg()) | differs) >> 63;
        bits |= same << index;
    }
    bits
}

/// Everything that a subject can ask for. Also what none of this policy does:
/// each condition would be two ways for the verifier to go through the list.
/// Everything that a subject can ask for. Also what none of this policy does:
/// each condition would be two ways for the verifier to go through the list.
/// Read from the task itself, because not every type of program may call the
/// helpers that tell it.
#[inline(always)]
fn who(task: u64) -> Who {
    let proxy: u64 = glance(task, &config::OFFSET_TASK_NSPROXY);
    let namespace: u64 = glance(proxy, &config::OFFSET_NSPROXY_MNT);
    Who {
        program: program(task),
        command: glance(task, &config::OFFSET_TASK_COMM),
        uid: bpf_get_current_uid_gid() as u32,
        mount_namespace: glance(namespace, &config::OFFSET_MNT_INUM),
    }
}

/// A cgroup of the v2 hierarchy.
#[derive(Clone, Copy)]
pub(crate) struct Cgroup {
    address: u64,
    level: u32,
}

impl Cgroup {
    /// That of a task.
    #[inline(always)]
    pub(crate) fn of(task: u64) -> Self {
        let css_set: u64 = glance(task, &config::OFFSET_TASK_CGROUPS);
        let address = glance(css_set, &config::OFFSET_CSS_SET_CGROUP);
        Self {
            address,
            level: glance(address, &config::OFFSET_CGROUP_LEVEL),
        }
    }

    /// Its id.
    #[inline(always)]
    pub(crate) fn id(self) -> u64 {
        let node = glance(self.address, &config::OFFSET_CGROUP_NODE);
        glance(node, &config::OFFSET_NODE_ID)
    }

    /// The id of the one at a level above or at its own; 0 when its own is
    /// higher up.
    #[inline(always)]
    fn ancestor_id(self, level: u32) -> u64 {
        let place = self.address + 8 * u64::from(level);
        let id = if config::OFFSET_CGROUP_ANCESTORS.load() != 0 {
            let ancestor = Self {
                address: glance(place, &config::OFFSET_CGROUP_ANCESTORS),
                level,
            };
            ancestor.id()
        } else {
            glance(place, &config::OFFSET_CGROUP_ANCESTOR_IDS)
        };
        let deep_enough = u64::from(self.level).wrapping_sub(u64::from(level)) >> 63 ^ 1;
        id & opaque(deep_enough).wrapping_neg()
    }
}

/// The object of a task's program. Kernel threads have none.
#[inline(always)]
fn program(task: u64) -> Key {
    let mm: u64 = glance(task, &config::OFFSET_TASK_MM);
    object_of(glance(mm, &config::OFFSET_MM_EXE))
}

/// The object of a `struct file` at any address.
#[inline(always)]
pub(crate) fn object_of(file: u64) -> Key {
    object_of_inode(glance(file, &config::OFFSET_FILE_INODE))
}

/// That of a `struct inode`.
#[inline(always)]
pub(crate) fn object_of_inode(inode: u64) -> Key {
    let super_block: u64 = glance(inode, &config::OFFSET_INODE_SUPER);
    Key::object(
        glance(inode, &config::OFFSET_INODE_NUMBER),
        glance(inode, &config::OFFSET_INODE_GENERATION),
        glance(super_block, &config::OFFSET_SUPER_DEVICE),
    )
}
