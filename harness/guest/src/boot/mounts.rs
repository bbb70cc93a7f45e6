//! The file systems of the guest.

use std::fs;

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

use crate::attempt::{Attempt, AttemptError};

struct FileSystem {
    kind: &'static str,
    target: &'static str,
    /// A kernel without it can still run cells.
    optional: bool,
}

const fn needed(kind: &'static str, target: &'static str) -> FileSystem {
    FileSystem {
        kind,
        target,
        optional: false,
    }
}

const fn optional(kind: &'static str, target: &'static str) -> FileSystem {
    FileSystem {
        kind,
        target,
        optional: true,
    }
}

/// In the order they are mounted: later targets are folders of earlier ones.
const FILE_SYSTEMS: &[FileSystem] = &[
    needed("devtmpfs", "/dev"),
    needed("proc", "/proc"),
    needed("sysfs", "/sys"),
    needed("tmpfs", "/tmp"),
    needed("tmpfs", "/run"),
    // The files of a cell: never on the root, which is a ramfs on some
    // kernels and a tmpfs on others.
    needed("tmpfs", "/srv"),
    optional("securityfs", "/sys/kernel/security"),
    optional("bpf", "/sys/fs/bpf"),
    optional("cgroup2", "/sys/fs/cgroup"),
    optional("tracefs", "/sys/kernel/tracing"),
];

pub(super) fn mount_all() -> Result<(), AttemptError> {
    for file_system in FILE_SYSTEMS {
        match mount_one(file_system) {
            Ok(()) => {}
            Err(error) if file_system.optional => eprintln!("guest-runner: {error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn mount_one(file_system: &FileSystem) -> Result<(), AttemptError> {
    let FileSystem { kind, target, .. } = *file_system;
    if !target.starts_with("/sys/") {
        fs::create_dir_all(target).attempt(|| format!("make the folder {target}"))?;
    }
    match mount(kind, target, kind, MountFlags::empty(), None) {
        // The kernel has mounted devtmpfs by itself.
        Err(Errno::BUSY) => Ok(()),
        result => result.attempt(|| format!("mount {kind} on {target}")),
    }
}
