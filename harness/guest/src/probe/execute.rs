//! Executing a copy of the probe, in every way there is. It inherits this one's
//! descriptors: opening others, such as `/dev/null`, can fail by itself, and
//! would look like a verdict.

use std::ffi::CString;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use harness_proto::probe::ExecWay;
use harness_proto::{NOOP_EXIT_STATUS, Verdict};
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags};

use super::{broken, compat, odd, raw};

pub(super) fn execute(path: &str, by: ExecWay) -> Verdict {
    match by {
        ExecWay::Execve => by_name(path, path),
        ExecWay::ProcFd => match opened(path) {
            Err(broken) => broken,
            Ok(file) => by_name(path, &format!("/proc/self/fd/{}", file.as_raw_fd())),
        },
        ExecWay::Descriptor => match opened(path) {
            Err(broken) => broken,
            Ok(file) => by_descriptor(path, file),
        },
        ExecWay::Deleted => match opened(path) {
            Err(broken) => broken,
            Ok(file) => match rustix::fs::unlink(path) {
                Err(error) => broken(&format!("remove {path}: {error}")),
                Ok(()) => by_descriptor(path, file),
            },
        },
        ExecWay::AtFolder => match odd::folder_of(path) {
            Err(broken) => broken,
            Ok((folder, name)) => at_folder(path, folder, name),
        },
        ExecWay::Compat => compat_call(path),
        ExecWay::Memfd => match copied(path) {
            Err(error) => broken(&format!("copy {path} into memory: {error}")),
            Ok(file) => by_descriptor(path, file),
        },
    }
}

/// Left open for the child: `/proc/self/fd` of it is looked at.
fn opened(path: &str) -> Result<OwnedFd, Verdict> {
    rustix::fs::openat(CWD, path, OFlags::RDONLY, Mode::empty())
        .map_err(|error| broken(&format!("open {path}: {error}")))
}

fn copied(path: &str) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("copy", MemfdFlags::empty())?;
    let mut memory = std::fs::File::from(memory);
    memory.write_all(&std::fs::read(path)?)?;
    Ok(memory.into())
}

fn by_name(program: &str, name: &str) -> Verdict {
    judge(program, Command::new(name).arg("noop").status())
}

fn by_descriptor(program: &str, file: OwnedFd) -> Verdict {
    let arguments = arguments();
    let mut command = Command::new("/execveat/was/not/reached");
    raw::in_child(&mut command, move || {
        Err(raw::execute_at(file.as_fd(), c"", libc::AT_EMPTY_PATH, &arguments).into())
    });
    judge(program, command.status())
}

fn at_folder(program: &str, folder: OwnedFd, name: &str) -> Verdict {
    let Ok(name) = CString::new(name) else {
        return broken(&format!("{program:?} holds a zero byte"));
    };
    let arguments = arguments();
    let mut command = Command::new("/execveat/was/not/reached");
    raw::in_child(&mut command, move || {
        Err(raw::execute_at(folder.as_fd(), &name, 0, &arguments).into())
    });
    judge(program, command.status())
}

fn compat_call(program: &str) -> Verdict {
    let prepared = match compat::Execution::of(program, &["probe", "noop"]) {
        Ok(prepared) => prepared,
        Err(broken) => return broken,
    };
    let mut command = Command::new("/execve/was/not/reached");
    raw::in_child(&mut command, move || Err(prepared.call().into()));
    judge(program, command.status())
}

fn arguments() -> [CString; 2] {
    ["probe", "noop"].map(|word| CString::new(word).unwrap_or_default())
}

fn judge(program: &str, status: io::Result<ExitStatus>) -> Verdict {
    let status = match status {
        Ok(status) => status,
        // The errno of the call, brought over from the child.
        Err(error) => {
            return match error.raw_os_error() {
                Some(errno) => Verdict::Denied { errno },
                None => broken(&format!("execute {program}: {error}")),
            };
        }
    };
    match (status.code(), status.signal()) {
        (Some(NOOP_EXIT_STATUS), _) => Verdict::Allowed,
        (_, Some(signal)) => Verdict::Killed { signal },
        _ => broken(&format!(
            "{program} ran, but is not a copy of the probe: {status}"
        )),
    }
}
