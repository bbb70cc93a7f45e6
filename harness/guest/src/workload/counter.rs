//! The machine's counter, and a loop of known length to hold it against.
//!
//! Under QEMU's instruction counting the counter that user space can read
//! advances by one for each instruction (x86-64: the time-stamp counter). It is
//! read directly: the kernel's clocks scale it by a factor that they calibrate
//! anew at each boot. Whether it does count instructions is shown in every
//! run by the loop.
#![expect(
    unsafe_code,
    reason = "counters and loops of known length are instructions"
)]

#[cfg(target_arch = "x86_64")]
pub(super) fn read() -> u64 {
    // SAFETY: every x86-64 processor has it, and Linux leaves it to user space.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Nanoseconds are instructions where counting is set so, but the kernel
/// rounds: expect the loop to say how much.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn read() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicRaw);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// The counter over a loop of two instructions a pass.
pub(super) fn count_loop(passes: u64) -> u64 {
    let before = read();
    spin(passes.max(1));
    read() - before
}

/// A loop of so many passes, or nothing at all.
#[inline]
pub(super) fn slow_down(passes: u64) {
    if passes > 0 {
        spin(passes);
    }
}

#[cfg(target_arch = "x86_64")]
fn spin(passes: u64) {
    // SAFETY: touches one register, which it declares, and the flags.
    unsafe {
        std::arch::asm!(
            "2:",
            "sub {left}, 1",
            "jnz 2b",
            left = inout(reg) passes => _,
            options(nomem, nostack),
        );
    }
}

#[cfg(target_arch = "aarch64")]
fn spin(passes: u64) {
    // SAFETY: touches one register, which it declares, and the flags.
    unsafe {
        std::arch::asm!(
            "2:",
            "subs {left}, {left}, #1",
            "b.ne 2b",
            left = inout(reg) passes => _,
            options(nomem, nostack),
        );
    }
}
