//! Opening a file, in every way there is.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use harness_proto::Verdict;
use harness_proto::probe::{Access, OpenWay};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use super::{broken, compat, denied, odd, raw, ring, verdict};

pub(super) fn open(path: &str, access: Access, by: OpenWay, cwd: Option<&str>) -> Verdict {
    if let Some(cwd) = cwd
        && let Err(error) = rustix::process::chdir(cwd)
    {
        return broken(&format!("change to the folder {cwd}: {error}"));
    }
    match open_by(path, access, by) {
        Err(verdict) => verdict,
        Ok(file) => match access {
            Access::Read | Access::ReadWrite => read(&file),
            Access::Write | Access::Append | Access::Truncate | Access::Create => Verdict::Allowed,
        },
    }
}

fn read(file: &OwnedFd) -> Verdict {
    verdict(rustix::io::read(file, &mut [0_u8; 1]))
}

/// The file, or the verdict of opening it.
pub(super) fn open_by(path: &str, access: Access, by: OpenWay) -> Result<OwnedFd, Verdict> {
    let flags = flags(access) | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    match by {
        OpenWay::Openat => rustix::fs::openat(CWD, path, flags, mode).map_err(denied),
        OpenWay::Openat2 => {
            // Like openat(2), it takes a mode only when it may make a file.
            let mode = if access == Access::Create {
                mode
            } else {
                Mode::empty()
            };
            rustix::fs::openat2(CWD, path, flags, mode, ResolveFlags::empty()).map_err(denied)
        }
        OpenWay::Reopened => {
            let place = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, mode)
                .map_err(|error| broken(&format!("open {path} with O_PATH: {error}")))?;
            let again = format!("/proc/self/fd/{}", place.as_raw_fd());
            rustix::fs::openat(CWD, again, flags, mode).map_err(denied)
        }
        OpenWay::ProcRoot => {
            let path = format!("/proc/self/root{path}");
            rustix::fs::openat(CWD, path, flags, mode).map_err(denied)
        }
        OpenWay::Handle => by_handle(path, flags),
        OpenWay::AtFolder => {
            let (folder, name) = odd::folder_of(path)?;
            rustix::fs::openat(folder, name, flags, mode).map_err(denied)
        }
        OpenWay::InRoot => {
            let (folder, name) = odd::folder_of(path)?;
            let root = ResolveFlags::IN_ROOT;
            rustix::fs::openat2(folder, format!("/{name}"), flags, Mode::empty(), root)
                .map_err(denied)
        }
        OpenWay::ProcCwd => {
            let (folder, name) = odd::folder_of(path)?;
            rustix::process::fchdir(folder)
                .map_err(|error| broken(&format!("change to the folder of {path}: {error}")))?;
            let path = format!("/proc/self/cwd/{name}");
            rustix::fs::openat(CWD, path, flags, mode).map_err(denied)
        }
        OpenWay::RawName => odd::raw_name(path, flags),
        OpenWay::Raced => odd::raced(path, flags),
        OpenWay::Pivoted => odd::pivoted(path, flags),
        OpenWay::Compat => compat::open(path, flags),
        OpenWay::IoUring => {
            let path = text(path)?;
            let flags = i32::try_from(flags.bits()).unwrap_or_default();
            ring::open(&path, flags)
                .map_err(|error| ring::unavailable(&error))?
                .map_err(denied)
        }
    }
}

fn flags(access: Access) -> OFlags {
    match access {
        Access::Read => OFlags::RDONLY,
        Access::Write => OFlags::WRONLY,
        Access::ReadWrite => OFlags::RDWR,
        Access::Append => OFlags::WRONLY | OFlags::APPEND,
        Access::Truncate => OFlags::WRONLY | OFlags::TRUNC,
        Access::Create => OFlags::WRONLY | OFlags::CREATE,
    }
}

fn by_handle(path: &str, flags: OFlags) -> Result<OwnedFd, Verdict> {
    let handle = raw::name_to_handle(&text(path)?)
        .map_err(|error| broken(&format!("ask for the handle of {path}: {error}")))?;
    let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
    let folder = rustix::fs::openat(
        CWD,
        folder,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| broken(&format!("open the folder of {path}: {error}")))?;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    raw::open_by_handle(folder.as_fd(), &handle, flags).map_err(denied)
}

/// As system calls take it.
pub(super) fn text(path: &str) -> Result<CString, Verdict> {
    CString::new(path).map_err(|_| broken(&format!("{path:?} holds a zero byte")))
}
