//! What this machine's kernel says of itself.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use harness_proto::{Facts, Feature};
use rustix::net::{AddressFamily, SocketType, ipproto, socket};

use crate::bpf;

pub(super) fn read() -> Facts {
    Facts {
        release: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        // A kernel without securityfs has no LSM that can be asked for.
        lsm: parse_lsm(&fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default()),
        bpf: loads_programs(),
        btf: File::open("/sys/kernel/btf/vmlinux").is_ok_and(is_btf),
        features: features(),
    }
}

fn features() -> BTreeSet<Feature> {
    // Absent, or hidden by the boot mode: no hook can be attached then.
    let types = fs::read("/sys/kernel/btf/vmlinux").unwrap_or_default();
    let file_systems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let has = |names: &[&str]| names.iter().all(|name| names_function(&types, name));
    [
        (Feature::SleepableLsm, has(&["bpf_lsm_is_sleepable_hook"])),
        (
            Feature::ImaFileHash,
            has(&["bpf_ima_file_hash", "ima_file_hash"]),
        ),
        (Feature::UsernsCreate, has(&["bpf_lsm_userns_create"])),
        (Feature::IoUring, io_uring::IoUring::new(1).is_ok()),
        (Feature::Mptcp, has_mptcp()),
        (Feature::Overlay, has_file_system(&file_systems, "overlay")),
        (Feature::RamDisk, Path::new("/dev/ram0").exists()),
    ]
    .into_iter()
    .filter_map(|(feature, found)| found.then_some(feature))
    .collect()
}

/// Whether the type information has such a name, as a whole.
fn names_function(types: &[u8], name: &str) -> bool {
    memchr::memmem::find(types, format!("\0{name}\0").as_bytes()).is_some()
}

fn has_mptcp() -> bool {
    socket(
        AddressFamily::INET,
        SocketType::STREAM,
        Some(ipproto::MPTCP),
    )
    .is_ok()
}

fn has_file_system(list: &str, name: &str) -> bool {
    list.lines()
        .any(|line| line.split_whitespace().next_back() == Some(name))
}

fn loads_programs() -> bool {
    match bpf::load_smallest_program() {
        Ok(()) => true,
        Err(error) => {
            // The console keeps it, should the answer come as a surprise.
            eprintln!("guest-runner: {error}");
            false
        }
    }
}

/// The file is there whenever the kernel's image has such a section; whether
/// it is type information, its first bytes tell.
fn is_btf(mut file: impl Read) -> bool {
    const MAGIC: u16 = 0xeb9f;
    let mut magic = [0; 2];
    let read: io::Result<()> = file.read_exact(&mut magic);
    read.is_ok() && u16::from_ne_bytes(magic) == MAGIC
}

fn parse_lsm(text: &str) -> Vec<String> {
    text.trim()
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{has_file_system, is_btf, names_function, parse_lsm};

    #[test]
    fn the_active_lsms_keep_their_order() {
        let check = |text, expected: &[&str]| assert_eq!(parse_lsm(text), expected);
        check(
            "lockdown,capability,bpf",
            &["lockdown", "capability", "bpf"],
        );
        check("capability\n", &["capability"]);
        check("", &[]);
    }

    #[test]
    fn type_information_is_known_by_its_magic() {
        let magic = 0xeb9f_u16.to_ne_bytes();
        assert!(is_btf(&[magic[0], magic[1], 1, 0][..]));
        assert!(!is_btf(&[0, 0, 1, 0][..]));
        assert!(!is_btf(&magic[..1]));
    }

    #[test]
    fn names_count_only_as_a_whole() {
        let types = b"\0ima_file_hash_of\0bpf_lsm_x\0";
        assert!(names_function(types, "bpf_lsm_x"));
        assert!(!names_function(types, "ima_file_hash"));
        let list = "nodev\ttmpfs\n\text4\n";
        assert!(has_file_system(list, "tmpfs") && has_file_system(list, "ext4"));
        assert!(!has_file_system(list, "nodev"));
    }
}
