//! Files and folders. Each hook says what it is asked about, and the rest is
//! [`crate::decide`].

use aegisbpf_abi::{Key, Operation, Operations, active::flag, verdict::GUARDED};
use aya_ebpf::{Global, macros::lsm, programs::LsmContext};

use crate::{
    ALLOW, DENY, config, decide,
    kernel::{Dentry, File, member, pointer},
    maps::active,
};

const READ: Operations = Operation::Read.alone();
const WRITE: Operations = Operation::Write.alone();
const CREATE: Operations = Operation::Create.alone();
const DELETE: Operations = Operation::Delete.alone();
const RENAME: Operations = Operation::Rename.alone();
const LINK: Operations = Operation::Link.alone();
const MOUNT: Operations = Operation::Mount.alone();
const ATTRIBUTES: Operations = Operation::Attributes.alone();

// Values of the kernel's own, the same on every architecture.
const FMODE_READ: u32 = 1;
pub(crate) const FMODE_WRITE: u32 = 2;
/// In `f_flags`: opened to be executed, which the hooks of exec decide about.
const FMODE_EXEC: u32 = 0x20;
const ATTR_SIZE: u32 = 1 << 3;

/// Opening a file.
#[lsm(hook = "file_open")]
pub fn file_open(context: LsmContext) -> i32 {
    let Some(active) = active() else { return ALLOW };
    let file = File(pointer(&context, &config::ARG_FILE_OPEN_FILE));
    let inode = file.inode();
    let dentry = file.dentry();
    let subtree = decide::subtree_around(active, dentry);
    let mut lists = decide::lists_of_file(active, subtree, Some(inode), dentry);
    let mut operations = Operations::NONE;
    if active.has(flag::RAW_DEVICES)
        && let Some(device) = inode.block_device()
    {
        lists.domain = decide::Listed::find(active, Key::device(device));
        operations = Operation::RawDevice.alone();
    }
    if !lists.may_decide(operations.with(READ).with(WRITE)) {
        return ALLOW;
    }
    let flags: u32 = member(file.0, &config::OFFSET_FILE_FLAGS);
    if flags & FMODE_EXEC != 0 {
        return ALLOW;
    }
    let mode: u32 = member(file.0, &config::OFFSET_FILE_MODE);
    if mode & FMODE_READ != 0 {
        operations = operations.with(READ);
    }
    if mode & FMODE_WRITE != 0 {
        operations = operations.with(WRITE);
    }
    if !lists.may_decide(operations) {
        return ALLOW;
    }
    decide::conclude_file(active, &lists, Some(inode), dentry, operations)
}

/// Decide about the dentry that is an argument of a hook.
#[inline(always)]
fn existing(context: &LsmContext, position: &Global<u64>, operations: Operations) -> i32 {
    let Some(active) = active() else { return ALLOW };
    let dentry = Dentry(pointer(context, position));
    decide::file(active, dentry, || (dentry.inode_if_any(), operations))
}

/// The same for one that nothing has yet.
#[inline(always)]
fn absent(context: &LsmContext, position: &Global<u64>, operations: Operations) -> i32 {
    let Some(active) = active() else { return ALLOW };
    let dentry = Dentry(pointer(context, position));
    decide::file(active, dentry, || (None, operations))
}

/// Making a regular file.
#[lsm(hook = "inode_create")]
pub fn inode_create(context: LsmContext) -> i32 {
    absent(&context, &config::ARG_CREATE_DENTRY, CREATE)
}

/// Making a folder.
#[lsm(hook = "inode_mkdir")]
pub fn inode_mkdir(context: LsmContext) -> i32 {
    absent(&context, &config::ARG_MKDIR_DENTRY, CREATE)
}

/// Making a device, pipe or socket.
#[lsm(hook = "inode_mknod")]
pub fn inode_mknod(context: LsmContext) -> i32 {
    absent(&context, &config::ARG_MKNOD_DENTRY, CREATE)
}

/// Making a symbolic link.
#[lsm(hook = "inode_symlink")]
pub fn inode_symlink(context: LsmContext) -> i32 {
    absent(&context, &config::ARG_SYMLINK_DENTRY, CREATE)
}

/// Removing a name.
#[lsm(hook = "inode_unlink")]
pub fn inode_unlink(context: LsmContext) -> i32 {
    existing(&context, &config::ARG_UNLINK_DENTRY, DELETE)
}

/// Removing a folder.
#[lsm(hook = "inode_rmdir")]
pub fn inode_rmdir(context: LsmContext) -> i32 {
    existing(&context, &config::ARG_RMDIR_DENTRY, DELETE)
}

/// Renaming: the old name goes away, the new one comes into being, and what
/// had it goes away. An exchange is asked about in both directions.
#[lsm(hook = "inode_rename")]
pub fn inode_rename(context: LsmContext) -> i32 {
    let verdict = existing(&context, &config::ARG_RENAME_OLD, RENAME.with(DELETE));
    if verdict != ALLOW {
        return DENY;
    }
    let Some(active) = active() else { return ALLOW };
    let dentry = Dentry(pointer(&context, &config::ARG_RENAME_NEW));
    decide::file(active, dentry, || match dentry.inode_if_any() {
        Some(inode) => (Some(inode), RENAME.with(CREATE).with(DELETE)),
        None => (None, RENAME.with(CREATE)),
    })
}

/// Giving a file another name.
#[lsm(hook = "inode_link")]
pub fn inode_link(context: LsmContext) -> i32 {
    let verdict = existing(&context, &config::ARG_LINK_OLD, LINK);
    if verdict != ALLOW {
        return DENY;
    }
    absent(&context, &config::ARG_LINK_NEW, CREATE)
}

/// Changing the length, or mode, owner and times.
#[lsm(hook = "inode_setattr")]
pub fn inode_setattr(context: LsmContext) -> i32 {
    let Some(active) = active() else { return ALLOW };
    let dentry = Dentry(pointer(&context, &config::ARG_SETATTR_DENTRY));
    decide::file(active, dentry, || {
        let attr = pointer(&context, &config::ARG_SETATTR_ATTR);
        let valid: u32 = member(attr, &config::OFFSET_ATTR_VALID);
        let operations = if valid & ATTR_SIZE != 0 {
            Operation::Truncate.alone()
        } else {
            ATTRIBUTES
        };
        (dentry.inode_if_any(), operations)
    })
}

/// Setting an extended attribute.
#[lsm(hook = "inode_setxattr")]
pub fn inode_setxattr(context: LsmContext) -> i32 {
    existing(&context, &config::ARG_SETXATTR_DENTRY, ATTRIBUTES)
}

/// Removing an extended attribute.
#[lsm(hook = "inode_removexattr")]
pub fn inode_removexattr(context: LsmContext) -> i32 {
    existing(&context, &config::ARG_REMOVEXATTR_DENTRY, ATTRIBUTES)
}

/// Setting an access list; kernels before 6.2 ask by `inode_setxattr`.
#[lsm(hook = "inode_set_acl")]
pub fn inode_set_acl(context: LsmContext) -> i32 {
    existing(&context, &config::ARG_SET_ACL_DENTRY, ATTRIBUTES)
}

/// Removing an access list; kernels before 6.2 ask by `inode_removexattr`.
#[lsm(hook = "inode_remove_acl")]
pub fn inode_remove_acl(context: LsmContext) -> i32 {
    existing(&context, &config::ARG_REMOVE_ACL_DENTRY, ATTRIBUTES)
}

/// Mounting over something, for the rules whose place would be hidden by it.
#[inline(always)]
pub(crate) fn mounted_over(context: &LsmContext, path: &Global<u64>) -> i32 {
    let Some(active) = active() else { return ALLOW };
    let dentry = Dentry::of_path(pointer(context, path));
    decide::file(active, dentry, || (dentry.inode_if_any(), MOUNT))
}

const _: () = assert!(GUARDED.0 == RENAME.0 | DELETE.0 | CREATE.0 | MOUNT.0);
