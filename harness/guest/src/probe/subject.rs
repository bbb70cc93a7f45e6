//! Becoming somebody else before the work is done.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus};

use harness_proto::probe::{Doer, MountNamespace};
use harness_proto::{MOUNT_NAMESPACES_DIR, PROBE_PATH, RunAs, Task, Verdict};
use rustix::process::{Gid, Pid, Uid, WaitOptions};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::{broken, raw};

const CGROUPS: &str = "/sys/fs/cgroup";

/// Do the task as whom it says.
pub(super) fn perform(task: &Task, work: fn(&harness_proto::Probe) -> Verdict) -> Verdict {
    if let Err(message) = become_subject(&task.run_as) {
        return broken(&message);
    }
    if let Some(name) = &task.run_as.disguise {
        let is_already = std::env::args().next().is_some_and(|first| first == *name);
        if !is_already {
            return disguised(task, name);
        }
        if let Err(error) = set_comm(name) {
            return broken(&format!("take the name {name}: {error}"));
        }
    }
    if let Some(cgroup) = &task.run_as.clone_into {
        return in_cgroup(cgroup, || work(&task.probe));
    }
    match task.run_as.doer {
        Doer::Itself => work(&task.probe),
        Doer::Thread => std::thread::scope(|scope| {
            let thread = scope.spawn(|| work(&task.probe));
            thread
                .join()
                .unwrap_or_else(|_| broken("the thread panicked"))
        }),
        Doer::Child => in_child(|| work(&task.probe)),
        Doer::Program => in_program(task),
    }
}

/// Whoever is not the runner, from here on.
pub(super) fn become_subject(run_as: &RunAs) -> Result<(), String> {
    if let Some(cgroup) = &run_as.cgroup {
        let file = format!("{CGROUPS}{cgroup}/cgroup.procs");
        fs::write(&file, "0").map_err(|error| format!("join {file}: {error}"))?;
    }
    match &run_as.mount_namespace {
        None => {}
        Some(MountNamespace::New) => {
            unshare_mounts().map_err(|error| format!("take a mount namespace: {error}"))?;
        }
        Some(MountNamespace::Kept(name)) => enter(&Path::new(MOUNT_NAMESPACES_DIR).join(name))?,
    }
    if let Some(root) = &run_as.chroot {
        rustix::process::chroot(root)
            .and_then(|()| rustix::process::chdir("/"))
            .map_err(|error| format!("change the root to {root}: {error}"))?;
    }
    if let Some(gid) = run_as.gid {
        rustix::thread::set_thread_groups(&[])
            .and_then(|()| rustix::thread::set_thread_gid(Gid::from_raw(gid)))
            .map_err(|error| format!("become group {gid}: {error}"))?;
    }
    if let Some(uid) = run_as.uid {
        rustix::thread::set_thread_uid(Uid::from_raw(uid))
            .map_err(|error| format!("become user {uid}: {error}"))?;
    }
    Ok(())
}

fn enter(place: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("enter {}: {error}", place.display());
    let namespace = File::open(place).map_err(failed)?;
    rustix::thread::move_into_link_name_space(
        std::os::fd::AsFd::as_fd(&namespace),
        Some(LinkNameSpaceType::Mount),
    )
    .map_err(|error| failed(error.into()))
}

/// A mount namespace of its own for this thread.
pub(super) fn unshare_mounts() -> rustix::io::Result<()> {
    unshare(UnshareFlags::NEWNS)
}

/// A user namespace of its own for this process.
pub(super) fn unshare_user() -> rustix::io::Result<()> {
    unshare(UnshareFlags::NEWUSER)
}

#[expect(unsafe_code, reason = "unshare can part threads from their files")]
fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: the flags used here do not unshare the table of descriptors.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// The same program again, with another first argument.
fn disguised(task: &Task, name: &str) -> Verdict {
    use std::os::unix::process::CommandExt as _;
    let Ok(text) = serde_json::to_string(task) else {
        return broken("the task cannot be written");
    };
    let mut command = Command::new("/proc/self/exe");
    match command.arg0(name).args(["run", &text]).status() {
        Ok(status) => ended(status),
        Err(error) => broken(&format!("start again as {name}: {error}")),
    }
}

fn set_comm(name: &str) -> rustix::io::Result<()> {
    let name = std::ffi::CString::new(name).map_err(|_| rustix::io::Errno::INVAL)?;
    rustix::thread::set_name(&name)
}

/// A child that is in another cgroup from its first moment.
fn in_cgroup(cgroup: &str, work: impl FnOnce() -> Verdict) -> Verdict {
    let path = format!("{CGROUPS}{cgroup}");
    match File::open(&path) {
        Err(error) => broken(&format!("open {path}: {error}")),
        Ok(folder) => in_child_by(|| raw::clone_into(std::os::fd::AsFd::as_fd(&folder)), work),
    }
}

/// The child prints the verdict, so this one must not: it ends with it.
fn in_child(work: impl FnOnce() -> Verdict) -> Verdict {
    in_child_by(raw::fork, work)
}

fn in_child_by(
    fork: impl FnOnce() -> rustix::io::Result<Option<i32>>,
    work: impl FnOnce() -> Verdict,
) -> Verdict {
    let pid = match fork() {
        Ok(None) => {
            super::say(&work());
            raw::exit(0);
        }
        Ok(Some(pid)) => Pid::from_raw(pid),
        Err(error) => return broken(&format!("fork: {error}")),
    };
    match rustix::process::waitpid(pid, WaitOptions::empty()) {
        Ok(Some((_, status))) => match status.terminating_signal() {
            Some(signal) => Verdict::Killed { signal },
            None => raw::exit(status.exit_status().unwrap_or(2)),
        },
        Ok(None) => broken("the child has not ended"),
        Err(error) => broken(&format!("wait for the child: {error}")),
    }
}

/// As [`in_child`], of another program.
fn in_program(task: &Task) -> Verdict {
    let task = Task {
        probe: task.probe.clone(),
        run_as: RunAs::default(),
    };
    let Ok(text) = serde_json::to_string(&task) else {
        return broken("the task cannot be written");
    };
    match Command::new(PROBE_PATH).args(["run", &text]).status() {
        Ok(status) => ended(status),
        Err(error) => broken(&format!("start {PROBE_PATH}: {error}")),
    }
}

fn ended(status: ExitStatus) -> Verdict {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => raw::exit(code),
        (None, Some(signal)) => Verdict::Killed { signal },
        (None, None) => broken("the program has not ended"),
    }
}
