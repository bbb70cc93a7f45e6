//! The files of the repository, without what git ignores.

use std::path::PathBuf;

use ignore::WalkBuilder;
use xtask::workspace;

/// A file of the repository.
pub(crate) struct File {
    /// Relative to the root, with slashes.
    pub(crate) name: String,
    path: PathBuf,
}

impl File {
    /// Its content, if it is text.
    pub(crate) fn text(&self) -> Option<String> {
        String::from_utf8(std::fs::read(&self.path).expect("a listed file can be read")).ok()
    }
}

/// All of them, in order. Walks the folders rather than asking git, which
/// refuses where the repository belongs to another user.
pub(crate) fn files() -> Vec<File> {
    let root = workspace::root();
    let files: Vec<_> = WalkBuilder::new(&root)
        .hidden(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_path(Ord::cmp)
        .build()
        .map(|entry| entry.expect("the repository can be walked"))
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(|entry| File {
            name: entry
                .path()
                .strip_prefix(&root)
                .expect("below the root")
                .to_string_lossy()
                .into_owned(),
            path: entry.into_path(),
        })
        .collect();
    // Guards every rule against passing because it looked at nothing.
    for known in ["Cargo.lock", ".ci/run", "xtask/tests/tidy/tree.rs"] {
        assert!(files.iter().any(|file| file.name == known), "no {known}");
    }
    files
}
