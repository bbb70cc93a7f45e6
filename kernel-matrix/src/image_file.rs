//! Reading an image that the user names: whatever the name leads to, it ends
//! soon.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;

use crate::payload::LARGEST_KERNEL;

/// The whole file. A folder, a pipe, a device or a file that is too long to be
/// a kernel is refused, not waited for.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Without the flag, opening a pipe waits for its writer.
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(refusal(format!(
            "it is {}; expected a regular file",
            kind(metadata.file_type())
        )));
    }
    let limit = LARGEST_KERNEL as u64;
    let mut image = Vec::new();
    if metadata.len() <= limit {
        // It may grow meanwhile.
        file.take(limit + 1).read_to_end(&mut image)?;
    }
    if metadata.len() > limit || image.len() as u64 > limit {
        return Err(refusal(format!(
            "it is longer than {} MiB; if it is a kernel with debugging information, `strip \
             --strip-debug` makes it short enough",
            limit >> 20
        )));
    }
    Ok(image)
}

fn refusal(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn kind(found: std::fs::FileType) -> &'static str {
    if found.is_dir() {
        "a folder"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_char_device() || found.is_block_device() {
        "a device"
    } else {
        "no file"
    }
}
