//! Reading the kernel's structures at the offsets that the loader found in
//! the running kernel's BTF.
//!
//! There are two ways. A *member* is loaded directly: the verifier knows the
//! type, and a fault reads as 0 unless the verifier trusts the pointer. It
//! trusts some that can be null (the inode of a dentry, the file of `mmap`),
//! and takes a comparison with null out. These are *peeked at* with a helper,
//! which copes with any address and gives the verifier a plain number.

use aegisbpf_abi::{Key, NAME_LENGTH, NameHash};
use aya_ebpf::{EbpfContext as _, Global, helpers, programs::LsmContext};
use core::{
    arch::asm,
    ffi::c_void,
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

use crate::{config, weigh::aegisbpf_name_hash};

/// A pointer of the kernel's own.
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
        3 => load!("{value} = *(u64 *)({context} + 24)"),
        _ => load!("{value} = *(u64 *)({context} + 32)"),
    }
    value
}

/// The same for a pointer.
#[inline(always)]
pub(crate) fn pointer(context: &LsmContext, position: &Global<u64>) -> Pointer {
    argument(context, position) as Pointer
}

/// A member of a structure, loaded directly.
#[inline(always)]
pub(crate) fn member<T>(base: Pointer, offset: &Global<u64>) -> T {
    // SAFETY: the verifier refuses the program unless `base` is a typed
    // pointer of the kernel and the offset is that of a member.
    unsafe { ptr::read_volatile(base.byte_add(offset.load() as usize).cast::<T>()) }
}

/// A member of a structure at any address, or `None` when it cannot be read.
#[inline(always)]
pub(crate) fn peek<T: Copy>(base: Pointer, offset: &Global<u64>) -> Option<T> {
    peek_at((base as u64 + offset.load()) as Pointer)
}

/// What is at any address, or `None` when it cannot be read.
#[inline(always)]
pub(crate) fn peek_at<T: Copy>(address: Pointer) -> Option<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the helper writes the bytes of the value and copes with any
    // address.
    let read = unsafe {
        helpers::generated::bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address,
        )
    };
    // SAFETY: callers ask for plain integers, of which any bytes are a value.
    (read == 0).then(|| unsafe { value.assume_init() })
}

/// A pointer or number at any address, or 0 when it cannot be read. Without a
/// branch: a chain of these is one path for the verifier.
#[inline(always)]
pub(crate) fn glance<T: Copy>(base: u64, offset: &Global<u64>) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: as above; the helper writes zeroes when it cannot read, and
    // callers ask for plain integers.
    unsafe {
        helpers::generated::bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            (base + offset.load()) as Pointer,
        );
        value.assume_init()
    }
}

/// The same number, of which the compiler knows nothing: what it does not
/// know it cannot unroll, nor turn into a branch.
#[inline(always)]
pub(crate) fn opaque(number: u64) -> u64 {
    let mut number = number;
    // SAFETY: copies a register onto itself.
    unsafe { asm!("{0} = {0}", inout(reg) number, options(nomem, nostack, preserves_flags, pure)) };
    number
}

/// A `struct file`.
#[derive(Clone, Copy)]
pub(crate) struct File(pub(crate) Pointer);

/// A `struct inode`.
#[derive(Clone, Copy)]
pub(crate) struct Inode(NonNull<c_void>);

/// A `struct dentry`.
#[derive(Clone, Copy)]
pub(crate) struct Dentry(pub(crate) Pointer);

impl File {
    /// Whether a hook that may have no file has none.
    #[inline(always)]
    pub(crate) fn is_none(self) -> bool {
        // Some verifiers want the pointer compared, others do not know it and
        // take the comparison out.
        self.0.is_null()
            || peek::<u64>(self.0, &config::OFFSET_FILE_INODE).is_none_or(|inode| inode == 0)
    }

    /// The file of a `struct vm_area_struct`, if it has one.
    #[inline(always)]
    pub(crate) fn of_area(area: Pointer) -> Option<Self> {
        match peek::<u64>(area, &config::OFFSET_VMA_FILE) {
            None | Some(0) => None,
            Some(_) => {
                let file: Pointer = member(area, &config::OFFSET_VMA_FILE);
                (!file.is_null()).then_some(Self(file))
            }
        }
    }

    /// What it is a file of.
    #[inline(always)]
    pub(crate) fn inode(self) -> Inode {
        Inode::new(member(self.0, &config::OFFSET_FILE_INODE))
    }

    /// Under which name it was opened.
    #[inline(always)]
    pub(crate) fn dentry(self) -> Dentry {
        Dentry(member(self.0, &config::OFFSET_FILE_DENTRY))
    }
}

impl Inode {
    /// Of a pointer that is not null. As a pointer that can be, `None` would
    /// leave it unset, and 5.10 refuses to keep what is not set.
    #[inline(always)]
    fn new(pointer: Pointer) -> Self {
        // SAFETY: callers ask where the kernel always has an inode.
        Self(unsafe { NonNull::new_unchecked(pointer.cast_mut()) })
    }

    #[inline(always)]
    fn pointer(self) -> Pointer {
        self.0.as_ptr()
    }

    /// Its number: all that the filter asks for.
    #[inline(always)]
    pub(crate) fn number(self) -> u64 {
        member(self.pointer(), &config::OFFSET_INODE_NUMBER)
    }

    /// Its key in the index.
    #[inline(always)]
    pub(crate) fn object(self) -> Key {
        let super_block: Pointer = member(self.pointer(), &config::OFFSET_INODE_SUPER);
        Key::object(
            self.number(),
            member(self.pointer(), &config::OFFSET_INODE_GENERATION),
            member(super_block, &config::OFFSET_SUPER_DEVICE),
        )
    }

    /// The device it stands for, if it is a block device.
    #[inline(always)]
    pub(crate) fn block_device(self) -> Option<u32> {
        let mode: u16 = member(self.pointer(), &config::OFFSET_INODE_MODE);
        (mode & 0o170_000 == 0o060_000).then(|| member(self.pointer(), &config::OFFSET_INODE_RDEV))
    }
}

impl Dentry {
    /// The dentry of a `struct path`.
    #[inline(always)]
    pub(crate) fn of_path(path: Pointer) -> Self {
        Self(member(path, &config::OFFSET_PATH_DENTRY))
    }

    /// The inode of a dentry that has one.
    #[inline(always)]
    pub(crate) fn inode(self) -> Inode {
        Inode::new(member(self.0, &config::OFFSET_DENTRY_INODE))
    }

    /// The inode, if there is one.
    #[inline(always)]
    pub(crate) fn inode_if_any(self) -> Option<Inode> {
        let peeked: u64 = peek(self.0, &config::OFFSET_DENTRY_INODE)?;
        if peeked == 0 {
            return None;
        }
        // Kernels that know it can be null want it compared as well.
        let inode: Pointer = member(self.0, &config::OFFSET_DENTRY_INODE);
        NonNull::new(inode.cast_mut()).map(Inode)
    }

    /// The folder; a root is its own.
    #[inline(always)]
    pub(crate) fn parent(self) -> Self {
        Self(member(self.0, &config::OFFSET_DENTRY_PARENT))
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

    /// The hash of the name.
    #[inline(always)]
    pub(crate) fn name_hash(self) -> NameHash {
        // As a number: some kernels know a loaded one for a pointer, which a
        // function does not take.
        let source: Option<u64> = peek(self.0, &config::OFFSET_DENTRY_NAME);
        NameHash(aegisbpf_name_hash(source.unwrap_or(0)))
    }
}
