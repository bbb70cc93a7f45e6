//! The kernel's own modules, and a disk in memory.

use std::{
    ffi::CStr,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use harness_proto::{DISK_IMAGE, RAM_DISK};
use rustix::system::init_module;

use crate::attempt::{Attempt, AttemptError};

/// Where the host's archive puts them.
const FOLDER: &str = "/modules";
/// Bytes that are written to the disk at a time; a part that is all zeros is
/// not, and takes no memory.
const BLOCK: usize = 4096;

/// A module that this kernel refuses is named on the console: what is missing
/// then, the facts tell.
pub(super) fn load_all() -> Result<(), AttemptError> {
    let entries = match fs::read_dir(FOLDER) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.attempt(|| format!("list {FOLDER}"))?,
    };
    for entry in entries {
        let path = entry.attempt(|| format!("list {FOLDER}"))?.path();
        let module = fs::read(&path).attempt(|| format!("read {}", path.display()))?;
        let parameters = parameters(&path);
        // A kernel whose own type information is malformed refuses modules that
        // have some.
        let loaded = init_module(&module, parameters)
            .or_else(|_| init_module(&without_types(module), parameters));
        if let Err(error) = loaded {
            eprintln!("guest-runner: load {}: {error}", path.display());
        }
    }
    fs::remove_dir_all(FOLDER).attempt(|| format!("remove {FOLDER}"))
}

/// The module with another name for the section that holds its types, and
/// without its signature, which is good no more: a wrong one is refused, none
/// is not.
fn without_types(mut module: Vec<u8>) -> Vec<u8> {
    const NAME: &[u8] = b"\0.BTF\0";
    const SIGNED: &[u8] = b"~Module signature appended~\n";
    // Before the mark: the signature and 12 bytes, the last 4 of which say how
    // long the signature is.
    if let Some(rest) = module.strip_suffix(SIGNED)
        && let Some((before, length)) = rest.split_last_chunk()
    {
        let length = u32::from_be_bytes(*length) as usize;
        let left = before.len().saturating_sub(8 + length);
        module.truncate(left);
    }
    let places: Vec<usize> = memchr::memmem::find_iter(&module, NAME).collect();
    for place in places {
        module[place + 1] = b'_';
    }
    module
}

fn parameters(module: &Path) -> &'static CStr {
    match module.file_stem().and_then(|name| name.to_str()) {
        // Two disks, so that one can be left alone; in KiB.
        Some("brd") => c"rd_nr=2 rd_size=16384",
        _ => c"",
    }
}

/// Write the image that the host gave to the first disk, if there are both.
pub(super) fn fill_disk() -> Result<(), AttemptError> {
    if !Path::new(DISK_IMAGE).exists() || !Path::new(RAM_DISK).exists() {
        return Ok(());
    }
    let image = fs::read(DISK_IMAGE).attempt(|| format!("read {DISK_IMAGE}"))?;
    let write = || -> io::Result<()> {
        let disk = OpenOptions::new().write(true).open(RAM_DISK)?;
        for (number, block) in (0..).zip(image.chunks(BLOCK)) {
            if block.iter().any(|byte| *byte != 0) {
                disk.write_all_at(block, number * BLOCK as u64)?;
            }
        }
        disk.sync_all()
    };
    write().attempt(|| format!("write {DISK_IMAGE} to {RAM_DISK}"))?;
    fs::remove_file(DISK_IMAGE).attempt(|| format!("remove {DISK_IMAGE}"))
}

#[cfg(test)]
mod tests {
    use super::without_types;

    #[test]
    fn only_the_name_of_the_section_with_types_changes() {
        let module = b"\0.text\0.BTF\0.BTF.ext\0data".to_vec();
        let expected = b"\0.text\0_BTF\0.BTF.ext\0data";
        assert_eq!(without_types(module.clone()), expected);
        let head = [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        let signed = [
            &module[..],
            b"12345",
            &head,
            b"~Module signature appended~\n",
        ]
        .concat();
        assert_eq!(without_types(signed), expected);
    }
}
