//! An operation that maps memory.
#![expect(unsafe_code, reason = "mmap(2) has no safe wrapper")]

use std::os::fd::AsFd;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

const PAGE_BYTES: usize = 4096;

/// Map the first page of a file, readable and executable, and unmap it again.
pub(super) fn map_executable(file: impl AsFd) -> rustix::io::Result<()> {
    let protection = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: where the kernel likes; nothing reads it, and it is unmapped
    // before anybody else could have the address.
    unsafe {
        let mapped = mmap(
            ptr::null_mut(),
            PAGE_BYTES,
            protection,
            MapFlags::PRIVATE,
            file,
            0,
        )?;
        munmap(mapped, PAGE_BYTES)
    }
}
