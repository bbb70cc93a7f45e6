//! What this machine's kernel says of itself.

use std::fs;

use harness_proto::Facts;

pub(super) fn read() -> Facts {
    Facts {
        release: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        // A kernel without securityfs has no LSM that can be asked for.
        lsm: parse_lsm(&fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default()),
        btf: fs::metadata("/sys/kernel/btf/vmlinux").is_ok_and(|file| file.len() > 0),
    }
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
    use super::parse_lsm;

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
}
