//! What is done to the tree of mounts.

use std::ffi::CString;
use std::fs::{self, File};
use std::path::Path;

use harness_proto::probe::MountProbe;
use harness_proto::{MOUNT_NAMESPACES_DIR, Verdict};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags, fsconfig_create, fsmount, fsopen, mount, mount_bind, mount_move, mount_remount,
    move_mount, open_tree, unmount,
};

use super::{broken, subject, verdict};

pub(super) fn perform(probe: &MountProbe) -> Verdict {
    match probe {
        MountProbe::Tmpfs { at } => verdict(mount("probe", at, "tmpfs", MountFlags::empty(), None)),
        MountProbe::Overlay {
            lower,
            upper,
            work,
            at,
        } => {
            let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
            match CString::new(options) {
                Ok(options) => verdict(mount(
                    "probe",
                    at,
                    "overlay",
                    MountFlags::empty(),
                    Some(options.as_c_str()),
                )),
                Err(_) => broken("a path holds a zero byte"),
            }
        }
        MountProbe::Bind { from, to } => verdict(mount_bind(from, to)),
        MountProbe::Move { from, to } => verdict(mount_move(from, to)),
        MountProbe::Remount { at } => verdict(mount_remount(at, MountFlags::RDONLY, "")),
        MountProbe::OpenTree { from, to } => verdict(clone_tree(from, to)),
        MountProbe::Fsmount { at } => verdict(mount_new(at)),
        MountProbe::Umount { at } => verdict(unmount(at, UnmountFlags::DETACH)),
        MountProbe::PivotRoot { root, old } => verdict(rustix::process::pivot_root(root, old)),
        MountProbe::Chroot { root } => verdict(rustix::process::chroot(root)),
        MountProbe::KeepNamespace { name } => keep_namespace(name),
    }
}

fn clone_tree(from: &str, to: &str) -> rustix::io::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, from, flags)?;
    move_mount(tree, "", CWD, to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn mount_new(at: &str) -> rustix::io::Result<()> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let tree = fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )?;
    move_mount(tree, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// A thread takes a mount namespace of its own; this one, still in the old
/// namespace, pins it by a bind mount, which outlives both.
fn keep_namespace(name: &str) -> Verdict {
    let place = Path::new(MOUNT_NAMESPACES_DIR).join(name);
    let prepared = fs::create_dir_all(MOUNT_NAMESPACES_DIR).and_then(|()| File::create(&place));
    if let Err(error) = prepared {
        return broken(&format!("make {}: {error}", place.display()));
    }
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let taken = subject::unshare_mounts();
            let _ = ready.send(taken.map(|()| rustix::thread::gettid()));
            // Until the other side is done, or gone.
            let _ = is_done.recv();
        });
        let pinned = match is_ready.recv() {
            Ok(Ok(thread)) => {
                let thread = thread.as_raw_nonzero();
                let namespace = format!("/proc/self/task/{thread}/ns/mnt");
                verdict(mount_bind(namespace, &place))
            }
            Ok(Err(error)) => verdict(Err::<(), _>(error)),
            Err(_) => broken("the thread ended early"),
        };
        drop(done);
        pinned
    })
}
