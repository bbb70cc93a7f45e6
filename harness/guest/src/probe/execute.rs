//! Executing a copy of the probe.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use harness_proto::{NOOP_EXIT_STATUS, Verdict};

pub(super) fn execute(path: &str) -> Verdict {
    let mut command = Command::new(path);
    command
        .arg("noop")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    match command.status() {
        Ok(status) => judge(path, status),
        // The errno of execve(2), brought over from the child.
        Err(error) => match error.raw_os_error() {
            Some(errno) => Verdict::Denied { errno },
            None => Verdict::Broken {
                message: format!("execute {path}: {error}"),
            },
        },
    }
}

fn judge(path: &str, status: ExitStatus) -> Verdict {
    match (status.code(), status.signal()) {
        (Some(NOOP_EXIT_STATUS), _) => Verdict::Allowed,
        (_, Some(signal)) => Verdict::Killed { signal },
        _ => Verdict::Broken {
            message: format!("{path} ran, but is not a copy of the probe: {status}"),
        },
    }
}
