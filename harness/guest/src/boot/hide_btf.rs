//! A kernel with type information that looks like one built without.

use std::{fs, path::Path};

use harness_proto::HIDE_BTF;
use rustix::mount::{MountFlags, mount};

use crate::attempt::{Attempt, AttemptError};

const BTF_FOLDER: &str = "/sys/kernel/btf";

pub(super) fn if_told() -> Result<(), AttemptError> {
    let words =
        fs::read_to_string("/proc/cmdline").attempt(|| "read the kernel's command line".into())?;
    // Without the folder the kernel shows none by itself.
    if !is_told(&words) || !Path::new(BTF_FOLDER).exists() {
        return Ok(());
    }
    mount("nothing", BTF_FOLDER, "tmpfs", MountFlags::RDONLY, None)
        .attempt(|| format!("mount an empty tmpfs over {BTF_FOLDER}"))
}

fn is_told(words: &str) -> bool {
    words.split_whitespace().any(|word| word == HIDE_BTF)
}

#[cfg(test)]
mod tests {
    use super::is_told;

    #[test]
    fn only_the_whole_word_counts() {
        let check = |words, expected| assert_eq!(is_told(words), expected, "{words}");
        check("panic=-1 aegis.hide_btf lsm=bpf\n", true);
        check("panic=-1 aegis.hide_btf\n", true);
        check("panic=-1 aegis.hide_btf=0 no.aegis.hide_btf\n", false);
        check("", false);
    }
}
