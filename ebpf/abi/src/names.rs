//! Names of maps, globals and programs: the loader asks for them, the object
//! defines them, and a test holds the two together.

/// Maps that outlive a policy; pinned once, shared by every generation.
pub mod shared_map {
    /// One `u64`: the generation whose programs speak. All others allow.
    pub const ACTIVE: &str = "ACTIVE";
    /// `u64` per [`crate::Counter`].
    pub const COUNTERS: &str = "COUNTERS";
    /// Ring of [`crate::Event`]s of denied operations.
    pub const DENIALS: &str = "DENIALS";
    /// Ring of [`crate::Event`]s that were only reported.
    pub const AUDITS: &str = "AUDITS";

    /// All of them.
    pub const ALL: [&str; 4] = [ACTIVE, COUNTERS, DENIALS, AUDITS];
}

/// Maps that hold one generation's rules, sized to them.
pub mod rule_map {
    /// Hash of [`crate::ObjectKey`] to [`crate::FileRules`]: objects of file
    /// rules and, flagged, the folders of their places.
    pub const OBJECTS: &str = "OBJECTS";
    /// Hash of [`crate::PlaceKey`] to [`crate::FileRules`].
    pub const PLACES: &str = "PLACES";
    /// Hash of [`crate::AddressKey`] to [`crate::PortRules`].
    pub const ADDRESSES: &str = "ADDRESSES";
    /// Longest-prefix-match trie of [`crate::AddressKey`] to
    /// [`crate::PortRules`].
    pub const NETWORKS: &str = "NETWORKS";
    /// Hash of the hash of a file name, [`crate::event::name_hash`], to 1:
    /// what the fallback looks at more closely.
    pub const NAMES: &str = "NAMES";
    /// One [`crate::Meta`].
    pub const META: &str = "META";

    /// All of them.
    pub const ALL: [&str; 6] = [OBJECTS, PLACES, ADDRESSES, NETWORKS, NAMES, META];
}

/// Read-only globals that the loader sets. Numbers, all `u64`.
pub mod global {
    /// The generation of this object's programs.
    pub const GENERATION: &str = "GENERATION";
    /// [`crate::Mode`] of the file domain.
    pub const FILE_MODE: &str = "FILE_MODE";
    /// [`crate::Mode`] of the exec domain.
    pub const EXEC_MODE: &str = "EXEC_MODE";
    /// [`crate::Mode`] of the network domain.
    pub const NETWORK_MODE: &str = "NETWORK_MODE";
    /// 1 when a rule names a network: else the trie is never asked.
    pub const HAVE_NETWORKS: &str = "HAVE_NETWORKS";
    /// Position of `file` in the arguments of `file_open`.
    pub const ARG_FILE_OPEN_FILE: &str = "ARG_FILE_OPEN_FILE";
    /// Position of `bprm` in the arguments of `bprm_check_security`.
    pub const ARG_BPRM_CHECK_BPRM: &str = "ARG_BPRM_CHECK_BPRM";
    /// Position of `address` in the arguments of `socket_connect`.
    pub const ARG_CONNECT_ADDRESS: &str = "ARG_CONNECT_ADDRESS";
    /// Position of `addrlen` in the arguments of `socket_connect`.
    pub const ARG_CONNECT_LENGTH: &str = "ARG_CONNECT_LENGTH";
    /// Byte offset of `file.f_inode`.
    pub const OFFSET_FILE_INODE: &str = "OFFSET_FILE_INODE";
    /// Byte offset of `file.f_path.dentry`.
    pub const OFFSET_FILE_DENTRY: &str = "OFFSET_FILE_DENTRY";
    /// Byte offset of `linux_binprm.file`.
    pub const OFFSET_BPRM_FILE: &str = "OFFSET_BPRM_FILE";
    /// Byte offset of `inode.i_ino`.
    pub const OFFSET_INODE_NUMBER: &str = "OFFSET_INODE_NUMBER";
    /// Byte offset of `inode.i_sb`.
    pub const OFFSET_INODE_SUPER: &str = "OFFSET_INODE_SUPER";
    /// Byte offset of `super_block.s_dev`.
    pub const OFFSET_SUPER_DEVICE: &str = "OFFSET_SUPER_DEVICE";
    /// Byte offset of `dentry.d_parent`.
    pub const OFFSET_DENTRY_PARENT: &str = "OFFSET_DENTRY_PARENT";
    /// Byte offset of `dentry.d_inode`.
    pub const OFFSET_DENTRY_INODE: &str = "OFFSET_DENTRY_INODE";
    /// Byte offset of `dentry.d_name.name`.
    pub const OFFSET_DENTRY_NAME: &str = "OFFSET_DENTRY_NAME";

    /// All of them.
    pub const ALL: [&str; 18] = [
        GENERATION,
        FILE_MODE,
        EXEC_MODE,
        NETWORK_MODE,
        HAVE_NETWORKS,
        ARG_FILE_OPEN_FILE,
        ARG_BPRM_CHECK_BPRM,
        ARG_CONNECT_ADDRESS,
        ARG_CONNECT_LENGTH,
        OFFSET_FILE_INODE,
        OFFSET_FILE_DENTRY,
        OFFSET_BPRM_FILE,
        OFFSET_INODE_NUMBER,
        OFFSET_INODE_SUPER,
        OFFSET_SUPER_DEVICE,
        OFFSET_DENTRY_PARENT,
        OFFSET_DENTRY_INODE,
        OFFSET_DENTRY_NAME,
    ];
}
