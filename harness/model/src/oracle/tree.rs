//! A naive file system: nodes, names, mounts, and walking along a path.

use std::collections::{BTreeMap, VecDeque};

pub(super) const EPERM: i32 = 1;
pub(super) const ENOENT: i32 = 2;
pub(super) const ENOEXEC: i32 = 8;
pub(super) const EACCES: i32 = 13;
pub(super) const EBUSY: i32 = 16;
pub(super) const EEXIST: i32 = 17;
pub(super) const EXDEV: i32 = 18;
pub(super) const ENODEV: i32 = 19;
pub(super) const ENOTDIR: i32 = 20;
pub(super) const EISDIR: i32 = 21;
pub(super) const EINVAL: i32 = 22;
pub(super) const ENOTEMPTY: i32 = 39;
pub(super) const ELOOP: i32 = 40;
pub(super) const ENODATA: i32 = 61;
pub(super) const ECONNREFUSED: i32 = 111;

/// Links that one path may lead through.
const LINKS: usize = 40;

/// A file, folder or link, whatever it is called.
pub(super) type NodeId = usize;

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) mode: u32,
    /// Of a folder: where it is.
    pub(super) name: Option<Name>,
    /// Of a folder: it was removed, but is still seen through a mount.
    pub(super) gone: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Folder(BTreeMap<String, NodeId>),
    File(Content),
    Symlink(String),
}

impl Kind {
    pub(super) const EMPTY_FOLDER: Self = Self::Folder(BTreeMap::new());
}

/// As far as executing it, and hashing it, can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    Text,
    Empty,
    /// Only the first byte.
    Byte(u8),
    Program(u32),
}

impl Content {
    /// What is left when it is cut, or filled up, to one byte.
    pub(super) fn cut(self) -> Self {
        match self {
            Self::Text => Self::Byte(b't'),
            Self::Empty => Self::Byte(0),
            Self::Program(_) => Self::Byte(0x7f),
            Self::Byte(_) => self,
        }
    }
}

/// A name in a folder: what a directory entry is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) folder: NodeId,
    pub(super) label: String,
}

/// Where a path leads: a node, by a name of its file system, seen through a
/// mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) mount: usize,
    pub(super) node: NodeId,
    /// None for the root of a file system.
    pub(super) name: Option<Name>,
}

#[derive(Debug, Clone)]
struct Mount {
    /// The mount and the name that it hides; `None` when it is gone.
    on: Option<(usize, Option<Name>)>,
    root: NodeId,
    root_name: Option<Name>,
}

/// The end of a path.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) folder: Spot,
    pub(super) label: String,
    /// What has the name, whatever is mounted over it.
    pub(super) named: Option<Spot>,
    /// The same with what is mounted over it.
    pub(super) seen: Option<Spot>,
}

/// Who walks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walker {
    pub(super) user: u32,
    pub(super) group: u32,
}

pub(super) const READ: u32 = 4;
pub(super) const WRITE: u32 = 2;
pub(super) const SEARCH: u32 = 1;

#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    mounts: Vec<Mount>,
}

type Result<T> = std::result::Result<T, i32>;

impl Tree {
    /// Only the root folder.
    pub(super) fn new() -> Self {
        let mut tree = Self {
            nodes: Vec::new(),
            mounts: Vec::new(),
        };
        let root = tree.node(Kind::EMPTY_FOLDER, Walker { user: 0, group: 0 }, 0o777);
        tree.mounts.push(Mount {
            on: Some((0, None)),
            root,
            root_name: None,
        });
        tree
    }

    pub(super) fn node(&mut self, kind: Kind, owner: Walker, mode: u32) -> NodeId {
        self.nodes.push(Node {
            kind,
            user: owner.user,
            group: owner.group,
            mode,
            name: None,
            gone: false,
        });
        self.nodes.len() - 1
    }

    pub(super) fn is_folder(&self, node: NodeId) -> bool {
        matches!(self.nodes[node].kind, Kind::Folder(_))
    }

    pub(super) fn is_file(&self, node: NodeId) -> bool {
        matches!(self.nodes[node].kind, Kind::File(_))
    }

    pub(super) fn is_empty_folder(&self, node: NodeId) -> bool {
        matches!(&self.nodes[node].kind, Kind::Folder(names) if names.is_empty())
    }

    pub(super) fn entries(&mut self, folder: NodeId) -> &mut BTreeMap<String, NodeId> {
        match &mut self.nodes[folder].kind {
            Kind::Folder(names) => names,
            _ => panic!("the oracle takes something for a folder that is none"),
        }
    }

    /// Give a node a name.
    pub(super) fn put(&mut self, name: &Name, node: NodeId) {
        self.entries(name.folder).insert(name.label.clone(), node);
        if self.is_folder(node) {
            self.nodes[node].name = Some(name.clone());
        }
    }

    pub(super) fn remove(&mut self, name: &Name) {
        self.entries(name.folder).remove(&name.label);
    }

    /// The folders around a name in its own file system, the nearest first.
    pub(super) fn around(&self, name: Option<&Name>) -> Vec<NodeId> {
        let above = |name: &&Name| self.nodes[name.folder].name.as_ref();
        let names = std::iter::successors(name, above);
        names.map(|name| name.folder).collect()
    }

    /// Whether the permission bits let somebody.
    pub(super) fn lets(&self, who: Walker, node: NodeId, wanted: u32) -> bool {
        let node = &self.nodes[node];
        if who.user == 0 {
            // Executing what nobody may execute is refused even to root.
            let folder = matches!(node.kind, Kind::Folder(_));
            return folder || wanted & SEARCH == 0 || node.mode & 0o111 != 0;
        }
        let shift = if who.user == node.user {
            6
        } else if who.group == node.group {
            3
        } else {
            0
        };
        node.mode >> shift & wanted == wanted
    }

    pub(super) fn mount(&mut self, on: &Spot, root: NodeId, root_name: Option<Name>) {
        self.mounts.push(Mount {
            on: Some((on.mount, on.name.clone())),
            root,
            root_name,
        });
    }

    /// A name becomes another: so it does for what is mounted from it.
    pub(super) fn renamed(&mut self, node: NodeId, old: &Name, new: &Name) {
        for mount in &mut self.mounts {
            if mount.root == node && mount.root_name.as_ref() == Some(old) {
                mount.root_name = Some(new.clone());
            }
        }
    }

    /// Take a mount away, and every mount on it.
    pub(super) fn unmount(&mut self, mount: usize) {
        self.mounts[mount].on = None;
        for other in 0..self.mounts.len() {
            if matches!(&self.mounts[other].on, Some((below, _)) if *below == mount && other != mount)
            {
                self.unmount(other);
            }
        }
    }

    /// Whether a spot is where a mount begins.
    pub(super) fn is_mount_root(&self, spot: &Spot) -> bool {
        let mount = &self.mounts[spot.mount];
        mount.root == spot.node && mount.root_name == spot.name
    }

    /// Whether something is mounted on a name, through whatever mount.
    pub(super) fn is_covered(&self, name: &Name) -> bool {
        self.mounts
            .iter()
            .any(|mount| matches!(&mount.on, Some((_, Some(on))) if on == name))
    }

    /// Roots of the mounts that exist.
    pub(super) fn mount_points(&self) -> impl Iterator<Item = (usize, Spot, Spot)> {
        self.mounts
            .iter()
            .enumerate()
            .skip(1)
            .filter_map(|(number, mount)| {
                let (below, name) = mount.on.as_ref()?;
                let name = name.clone()?;
                let under = self.child(name.folder, &name.label)?;
                let point = Spot {
                    mount: *below,
                    node: under,
                    name: Some(name),
                };
                let root = Spot {
                    mount: number,
                    node: mount.root,
                    name: mount.root_name.clone(),
                };
                Some((number, point, root))
            })
    }

    pub(super) fn child(&self, folder: NodeId, label: &str) -> Option<NodeId> {
        match &self.nodes[folder].kind {
            Kind::Folder(names) => names.get(label).copied(),
            _ => None,
        }
    }

    /// What is seen at a spot: what was mounted over it last.
    fn uppermost(&self, mut spot: Spot) -> Spot {
        'again: loop {
            for (number, mount) in self.mounts.iter().enumerate().skip(1).rev() {
                if mount.on == Some((spot.mount, spot.name.clone())) {
                    spot = Spot {
                        mount: number,
                        node: mount.root,
                        name: mount.root_name.clone(),
                    };
                    continue 'again;
                }
            }
            return spot;
        }
    }

    /// What sysctl `fs.protected_symlinks` asks: in a folder where everyone may
    /// make names, a link leads only its owner, and those it is of the folder's
    /// owner.
    fn may_follow(&self, who: Walker, folder: NodeId, link: NodeId) -> bool {
        let (folder, link) = (&self.nodes[folder], &self.nodes[link]);
        folder.mode & 0o1002 != 0o1002 || link.user == who.user || link.user == folder.user
    }

    /// Walk along an absolute path; `follow` a link at its end.
    pub(super) fn walk(&self, who: Walker, path: &str, follow: bool) -> Result<End> {
        let labels = |path: &str| -> Vec<String> {
            let names = path.split('/').filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        };
        let root = Spot {
            mount: 0,
            node: 0,
            name: None,
        };
        let mut here = self.uppermost(root.clone());
        let mut left: VecDeque<String> = labels(path).into();
        let mut links = 0;
        while let Some(label) = left.pop_front() {
            if !self.is_folder(here.node) {
                return Err(ENOTDIR);
            }
            if !self.lets(who, here.node, SEARCH) {
                return Err(EACCES);
            }
            if self.nodes[here.node].gone {
                return Err(ENOENT);
            }
            let last = left.is_empty();
            let Some(node) = self.child(here.node, &label) else {
                if !last {
                    return Err(ENOENT);
                }
                return Ok(End {
                    folder: here,
                    label,
                    named: None,
                    seen: None,
                });
            };
            let named = Spot {
                mount: here.mount,
                node,
                name: Some(Name {
                    folder: here.node,
                    label: label.clone(),
                }),
            };
            let seen = self.uppermost(named.clone());
            match &self.nodes[seen.node].kind {
                Kind::Symlink(target) if !last || follow => {
                    if last && !self.may_follow(who, here.node, seen.node) {
                        return Err(EACCES);
                    }
                    links += 1;
                    if links > LINKS {
                        return Err(ELOOP);
                    }
                    if target.starts_with('/') {
                        here = self.uppermost(root.clone());
                    }
                    for label in labels(target).into_iter().rev() {
                        left.push_front(label);
                    }
                }
                _ if last => {
                    return Ok(End {
                        folder: here,
                        label,
                        named: Some(named),
                        seen: Some(seen),
                    });
                }
                _ => here = seen,
            }
        }
        // The root itself, which no case speaks of.
        Err(EBUSY)
    }
}
