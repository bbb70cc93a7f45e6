//! File systems that are not where they were.

use std::fs;
use std::path::Path;

use rustix::fs::statfs;
use rustix::mount::{MountFlags, mount};

use super::disk::take_off;
use super::{Guard, not_in_place};
use crate::attempt::{Attempt, AttemptError};

/// What is beneath goes on, and is there again afterwards.
pub(super) fn cover(at: &Path) -> Result<Guard, AttemptError> {
    let attempt = || format!("cover {}", at.display());
    mount("cover", at, "tmpfs", MountFlags::empty(), None).attempt(attempt)?;
    let place = at.to_owned();
    let guard = Guard::new(move || take_off(&place));
    match fs::read_dir(at).attempt(attempt)?.next() {
        None => Ok(guard),
        Some(entry) => Err(not_in_place(attempt(), format!("{entry:?}"))),
    }
}

/// What only it held is gone, unless somebody has it open.
pub(super) fn unmount(at: &Path) -> Result<Guard, AttemptError> {
    let attempt = || format!("unmount {}", at.display());
    let mounts = fs::read_to_string("/proc/self/mounts").attempt(attempt)?;
    let kind = kind_of(&mounts, at).map(str::to_owned);
    let kind = kind.ok_or_else(|| not_in_place(attempt(), "nothing is mounted there"))?;
    let before = statfs(at).attempt(attempt)?.f_type;
    take_off(at)?;
    let place = at.to_owned();
    let again = kind.clone();
    let guard = Guard::new(move || {
        let attempt = || format!("mount {again} on {} again", place.display());
        mount(&again, &place, &again, MountFlags::empty(), None).attempt(attempt)
    });
    if statfs(at).attempt(attempt)?.f_type == before {
        return Err(not_in_place(attempt(), format!("there is another {kind}")));
    }
    Ok(guard)
}

/// The topmost one.
fn kind_of<'a>(mounts: &'a str, at: &Path) -> Option<&'a str> {
    let mounted = |line: &'a str| {
        let mut words = line.split(' ').skip(1);
        let place = words.next()?;
        words.next().filter(|_| Path::new(place) == at)
    };
    mounts.lines().rev().find_map(mounted)
}

#[cfg(test)]
mod tests {
    use super::kind_of;
    use std::path::Path;

    #[test]
    fn the_mount_on_top_is_the_one_that_is_seen() {
        let mounts = "tmpfs /run tmpfs rw 0 0\nbpf /sys/fs/bpf bpf rw 0 0\nx /run ext4 rw 0 0\n";
        let check = |at: &str, kind| assert_eq!(kind_of(mounts, Path::new(at)), kind, "{at}");
        check("/run", Some("ext4"));
        check("/sys/fs/bpf", Some("bpf"));
        check("/sys/fs", None);
    }
}
