//! Mixing a seed into the kernel's random pool.
#![expect(
    unsafe_code,
    reason = "two ioctls of /dev/urandom have no safe wrapper"
)]

use std::fs::File;

use rustix::ioctl::{NoArg, Opcode, Setter, ioctl, opcode};

use crate::attempt::{Attempt, AttemptError};

const DEVICE: &str = "/dev/urandom";

/// `struct rand_pool_info` of `linux/random.h` with a buffer of fixed size.
#[repr(C)]
struct PoolInfo {
    entropy_bits: i32,
    buffer_bytes: i32,
    buffer: [[u8; 8]; 2],
}

/// The size in the number is that of two ints, without the buffer.
const RNDADDENTROPY: Opcode = opcode::write::<[i32; 2]>(b'R', 0x03);
const RNDRESEEDCRNG: Opcode = opcode::none(b'R', 0x07);

/// Add `seed` and `time` and have the generator use them at once.
pub(super) fn reseed(seed: u64, time: u64) -> Result<(), AttemptError> {
    let device = File::options()
        .write(true)
        .open(DEVICE)
        .attempt(|| format!("open {DEVICE}"))?;
    let info = PoolInfo {
        entropy_bits: 128,
        buffer_bytes: 16,
        buffer: [seed.to_ne_bytes(), time.to_ne_bytes()],
    };
    // SAFETY: the kernel reads a `rand_pool_info` and as many bytes behind
    // its header as `buffer_bytes` says, all of them inside `PoolInfo`.
    unsafe { ioctl(&device, Setter::<RNDADDENTROPY, PoolInfo>::new(info)) }
        .attempt(|| format!("add entropy to {DEVICE}"))?;
    // SAFETY: this ioctl has no argument.
    unsafe { ioctl(&device, NoArg::<RNDRESEEDCRNG>::new()) }.attempt(|| format!("reseed {DEVICE}"))
}
