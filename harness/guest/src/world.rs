//! The worlds that batches work in.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use harness_proto::{Item, World};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};

use crate::attempt::{Attempt, AttemptError};
use crate::files;

/// Everyone may do everything: what stands in the way is the agent.
const MODE: u32 = 0o777;

/// Mount a file system in memory and make everything in it.
pub fn make(world: &World, probe: &Path) -> Result<(), AttemptError> {
    let root = Path::new(&world.root);
    files::make_folder(root)?;
    mount_tmpfs(root)?;
    world.items.iter().try_for_each(|item| one(item, probe))
}

/// Unmount it and everything in it.
pub fn end(root: &Path) -> Result<(), AttemptError> {
    unmount(root, UnmountFlags::DETACH).attempt(|| format!("unmount {}", root.display()))
}

fn one(item: &Item, probe: &Path) -> Result<(), AttemptError> {
    let what = || format!("make {item:?}");
    match item {
        Item::Folder(path) => {
            fs::create_dir(path).attempt(what)?;
            open_to_all(path)
        }
        Item::File(path) => {
            fs::write(path, "text").attempt(what)?;
            open_to_all(path)
        }
        Item::Program { path, salt } => {
            fs::copy(probe, path).attempt(what)?;
            let mut file = OpenOptions::new().append(true).open(path).attempt(what)?;
            file.write_all(&salt.to_le_bytes()).attempt(what)?;
            open_to_all(path)
        }
        Item::Symlink { path, target } => symlink(target, path).attempt(what),
        Item::Link { from, path } => fs::hard_link(from, path).attempt(what),
        Item::Tmpfs(at) => mount_tmpfs(Path::new(at)),
        Item::Bind { from, to } => mount_bind(from, to).attempt(what),
    }
}

fn mount_tmpfs(at: &Path) -> Result<(), AttemptError> {
    mount("world", at, "tmpfs", MountFlags::empty(), Some(c"mode=777"))
        .attempt(|| format!("mount a file system in memory at {}", at.display()))
}

/// Afterwards, where the process's mask takes nothing away.
fn open_to_all(path: &str) -> Result<(), AttemptError> {
    fs::set_permissions(path, Permissions::from_mode(MODE))
        .attempt(|| format!("change the mode of {path}"))
}
