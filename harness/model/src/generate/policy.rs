//! Rules about a world.

use fastrand::Rng;
use harness_proto::{PROBE_PATH, World};
use scenarios::{
    FileOperation, KernelOperation, Rule, Target,
    rule::{Action, FileObject, Held, Programs, Subject, Uids},
};

use super::{
    one_of, peers, percent, weighted,
    world::{LABELS, Paths, Thing},
};
use crate::case::{Abilities, CGROUPS, OTHER_PROGRAM};

/// More could meet in one of the agent's lists, which hold seven.
const MOST: usize = 5;
/// A subtree is in a folder's list twice.
const MOST_SUBTREES: usize = 2;

const FILE_OPERATIONS: [FileOperation; 10] = [
    FileOperation::Read,
    FileOperation::Write,
    FileOperation::Create,
    FileOperation::Delete,
    FileOperation::Rename,
    FileOperation::Link,
    FileOperation::Truncate,
    FileOperation::Attributes,
    FileOperation::Exec,
    FileOperation::MmapExec,
];

/// Not opening a device that is mounted: a world has none.
const KERNEL_OPERATIONS: [KernelOperation; 6] = [
    KernelOperation::Ptrace,
    KernelOperation::ModuleLoad,
    KernelOperation::Kexec,
    KernelOperation::Bpf,
    KernelOperation::Mount,
    KernelOperation::UserNamespace,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Path,
    Subtree,
    Inode,
    ExecPath,
    ExecSubtree,
    Sha256,
    AllBut,
    Address,
    Network,
    Kernel,
}

const KINDS: [(u32, Kind); 10] = [
    (35, Kind::Path),
    (20, Kind::Subtree),
    (20, Kind::Inode),
    (8, Kind::ExecPath),
    (6, Kind::ExecSubtree),
    (8, Kind::Sha256),
    (8, Kind::AllBut),
    (8, Kind::Address),
    (12, Kind::Network),
    (12, Kind::Kernel),
];

/// What the first rule of a case is, so that all combinations get their turn.
struct Turn {
    kind: Kind,
    scope: usize,
    action: Action,
    /// Whether it names everything that such a rule can.
    wide: bool,
}

impl Turn {
    const KINDS: [Kind; 10] = [
        Kind::Path,
        Kind::Subtree,
        Kind::Inode,
        Kind::ExecPath,
        Kind::ExecSubtree,
        Kind::Sha256,
        Kind::AllBut,
        Kind::Address,
        Kind::Network,
        Kind::Kernel,
    ];
    const ACTIONS: [Action; 5] = [
        Action::Deny,
        Action::Kill,
        Action::Deny,
        Action::Audit,
        Action::Deny,
    ];

    /// Of the number of a case: ten kinds, and for each of them five scopes
    /// together with five actions, which shift after each round.
    fn of(number: u64) -> Self {
        let at = |number: u64, count: usize| usize::try_from(number).unwrap_or(0) % count;
        let round = number / 10;
        Self {
            kind: Self::KINDS[at(number, 10)],
            scope: at(round, 5),
            action: Self::ACTIONS[at(round + round / 5, 5)],
            wide: at(round, 3) != 2,
        }
    }
}

pub(super) fn make(rng: &mut Rng, world: &World, able: Abilities, number: u64) -> Vec<Rule> {
    let paths = Paths::of(world);
    let mut subtrees = 0;
    let count = rng.usize(1..=MOST);
    let mut rule = |rng: &mut Rng, at: usize| {
        let turn = (at == 0).then(|| Turn::of(number));
        let mut kind = turn
            .as_ref()
            .map_or_else(|| weighted(rng, &KINDS), |turn| turn.kind);
        if matches!(kind, Kind::Subtree | Kind::ExecSubtree) {
            subtrees += 1;
            if subtrees > MOST_SUBTREES {
                kind = Kind::Path;
            }
        }
        if kind == Kind::Sha256 && !able.content {
            kind = Kind::ExecPath;
        }
        // Whoever runs the cell must go on.
        let safe = matches!(kind, Kind::AllBut | Kind::Kernel);
        let wide = turn.as_ref().is_some_and(|turn| turn.wide);
        let scope = match &turn {
            Some(turn) => scope(rng, turn.scope, safe),
            None if safe => vec![safe_subject(rng)],
            None => subjects(rng, 40),
        };
        let except = match turn {
            Some(_) => Vec::new(),
            None => subjects(rng, 20),
        };
        let drawn = [(73, Action::Deny), (17, Action::Audit), (10, Action::Kill)];
        Rule {
            id: format!("rule-{at}"),
            action: turn.map_or_else(|| weighted(rng, &drawn), |turn| turn.action),
            target: target(rng, &paths, world, (kind, able, wide)),
            scope,
            except,
            held: Held::Keep,
        }
    };
    (0..count).map(|at| rule(rng, at)).collect()
}

/// Of one kind: everyone, users, a program, a cgroup, or several of them.
fn scope(rng: &mut Rng, kind: usize, safe: bool) -> Vec<Subject> {
    let mut one = Subject::default();
    match kind {
        0 if safe => return scope(rng, 4, safe),
        0 => return Vec::new(),
        1 if safe => one.uid = Some(Uids::Range("1000-1002".into())),
        1 => one.uid = Some(weighted_users(rng)),
        2 => one.program = Some(OTHER_PROGRAM.into()),
        3 => one.cgroup = Some((*one_of(rng, &CGROUPS)).into()),
        _ => return vec![safe_subject(rng), safe_subject(rng)],
    }
    vec![one]
}

fn target(
    rng: &mut Rng,
    paths: &Paths,
    world: &World,
    (kind, able, wide): (Kind, Abilities, bool),
) -> Target {
    let file = |object, rng: &mut Rng| Target::File {
        object,
        operations: if wide { Vec::new() } else { operations(rng) },
    };
    match kind {
        Kind::Path => {
            let path = path(rng, paths, world, &Thing::ALL);
            file(FileObject::Path(path), rng)
        }
        Kind::Subtree => {
            let path = folder(rng, paths, world);
            file(FileObject::Subtree(path), rng)
        }
        Kind::Inode => {
            let there = paths.all(&[Thing::Folder, Thing::File, Thing::Program]);
            let path = one_of(rng, &there).clone();
            file(FileObject::InodeOf(path), rng)
        }
        Kind::ExecPath => {
            let wanted = [Thing::Program, Thing::LinkToFile];
            Target::Exec(Programs::Path(path(rng, paths, world, &wanted)))
        }
        Kind::ExecSubtree => Target::Exec(Programs::Subtree(folder(rng, paths, world))),
        Kind::Sha256 => {
            // Not of what the doers are copies of: they may have to be started
            // again.
            let mut there = paths.all(&[Thing::Program]);
            if there.is_empty() || percent(rng, 10) {
                there = paths.all(&[Thing::File]);
            }
            if there.is_empty() {
                Target::Exec(Programs::Path(missing(rng, paths)))
            } else {
                Target::Exec(Programs::Sha256Of(one_of(rng, &there).clone()))
            }
        }
        Kind::AllBut => {
            let mut left_out = vec![PROBE_PATH.to_owned(), OTHER_PROGRAM.to_owned()];
            left_out.extend(
                paths
                    .all(&[Thing::Program])
                    .into_iter()
                    .filter(|_| percent(rng, 50)),
            );
            Target::Exec(Programs::AllBut(left_out))
        }
        Kind::Address | Kind::Network => {
            Target::Network(peers::target(rng, kind == Kind::Address, wide))
        }
        Kind::Kernel => {
            let all = KERNEL_OPERATIONS.into_iter();
            let possible =
                all.filter(|one| able.user_namespaces || *one != KernelOperation::UserNamespace);
            let possible: Vec<_> = possible.collect();
            let mut operations: Vec<_> = possible
                .iter()
                .copied()
                .filter(|_| wide || percent(rng, 40))
                .collect();
            if operations.is_empty() {
                operations.push(*one_of(rng, &possible));
            }
            Target::Kernel(operations)
        }
    }
}

impl Thing {
    const ALL: [Self; 6] = [
        Self::Folder,
        Self::File,
        Self::Program,
        Self::LinkToFile,
        Self::LinkToFolder,
        Self::Bound,
    ];
}

/// Mostly of something that is there.
fn path(rng: &mut Rng, paths: &Paths, world: &World, wanted: &[Thing]) -> String {
    let there = paths.all(wanted);
    let there: Vec<_> = there
        .into_iter()
        .filter(|path| *path != world.root)
        .collect();
    if there.is_empty() || percent(rng, 15) {
        return missing(rng, paths);
    }
    one_of(rng, &there).clone()
}

/// Of something that may not be there; sometimes its folder is not, either.
fn missing(rng: &mut Rng, paths: &Paths) -> String {
    let folders = paths.all(&[Thing::Folder]);
    let folder = one_of(rng, &folders);
    let path = format!("{folder}/{}", one_of(rng, &LABELS));
    let is_there = paths.0.iter().any(|(one, _)| *one == path);
    if percent(rng, 30) && !is_there {
        return format!("{path}/{}", one_of(rng, &LABELS));
    }
    path
}

/// Of a folder: what is beneath something else is refused.
fn folder(rng: &mut Rng, paths: &Paths, world: &World) -> String {
    let folders = paths.all(&[Thing::Folder, Thing::LinkToFolder, Thing::Bound]);
    let path = one_of(rng, &folders).clone();
    // All of a world at once leaves nothing to compare with.
    if path == world.root && percent(rng, 80) {
        one_of(rng, &folders).clone()
    } else {
        path
    }
}

fn operations(rng: &mut Rng) -> Vec<FileOperation> {
    if percent(rng, 25) {
        return Vec::new();
    }
    let mut operations = FILE_OPERATIONS.to_vec();
    rng.shuffle(&mut operations);
    operations.truncate(rng.usize(1..4));
    operations.sort();
    operations
}

/// Nobody in particular, or one or two of those who try.
fn subjects(rng: &mut Rng, times: u32) -> Vec<Subject> {
    if !percent(rng, times) {
        return Vec::new();
    }
    let count = weighted(rng, &[(70, 1), (30, 2)]);
    (0..count).map(|_| subject(rng)).collect()
}

fn subject(rng: &mut Rng) -> Subject {
    let mut subject = Subject::default();
    // Each of them alone, or a user in addition.
    match rng.u32(..4) {
        0 => subject.program = Some(OTHER_PROGRAM.into()),
        1 => subject.cgroup = Some((*one_of(rng, &CGROUPS)).into()),
        _ => {}
    }
    if subject.is_empty() || percent(rng, 15) {
        subject.uid = Some(weighted_users(rng));
    }
    subject
}

/// Some of those who try, but neither the runner nor whoever is like it.
fn safe_subject(rng: &mut Rng) -> Subject {
    let mut subject = Subject::default();
    match rng.u32(..4) {
        0 => subject.program = Some(OTHER_PROGRAM.into()),
        1 => subject.cgroup = Some((*one_of(rng, &CGROUPS)).into()),
        2 => subject.uid = Some(Uids::One(1001)),
        _ => subject.uid = Some(Uids::Range("1000-1002".into())),
    }
    subject
}

fn weighted_users(rng: &mut Rng) -> Uids {
    match rng.u32(..6) {
        0 => Uids::One(0),
        1 => Uids::One(1001),
        2 => Uids::One(1002),
        3 => Uids::Range("1000-1001".into()),
        4 => Uids::Range("1002-4294967295".into()),
        _ => Uids::Range("0-1001".into()),
    }
}
