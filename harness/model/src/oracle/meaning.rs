//! What a policy means: each rule on its own, held against an attempt. Nothing
//! is looked up, filtered or inherited; that is what it is compared with.

use std::collections::BTreeSet;

use scenarios::{
    Rule, Target,
    rule::{Action, FileObject, Programs},
};

use super::{
    network::{self, Peer},
    tree::{Content, Kind, Name, NodeId, Spot, Tree, Walker},
    who::{Who, Whom},
};
use crate::deed::Deed;

const ROOT: Walker = Walker { user: 0, group: 0 };

/// What is asked about.
#[derive(Debug, Clone)]
pub(super) struct Attempt<'a> {
    pub(super) deeds: &'a [Deed],
    pub(super) thing: Thing<'a>,
}

#[derive(Debug, Clone)]
pub(super) enum Thing<'a> {
    /// A name, and the node that has it if there is one.
    File {
        node: Option<NodeId>,
        name: Option<&'a Name>,
    },
    /// An address.
    Peer(&'a Peer),
    /// The kernel itself.
    Kernel,
}

/// What the rules say of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken {
    /// Index of the rule that decides: of the strongest the first.
    pub rule: usize,
    /// What it decides about.
    pub deed: Deed,
    /// What it says.
    pub action: Action,
}

/// A policy in force.
#[derive(Debug, Clone, Default)]
pub(super) struct Meaning(Vec<InForce>);

/// A rule, with what it named when it was applied.
#[derive(Debug, Clone)]
struct InForce {
    action: Action,
    whom: Whom,
    deeds: Vec<Deed>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Files(Files),
    Content(Content),
    AllProgramsBut(BTreeSet<NodeId>),
    Peers(network::Peers),
    Kernel,
}

/// Files of a rule.
#[derive(Debug, Clone, Default)]
struct Files {
    /// The file itself, whatever its name becomes.
    node: Option<NodeId>,
    /// The names, whatever gets them.
    names: Vec<Name>,
    /// Folders that everything beneath is meant of.
    beneath: BTreeSet<NodeId>,
    /// Folders on the way, which must stay.
    on_the_way: BTreeSet<NodeId>,
    /// The first folder on the way that is missing, and must stay so.
    missing: Option<Name>,
}

impl Meaning {
    /// What the rules mean now.
    pub(super) fn of(rules: &[Rule], tree: &Tree) -> Self {
        Self(rules.iter().map(|rule| InForce::of(rule, tree)).collect())
    }

    /// Of the rules that speak of an attempt, the first of the strongest. Those
    /// about content are asked by themselves.
    pub(super) fn asked(
        &self,
        tree: &Tree,
        who: &Who,
        (attempt, about_content): (&Attempt<'_>, bool),
    ) -> Option<Spoken> {
        let mut strongest: Option<Spoken> = None;
        for (index, rule) in self.0.iter().enumerate() {
            if matches!(rule.what, What::Content(_)) != about_content {
                continue;
            }
            let Some(deed) = rule.speaks(tree, who, attempt) else {
                continue;
            };
            if strongest.is_none_or(|other| rule.action > other.action) {
                strongest = Some(Spoken {
                    rule: index,
                    deed,
                    action: rule.action,
                });
            }
        }
        strongest
    }
}

impl InForce {
    fn of(rule: &Rule, tree: &Tree) -> Self {
        let all = |list: &[Deed]| list.to_vec();
        let (deeds, what) = match &rule.target {
            Target::File { object, operations } => {
                let deeds = if operations.is_empty() {
                    all(&Deed::ON_FILES)
                } else {
                    operations.iter().map(|one| Deed::from(*one)).collect()
                };
                let files = match object {
                    FileObject::Path(path) => Files::at(path, tree),
                    FileObject::Subtree(path) => Files::beneath(path, tree),
                    FileObject::InodeOf(path) => Files {
                        node: Some(existing(path, tree)),
                        ..Files::default()
                    },
                };
                (deeds, What::Files(files))
            }
            Target::Exec(programs) => {
                let what = match programs {
                    Programs::Path(path) => What::Files(Files::at(path, tree)),
                    Programs::Subtree(path) => What::Files(Files::beneath(path, tree)),
                    Programs::Sha256Of(path) => {
                        let found = content(existing(path, tree), tree);
                        What::Content(found.expect("a case names the content of a file"))
                    }
                    Programs::AllBut(paths) => What::AllProgramsBut(
                        paths
                            .iter()
                            .filter_map(|path| Files::at(path, tree).node)
                            .collect(),
                    ),
                };
                (all(&Deed::OF_PROGRAMS), what)
            }
            Target::Network(network) => {
                let deeds = if network.operations.is_empty() {
                    all(&Deed::TO_PEERS)
                } else {
                    network
                        .operations
                        .iter()
                        .map(|one| Deed::from(*one))
                        .collect()
                };
                (deeds, What::Peers(network::Peers::of(network)))
            }
            Target::Kernel(operations) => {
                let deeds = operations.iter().map(|one| Deed::from(*one)).collect();
                (deeds, What::Kernel)
            }
        };
        Self {
            action: rule.action,
            whom: Whom::of(&rule.scope, &rule.except, tree),
            deeds,
            what,
        }
    }

    /// Of which part of an attempt it speaks.
    fn speaks(&self, tree: &Tree, who: &Who, attempt: &Attempt<'_>) -> Option<Deed> {
        if !self.whom.includes(who) {
            return None;
        }
        let among = |deeds: &[Deed]| {
            let mut tried = attempt.deeds.iter().copied();
            tried.find(|deed| deeds.contains(deed))
        };
        match (&self.what, &attempt.thing) {
            (What::Files(files), Thing::File { node, name }) => {
                let mut own = self.deeds.clone();
                if !files.names.is_empty() || !files.beneath.is_empty() {
                    // Mounting over a place would hide it; an inode has none.
                    own.push(Deed::Mount);
                }
                let itself = files.are(tree, *node, *name).then(|| among(&own)).flatten();
                let guarded = || {
                    let keeps = self.action >= Action::Deny && files.need(*node, *name);
                    let moving = [Deed::Rename, Deed::Delete, Deed::Create, Deed::Mount];
                    keeps.then(|| among(&moving)).flatten()
                };
                itself.or_else(guarded)
            }
            (
                What::Content(meant),
                Thing::File {
                    node: Some(node), ..
                },
            ) => {
                // What cannot be read, such as a folder, may be it.
                let found = content(*node, tree);
                found
                    .is_none_or(|found| found == *meant)
                    .then(|| among(&self.deeds))
                    .flatten()
            }
            (
                What::AllProgramsBut(left_out),
                Thing::File {
                    node: Some(node), ..
                },
            ) => (!left_out.contains(node))
                .then(|| among(&self.deeds))
                .flatten(),
            (What::Peers(peers), Thing::Peer(peer)) => {
                let mut tried = attempt.deeds.iter().copied();
                tried.find(|deed| self.deeds.contains(deed) && peers.include(peer, *deed))
            }
            (What::Kernel, Thing::Kernel) => among(&self.deeds),
            _ => None,
        }
    }
}

impl Files {
    /// What is at a path, and what is on the way to it.
    fn at(path: &str, tree: &Tree) -> Self {
        let mut files = Self::default();
        let mut path = path.to_owned();
        // As many as a path may lead through.
        for _ in 0..40 {
            let Ok(end) = tree.walk(ROOT, &path, false) else {
                files.note_missing(&path, tree);
                return files;
            };
            let folder = real_path(&end.folder, tree);
            files.note_way(&folder, tree);
            files.names.push(Name {
                folder: end.folder.node,
                label: end.label,
            });
            let Some(seen) = end.seen else {
                return files;
            };
            let Kind::Symlink(target) = &tree.nodes[seen.node].kind else {
                files.node = Some(seen.node);
                return files;
            };
            path = if target.starts_with('/') {
                target.clone()
            } else {
                format!("{folder}/{target}")
            };
        }
        panic!("a case has a link to itself")
    }

    /// The same, and everything beneath.
    fn beneath(path: &str, tree: &Tree) -> Self {
        let mut files = Self::at(path, tree);
        let end = tree.walk(ROOT, path, true).ok().and_then(|end| end.seen);
        let Some(root) = end else { return files };
        let real = real_path(&root, tree);
        files.beneath.insert(root.node);
        for (_, point, mounted) in tree.mount_points() {
            if real_path(&point, tree).starts_with(&format!("{real}/")) {
                files.beneath.insert(mounted.node);
            }
        }
        files
    }

    /// The first folder that is not there.
    fn note_missing(&mut self, path: &str, tree: &Tree) {
        let (folder, _) = path.rsplit_once('/').unwrap_or_default();
        match tree.walk(ROOT, folder, true) {
            Ok(end) => {
                let real = real_path(&end.folder, tree);
                self.note_way(&real, tree);
                self.missing = Some(Name {
                    folder: end.folder.node,
                    label: end.label,
                });
            }
            Err(_) => self.note_missing(folder, tree),
        }
    }

    /// A folder and all above it.
    fn note_way(&mut self, folder: &str, tree: &Tree) {
        let mut path = folder.to_owned();
        while !path.is_empty() {
            let end = tree.walk(ROOT, &path, true).ok().and_then(|end| end.seen);
            self.on_the_way.extend(end.map(|spot| spot.node));
            path.truncate(path.rfind('/').unwrap_or(0));
        }
        self.on_the_way.insert(0);
    }

    fn are(&self, tree: &Tree, node: Option<NodeId>, name: Option<&Name>) -> bool {
        node.is_some_and(|node| self.node == Some(node) || self.beneath.contains(&node))
            || name.is_some_and(|name| self.names.contains(name))
            || tree
                .around(name)
                .iter()
                .any(|folder| self.beneath.contains(folder))
    }

    fn need(&self, node: Option<NodeId>, name: Option<&Name>) -> bool {
        node.is_some_and(|node| self.on_the_way.contains(&node))
            || name.is_some() && self.missing.as_ref() == name
    }
}

/// Where something is seen, without links: up from name to name and from mount
/// to mount.
fn real_path(spot: &Spot, tree: &Tree) -> String {
    let mut labels = Vec::new();
    let mut spot = spot.clone();
    loop {
        if tree.is_mount_root(&spot) {
            let point = tree
                .mount_points()
                .find(|(number, ..)| *number == spot.mount);
            let Some((_, point, _)) = point else { break };
            spot = point;
            continue;
        }
        let Some(name) = spot.name.clone() else { break };
        labels.push(name.label);
        spot = Spot {
            mount: spot.mount,
            node: name.folder,
            name: tree.nodes[name.folder].name.clone(),
        };
    }
    labels
        .iter()
        .rev()
        .fold(String::new(), |path, label| path + "/" + label)
}

fn existing(path: &str, tree: &Tree) -> NodeId {
    let end = tree.walk(ROOT, path, true).ok().and_then(|end| end.seen);
    end.expect("a case names only inodes and contents that are there")
        .node
}

fn content(node: NodeId, tree: &Tree) -> Option<Content> {
    match tree.nodes[node].kind {
        Kind::File(content) => Some(content),
        Kind::Folder(_) | Kind::Symlink(_) => None,
    }
}
