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

#[cfg(test)]
mod tests {
    use super::{Node, PackageRoot};
    use crate::deb::{Entry, EntryKind};
    use cpio::newc::Reader;

    fn put<'a>(root: &mut PackageRoot, path: &'a str, kind: EntryKind<'a>) -> Result<(), String> {
        let mode = 0o755;
        let entry = Entry { path, mode, kind };
        root.put(entry).map_err(|error| error.to_string())
    }

    fn link(to: &str) -> EntryKind<'static> {
        EntryKind::Symlink(to.into())
    }

    #[test]
    fn files_are_where_debian_has_them_and_documents_are_left_out() {
        let mut root = PackageRoot::default();
        for path in [
            "lib/x86_64-linux-gnu/a.so",
            "usr/share/doc/a",
            "etc/a",
            "bin/a",
        ] {
            put(&mut root, path, EntryKind::File(&mut &b"a"[..])).unwrap();
        }
        put(&mut root, "usr/sbin/b", EntryKind::Hardlink("bin/a".into())).unwrap();
        let archive = root.archive().unwrap();
        let mut rest: &[u8] = &archive;
        let mut listed = Vec::new();
        loop {
            let reader = Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            let mut content = Vec::new();
            rest = reader.to_writer(&mut content).unwrap();
            listed.push(format!(
                "{mode:06o} {name} {}",
                String::from_utf8_lossy(&content)
            ));
        }
        let expected = [
            "040755 etc ",
            "100755 etc/a a",
            "120777 lib usr/lib",
            "120777 lib64 usr/lib64",
            "120777 sbin usr/sbin",
            "040755 usr ",
            "040755 usr/bin ",
            "100755 usr/bin/a a",
            "040755 usr/lib ",
            "040755 usr/lib/x86_64-linux-gnu ",
            "100755 usr/lib/x86_64-linux-gnu/a.so a",
            "040755 usr/sbin ",
            "100755 usr/sbin/b a",
        ];
        assert_eq!(listed, expected);
    }

    #[test]
    fn a_package_cannot_write_beside_the_root_or_link_to_what_is_not_there() {
        let mut root = PackageRoot::default();
        let error = put(&mut root, "../etc/passwd", EntryKind::Folder).unwrap_err();
        assert!(error.contains("odd path"), "{error}");
        let error = put(&mut root, "a", EntryKind::Hardlink("b".into())).unwrap_err();
        assert!(error.contains("link to no file"), "{error}");
    }

    #[test]
    fn what_a_program_lacks_is_named_by_way_of_links_and_libraries() {
        // This test itself: it needs an interpreter and libc.
        let own = std::env::current_exe().and_then(std::fs::read).unwrap();
        let mut root = PackageRoot::default();
        assert_eq!(root.missing("/sbin/a"), Some("/sbin/a".into()));
        put(&mut root, "usr/sbin/a", link("../bin/b")).unwrap();
        put(&mut root, "usr/bin/b", EntryKind::File(&mut &own[..])).unwrap();
        let missing = root.missing("/sbin/a").expect("a library");
        let is_library = missing.contains(".so") || missing.contains("/ld-linux");
        assert!(is_library, "{missing}");
        put(&mut root, "usr/sbin/round", link("round")).unwrap();
        assert_eq!(root.missing("/sbin/round"), Some("/sbin/round".into()));
        put(
            &mut root,
            "usr/bin/static",
            EntryKind::File(&mut &b"text"[..]),
        )
        .unwrap();
        assert_eq!(root.missing("/usr/bin/static"), None);
        assert!(matches!(root.nodes["usr/bin/static"], Node::File { .. }));
    }
}
