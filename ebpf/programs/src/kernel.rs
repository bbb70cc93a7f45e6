//! Reading the kernel's structures at the offsets that the loader found in
//! the running kernel's BTF.

use aegisbpf_abi::{NAME_LENGTH, ObjectKey};
use aya_ebpf::{EbpfContext as _, Global, helpers, programs::LsmContext};
use core::{arch::asm, ffi::c_void, ptr};

use crate::config;

/// A pointer of the kernel's own, whose type the verifier knows.
pub(crate) type Pointer = *const c_void;

/// An argument of an LSM hook, by the position that the loader found.
///
/// Each position is an access of its own in assembly: the verifier refuses a
/// computed offset into the context, which LLVM makes of anything it can
/// fold. The position is a constant to the verifier, which drops the other
/// branches, so a hook with fewer arguments is no problem.
#[inline(always)]
pub(crate) fn argument(context: &LsmContext, position: &Global<u64>) -> u64 {
    let context = context.as_ptr();
    let value: u64;
    macro_rules! load {
        ($text:literal) => {
            // SAFETY: reads an argument of the hook.
            unsafe {
                asm!($text, value = out(reg) value, context = in(reg) context, options(nostack, readonly))
            }
        };
    }
    match position.load() {
        0 => load!("{value} = *(u64 *)({context} + 0)"),
        1 => load!("{value} = *(u64 *)({context} + 8)"),
        2 => load!("{value} = *(u64 *)({context} + 16)"),
        _ => load!("{value} = *(u64 *)({context} + 24)"),
    }
    value
}

/// A member of a structure, read directly: the verifier checks type and
/// offset, and a fault reads as 0.
#[inline(always)]
fn member<T>(base: Pointer, offset: &Global<u64>) -> T {
    // SAFETY: the verifier refuses the program unless `base` is a typed
    // pointer of the kernel and the offset is that of a member.
    unsafe { ptr::read_volatile(base.byte_add(offset.load() as usize).cast::<T>()) }
}

/// A `struct file`.
#[derive(Clone, Copy)]
pub(crate) struct File(pub(crate) Pointer);

/// A `struct dentry`.
#[derive(Clone, Copy)]
pub(crate) struct Dentry(Pointer);

impl File {
    /// The file of a `struct linux_binprm`.
    #[inline(always)]
    pub(crate) fn of_binprm(binprm: Pointer) -> Self {
        Self(member(binprm, &config::OFFSET_BPRM_FILE))
    }

    /// What it is a file of.
    #[inline(always)]
    pub(crate) fn object(self) -> ObjectKey {
        object_of_inode(member(self.0, &config::OFFSET_FILE_INODE))
    }

    /// Under which name it was opened.
    #[inline(always)]
    pub(crate) fn dentry(self) -> Dentry {
        Dentry(member(self.0, &config::OFFSET_FILE_DENTRY))
    }
}

impl Dentry {
    /// The folder.
    #[inline(always)]
    pub(crate) fn folder(self) -> ObjectKey {
        let parent: Pointer = member(self.0, &config::OFFSET_DENTRY_PARENT);
        object_of_inode(member(parent, &config::OFFSET_DENTRY_INODE))
    }

    /// Copy the name, which ends with a NUL byte, into `name`.
    #[inline(always)]
    pub(crate) fn read_name(self, name: &mut [u8; NAME_LENGTH + 1]) {
        let source: Pointer = member(self.0, &config::OFFSET_DENTRY_NAME);
        // SAFETY: the helper writes at most the bytes of `name` and copes with any
        // source address.
        unsafe {
            helpers::generated::bpf_probe_read_kernel_str(
                name.as_mut_ptr().cast(),
                name.len() as u32,
                source.cast(),
            );
        }
    }
}

#[inline(always)]
fn object_of_inode(inode: Pointer) -> ObjectKey {
    let super_block: Pointer = member(inode, &config::OFFSET_INODE_SUPER);
    ObjectKey {
        inode: member(inode, &config::OFFSET_INODE_NUMBER),
        device: member(super_block, &config::OFFSET_SUPER_DEVICE),
        reserved: 0,
    }
}
