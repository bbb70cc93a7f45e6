//! What the loader tells the programs.
//!
//! Each global is alone in what it means and all are in a section of their
//! own: LLVM merges equal constants, and a literal that shared the storage of
//! a global would change with it. A test reads the built object and checks.

use aegisbpf_abi::Mode;
use aya_ebpf::Global;

macro_rules! globals {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".rodata.config")]
        pub(crate) static $name: Global<u64> = Global::new(0);
    )*};
}

globals! {
    GENERATION
    FILE_MODE
    EXEC_MODE
    NETWORK_MODE
    HAVE_NETWORKS
    ARG_FILE_OPEN_FILE
    ARG_BPRM_CHECK_BPRM
    ARG_CONNECT_ADDRESS
    ARG_CONNECT_LENGTH
    OFFSET_FILE_INODE
    OFFSET_FILE_DENTRY
    OFFSET_BPRM_FILE
    OFFSET_INODE_NUMBER
    OFFSET_INODE_SUPER
    OFFSET_SUPER_DEVICE
    OFFSET_DENTRY_PARENT
    OFFSET_DENTRY_INODE
    OFFSET_DENTRY_NAME
}

/// The mode in a global.
#[inline(always)]
pub(crate) fn mode(global: &Global<u64>) -> Mode {
    Mode::from_number(global.load())
}
