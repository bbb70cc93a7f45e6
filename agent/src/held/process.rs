//! Who a process is, to the rules of a policy: what the programs read of the
//! task that tries something, read from `/proc`.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use aegisbpf_abi::{
    rule::EVERYONE,
    verdict::{Who, differs},
};

use super::{Ask, Trouble};
use crate::{image::Image, resolve::mounts};

/// A bit for each subject that a process is, and that of everyone.
pub(super) fn subjects(image: &Image, process: &Path, ask: &mut Ask<'_>) -> Result<u64, Trouble> {
    let program = ask(&process.join("exe"), false)?;
    let who = Who {
        program: program.map(|facts| facts.object).unwrap_or_default(),
        // By which no rule of a policy tells anybody apart.
        command: [0; 2],
        uid: user(&fs::read_to_string(process.join("status"))?).ok_or(Trouble::Refused)?,
        mount_namespace: u32::try_from(fs::metadata(process.join("ns/mnt"))?.ino())
            .unwrap_or_default(),
    };
    let listed = &image.subjects.list[..image.subjects.count as usize];
    let cgroups = if listed.iter().any(|subject| subject.cgroup_mask != 0) {
        cgroups(&fs::read_to_string(process.join("cgroup"))?)?
    } else {
        Vec::new()
    };
    let bits = listed.iter().enumerate().map(|(bit, subject)| {
        let cgroup = cgroups.get(subject.cgroup_level as usize).copied();
        u64::from(differs(subject, &who, cgroup.unwrap_or_default()) == 0) << bit
    });
    Ok(bits.fold(EVERYONE, |all, bit| all | bit))
}

/// The real user, in `status`.
fn user(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The ids of its cgroup and those above, from the root of the v2 hierarchy.
fn cgroups(text: &str) -> io::Result<Vec<u64>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let hierarchy = mounts(&table)
        .into_iter()
        .find(|mount| mount.kind == "cgroup2");
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"));
    let (Some(hierarchy), Some(path)) = (hierarchy, path) else {
        return Ok(Vec::new());
    };
    let mut folder = hierarchy.point;
    let mut ids = vec![fs::metadata(&folder)?.ino()];
    for name in path.split('/').filter(|name| !name.is_empty()) {
        folder.push(name);
        ids.push(fs::metadata(&folder)?.ino());
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::user;

    #[test]
    fn the_real_user_is_the_first_of_four() {
        assert_eq!(
            user("Name:\tx\nUid:\t7\t0\t0\t0\nGid:\t1\t1\t1\t1\n"),
            Some(7)
        );
        assert_eq!(user("Name:\tx\n"), None);
    }
}
