//! Ctrl-C: end the machines, write down what is known, and stop.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    iterator::Signals,
};

/// The exit code of a second Ctrl-C, which does not wait for anything.
const INTERRUPTED: i32 = 130;

/// Whether to stop, and what has to be ended then. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    requested: Arc<AtomicBool>,
    processes: Mutex<BTreeSet<Pid>>,
}

impl Interrupt {
    /// Listen to `SIGINT`, `SIGTERM` and `SIGHUP`. The second one ends this
    /// process at once; its machines go with it.
    pub fn install(&self) -> io::Result<()> {
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let requested = Arc::clone(&self.shared.requested);
            flag::register_conditional_shutdown(signal, INTERRUPTED, requested)?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let interrupt = self.clone();
        thread::spawn(move || {
            for _ in &mut signals {
                interrupt.request();
            }
        });
        Ok(())
    }

    /// Stop: end every machine, start no other.
    pub fn request(&self) {
        self.shared.requested.store(true, Ordering::SeqCst);
        for process in self.processes().iter() {
            // It may have ended by itself; it has not been reaped yet, so the
            // number is still its own.
            let _ = kill(*process, Signal::SIGKILL);
        }
    }

    /// Whether to stop.
    pub fn requested(&self) -> bool {
        self.shared.requested.load(Ordering::SeqCst)
    }

    /// Have a child killed by an interruption while the guard lives. Drop the
    /// guard before the child is reaped.
    pub(crate) fn guard(&self, process: u32) -> ProcessGuard {
        let process = Pid::from_raw(process.cast_signed());
        self.processes().insert(process);
        if self.requested() {
            let _ = kill(process, Signal::SIGKILL);
        }
        ProcessGuard {
            interrupt: self.clone(),
            process,
        }
    }

    fn processes(&self) -> MutexGuard<'_, BTreeSet<Pid>> {
        // A set of numbers is whole whatever thread panicked.
        self.shared
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Interrupt::guard`].
#[derive(Debug)]
pub(crate) struct ProcessGuard {
    interrupt: Interrupt,
    process: Pid,
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        self.interrupt.processes().remove(&self.process);
    }
}

#[cfg(test)]
mod tests {
    use super::Interrupt;
    use std::{os::unix::process::ExitStatusExt, process::Command};

    #[test]
    fn an_interruption_ends_the_guarded_processes_before_and_after_it() {
        let interrupt = Interrupt::default();
        let check = |interrupt_first: bool| {
            let mut child = Command::new("sleep").arg("60").spawn().unwrap();
            if interrupt_first {
                interrupt.request();
            }
            let guard = interrupt.guard(child.id());
            interrupt.request();
            let status = child.wait().unwrap();
            drop(guard);
            assert_eq!(status.signal(), Some(9));
        };
        assert!(!interrupt.requested());
        check(false);
        check(true);
        assert!(interrupt.requested());
    }
}
