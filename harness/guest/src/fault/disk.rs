//! No room, read-only, slow.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::fs::statvfs;
use rustix::mount::{MountFlags, UnmountFlags, mount_bind, mount_remount, unmount};

use super::freeze::{freeze, thaw};
use super::{Guard, not_in_place};
use crate::attempt::{Attempt, AttemptError};

/// More than this is not filled: it may be the machine's memory.
const MOST_BYTES: u64 = 64 << 20;
const FILLER: &str = ".filler";
const CHUNK_BYTES: usize = 64 * 1024;

pub(super) fn fill(at: &Path) -> Result<Guard, AttemptError> {
    let attempt = || format!("fill {}", at.display());
    let size = statvfs(at).attempt(attempt)?;
    let bytes = size.f_blocks.saturating_mul(size.f_frsize);
    if bytes == 0 || bytes > MOST_BYTES {
        let problem = format!("{bytes} bytes: mount a small file system of its own there");
        return Err(AttemptError {
            attempt: attempt(),
            source: io::Error::other(problem),
        });
    }
    let filler = at.join(FILLER);
    let path = filler.clone();
    let guard =
        Guard::new(move || fs::remove_file(&path).attempt(|| format!("remove {}", path.display())));
    let mut file = File::create(&filler).attempt(attempt)?;
    // The rest of a chunk may fit where the whole does not.
    for chunk in [CHUNK_BYTES, 512, 1] {
        fill_with(&mut file, &vec![0; chunk]).attempt(attempt)?;
    }
    file.sync_all().attempt(attempt)?;
    match append(at, "x") {
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(guard),
        other => Err(not_in_place(attempt(), format!("{other:?}"))),
    }
}

fn fill_with(file: &mut File, chunk: &[u8]) -> io::Result<()> {
    loop {
        match file.write_all(chunk) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Try to keep something in a new file; it is removed again.
fn append(at: &Path, text: &str) -> io::Result<()> {
    let path = at.join(".trial");
    let tried = File::create(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => tried.and(Err(error)),
        _ => tried,
    }
}

/// By a mount of the folder on itself: that of the whole file system is refused
/// while anybody has a file of it open for writing.
pub(super) fn make_read_only(at: &Path) -> Result<Guard, AttemptError> {
    let attempt = || format!("make {} read-only", at.display());
    mount_bind(at, at).attempt(attempt)?;
    let place = at.to_owned();
    let guard = Guard::new(move || take_off(&place));
    mount_remount(at, MountFlags::BIND | MountFlags::RDONLY, "").attempt(attempt)?;
    match append(at, "x") {
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Ok(guard),
        other => Err(not_in_place(attempt(), format!("{other:?}"))),
    }
}

pub(super) fn take_off(at: &Path) -> Result<(), AttemptError> {
    unmount(at, UnmountFlags::DETACH).attempt(|| format!("unmount {}", at.display()))
}

/// A thread freezes and thaws it in turn until it is told to stop, which it
/// never does while it is frozen.
pub(super) fn slow_down(at: &Path, stall_ms: u64) -> Result<Guard, AttemptError> {
    let attempt = || format!("freeze {}", at.display());
    let folder = File::open(at).attempt(attempt)?;
    freeze(&folder).attempt(attempt)?;
    let (stop, stopped) = mpsc::channel::<()>();
    let path = at.to_owned();
    let stall = Duration::from_millis(stall_ms);
    let thread = thread::spawn(move || alternate(&path, &folder, stall, &stopped));
    let place = at.to_owned();
    Ok(Guard::new(move || {
        drop(stop);
        let ended = thread.join();
        ended.unwrap_or_else(|_| Err(not_in_place(format!("thaw {}", place.display()), "panic")))
    }))
}

fn alternate(
    path: &Path,
    folder: &File,
    stall: Duration,
    stopped: &mpsc::Receiver<()>,
) -> Result<(), AttemptError> {
    loop {
        let told = stopped.recv_timeout(stall);
        thaw(folder).attempt(|| format!("thaw {}", path.display()))?;
        if told != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
        if stopped.recv_timeout(stall / 5) != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
        freeze(folder).attempt(|| format!("freeze {}", path.display()))?;
    }
}
