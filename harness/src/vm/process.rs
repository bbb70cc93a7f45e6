//! QEMU as a process: it ends with the machine, and how it ended is told.

use std::{process::Child, sync::mpsc, thread, time::Duration};

use nix::{
    sys::wait::{Id, WaitPidFlag, waitid},
    unistd::Pid,
};

use crate::interrupt::ProcessGuard;

/// From the closing of its sockets to its status.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// A child that is killed and reaped when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    guard: Option<ProcessGuard>,
}

impl Process {
    /// The guard ends it on Ctrl-C.
    pub(super) const fn new(child: Child, guard: ProcessGuard) -> Self {
        Self {
            child,
            guard: Some(guard),
        }
    }

    /// How it ended, if it has ended by itself, but not as it does when its
    /// guest is done.
    pub(super) fn odd_end(&mut self, is_ending: bool) -> Option<String> {
        if is_ending {
            self.await_end();
        }
        let status = self.child.try_wait().ok().flatten()?;
        (!status.success()).then(|| status.to_string())
    }

    /// Its sockets are closed before its status is there.
    fn await_end(&self) {
        let child = Id::Pid(Pid::from_raw(self.child.id().cast_signed()));
        let (done, is_done) = mpsc::channel();
        // Without reaping it; if it is late, its reaping ends the thread.
        thread::spawn(move || {
            let _ = waitid(child, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
            let _ = done.send(());
        });
        let _ = is_done.recv_timeout(LAST_BREATH);
    }

    pub(super) fn end(&mut self) {
        let _ = self.child.kill();
        // Before it is reaped: then its number may become another's.
        self.guard = None;
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::Process;
    use crate::interrupt::Interrupt;
    use std::process::{Command, Stdio};

    fn odd_end(script: &str, is_ending: bool) -> Option<String> {
        let child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let guard = Interrupt::default().guard(child.id());
        Process::new(child, guard).odd_end(is_ending)
    }

    #[test]
    fn only_an_end_that_is_not_the_guests_is_odd() {
        let kill = odd_end("kill -KILL $$", true).unwrap();
        assert!(kill.contains("SIGKILL"), "{kill}");
        let crash = odd_end("exit 1", true).unwrap();
        assert!(crash.contains("exit status: 1"), "{crash}");
        assert_eq!(odd_end("exit 0", true), None);
        assert_eq!(odd_end("exec sleep 600", false), None);
    }
}
