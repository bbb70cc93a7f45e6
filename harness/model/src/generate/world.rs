//! Folders, files, links, programs and mounts.

use fastrand::Rng;
use harness_proto::{Item, World};

use super::{one_of, percent};

/// Few, so that one thing often gets the name of another.
pub(super) const LABELS: [&str; 9] = ["a", "b", "c", "d", "f", "g", "h", "p", "q"];

/// What is at a path of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thing {
    Folder,
    File,
    Program,
    LinkToFile,
    LinkToFolder,
    /// What is in it is that of another.
    Bound,
}

/// Paths of a world.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths(pub(super) Vec<(String, Thing)>);

impl Paths {
    pub(super) fn of(world: &World) -> Self {
        let mut paths = Self(vec![(world.root.clone(), Thing::Folder)]);
        for item in &world.items {
            let (path, thing) = match item {
                Item::Folder(path) => (path, Thing::Folder),
                Item::File(path) => (path, Thing::File),
                Item::Program { path, .. } => (path, Thing::Program),
                Item::Symlink { path, target } => match paths.thing(target) {
                    Some(Thing::Folder) => (path, Thing::LinkToFolder),
                    _ => (path, Thing::LinkToFile),
                },
                Item::Link { from, path } => (path, paths.thing(from).unwrap_or(Thing::File)),
                Item::Tmpfs(_) => continue,
                Item::Bind { to, .. } => {
                    let bound = paths.0.iter_mut().filter(|(path, _)| path == to);
                    bound.for_each(|(_, thing)| *thing = Thing::Bound);
                    continue;
                }
            };
            paths.0.push((path.clone(), thing));
        }
        paths
    }

    fn thing(&self, path: &str) -> Option<Thing> {
        let found = self.0.iter().find(|(one, _)| one == path);
        found.map(|(_, thing)| *thing)
    }

    pub(super) fn all(&self, wanted: &[Thing]) -> Vec<String> {
        let fitting = self.0.iter().filter(|(_, thing)| wanted.contains(thing));
        fitting.map(|(path, _)| path.clone()).collect()
    }
}

/// A new name in a folder of the world, if the first that is drawn is free.
fn free(rng: &mut Rng, paths: &Paths, depth: usize) -> Option<String> {
    let folders = paths.all(&[Thing::Folder]);
    let folder = one_of(rng, &folders);
    let path = format!("{folder}/{}", one_of(rng, &LABELS));
    (path.matches('/').count() <= depth && paths.thing(&path).is_none()).then_some(path)
}

pub(super) fn make(rng: &mut Rng, root: &str) -> World {
    let mut world = World {
        root: root.to_owned(),
        items: Vec::new(),
    };
    let depth = root.matches('/').count() + 4;
    let add = |world: &mut World, rng: &mut Rng, item: fn(&mut Rng, &Paths, String) -> Item| {
        let paths = Paths::of(world);
        if let Some(path) = free(rng, &paths, depth) {
            world.items.push(item(rng, &paths, path));
        }
    };
    for _ in 0..rng.usize(3..7) {
        add(&mut world, rng, |_, _, path| Item::Folder(path));
    }
    if percent(rng, 30) {
        mount(rng, &mut world);
    }
    for _ in 0..rng.usize(4..9) {
        add(&mut world, rng, |_, _, path| Item::File(path));
    }
    for _ in 0..rng.usize(1..4) {
        add(&mut world, rng, |rng, _, path| Item::Program {
            path,
            salt: rng.u32(1..3),
        });
    }
    for _ in 0..rng.usize(0..3) {
        add(&mut world, rng, |rng, paths, path| Item::Symlink {
            path,
            target: one_of(rng, &paths.0).0.clone(),
        });
    }
    for _ in 0..rng.usize(0..3) {
        link(rng, &mut world, depth);
    }
    world
}

/// Another file system, or a folder that is seen twice.
fn mount(rng: &mut Rng, world: &mut World) {
    let folders = Paths::of(world).all(&[Thing::Folder]);
    let at = one_of(rng, &folders).clone();
    let from = one_of(rng, &folders).clone();
    // Not over the root, and not around itself or what it shows.
    if at == world.root || folders.iter().any(|one| one.starts_with(&format!("{at}/"))) {
        return;
    }
    world.items.push(if percent(rng, 50) || from == at {
        Item::Tmpfs(at)
    } else {
        Item::Bind { from, to: at }
    });
}

/// A second name of a file, where one file system has both.
fn link(rng: &mut Rng, world: &mut World, depth: usize) {
    let mounts = world.items.iter().filter_map(|item| match item {
        Item::Tmpfs(at) | Item::Bind { to: at, .. } => Some(format!("{at}/")),
        _ => None,
    });
    let mounts: Vec<String> = mounts.collect();
    let paths = Paths::of(world);
    let files = paths.all(&[Thing::File, Thing::Program]);
    if files.is_empty() {
        return;
    }
    let from = one_of(rng, &files).clone();
    if let Some(path) = free(rng, &paths, depth)
        && !mounts
            .iter()
            .any(|at| from.starts_with(at) || path.starts_with(at))
    {
        world.items.push(Item::Link { from, path });
    }
}
