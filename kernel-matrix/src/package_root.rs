//! The files of packages as one file system, without dpkg and without running
//! any script of theirs.
//!
//! `/bin`, `/sbin`, `/lib` and `/lib64` are where Debian has them, in `/usr`;
//! `/bin` itself is left to the guest's own programs. Documents, manual pages
//! and translations are left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Write as _},
    path::{Component, Path},
};

use cpio::newc::{self, ModeFileType};

use crate::{
    deb::{self, DebError, Entry, EntryKind},
    elf_needs::needs,
};

/// Raised whenever the same packages come to other files.
pub(crate) const REVISION: u32 = 1;

const LEFT_OUT: [&str; 7] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/share/info",
    "usr/share/doc-base",
];

/// Folders that are links into `/usr`.
const MERGED: [&str; 3] = ["lib", "lib64", "sbin"];

/// A file system to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageRoot {
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Folder { mode: u32 },
    File { mode: u32, content: Vec<u8> },
    Symlink { to: String },
}

impl PackageRoot {
    /// Add the files of a package; what a package before it has put in the same
    /// place is replaced.
    pub fn add(&mut self, package: impl Read) -> Result<(), DebError> {
        deb::for_each_entry(package, |entry| self.put(entry))
    }

    fn put(&mut self, entry: Entry<'_>) -> io::Result<()> {
        let path = merged(entry.path);
        let plain = |part| matches!(part, Component::Normal(_));
        if !Path::new(&path).components().all(plain) {
            return Err(io::Error::other(format!("odd path {path:?}")));
        }
        if LEFT_OUT
            .iter()
            .any(|folder| Path::new(&path).starts_with(folder))
        {
            return Ok(());
        }
        let mode = entry.mode;
        let node = match entry.kind {
            EntryKind::Folder => Node::Folder { mode },
            EntryKind::Symlink(to) => Node::Symlink { to },
            EntryKind::File(content) => {
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes)?;
                Node::File {
                    mode,
                    content: bytes,
                }
            }
            EntryKind::Hardlink(to) => match self.nodes.get(&merged(&to)) {
                Some(file @ Node::File { .. }) => file.clone(),
                _ => return Err(io::Error::other(format!("{path} is a link to no file"))),
            },
        };
        self.nodes.insert(path, node);
        Ok(())
    }

    /// What a program needs that is not there: itself, its interpreter, or a
    /// library of it or of a library.
    pub fn missing(&self, program: &str) -> Option<String> {
        let mut seen = BTreeSet::new();
        let mut open = vec![program.to_owned()];
        while let Some(wanted) = open.pop() {
            if !seen.insert(wanted.clone()) {
                continue;
            }
            let Some(content) = self.content(&wanted) else {
                return Some(wanted);
            };
            open.extend(needs(content));
        }
        None
    }

    /// By an absolute path, or by the name of a library.
    fn content(&self, wanted: &str) -> Option<&[u8]> {
        if wanted.starts_with('/') {
            return self.file(merged(wanted.trim_start_matches('/')));
        }
        let folders = ["usr/lib/x86_64-linux-gnu", "usr/lib", "usr/lib64"];
        folders
            .iter()
            .find_map(|folder| self.file(format!("{folder}/{wanted}")))
    }

    fn file(&self, mut path: String) -> Option<&[u8]> {
        // A chain of links longer than this is a circle.
        for _ in 0..16 {
            match self.nodes.get(&path)? {
                Node::File { content, .. } => return Some(content),
                Node::Symlink { to } => path = merged(&beside(&path, to)),
                Node::Folder { .. } => return None,
            }
        }
        None
    }

    /// The archive that is appended to the one with the guest's own files.
    pub fn archive(&self) -> io::Result<Vec<u8>> {
        let mut all: BTreeMap<&str, Node> = BTreeMap::new();
        for path in self.nodes.keys() {
            for folder in Path::new(path).ancestors().skip(1) {
                if let Some(folder) = folder.to_str().filter(|folder| !folder.is_empty()) {
                    all.entry(folder).or_insert(Node::Folder { mode: 0o755 });
                }
            }
        }
        for name in MERGED {
            let to = format!("usr/{name}");
            all.insert(name, Node::Symlink { to });
        }
        let nodes = self.nodes.iter();
        all.extend(nodes.map(|(path, node)| (path.as_str(), node.clone())));
        let mut archive = Vec::new();
        for (number, (path, node)) in (1..).zip(&all) {
            write(&mut archive, number, path, node)?;
        }
        newc::trailer(&mut archive)?;
        Ok(archive)
    }
}

fn write(archive: &mut Vec<u8>, number: u32, path: &str, node: &Node) -> io::Result<()> {
    let (kind, mode, content) = match node {
        Node::Folder { mode } => (ModeFileType::Directory, *mode, &[][..]),
        Node::File { mode, content } => (ModeFileType::Regular, *mode, &content[..]),
        Node::Symlink { to } => (ModeFileType::Symlink, 0o777, to.as_bytes()),
    };
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    let mut file = newc::Builder::new(path)
        .ino(number)
        .nlink(1)
        .mode(mode)
        .set_mode_file_type(kind)
        .write(archive, length);
    file.write_all(content)?;
    file.finish().map(drop)
}

/// Where a path is once `/lib` and its like are in `/usr`.
fn merged(path: &str) -> String {
    let first = path.split('/').next().unwrap_or_default();
    if MERGED.contains(&first) || first == "bin" {
        format!("usr/{path}")
    } else {
        path.to_owned()
    }
}

/// Where a link at `path` leads.
fn beside(path: &str, to: &str) -> String {
    if let Some(absolute) = to.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
