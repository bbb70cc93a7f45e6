//! What was open before a rule: hooks that only rules that revoke need.

use aegisbpf_abi::{Operation, Operations};
use aya_ebpf::{macros::lsm, programs::LsmContext};

use crate::{
    ALLOW, config, decide,
    file::FMODE_WRITE,
    kernel::{File, argument, member, pointer},
    maps::active,
};

const READ: Operations = Operation::HeldRead.alone();
const WRITE: Operations = Operation::HeldWrite.alone();

// Values of the kernel's own, the same on every architecture.
const MAY_WRITE: u64 = 2;
const MAY_READ: u64 = 4;
const PROT_WRITE: u64 = 2;
/// Reading, writing and executing; what may be written can be read as well.
const PROT_ANY: u64 = 7;
const MAP_SHARED: u64 = 1;

/// Reading or writing through a descriptor.
#[lsm(hook = "file_permission")]
pub fn file_permission(context: LsmContext) -> i32 {
    let mask = argument(&context, &config::ARG_PERMISSION_MASK);
    let file = File(pointer(&context, &config::ARG_PERMISSION_FILE));
    used(file, mask & MAY_READ != 0, mask & MAY_WRITE != 0)
}

/// Mapping what a descriptor is of: nobody is asked when memory is read.
#[lsm(hook = "mmap_file")]
pub fn mmap_held(context: LsmContext) -> i32 {
    let file = File(pointer(&context, &config::ARG_MMAP_FILE));
    if file.is_none() {
        return ALLOW;
    }
    let protection = argument(&context, &config::ARG_MMAP_PROT);
    let shared = argument(&context, &config::ARG_MMAP_FLAGS) & MAP_SHARED != 0;
    mapped(file, protection, shared)
}

/// Letting a mapping be read or written that could not be. Whether it is
/// shared is not looked up: one of a file that is open for writing is taken to
/// be.
#[lsm(hook = "file_mprotect")]
pub fn mprotect_held(context: LsmContext) -> i32 {
    let protection = argument(&context, &config::ARG_MPROTECT_PROT);
    let area = pointer(&context, &config::ARG_MPROTECT_VMA);
    let Some(file) = File::of_area(area) else {
        return ALLOW;
    };
    let mode: u32 = member(file.0, &config::OFFSET_FILE_MODE);
    mapped(file, protection, mode & FMODE_WRITE != 0)
}

#[inline(always)]
fn mapped(file: File, protection: u64, shared: bool) -> i32 {
    let writes = shared && protection & PROT_WRITE != 0;
    used(file, protection & PROT_ANY != 0, writes)
}

#[inline(always)]
fn used(file: File, reads: bool, writes: bool) -> i32 {
    let Some(active) = active() else { return ALLOW };
    decide::file(active, file.dentry(), || {
        let of = |asked, operations| if asked { operations } else { Operations::NONE };
        (Some(file.inode()), of(reads, READ).with(of(writes, WRITE)))
    })
}
