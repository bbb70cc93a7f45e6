//! A file system that takes no writes.
#![expect(unsafe_code, reason = "no safe wrapper has these ioctls")]

use std::fs::File;

use rustix::io::Result;
use rustix::ioctl::{NoArg, ioctl, opcode};

const FIFREEZE: rustix::ioctl::Opcode = opcode::read_write::<i32>(b'X', 119);
const FITHAW: rustix::ioctl::Opcode = opcode::read_write::<i32>(b'X', 120);

/// Until [`thaw`], whoever writes waits.
pub(super) fn freeze(folder: &File) -> Result<()> {
    // SAFETY: whatever their numbers say, the kernel takes no argument with them.
    unsafe { ioctl(folder, NoArg::<FIFREEZE>::new()) }
}

/// Let them go on.
pub(super) fn thaw(folder: &File) -> Result<()> {
    // SAFETY: as above.
    unsafe { ioctl(folder, NoArg::<FITHAW>::new()) }
}
