//! Who tries. Asked only when some rule speaks of what is tried.

use aegisbpf_abi::{
    Key,
    rule::{SUBJECTS as LIMIT, field},
    verdict::{Who, is_subject},
};
use aya_ebpf::helpers::{
    bpf_get_current_uid_gid,
    generated::{bpf_get_current_ancestor_cgroup_id, bpf_get_current_comm, bpf_get_current_task},
};

use crate::{config, kernel::glance, maps::SUBJECTS};

/// A bit for each subject that the current process is, of the policy in a
/// slot. A function that the verifier checks by itself, once, whatever its
/// callers found out before.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn aegisbpf_subjects(slot: u64) -> u64 {
    let Some(subjects) = SUBJECTS.get(slot as u32 & 1) else {
        return 0;
    };
    if subjects.count == 0 {
        return 0;
    }
    let who = who(subjects.fields);
    let own = own_cgroup(subjects.fields);
    let mut bits = 0;
    for (index, subject) in subjects.list.iter().enumerate() {
        if index as u32 >= subjects.count || index >= LIMIT {
            break;
        }
        let found = is_subject(subject, &who, |id, level| ancestor(&own, level) == id);
        if found {
            bits |= 1 << index;
        }
    }
    bits
}

#[inline(always)]
fn who(fields: u32) -> Who {
    let mut who = Who {
        uid: bpf_get_current_uid_gid() as u32,
        ..Who::default()
    };
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    if fields & field::PROGRAM != 0 {
        who.program = program(task);
    }
    if fields & field::MOUNT_NAMESPACE != 0 {
        let proxy: u64 = glance(task, &config::OFFSET_TASK_NSPROXY);
        let namespace: u64 = glance(proxy, &config::OFFSET_NSPROXY_MNT);
        who.mount_namespace = glance(namespace, &config::OFFSET_MNT_INUM);
    }
    if fields & field::COMMAND != 0 {
        // SAFETY: the helper writes the 16 bytes of the field.
        unsafe { bpf_get_current_comm((&raw mut who.command).cast(), 16) };
    }
    who
}

/// The cgroup of the current process, where the programs must look into it
/// themselves.
struct Cgroup {
    address: u64,
    level: u32,
}

#[inline(always)]
fn own_cgroup(fields: u32) -> Cgroup {
    let mut cgroup = Cgroup {
        address: 0,
        level: 0,
    };
    if config::OFFSET_CGROUP_ANCESTOR_IDS.load() != 0 && fields & field::CGROUP != 0 {
        // SAFETY: a helper without arguments.
        let task = unsafe { bpf_get_current_task() };
        let css_set: u64 = glance(task, &config::OFFSET_TASK_CGROUPS);
        cgroup.address = glance(css_set, &config::OFFSET_CSS_SET_CGROUP);
        cgroup.level = glance(cgroup.address, &config::OFFSET_CGROUP_LEVEL);
    }
    cgroup
}

/// The id of the cgroup at a level above or at that of the current process; 0
/// when its own is higher up. LSM programs may call the helper since 6.1;
/// before, cgroups kept the ids of those above them.
#[inline(always)]
fn ancestor(own: &Cgroup, level: u32) -> u64 {
    if config::OFFSET_CGROUP_ANCESTOR_IDS.load() == 0 {
        // SAFETY: a helper on a number.
        return unsafe { bpf_get_current_ancestor_cgroup_id(level as i32) };
    }
    if level > own.level {
        return 0;
    }
    glance(
        own.address + 8 * u64::from(level),
        &config::OFFSET_CGROUP_ANCESTOR_IDS,
    )
}

/// The object of a task's program. Kernel threads have none.
#[inline(always)]
fn program(task: u64) -> Key {
    let mm: u64 = glance(task, &config::OFFSET_TASK_MM);
    let file: u64 = glance(mm, &config::OFFSET_MM_EXE);
    let inode: u64 = glance(file, &config::OFFSET_FILE_INODE);
    let super_block: u64 = glance(inode, &config::OFFSET_INODE_SUPER);
    Key::object(
        glance(inode, &config::OFFSET_INODE_NUMBER),
        glance(inode, &config::OFFSET_INODE_GENERATION),
        glance(super_block, &config::OFFSET_SUPER_DEVICE),
    )
}
