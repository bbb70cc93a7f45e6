//! What befalls the agent's process.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, pidfd_send_signal, prlimit};

use super::{Guard, Scene, not_in_place};
use crate::attempt::{Attempt, AttemptError};
use crate::supervise::{ProcessId, Supervisor};

const SIGSTOP: i32 = 19;

/// One that is gone by then needs nothing.
pub(super) fn stop(id: ProcessId, scene: Scene<'_>) -> Result<Guard, AttemptError> {
    let Scene {
        supervisor,
        deadline,
        ..
    } = scene;
    let attempt = || "stop the process".to_owned();
    let process = supervisor.process(id);
    let pidfd = process.pidfd().attempt(attempt)?;
    process.signal(SIGSTOP).attempt(attempt)?;
    let guard = Guard::new(move || match pidfd_send_signal(pidfd, Signal::CONT) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        sent => sent.attempt(|| "let the process go on".into()),
    });
    let stopped = |all: &Supervisor| match all.process(id).is_stopped() {
        Ok(true) => Some(Ok(())),
        Ok(false) => None,
        Err(error) => Some(Err(error)),
    };
    match supervisor.wait(deadline, stopped).attempt(attempt)? {
        Some(stopped) => stopped.attempt(attempt).map(|()| guard),
        None => Err(not_in_place(attempt(), "it still runs")),
    }
}

pub(super) fn leave_unread(id: ProcessId, supervisor: &Supervisor) -> Guard {
    let unread = supervisor.process(id).leave_unread();
    Guard::new(move || {
        drop(unread);
        Ok(())
    })
}

pub(super) fn close_output(
    id: ProcessId,
    supervisor: &mut Supervisor,
) -> Result<Guard, AttemptError> {
    supervisor
        .close_output(id)
        .attempt(|| "close the output".into())?;
    Ok(Guard::nothing())
}

/// The limit is on the numbers of descriptors: the kernel gives the lowest that
/// is free.
pub(super) fn limit_descriptors(
    id: ProcessId,
    supervisor: &Supervisor,
    spare: u32,
) -> Result<Guard, AttemptError> {
    let attempt = || "limit the descriptors".to_owned();
    let pid = supervisor.process(id).pid();
    let folder = format!("/proc/{}/fd", pid.as_raw_nonzero());
    let mut open = BTreeSet::new();
    for entry in fs::read_dir(&folder).attempt(attempt)? {
        let name = entry.attempt(attempt)?.file_name();
        open.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    let free = (0..).filter(|number| !open.contains(number));
    let limit = free.take(spare as usize + 1).last();
    let before = set_soft_limit(pid, limit).attempt(attempt)?;
    Ok(Guard::new(move || {
        match set_soft_limit(pid, before.current) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            put_back => put_back.map(drop).attempt(|| "lift the limit".into()),
        }
    }))
}

/// Gives what was before.
fn set_soft_limit(pid: Pid, current: Option<u64>) -> rustix::io::Result<Rlimit> {
    // The runner's own hard limit is what its children were given.
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum })
}
