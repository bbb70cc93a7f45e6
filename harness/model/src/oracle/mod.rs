//! What must come of a case: a naive model of files, of who tries, and of what
//! rules mean. It shares no code with the agent, and looks nothing up: each
//! attempt is held against each rule.
//!
//! | module | holds |
//! | --- | --- |
//! | `tree` | nodes, names, mounts, and walking along a path |
//! | `who` | who tries, and whom a rule means |
//! | `network` | addresses |
//! | `meaning` | what the rules say of an attempt |
//! | `act` | what each probe does to files, and asks on the way |
//! | `others` | the same for addresses and for the kernel |

mod act;
mod meaning;
mod network;
mod others;
mod tree;
mod who;

use harness_proto::{Item, PROBE_PATH, World};
use scenarios::Rule;

use act::Act;
use meaning::Meaning;
pub use meaning::Spoken;
use tree::{Content, Kind, Name, Spot, Tree, Walker};
use who::Who;

use crate::case::{Came, Case, OTHER_PROGRAM, doers};

const ROOT: Walker = Walker { user: 0, group: 0 };

/// What must come of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foretold {
    /// That.
    pub came: Came,
    /// What rules said of it, in the order in which they were asked.
    pub spoken: Vec<Spoken>,
}

impl Foretold {
    /// The rule that decided, or that only reports.
    pub fn decided(&self) -> Option<Spoken> {
        let mut all = self.spoken.iter();
        let denied = all
            .clone()
            .find(|one| one.action != scenarios::rule::Action::Audit);
        denied.or_else(|| all.next()).copied()
    }
}

/// What must come of every attempt of a case; without its rules, of the same
/// attempts where there is no agent.
pub fn foretell(case: &Case, with_rules: bool) -> Vec<Foretold> {
    let mut oracle = Oracle::of(&case.world);
    let doers = doers();
    let doers: Vec<Who> = doers.iter().map(|one| Who::of(one, &oracle.tree)).collect();
    let rules: &[Rule] = if with_rules { &case.rules } else { &[] };
    oracle.meaning = Meaning::of(rules, &oracle.tree);
    let mut foretold = Vec::new();
    for attempt in &case.attempts {
        let mut act = Act {
            oracle: &mut oracle,
            who: &doers[attempt.by],
            spoken: Vec::new(),
        };
        let done = act.perform(&attempt.probe);
        foretold.push(Foretold {
            came: done.map_or_else(act::Stop::came, |()| Came::Allowed),
            spoken: act.spoken,
        });
    }
    foretold
}

/// Everything there is.
struct Oracle {
    tree: Tree,
    meaning: Meaning,
}

impl Oracle {
    fn of(world: &World) -> Self {
        let mut oracle = Self {
            tree: Tree::new(),
            meaning: Meaning::default(),
        };
        for program in [PROBE_PATH, OTHER_PROGRAM] {
            oracle.put_with_folders(program, Kind::File(Content::Program(0)));
        }
        oracle.put_with_folders(&world.root, Kind::EMPTY_FOLDER);
        let root = oracle.spot(&world.root);
        oracle.mount_tmpfs(&root, 0o777);
        for item in &world.items {
            oracle.add(item);
        }
        oracle
    }

    fn add(&mut self, item: &Item) {
        match item {
            Item::Folder(path) => self.put(path, Kind::EMPTY_FOLDER),
            Item::File(path) => self.put(path, Kind::File(Content::Text)),
            Item::Program { path, salt } => {
                self.put(path, Kind::File(Content::Program(*salt)));
            }
            Item::Symlink { path, target } => self.put(path, Kind::Symlink(target.clone())),
            Item::Link { from, path } => {
                let node = self.spot(from).node;
                let name = self.name(path);
                self.tree.put(&name, node);
            }
            Item::Tmpfs(at) => {
                let at = self.spot(at);
                self.mount_tmpfs(&at, 0o777);
            }
            Item::Bind { from, to } => {
                let (from, to) = (self.spot(from), self.spot(to));
                self.tree.mount(&to, from.node, from.name);
            }
        }
    }

    fn put(&mut self, path: &str, kind: Kind) {
        let node = self.tree.node(kind, ROOT, 0o777);
        let name = self.name(path);
        self.tree.put(&name, node);
    }

    fn put_with_folders(&mut self, path: &str, kind: Kind) {
        for (at, _) in path.match_indices('/').skip(1) {
            if self
                .tree
                .walk(ROOT, &path[..at], true)
                .is_ok_and(|end| end.seen.is_none())
            {
                self.put(&path[..at], Kind::EMPTY_FOLDER);
                let node = self.spot(&path[..at]).node;
                self.tree.nodes[node].mode = 0o755;
            }
        }
        self.put(path, kind);
    }

    fn mount_tmpfs(&mut self, at: &Spot, mode: u32) {
        let root = self.tree.node(Kind::EMPTY_FOLDER, ROOT, mode);
        self.tree.mount(at, root, None);
    }

    fn name(&self, path: &str) -> Name {
        let end = self.tree.walk(ROOT, path, false);
        let end = end.expect("a world is made in order");
        Name {
            folder: end.folder.node,
            label: end.label,
        }
    }

    fn spot(&self, path: &str) -> Spot {
        let end = self.tree.walk(ROOT, path, true);
        let spot = end.ok().and_then(|end| end.seen);
        spot.expect("a world is made in order")
    }
}

#[cfg(test)]
mod tests;
