//! Where things are: the source tree, cargo's target folder, the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

/// The root of the source tree this xtask was built from.
///
/// Cargo sets the variable for `cargo run` and `cargo test`; the path known at
/// compile time serves a directly started executable.
pub fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest
        .parent()
        .map_or_else(|| manifest.clone(), Path::to_path_buf)
}

/// Cargo's target folder: `CARGO_TARGET_DIR`, else `target` in the root.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => std::path::absolute(&dir).unwrap_or_else(|_| dir.into()),
        None => root().join("target"),
    }
}

/// Where downloads and tools are kept between runs.
pub fn cache_dir() -> Result<PathBuf> {
    Ok(std::path::absolute(kernel_matrix::cache::folder()?)?)
}

/// The commit that is checked out, marked when the tree differs from it.
pub fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .current_dir(root())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
