//! Whether a case can be made and tried at all: one that was made smaller may
//! name what is no longer there.

use std::collections::BTreeSet;

use harness_proto::Item;
use scenarios::{
    Target,
    rule::{FileObject, Programs},
};

use crate::case::Case;

impl Case {
    /// Whether everything that must be there is.
    pub fn is_sound(&self) -> bool {
        let mut there = BTreeSet::from([self.world.root.as_str()]);
        let mut folders = there.clone();
        let mut links = BTreeSet::new();
        for item in &self.world.items {
            let (path, needed) = match item {
                Item::Folder(path) | Item::File(path) | Item::Program { path, .. } => (path, None),
                Item::Symlink { path, target } => (path, Some(target)),
                Item::Link { from, path } => (path, Some(from)),
                Item::Tmpfs(at) => (at, Some(at)),
                Item::Bind { from, to } => (to, Some(from)),
            };
            if !folders.contains(folder_of(path)) {
                return false;
            }
            if needed.is_some_and(|needed| !there.contains(needed.as_str())) {
                return false;
            }
            match item {
                Item::Tmpfs(at) | Item::Bind { to: at, .. } => {
                    if !folders.contains(at.as_str()) {
                        return false;
                    }
                }
                Item::Folder(_) => {
                    folders.insert(path);
                }
                Item::Symlink { .. } => {
                    links.insert(path.as_str());
                }
                Item::File(_) | Item::Program { .. } | Item::Link { .. } => {}
            }
            there.insert(path);
        }
        self.rules.iter().all(|rule| match &rule.target {
            Target::File { object, .. } => match object {
                FileObject::InodeOf(path) => there.contains(path.as_str()),
                FileObject::Path(path) => fits(path, &there, &folders),
                FileObject::Subtree(path) => {
                    fits(path, &there, &folders) && is_folder(path, &there, &folders, &links)
                }
            },
            Target::Exec(programs) => match programs {
                Programs::Path(path) => fits(path, &there, &folders),
                Programs::Subtree(path) => {
                    fits(path, &there, &folders) && is_folder(path, &there, &folders, &links)
                }
                Programs::Sha256Of(path) => there.contains(path.as_str()),
                Programs::AllBut(_) => true,
            },
            Target::Network(_) | Target::Kernel(_) => true,
        })
    }
}

/// Nothing but folders is on the way to it.
fn fits(path: &str, there: &BTreeSet<&str>, folders: &BTreeSet<&str>) -> bool {
    let mut path = folder_of(path);
    while !path.is_empty() {
        if there.contains(path) && !folders.contains(path) {
            return false;
        }
        path = folder_of(path);
    }
    true
}

fn is_folder(
    path: &str,
    there: &BTreeSet<&str>,
    folders: &BTreeSet<&str>,
    links: &BTreeSet<&str>,
) -> bool {
    !there.contains(path) || folders.contains(path) || links.contains(path)
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
