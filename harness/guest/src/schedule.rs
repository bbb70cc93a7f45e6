//! Who gets the processor first.
#![expect(unsafe_code, reason = "rustix does not set a scheduling policy")]

use std::io;

/// As the kernel's scheduler knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// `SCHED_OTHER`.
    Normal,
    /// `SCHED_FIFO` with this priority, 1 to 99.
    RealTime(i32),
}

/// Of this process, and of the children that it makes from now on.
pub fn set_priority(priority: Priority) -> io::Result<()> {
    let (policy, number) = match priority {
        Priority::Normal => (libc::SCHED_OTHER, 0),
        Priority::RealTime(number) => (libc::SCHED_FIFO, number),
    };
    let parameter = libc::sched_param {
        sched_priority: number,
    };
    // SAFETY: the parameter is read during the call only.
    if unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
