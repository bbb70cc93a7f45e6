//! The system calls of 32-bit programs, which a 64-bit one may make as well:
//! another entry into the kernel, with other numbers.
#![expect(unsafe_code, reason = "the subject of this module")]

use std::os::fd::{FromRawFd as _, OwnedFd};

use harness_proto::Verdict;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::memory::Mapping;
use super::{broken, denied};

/// Of the 32-bit table, arch/x86/entry/syscalls/syscall_32.tbl.
const OPEN: u32 = 5;
const EXECVE: u32 = 11;

/// Where a text is put, and where pointers to texts.
const POINTERS: usize = 3072;

/// `open(2)`.
pub(super) fn open(path: &str, flags: OFlags) -> Result<OwnedFd, Verdict> {
    let memory = low()?;
    let path = put(&memory, 0, path)?;
    let result = call(OPEN, path, flags.bits(), 0o644);
    match errno(result) {
        // SAFETY: the kernel has just made it for this caller.
        None => Ok(unsafe { OwnedFd::from_raw_fd(result) }),
        Some(Errno::NOSYS) => Err(no_entry()),
        Some(errno) => Err(denied(errno)),
    }
}

/// `execve(2)` that only has to be made: nothing is allocated by it.
pub(super) struct Execution {
    /// The texts and pointers below are in it.
    _memory: Mapping,
    path: u32,
    arguments: u32,
    environment: u32,
}

impl Execution {
    pub(super) fn of(path: &str, arguments: &[&str]) -> Result<Self, Verdict> {
        let memory = low()?;
        let at = put(&memory, 0, path)?;
        let (mut offset, mut place) = (path.len() + 1, POINTERS);
        let mut first = None;
        for argument in arguments {
            let text = put(&memory, offset, argument)?;
            offset += argument.len() + 1;
            let pointer = address(memory.put(place, &text.to_ne_bytes()))?;
            first.get_or_insert(pointer);
            place += size_of::<u32>();
        }
        let end = address(memory.put(place, &0_u32.to_ne_bytes()))?;
        Ok(Self {
            path: at,
            arguments: first.unwrap_or(end),
            environment: end,
            _memory: memory,
        })
    }

    /// Returns only when it fails.
    pub(super) fn call(&self) -> Errno {
        let result = call(EXECVE, self.path, self.arguments, self.environment);
        errno(result).unwrap_or(Errno::IO)
    }
}

fn low() -> Result<Mapping, Verdict> {
    Mapping::low().map_err(|error| broken(&format!("map a page below 4 GiB: {error}")))
}

fn put(memory: &Mapping, offset: usize, text: &str) -> Result<u32, Verdict> {
    if offset + text.len() >= POINTERS {
        return Err(broken("the path is too long"));
    }
    // The page was zero, so the text ends where it should.
    address(memory.put(offset, text.as_bytes()))
}

fn address(address: usize) -> Result<u32, Verdict> {
    u32::try_from(address).map_err(|_| broken("the page is above 4 GiB"))
}

fn errno(result: i32) -> Option<Errno> {
    (result < 0).then(|| Errno::from_raw_os_error(-result))
}

fn no_entry() -> Verdict {
    broken("the kernel has no calls of 32-bit programs")
}

#[cfg(target_arch = "x86_64")]
fn call(number: u32, first: u32, second: u32, third: u32) -> i32 {
    let result: u64;
    // SAFETY: the caller hands over addresses that outlive the call. The first
    // argument's register is the compiler's own, so it is put back; the kernel
    // may clear those that 32-bit programs do not have.
    unsafe {
        std::arch::asm!(
            "xchg {first}, rbx",
            "int 0x80",
            "xchg {first}, rbx",
            first = inout(reg) u64::from(first) => _,
            inout("rax") u64::from(number) => result,
            in("rcx") u64::from(second),
            in("rdx") u64::from(third),
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
    }
    let [a, b, c, d, ..] = result.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

#[cfg(not(target_arch = "x86_64"))]
fn call(_: u32, _: u32, _: u32, _: u32) -> i32 {
    -Errno::NOSYS.raw_os_error()
}
