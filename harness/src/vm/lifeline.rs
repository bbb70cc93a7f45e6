//! A machine must not outlive the process that watches it.
#![expect(
    unsafe_code,
    reason = "what runs between fork and exec can only be set by an unsafe function"
)]

use std::{io, os::unix::process::CommandExt, process::Command};

use nix::sys::{prctl, signal::Signal};

/// Have the kernel kill the command's process when the thread that starts it
/// ends, however that happens; and keep the terminal's Ctrl-C from it, so that
/// it is ended in order.
pub(crate) fn tie(command: &mut Command) {
    command.process_group(0);
    let die_with_parent = || prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from);
    // SAFETY: the closure makes one system call and touches no memory that
    // another thread of this process could have left in an odd state.
    unsafe {
        command.pre_exec(die_with_parent);
    }
}
