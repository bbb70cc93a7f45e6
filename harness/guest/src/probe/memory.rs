//! Mapping files.
#![expect(unsafe_code, reason = "mappings are pointers")]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::raw::{checked, errno};

const PAGE: usize = 4096;

/// Readable and writable.
pub(super) const BOTH: c_int = libc::PROT_READ | libc::PROT_WRITE;

/// The first page of a file, private unless it says shared.
#[derive(Debug)]
pub(super) struct Mapping(*mut libc::c_void);

impl Mapping {
    /// `mmap(2)`.
    pub(super) fn of(file: BorrowedFd<'_>, protection: c_int) -> rustix::io::Result<Self> {
        Self::new(protection, libc::MAP_PRIVATE, file.as_raw_fd())
    }

    /// The same, so that what is written goes to the file.
    pub(super) fn shared(file: BorrowedFd<'_>, protection: c_int) -> rustix::io::Result<Self> {
        Self::new(protection, libc::MAP_SHARED, file.as_raw_fd())
    }

    /// `mmap(2)` of no file.
    pub(super) fn anonymous() -> rustix::io::Result<Self> {
        Self::new(BOTH, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
    }

    /// As [`Self::anonymous`], where an address has 32 bits.
    pub(super) fn low() -> rustix::io::Result<Self> {
        #[cfg(target_arch = "x86_64")]
        let low = libc::MAP_32BIT;
        #[cfg(not(target_arch = "x86_64"))]
        let low = 0;
        Self::new(BOTH, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | low, -1)
    }

    fn new(protection: c_int, flags: c_int, file: c_int) -> rustix::io::Result<Self> {
        // SAFETY: a new mapping, where the kernel likes it.
        let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, protection, flags, file, 0) };
        if page == libc::MAP_FAILED {
            return Err(errno());
        }
        Ok(Self(page))
    }

    /// `mprotect(2)`.
    pub(super) fn protect(&self, protection: c_int) -> rustix::io::Result<()> {
        // SAFETY: the mapping is this one's own, and nothing refers into it.
        checked(unsafe { libc::mprotect(self.0, PAGE, protection) }.into()).map(drop)
    }

    /// Its first byte; it must be readable, and its file not empty.
    pub(super) fn first_byte(&self) -> u8 {
        // SAFETY: the mapping is there as long as `self`.
        unsafe { self.0.cast::<u8>().read_volatile() }
    }

    /// Put bytes at an offset; it must be writable. Gives their address.
    pub(super) fn put(&self, offset: usize, bytes: &[u8]) -> usize {
        let room = PAGE.saturating_sub(offset).min(bytes.len());
        // SAFETY: what is copied fits into the page, which nothing refers into.
        unsafe {
            let to = self.0.cast::<u8>().add(offset.min(PAGE));
            ptr::copy_nonoverlapping(bytes.as_ptr(), to, room);
            to as usize
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and nothing refers into it any more.
        unsafe { libc::munmap(self.0, PAGE) };
    }
}

// The page is reached only through the value, by one thread at a time.
// SAFETY: a mapping belongs to the process, not to the thread.
unsafe impl Send for Mapping {}
// SAFETY: as above; writing takes the place of nothing that another reads.
unsafe impl Sync for Mapping {}

/// Map the first page of a file, private, and make it executable by either
/// way.
pub(super) fn map_executable(file: BorrowedFd<'_>, at_once: bool) -> rustix::io::Result<()> {
    let executable = libc::PROT_READ | libc::PROT_EXEC;
    if at_once {
        return Mapping::of(file, executable).map(drop);
    }
    Mapping::of(file, libc::PROT_READ)?.protect(executable)
}

/// Copy the first page of a file into memory of no file, and make that
/// executable.
pub(super) fn copy_executable(content: &[u8]) -> rustix::io::Result<()> {
    let memory = Mapping::anonymous()?;
    memory.put(0, content);
    memory.protect(libc::PROT_READ | libc::PROT_EXEC)
}
