//! The work of the `probe` executable: one action, one verdict.
//!
//! What the kernel answered is the verdict; what the probe itself could not
//! do is [`Verdict::Broken`], so that a broken probe never looks like a
//! denial.

mod connect;
mod execute;
mod flood;

use harness_proto::{Access, Probe, Verdict};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// Do it, in this process.
pub fn perform(probe: &Probe) -> Verdict {
    match probe {
        Probe::Open { path, access, cwd } => open(path, *access, cwd.as_deref()),
        Probe::Exec { path } => execute::execute(path),
        Probe::Connect { transport, address } => connect::connect(*transport, *address),
        Probe::Rename { from, to } => verdict(rustix::fs::renameat_with(
            CWD,
            from,
            CWD,
            to,
            RenameFlags::empty(),
        )),
        Probe::Link { from, to } => {
            verdict(rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty()))
        }
        Probe::Symlink { target, path } => verdict(rustix::fs::symlinkat(target, CWD, path)),
        Probe::Unlink { path } => verdict(rustix::fs::unlinkat(CWD, path, AtFlags::empty())),
        Probe::Create { path } => create(path),
        Probe::Flood { open: file, times } => {
            flood::flood(*times, || open(&file.path, Access::Read, None))
        }
        Probe::BindMount { from, to } => verdict(rustix::mount::mount_bind(from, to)),
    }
}

fn verdict<T>(result: rustix::io::Result<T>) -> Verdict {
    result.map_or_else(denied, |_| Verdict::Allowed)
}

fn denied(errno: Errno) -> Verdict {
    Verdict::Denied {
        errno: errno.raw_os_error(),
    }
}

fn open(path: &str, access: Access, cwd: Option<&str>) -> Verdict {
    if let Some(cwd) = cwd
        && let Err(error) = rustix::process::chdir(cwd)
    {
        return Verdict::Broken {
            message: format!("change to the folder {cwd}: {error}"),
        };
    }
    let flags = match access {
        Access::Read => OFlags::RDONLY,
        Access::Write => OFlags::WRONLY,
    };
    let opened = rustix::fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty());
    verdict(opened.and_then(|file| match access {
        Access::Read => rustix::io::read(file, &mut [0_u8; 1]).map(drop),
        Access::Write => Ok(()),
    }))
}

fn create(path: &str) -> Verdict {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    verdict(rustix::fs::openat(CWD, path, flags, mode))
}
