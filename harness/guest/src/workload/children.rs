//! Operations that make processes.
#![expect(unsafe_code, reason = "fork(2) and execve(2) have no safe wrapper")]

use std::ffi::CString;
use std::io;

use super::counter;

/// The counter over so many children that end at once.
pub(super) fn count_forks(times: u32, slow: u64) -> io::Result<u64> {
    counted(times, slow, || {
        // SAFETY: this process has one thread; the child only ends.
        match unsafe { libc::fork() } {
            0 => exit(),
            child => Ok(child),
        }
    })
}

/// The counter over so many children that execute a program that ends at
/// once, with an empty environment.
pub(super) fn count_execs(program: &str, times: u32, slow: u64) -> io::Result<u64> {
    let program = CString::new(program).map_err(io::Error::other)?;
    let arguments = [program.as_ptr(), std::ptr::null()];
    let environment: [*mut libc::c_char; 1] = [std::ptr::null_mut()];
    counted(times, slow, || {
        let mut child = 0;
        // SAFETY: every pointer is to a live value: text that ends with a
        // zero, or a list that ends with a null.
        let error = unsafe {
            libc::posix_spawn(
                &raw mut child,
                program.as_ptr(),
                std::ptr::null(),
                std::ptr::null(),
                arguments.as_ptr().cast(),
                environment.as_ptr(),
            )
        };
        match error {
            0 => Ok(child),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    })
}

fn exit() -> ! {
    // SAFETY: always safe; no destructors run, which is what is wanted.
    unsafe { libc::_exit(0) }
}

fn counted(
    times: u32,
    slow: u64,
    mut once: impl FnMut() -> io::Result<libc::pid_t>,
) -> io::Result<u64> {
    let before = counter::read();
    for _ in 0..times {
        let child = once()?;
        let mut status = 0;
        // SAFETY: `status` is a live integer.
        let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
        if ended != child || status != 0 {
            return Err(io::Error::other(format!(
                "the child {child} ended with the status {status:#x}"
            )));
        }
        counter::slow_down(slow);
    }
    Ok(counter::read() - before)
}
