//! What this kernel, as booted, can do. Read from the kernel itself, never
//! from its version.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use rustix::fs::statfs;

use crate::paths;

const LSM_LIST: &str = "/sys/kernel/security/lsm";
const BTF: &str = "/sys/kernel/btf/vmlinux";
const BTF_MAGIC: u16 = 0xeb9f;
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// Why LSM programs cannot run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LsmObstacle {
    /// `bpf` is not among the active LSMs: programs would load and attach and
    /// never be called.
    NotActive {
        /// The active ones.
        active: Vec<String>,
    },
    /// The list cannot be read, so nobody knows.
    ListUnreadable {
        /// The system's error.
        problem: String,
    },
    /// Without BTF no program can attach to an LSM hook.
    NoBtf,
}

impl fmt::Display for LsmObstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotActive { active } => write!(
                formatter,
                "BPF LSM is not active (active: {}); boot with `lsm={},bpf`",
                active.join(","),
                active.join(",")
            ),
            Self::ListUnreadable { problem } => write!(
                formatter,
                "cannot read {LSM_LIST}: {problem}; mount securityfs on /sys/kernel/security"
            ),
            Self::NoBtf => write!(
                formatter,
                "the kernel has no valid BTF in {BTF}; it needs CONFIG_DEBUG_INFO_BTF=y"
            ),
        }
    }
}

/// `Ok` when LSM programs can run; whether they really do, a canary shows.
pub fn lsm() -> Result<(), LsmObstacle> {
    let list = fs::read_to_string(LSM_LIST).map_err(|error| LsmObstacle::ListUnreadable {
        problem: error.to_string(),
    })?;
    judge(&list, has_btf())
}

fn judge(list: &str, has_btf: bool) -> Result<(), LsmObstacle> {
    let active: Vec<String> = list.trim().split(',').map(str::to_owned).collect();
    if !active.iter().any(|name| name == "bpf") {
        return Err(LsmObstacle::NotActive { active });
    }
    if has_btf {
        Ok(())
    } else {
        Err(LsmObstacle::NoBtf)
    }
}

/// Whether the kernel describes its types. The file alone says nothing: a
/// kernel that found its BTF broken shows it all the same.
pub fn has_btf() -> bool {
    let mut magic = [0; 2];
    let read = File::open(BTF).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && u16::from_ne_bytes(magic) == BTF_MAGIC
}

/// `Ok` when the kernel takes programs from us at all.
pub fn programs_load() -> Result<(), String> {
    // aya asks the kernel to load the smallest program that uses global data,
    // which every kernel since 5.2 can.
    if aya::features().bpf_global_data() {
        Ok(())
    } else {
        Err(
            "the kernel loads no BPF program: this needs CAP_BPF and CAP_PERFMON (or root), \
             CONFIG_BPF_SYSCALL=y, no lockdown, and a kernel whose BTF is not malformed (see `dmesg`)"
                .into(),
        )
    }
}

/// The kernel's BTF.
pub fn read_btf() -> io::Result<Vec<u8>> {
    fs::read(BTF)
}

/// Whether a BPF file system is mounted where pins go.
pub fn bpffs() -> Result<(), String> {
    let mend = format!("mount it: mount -t bpf bpf {}", paths::BPFFS);
    match statfs(Path::new(paths::BPFFS)) {
        Ok(status) if status.f_type == BPF_FS_MAGIC => Ok(()),
        Ok(_) => Err(format!("{} is no BPF file system; {mend}", paths::BPFFS)),
        Err(error) => Err(format!("{}: {error}; {mend}", paths::BPFFS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_list_with_bpf_and_btf_can_enforce() {
        assert_eq!(judge("lockdown,capability,bpf\n", true), Ok(()));
        assert_eq!(judge("lockdown,bpf", false), Err(LsmObstacle::NoBtf));
        let obstacle = judge("lockdown,bpfilter", true).unwrap_err();
        assert!(matches!(obstacle, LsmObstacle::NotActive { .. }));
    }
}
