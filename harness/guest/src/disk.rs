//! Mounting a disk that the kernel finds in its own time.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, mount};

use crate::attempt::{Attempt, AttemptError};
use crate::files;

/// Between two looks: nobody tells when the kernel makes a node of its own.
const LOOK: Duration = Duration::from_millis(10);

/// Mount it once it is there.
pub fn mount_disk(
    device: &str,
    kind: &str,
    target: &Path,
    deadline: Instant,
) -> Result<(), AttemptError> {
    files::make_folder(target)?;
    while !Path::new(device).exists() && Instant::now() < deadline {
        std::thread::sleep(LOOK);
    }
    mount(device, target, kind, MountFlags::empty(), None)
        .attempt(|| format!("mount {device} on {}", target.display()))
}
