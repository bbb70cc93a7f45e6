//! Making executables in tests.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A file with this content that can be executed at once. It is written by a
/// process of its own: a descriptor of ours would be open for a moment in every
/// child that another test starts just then, and while anybody has a file
/// open for writing, executing it fails with `ETXTBSY`.
pub(crate) fn make(path: &Path, content: &[u8]) {
    let source = path.with_extension("content");
    fs::write(&source, content).unwrap();
    let installed = Command::new("install")
        .args(["-m", "0755"])
        .args([&source, path])
        .status();
    assert!(installed.unwrap().success(), "{}", path.display());
    fs::remove_file(source).unwrap();
}
