//! Opening and naming a file by way of something that is made first: what was
//! made is no verdict, only the last call is.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use harness_proto::Verdict;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use super::{broken, denied, subject, verdict};

/// How often a link is opened while it leads here and there: each takes some
/// tens of microseconds.
const RACES: u32 = 3_000;

/// Words for what could not be prepared.
fn unready<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Verdict + '_ {
    move |error| broken(&format!("{what}: {error}"))
}

/// A descriptor of a file's folder, which opens nothing, and the file's name.
pub(super) fn folder_of(path: &str) -> Result<(OwnedFd, &str), Verdict> {
    let (folder, name) = path
        .rsplit_once('/')
        .ok_or_else(|| broken(&format!("{path} is in no folder")))?;
    let folder = if folder.is_empty() { "/" } else { folder };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, folder, flags, Mode::empty());
    Ok((opened.map_err(unready(&format!("open {folder}")))?, name))
}

/// A second link whose name is no text; gone again afterwards.
pub(super) fn raw_name(path: &str, flags: OFlags) -> Result<OwnedFd, Verdict> {
    let mut name = path.as_bytes().to_vec();
    name.extend(b"\xff\n");
    let name = OsStr::from_bytes(&name);
    rustix::fs::linkat(CWD, path, CWD, name, AtFlags::empty()).map_err(unready("link"))?;
    let opened = rustix::fs::openat(CWD, name, flags, Mode::empty()).map_err(denied);
    fs::remove_file(name).map_err(unready("remove the link"))?;
    opened
}

/// See [`harness_proto::probe::OpenWay::Raced`].
pub(super) fn raced(path: &str, flags: OFlags) -> Result<OwnedFd, Verdict> {
    let beside = |suffix: &str| format!("{path}.{suffix}");
    let (link, next, other) = (beside("link"), beside("next"), beside("other"));
    fs::write(&other, "other").map_err(unready("make the other file"))?;
    rustix::fs::symlinkat(&other, CWD, &link).map_err(unready("make the link"))?;
    let wanted = rustix::fs::stat(path).map_err(unready("look at the file"))?;
    let done = AtomicBool::new(false);
    let won = std::thread::scope(|scope| {
        let turns = scope.spawn(|| turn(&[path, &other], &next, &link, &done));
        let won = race(&link, flags, (wanted.st_dev, wanted.st_ino));
        done.store(true, Ordering::Relaxed);
        match turns.join() {
            Ok(Ok(())) => won,
            Ok(Err(error)) => Err(unready("turn the link")(error)),
            Err(_) => Err(broken("the thread panicked")),
        }
    });
    for name in [&link, &next, &other] {
        let _ = fs::remove_file(name);
    }
    won
}

fn turn(targets: &[&str], next: &str, link: &str, done: &AtomicBool) -> rustix::io::Result<()> {
    for target in targets.iter().cycle() {
        if done.load(Ordering::Relaxed) {
            break;
        }
        rustix::fs::symlinkat(*target, CWD, next)?;
        rustix::fs::renameat(CWD, next, CWD, link)?;
        std::thread::yield_now();
    }
    Ok(())
}

/// The file, if it was ever opened; else the errno of refusing it.
fn race(link: &str, flags: OFlags, wanted: (u64, u64)) -> Result<OwnedFd, Verdict> {
    let mut refused = None;
    for _ in 0..RACES {
        match rustix::fs::openat(CWD, link, flags, Mode::empty()) {
            Ok(file) => {
                let found = rustix::fs::fstat(&file).map_err(unready("look at what was opened"))?;
                if (found.st_dev, found.st_ino) == wanted {
                    return Ok(file);
                }
            }
            Err(errno) => refused = Some(errno),
        }
        std::thread::yield_now();
    }
    Err(refused.map_or_else(|| broken("the link never led to the file"), denied))
}

/// See [`harness_proto::probe::OpenWay::Pivoted`]. The first root cannot be
/// pivoted away from, so a bind mount of it becomes the root before. Mounts
/// are private in the guest, where nothing has shared them.
pub(super) fn pivoted(path: &str, flags: OFlags) -> Result<OwnedFd, Verdict> {
    let path = Path::new(path);
    let (folder, name) = path
        .parent()
        .zip(path.file_name())
        .ok_or_else(|| broken("it is in no folder"))?;
    subject::unshare_mounts().map_err(unready("take a mount namespace"))?;
    let (first, second) = ("/mnt/probe-root", "/mnt/probe-root/mnt/probe-folder");
    fs::create_dir_all(first).map_err(unready("make a folder"))?;
    fs::create_dir_all("/mnt/probe-folder").map_err(unready("make a folder"))?;
    rustix::mount::mount_bind("/", first).map_err(unready("bind the root"))?;
    rustix::mount::mount_bind(folder, second).map_err(unready("bind the folder"))?;
    rustix::process::chroot(first)
        .and_then(|()| rustix::process::chdir("/mnt/probe-folder"))
        .and_then(|()| rustix::process::pivot_root(".", "."))
        .map_err(unready("pivot_root"))?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)
        .and_then(|()| rustix::process::chdir("/"))
        .map_err(unready("leave the old root"))?;
    rustix::fs::openat(CWD, Path::new("/").join(name), flags, Mode::empty()).map_err(denied)
}

/// `O_TMPFILE`, then a name.
pub(super) fn link_nameless(path: &str) -> Verdict {
    let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, folder, flags, Mode::from_raw_mode(0o644)) {
        Err(Errno::OPNOTSUPP) => broken("the file system makes no files without a name"),
        Err(error) => broken(&format!("make a file without a name: {error}")),
        Ok(file) => {
            let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
            let follow = AtFlags::SYMLINK_FOLLOW;
            verdict(rustix::fs::linkat(CWD, nameless, CWD, path, follow))
        }
    }
}
