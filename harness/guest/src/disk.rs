//! Mounting a disk that the kernel finds in its own time, and one in memory.

use std::ffi::CString;
use std::path::Path;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::mount::{MountFlags, mount};

use crate::attempt::{Attempt, AttemptError};
use crate::files;

/// Mount it once it is there.
pub fn mount_disk(
    device: &str,
    kind: &str,
    target: &Path,
    deadline: Instant,
) -> Result<(), AttemptError> {
    files::make_folder(target)?;
    await_node(Path::new(device), deadline).attempt(|| format!("wait for {device}"))?;
    mount(device, target, kind, MountFlags::empty(), None)
        .attempt(|| format!("mount {device} on {}", target.display()))
}

/// Mount a tmpfs of this size.
pub fn mount_memory(target: &Path, bytes: u64) -> Result<(), AttemptError> {
    files::make_folder(target)?;
    let attempt = || format!("mount a tmpfs of {bytes} bytes on {}", target.display());
    let options = CString::new(format!("size={bytes}")).attempt(attempt)?;
    mount(
        "tmpfs",
        target,
        "tmpfs",
        MountFlags::empty(),
        Some(options.as_c_str()),
    )
    .attempt(attempt)
}

/// Until it is there, or the time is up.
fn await_node(node: &Path, deadline: Instant) -> rustix::io::Result<()> {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let folder = node.parent().unwrap_or(Path::new("/"));
    // Watched before it is looked for, so that it cannot come in between.
    inotify::add_watch(&watch, folder, inotify::WatchFlags::CREATE)?;
    let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 1024];
    while !node.exists() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let left = Timespec::try_from(left).map_err(|_| rustix::io::Errno::INVAL)?;
        poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&left))?;
        let mut events = inotify::Reader::new(&watch, &mut buffer);
        while events.next().is_ok() {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::await_node;
    use std::time::{Duration, Instant};

    #[test]
    fn a_node_that_comes_later_is_waited_for_and_no_longer_than_told() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("disk");
        let soon = Instant::now() + Duration::from_millis(50);
        await_node(&node, soon).unwrap();
        assert!(Instant::now() >= soon);
        let made = node.clone();
        let maker = std::thread::spawn(move || std::fs::write(made, "").unwrap());
        await_node(&node, Instant::now() + Duration::from_mins(1)).unwrap();
        assert!(node.exists());
        maker.join().unwrap();
    }
}
