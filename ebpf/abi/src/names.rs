//! Names of maps, globals and programs: the loader asks for them, the object
//! defines them, and a test holds the two together.

/// Maps that outlive the programs; pinned once, shared by every version of
/// them.
pub mod shared_map {
    /// `u64` per [`crate::Counter`].
    pub const COUNTERS: &str = "COUNTERS";
    /// Ring of [`crate::Event`]s of denied operations.
    pub const DENIALS: &str = "DENIALS";
    /// Ring of [`crate::Event`]s that were only reported.
    pub const AUDITS: &str = "AUDITS";

    /// Hash of keys to [`crate::Tenant`]s.
    pub const TENANTS: &str = "TENANTS";

    /// All of them.
    pub const ALL: [&str; 4] = [COUNTERS, DENIALS, AUDITS, TENANTS];
}

/// Maps that the programs of one version share. Each of those with two
/// elements holds the policy in force and the one before or after it; which
/// is which, [`ACTIVE`](policy_map::ACTIVE) says.
pub mod policy_map {
    /// One [`crate::Active`].
    pub const ACTIVE: &str = "ACTIVE";
    /// Two [`crate::Meta`].
    pub const META: &str = "META";
    /// Two [`crate::Subjects`].
    pub const SUBJECTS: &str = "SUBJECTS";
    /// Two hashes of [`crate::Key`] to [`crate::RuleList`].
    pub const INDEX: &str = "INDEX";
    /// Two longest-prefix-match tries of addresses to [`crate::RuleList`].
    pub const NETWORKS: &str = "NETWORKS";
    /// Two arrays of [`crate::Rule`].
    pub const RULES: &str = "RULES";
    /// Two arrays of `u64`: a bit that is not set says that no key with its
    /// [`crate::Key::filter_bit`] is in the index.
    pub const FILTER: &str = "FILTER";

    /// One [`crate::FileFacts`]: what the program
    /// [`IDENTIFY`](super::IDENTIFY) saw.
    pub const IDENTITY: &str = "IDENTITY";

    /// All of them.
    pub const ALL: [&str; 8] = [
        ACTIVE, META, SUBJECTS, INDEX, NETWORKS, RULES, FILTER, IDENTITY,
    ];
}

/// The program that tells the agent which object a path is.
pub const IDENTIFY: &str = "identify";

/// Calls a macro with the name of every read-only global that the loader
/// sets. All are `u64`.
#[macro_export]
macro_rules! for_each_global {
    ($callback:ident) => {
        $callback! {
            ARG_FILE_OPEN_FILE ARG_BPRM_BPRM
            ARG_PERMISSION_FILE ARG_PERMISSION_MASK
            ARG_MMAP_FILE ARG_MMAP_PROT ARG_MMAP_FLAGS ARG_MPROTECT_VMA ARG_MPROTECT_PROT
            ARG_CREATE_DENTRY ARG_MKDIR_DENTRY ARG_MKNOD_DENTRY ARG_SYMLINK_DENTRY
            ARG_UNLINK_DENTRY ARG_RMDIR_DENTRY
            ARG_RENAME_OLD ARG_RENAME_NEW ARG_LINK_OLD ARG_LINK_NEW
            ARG_SETATTR_DENTRY ARG_SETATTR_ATTR
            ARG_SETXATTR_DENTRY ARG_REMOVEXATTR_DENTRY ARG_SET_ACL_DENTRY ARG_REMOVE_ACL_DENTRY
            ARG_MOUNT_PATH ARG_MOVE_MOUNT_TO
            ARG_CONNECT_SOCK ARG_CONNECT_ADDRESS ARG_CONNECT_LENGTH
            ARG_BIND_SOCK ARG_BIND_ADDRESS ARG_BIND_LENGTH
            ARG_SENDMSG_SOCK ARG_SENDMSG_MSG ARG_LISTEN_SOCK
            ARG_PTRACE_MODE ARG_READ_FILE_ID ARG_LOAD_DATA_ID
            OFFSET_FILE_INODE OFFSET_FILE_DENTRY OFFSET_FILE_FLAGS OFFSET_FILE_MODE
            OFFSET_BPRM_FILE OFFSET_VMA_FILE OFFSET_PATH_DENTRY
            OFFSET_INODE_NUMBER OFFSET_INODE_SUPER OFFSET_INODE_GENERATION
            OFFSET_INODE_MODE OFFSET_INODE_RDEV OFFSET_SUPER_DEVICE
            OFFSET_DENTRY_PARENT OFFSET_DENTRY_INODE OFFSET_DENTRY_NAME OFFSET_ATTR_VALID
            OFFSET_TASK_FILES OFFSET_FILES_TABLE OFFSET_TABLE_ARRAY
            OFFSET_TASK_MM OFFSET_MM_EXE OFFSET_TASK_NSPROXY OFFSET_NSPROXY_MNT OFFSET_MNT_INUM
            OFFSET_TASK_CGROUPS OFFSET_CSS_SET_CGROUP OFFSET_CGROUP_LEVEL OFFSET_CGROUP_ANCESTORS
            OFFSET_CGROUP_ANCESTOR_IDS OFFSET_CGROUP_NODE OFFSET_NODE_ID
            OFFSET_TASK_PID OFFSET_TASK_TGID OFFSET_TASK_COMM
            OFFSET_SOCKET_SOCK OFFSET_SOCKET_TYPE
            OFFSET_SOCK_FAMILY OFFSET_SOCK_PORT OFFSET_SOCK_IPV4 OFFSET_SOCK_IPV6
            OFFSET_MSG_NAME OFFSET_MSG_LENGTH
            ID_READING_MODULE ID_READING_MODULE_COMPRESSED ID_READING_KEXEC
            ID_LOADING_MODULE ID_LOADING_KEXEC
        }
    };
}

macro_rules! constants {
    ($($name:ident)*) => {
        /// The names of the globals.
        #[expect(missing_docs, reason = "what each is, the loader's table says")]
        pub mod global {
            $(pub const $name: &str = stringify!($name);)*

            /// All of them.
            pub const ALL: &[&str] = &[$($name),*];
        }
    };
}

for_each_global!(constants);
