//! Offsets, argument positions and numbers from the running kernel's BTF. A
//! missing member is an error with its name; nothing has a default.

use aegisbpf_abi::names::global as name;
use thiserror::Error;

use super::{
    btf::{Btf, BtfError, CONTENT_FUNCTIONS},
    hooks::{Attachment, Hook},
};

/// Why the kernel's types cannot be used.
#[derive(Debug, Error)]
pub enum LayoutError {
    /// The BTF cannot be parsed.
    #[error("cannot read the kernel's BTF: {0}")]
    Parse(#[from] BtfError),
    /// The type does not exist.
    #[error("the kernel's BTF has no struct {0:?}")]
    NoType(String),
    /// The structure has no such member.
    #[error("the kernel's struct {structure:?} has no member {member:?}")]
    NoMember {
        /// The structure.
        structure: String,
        /// The member.
        member: String,
    },
    /// The hook has no such argument.
    #[error("the kernel's LSM hook {hook:?} has no argument {argument:?}; it has {found:?}")]
    NoArgument {
        /// The hook.
        hook: String,
        /// The argument.
        argument: String,
        /// The arguments it has.
        found: Vec<String>,
    },
}

/// Global, structure, and the way to the member.
const MEMBERS: &[(&str, &str, &[&str])] = &[
    (name::OFFSET_FILE_INODE, "file", &["f_inode"]),
    (name::OFFSET_FILE_DENTRY, "file", &["f_path", "dentry"]),
    (name::OFFSET_FILE_FLAGS, "file", &["f_flags"]),
    (name::OFFSET_FILE_MODE, "file", &["f_mode"]),
    (name::OFFSET_BPRM_FILE, "linux_binprm", &["file"]),
    (name::OFFSET_VMA_FILE, "vm_area_struct", &["vm_file"]),
    (name::OFFSET_PATH_DENTRY, "path", &["dentry"]),
    (name::OFFSET_INODE_NUMBER, "inode", &["i_ino"]),
    (name::OFFSET_INODE_SUPER, "inode", &["i_sb"]),
    (name::OFFSET_INODE_GENERATION, "inode", &["i_generation"]),
    (name::OFFSET_INODE_MODE, "inode", &["i_mode"]),
    (name::OFFSET_INODE_RDEV, "inode", &["i_rdev"]),
    (name::OFFSET_SUPER_DEVICE, "super_block", &["s_dev"]),
    (name::OFFSET_DENTRY_PARENT, "dentry", &["d_parent"]),
    (name::OFFSET_DENTRY_INODE, "dentry", &["d_inode"]),
    (name::OFFSET_DENTRY_NAME, "dentry", &["d_name", "name"]),
    (name::OFFSET_ATTR_VALID, "iattr", &["ia_valid"]),
    (name::OFFSET_TASK_FILES, "task_struct", &["files"]),
    (name::OFFSET_FILES_TABLE, "files_struct", &["fdt"]),
    (name::OFFSET_TABLE_ARRAY, "fdtable", &["fd"]),
    (name::OFFSET_TASK_MM, "task_struct", &["mm"]),
    (name::OFFSET_MM_EXE, "mm_struct", &["exe_file"]),
    (name::OFFSET_TASK_NSPROXY, "task_struct", &["nsproxy"]),
    (name::OFFSET_NSPROXY_MNT, "nsproxy", &["mnt_ns"]),
    (name::OFFSET_MNT_INUM, "mnt_namespace", &["ns", "inum"]),
    (name::OFFSET_TASK_CGROUPS, "task_struct", &["cgroups"]),
    (name::OFFSET_CSS_SET_CGROUP, "css_set", &["dfl_cgrp"]),
    (name::OFFSET_CGROUP_LEVEL, "cgroup", &["level"]),
    (name::OFFSET_CGROUP_NODE, "cgroup", &["kn"]),
    (name::OFFSET_NODE_ID, "kernfs_node", &["id"]),
    (name::OFFSET_TASK_PID, "task_struct", &["pid"]),
    (name::OFFSET_TASK_TGID, "task_struct", &["tgid"]),
    (name::OFFSET_TASK_COMM, "task_struct", &["comm"]),
    (name::OFFSET_SOCKET_SOCK, "socket", &["sk"]),
    (name::OFFSET_SOCKET_TYPE, "socket", &["type"]),
    (name::OFFSET_SOCK_FAMILY, "sock_common", &["skc_family"]),
    (name::OFFSET_SOCK_PORT, "sock_common", &["skc_num"]),
    (name::OFFSET_SOCK_IPV4, "sock_common", &["skc_rcv_saddr"]),
    (name::OFFSET_SOCK_IPV6, "sock_common", &["skc_v6_rcv_saddr"]),
    (name::OFFSET_MSG_NAME, "msghdr", &["msg_name"]),
    (name::OFFSET_MSG_LENGTH, "msghdr", &["msg_namelen"]),
];

/// The same for what the programs do otherwise on kernels that lack it: 0 says
/// so. Until 6.1 a cgroup kept the ids of those above it, since then itself.
const OPTIONAL_MEMBERS: &[(&str, &str, &[&str])] = &[
    (
        name::OFFSET_CGROUP_ANCESTOR_IDS,
        "cgroup",
        &["ancestor_ids"],
    ),
    (name::OFFSET_CGROUP_ANCESTORS, "cgroup", &["ancestors"]),
];

/// Global, hook, argument. A hook that the kernel lacks is attached by nobody.
const ARGUMENTS: &[(&str, &str, &str)] = &[
    (name::ARG_FILE_OPEN_FILE, "file_open", "file"),
    (name::ARG_BPRM_BPRM, "bprm_check_security", "bprm"),
    (name::ARG_PERMISSION_FILE, "file_permission", "file"),
    (name::ARG_PERMISSION_MASK, "file_permission", "mask"),
    (name::ARG_MMAP_FILE, "mmap_file", "file"),
    (name::ARG_MMAP_PROT, "mmap_file", "prot"),
    (name::ARG_MMAP_FLAGS, "mmap_file", "flags"),
    (name::ARG_MPROTECT_VMA, "file_mprotect", "vma"),
    (name::ARG_MPROTECT_PROT, "file_mprotect", "prot"),
    (name::ARG_CREATE_DENTRY, "inode_create", "dentry"),
    (name::ARG_MKDIR_DENTRY, "inode_mkdir", "dentry"),
    (name::ARG_MKNOD_DENTRY, "inode_mknod", "dentry"),
    (name::ARG_SYMLINK_DENTRY, "inode_symlink", "dentry"),
    (name::ARG_UNLINK_DENTRY, "inode_unlink", "dentry"),
    (name::ARG_RMDIR_DENTRY, "inode_rmdir", "dentry"),
    (name::ARG_RENAME_OLD, "inode_rename", "old_dentry"),
    (name::ARG_RENAME_NEW, "inode_rename", "new_dentry"),
    (name::ARG_LINK_OLD, "inode_link", "old_dentry"),
    (name::ARG_LINK_NEW, "inode_link", "new_dentry"),
    (name::ARG_SETATTR_DENTRY, "inode_setattr", "dentry"),
    (name::ARG_SETATTR_ATTR, "inode_setattr", "attr"),
    (name::ARG_SETXATTR_DENTRY, "inode_setxattr", "dentry"),
    (name::ARG_REMOVEXATTR_DENTRY, "inode_removexattr", "dentry"),
    (name::ARG_SET_ACL_DENTRY, "inode_set_acl", "dentry"),
    (name::ARG_REMOVE_ACL_DENTRY, "inode_remove_acl", "dentry"),
    (name::ARG_MOUNT_PATH, "sb_mount", "path"),
    (name::ARG_MOVE_MOUNT_TO, "move_mount", "to_path"),
    (name::ARG_CONNECT_SOCK, "socket_connect", "sock"),
    (name::ARG_CONNECT_ADDRESS, "socket_connect", "address"),
    (name::ARG_CONNECT_LENGTH, "socket_connect", "addrlen"),
    (name::ARG_BIND_SOCK, "socket_bind", "sock"),
    (name::ARG_BIND_ADDRESS, "socket_bind", "address"),
    (name::ARG_BIND_LENGTH, "socket_bind", "addrlen"),
    (name::ARG_SENDMSG_SOCK, "socket_sendmsg", "sock"),
    (name::ARG_SENDMSG_MSG, "socket_sendmsg", "msg"),
    (name::ARG_LISTEN_SOCK, "socket_listen", "sock"),
    (name::ARG_PTRACE_MODE, "ptrace_access_check", "mode"),
    (name::ARG_READ_FILE_ID, "kernel_read_file", "id"),
    (name::ARG_LOAD_DATA_ID, "kernel_load_data", "id"),
];

/// Global, enumeration, enumerator. One that the kernel lacks is a thing that
/// it does not do.
const NUMBERS: &[(&str, &str, &str)] = &[
    (
        name::ID_READING_MODULE,
        "kernel_read_file_id",
        "READING_MODULE",
    ),
    (
        name::ID_READING_MODULE_COMPRESSED,
        "kernel_read_file_id",
        "READING_MODULE_COMPRESSED",
    ),
    (
        name::ID_READING_KEXEC,
        "kernel_read_file_id",
        "READING_KEXEC_IMAGE",
    ),
    (
        name::ID_LOADING_MODULE,
        "kernel_load_data_id",
        "LOADING_MODULE",
    ),
    (
        name::ID_LOADING_KEXEC,
        "kernel_load_data_id",
        "LOADING_KEXEC_IMAGE",
    ),
];

/// What the kernel's types say.
#[derive(Debug)]
pub struct Layout {
    /// The value of every global that describes the kernel.
    pub globals: Vec<(&'static str, u64)>,
    /// Programs whose hook the kernel lacks, or what they call in it.
    pub missing_hooks: Vec<&'static str>,
}

/// Look everything up, for all of these.
pub fn look_up(bytes: &[u8], hooks: &[Hook]) -> Result<Layout, LayoutError> {
    let btf = Btf::parse(bytes)?;
    let mut globals = Vec::new();
    for (global, structure, way) in MEMBERS {
        globals.push((*global, offset(&btf, structure, way)?));
    }
    for (global, structure, way) in OPTIONAL_MEMBERS {
        globals.push((*global, offset(&btf, structure, way).unwrap_or(0)));
    }
    for (global, hook, argument) in ARGUMENTS {
        let position = position(&btf, hook, argument)?;
        globals.push((*global, position.unwrap_or(0)));
    }
    for (global, enumeration, enumerator) in NUMBERS {
        let number = btf.enumerator(enumeration, enumerator).unwrap_or(0);
        globals.push((*global, u64::from(number)));
    }
    let mut helpers = CONTENT_FUNCTIONS.iter();
    let has_helper = helpers.all(|name| btf.parameters(name).is_some());
    let missing_hooks = hooks
        .iter()
        .filter(|hook| {
            hook.attachment == Attachment::Lsm
                && (btf.parameters(&function(hook.hook)).is_none() || (hook.content && !has_helper))
        })
        .map(|hook| hook.name)
        .collect();
    Ok(Layout {
        globals,
        missing_hooks,
    })
}

fn function(hook: &str) -> String {
    format!("bpf_lsm_{hook}")
}

/// Byte offset of a member, through nested structures.
fn offset(btf: &Btf<'_>, structure: &str, way: &[&str]) -> Result<u64, LayoutError> {
    let mut current = btf
        .structure(structure)
        .ok_or_else(|| LayoutError::NoType(structure.to_owned()))?;
    let mut bits = 0;
    for member in way {
        let (inner, next) = btf
            .member(current, member)
            .ok_or_else(|| LayoutError::NoMember {
                structure: structure.to_owned(),
                member: way.join("."),
            })?;
        bits += inner;
        current = next;
    }
    Ok(bits / 8)
}

/// Position of an argument of a hook, or `None` when there is no such hook.
fn position(btf: &Btf<'_>, hook: &str, argument: &str) -> Result<Option<u64>, LayoutError> {
    let Some(found) = btf.parameters(&function(hook)) else {
        return Ok(None);
    };
    // Newer kernels tell the verifier more about an argument in its name:
    // `file__nullable`.
    let is_it = |name: &str| name.split("__").next() == Some(argument);
    match (0..).zip(&found).find(|(_, name)| is_it(name)) {
        Some((position, _)) => Ok(Some(position)),
        None => Err(LayoutError::NoArgument {
            hook: hook.to_owned(),
            argument: argument.to_owned(),
            found: found.into_iter().map(str::to_owned).collect(),
        }),
    }
}
