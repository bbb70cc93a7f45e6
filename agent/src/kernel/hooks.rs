//! Which hooks decide about which operations: of LSM, or of the cgroup at the
//! root. A hook is attached only when a
//! rule needs it: each costs something on every call.

use aegisbpf_abi::{
    Operation::{
        self, Attributes, Bind, Bpf, Connect, Create, Delete, Exec, HeldRead, HeldWrite, Kexec,
        Link, Listen, MmapExec, ModuleLoad, Mount, Ptrace, RawDevice, Read, Rename, Send, Truncate,
        UserNamespace, Write,
    },
    Operations,
};

/// A program on a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// The program.
    pub name: &'static str,
    /// The kernel's name for the hook, which most programs have as well.
    pub hook: &'static str,
    /// Where it is.
    pub attachment: Attachment,
    /// It is about the content of files.
    pub content: bool,
    /// The operations it decides about.
    pub operations: Operations,
    /// What happens on a kernel that lacks it.
    pub absence: Absence,
}

/// Where a hook is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Attachment {
    /// In LSM.
    #[default]
    Lsm,
    /// On the cgroup at the root, for kernels without BPF LSM.
    Cgroup,
}

/// What it means that a kernel lacks a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// Its operations cannot be decided about.
    Refuse,
    /// The kernel asks another hook of the table instead.
    Covered,
}

const fn hook(name: &'static str, operations: &[Operation]) -> Hook {
    let mut set = Operations::NONE;
    let mut index = 0;
    while index < operations.len() {
        set = set.with(operations[index].alone());
        index += 1;
    }
    Hook {
        name,
        hook: name,
        attachment: Attachment::Lsm,
        content: false,
        operations: set,
        absence: Absence::Refuse,
    }
}

const fn covered(name: &'static str, operations: &[Operation]) -> Hook {
    Hook {
        absence: Absence::Covered,
        ..hook(name, operations)
    }
}

/// Beside another program on its hook.
const fn beside(name: &'static str, hook_name: &'static str, operations: &[Operation]) -> Hook {
    Hook {
        hook: hook_name,
        ..hook(name, operations)
    }
}

const fn content(name: &'static str, hook_name: &'static str, operation: Operation) -> Hook {
    Hook {
        content: true,
        ..beside(name, hook_name, &[operation])
    }
}

const fn on_cgroup(name: &'static str, operation: Operation) -> Hook {
    Hook {
        attachment: Attachment::Cgroup,
        ..hook(name, &[operation])
    }
}

/// All of them, in the order in which they are attached.
pub const HOOKS: [Hook; 46] = [
    hook("file_open", &[Read, Write, RawDevice]),
    hook("file_permission", &[HeldRead, HeldWrite]),
    beside("mmap_held", "mmap_file", &[HeldRead, HeldWrite]),
    beside("mprotect_held", "file_mprotect", &[HeldRead, HeldWrite]),
    hook("inode_create", &[Create]),
    hook("inode_mkdir", &[Create]),
    hook("inode_mknod", &[Create]),
    hook("inode_symlink", &[Create]),
    hook("inode_unlink", &[Delete]),
    hook("inode_rmdir", &[Delete]),
    hook("inode_rename", &[Rename, Create, Delete]),
    hook("inode_link", &[Link, Create]),
    hook("inode_setattr", &[Truncate, Attributes]),
    hook("inode_setxattr", &[Attributes]),
    hook("inode_removexattr", &[Attributes]),
    covered("inode_set_acl", &[Attributes]),
    covered("inode_remove_acl", &[Attributes]),
    hook("bprm_check_security", &[Exec]),
    hook("mmap_file", &[MmapExec]),
    hook("file_mprotect", &[MmapExec]),
    // The kernel calls what was attached last first, and the digest is wanted
    // first.
    content("bprm_content", "bprm_check_security", Exec),
    content("bprm_digest", "bprm_check_security", Exec),
    content("mmap_content", "mmap_file", MmapExec),
    content("mmap_digest", "mmap_file", MmapExec),
    content("mprotect_content", "file_mprotect", MmapExec),
    hook("socket_connect", &[Connect]),
    // With TCP Fast Open a message connects.
    hook("socket_sendmsg", &[Send, Connect]),
    hook("socket_bind", &[Bind]),
    hook("socket_listen", &[Listen]),
    hook("ptrace_access_check", &[Ptrace]),
    hook("ptrace_traceme", &[Ptrace]),
    hook("kernel_read_file", &[ModuleLoad, Kexec]),
    hook("kernel_load_data", &[ModuleLoad, Kexec]),
    hook("kernel_module_request", &[ModuleLoad]),
    hook("bpf", &[Bpf]),
    hook("sb_mount", &[Mount]),
    hook("move_mount", &[Mount]),
    hook("sb_umount", &[Mount]),
    hook("sb_pivotroot", &[Mount]),
    hook("userns_create", &[UserNamespace]),
    on_cgroup("cgroup_connect4", Connect),
    on_cgroup("cgroup_connect6", Connect),
    on_cgroup("cgroup_sendmsg4", Send),
    on_cgroup("cgroup_sendmsg6", Send),
    on_cgroup("cgroup_bind4", Bind),
    on_cgroup("cgroup_bind6", Bind),
];

/// The hooks that keep the folders above a place where they are.
const GUARDS: [&str; 4] = ["inode_rename", "inode_rmdir", "sb_mount", "move_mount"];
/// And those that keep a missing folder from being made by somebody else.
const MISSING_GUARDS: [&str; 4] = [
    "inode_create",
    "inode_mkdir",
    "inode_mknod",
    "inode_symlink",
];

/// What a policy needs hooks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Where its hooks are.
    pub attachment: Attachment,
    /// The operations that its rules speak of.
    pub operations: Operations,
    /// It holds places in enforce.
    pub guards: bool,
    /// Some rule speaks of content.
    pub contents: bool,
    /// It holds places whose folder does not exist.
    pub missing_folders: bool,
}

impl Needs {
    /// Whether a hook is needed.
    pub fn need(&self, hook: &Hook) -> bool {
        if hook.attachment != self.attachment || (hook.content && !self.contents) {
            return false;
        }
        !hook.operations.and(self.operations).is_empty()
            || (self.guards && GUARDS.contains(&hook.name))
            || (self.missing_folders && MISSING_GUARDS.contains(&hook.name))
    }

    /// The hooks that are needed.
    pub fn hooks(&self) -> impl Iterator<Item = &'static Hook> {
        HOOKS.iter().filter(|hook| self.need(hook))
    }
}

/// Some hooks, a bit each.
pub fn bits<'a>(hooks: impl Iterator<Item = &'a Hook>) -> u64 {
    hooks.fold(0, |bits, hook| {
        let index = HOOKS.iter().position(|known| known == hook);
        bits | index.map_or(0, |index| 1 << index)
    })
}

/// The names of the hooks that have a bit.
pub fn names(bits: u64) -> impl Iterator<Item = &'static str> {
    let numbered = HOOKS.iter().enumerate();
    numbered
        .filter(move |(index, _)| bits >> index & 1 != 0)
        .map(|(_, hook)| hook.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(needs: Needs) -> Vec<&'static str> {
        needs.hooks().map(|hook| hook.name).collect()
    }

    #[test]
    fn every_operation_has_a_hook() {
        for operation in Operation::ALL {
            let needs = Needs {
                operations: operation.alone(),
                ..Needs::default()
            };
            assert!(!needed(needs).is_empty(), "{operation:?}");
        }
    }

    #[test]
    fn no_rule_needs_no_hook_and_reading_needs_one() {
        assert!(needed(Needs::default()).is_empty());
        let reading = Needs {
            operations: Read.alone(),
            ..Needs::default()
        };
        assert_eq!(needed(reading), ["file_open"]);
    }

    #[test]
    fn on_the_cgroup_there_are_hooks_for_peers_and_local_addresses_only() {
        let needs = |operations| Needs {
            attachment: Attachment::Cgroup,
            operations,
            ..Needs::default()
        };
        let network = Operations::PEER.with(Bind.alone());
        assert_eq!(needed(needs(network)).len(), 6);
        assert_eq!(
            needed(needs(Connect.alone())),
            ["cgroup_connect4", "cgroup_connect6"]
        );
        let others = Operations::FILE.with(Operations::EXEC).with(Listen.alone());
        assert!(needed(needs(others)).is_empty());
    }

    #[test]
    fn a_guarded_place_needs_the_hooks_that_move_folders() {
        let guarding = Needs {
            guards: true,
            ..Needs::default()
        };
        assert_eq!(
            needed(guarding),
            ["inode_rmdir", "inode_rename", "sb_mount", "move_mount"]
        );
    }
}
