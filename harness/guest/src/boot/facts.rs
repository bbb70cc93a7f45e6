//! What this machine's kernel says of itself.

use std::{
    fs::{self, File},
    io::{self, Read},
};

use harness_proto::Facts;

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
    }
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
    use super::{is_btf, parse_lsm};

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
}
