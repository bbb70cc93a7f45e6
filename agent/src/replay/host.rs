//! What paths, files and cgroups are on this machine, by `stat(2)` and the
//! mount table: without the kernel's programs there are no generations of
//! inodes, and a number that was used again is taken for the same file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::{DirEntryExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use aegisbpf_abi::{Key, Mode};
use sha2::{Digest as _, Sha256};

use super::{
    attempt::{Cgroup, Location, What, Who},
    record::{Event, File},
};
use crate::{
    canary,
    control::Refusal,
    image::{self, Image, Modes},
    kernel::identify::{Identify, IdentifyError, Identity},
    policy::{AbsolutePath, FileObject, Policy, Programs, Rule, Target},
    resolve::{Mount, Resolved, Resolver, device_number, mounts},
    startup,
};

/// This machine, as far as it was asked about.
#[derive(Debug, Default)]
pub struct Host {
    mounts: Vec<Mount>,
    /// Where files of events are now.
    found: BTreeMap<Key, Vec<PathBuf>>,
    cgroups: BTreeMap<u64, Vec<u64>>,
}

struct ByStatus<'a>(&'a [Mount]);

impl Identify for ByStatus<'_> {
    fn identify(&mut self, path: &Path) -> Result<Option<Identity>, IdentifyError> {
        match fs::metadata(path) {
            Ok(found) => Ok(Some(Identity {
                key: Key::object(found.ino(), 0, self.device(path, found.dev())),
                is_folder: found.is_dir(),
            })),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl ByStatus<'_> {
    /// The super block's device: what `stat(2)` says, unless no mount has it,
    /// as on btrfs.
    fn device(&self, path: &Path, status: u64) -> u32 {
        let device = device_number(rustix::fs::major(status), rustix::fs::minor(status));
        if self.0.iter().any(|mount| mount.device == device) {
            return device;
        }
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let around = self.0.iter().filter(|mount| real.starts_with(&mount.point));
        let nearest = around.max_by_key(|mount| mount.point.as_os_str().len());
        nearest.map_or(device, |mount| mount.device)
    }
}

fn absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

impl Host {
    /// With its mount table.
    pub fn here() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/self/mountinfo")?;
        Ok(Self {
            mounts: mounts(&text),
            ..Self::default()
        })
    }

    fn resolver<T>(&self, ask: impl FnOnce(&mut Resolver<'_>) -> T) -> T {
        let mut identify = ByStatus(&self.mounts);
        ask(&mut Resolver::with_mounts(
            &mut identify,
            self.mounts.clone(),
        ))
    }

    /// A policy as it would be enforced here.
    pub fn image(&self, policy: &Policy) -> Result<Image, Refusal> {
        // Only root sees which program init is.
        let own = startup::OWN.iter().map(Path::new);
        let own = own.filter(|path| self.program(path).is_ok());
        let objects = self.resolver(|resolver| startup::resolve(policy, own, resolver))?;
        let modes = Modes::for_policy(policy, Mode::Enforce);
        image::build(policy, &objects, modes, &canary::names_only()).map_err(Refusal::policy)
    }

    /// Look for the files and cgroups of events: at the paths that policies
    /// name and beneath them.
    pub fn look_for(&mut self, events: &[Event], policies: &[&Policy]) {
        let files = events.iter().filter_map(|event| event.file.as_ref());
        let wanted: BTreeSet<Key> = files.filter_map(File::object).collect();
        let inodes: BTreeSet<u64> = wanted.iter().map(|key| key.a).collect();
        let mut folders = Vec::new();
        for rule in policies.iter().flat_map(|policy| &policy.rules) {
            match (path_of(rule), &rule.target) {
                (Some((path, false)), _) => self.note(path, &wanted),
                (Some((path, true)), _) => folders.push(path.to_owned()),
                (None, Target::Exec(Programs::AllBut(paths))) => {
                    for path in paths {
                        self.note(path.as_path(), &wanted);
                    }
                }
                _ => {}
            }
        }
        if !wanted.is_empty() {
            walk(folders, &mut |entry| {
                if inodes.contains(&entry.ino()) {
                    self.note(&entry.path(), &wanted);
                }
            });
        }
        let hierarchy = self.mounts.iter().find(|mount| mount.kind == "cgroup2");
        if let Some(root) = hierarchy.map(|mount| mount.point.clone()) {
            let wanted = events.iter().map(|event| event.cgroup).collect();
            self.look_for_cgroups(&root, &wanted);
        }
    }

    fn note(&mut self, path: &Path, wanted: &BTreeSet<Key>) {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Ok(Some(found)) = ByStatus(&self.mounts).identify(&real)
            && wanted.contains(&found.key)
        {
            self.found.entry(found.key).or_default().push(real);
        }
    }

    fn look_for_cgroups(&mut self, root: &Path, wanted: &BTreeSet<u64>) {
        let ids = |path: &Path| -> io::Result<Vec<u64>> {
            let mut ids = vec![fs::metadata(root)?.ino()];
            let mut folder = root.to_owned();
            for name in path.strip_prefix(root).unwrap_or(path) {
                folder.push(name);
                ids.push(fs::metadata(&folder)?.ino());
            }
            Ok(ids)
        };
        let mut note = |path: &Path| {
            // One that goes away meanwhile is not known.
            if let Ok(ids) = ids(path)
                && let Some(own) = ids.last().filter(|own| wanted.contains(own))
            {
                self.cgroups.insert(*own, ids);
            }
        };
        note(root);
        walk(vec![root.to_owned()], &mut |entry| {
            if wanted.contains(&entry.ino()) {
                note(&entry.path());
            }
        });
    }

    /// A cgroup by its id.
    pub fn cgroup(&self, id: u64) -> Cgroup {
        let known = self.cgroups.get(&id).cloned();
        known.map_or(Cgroup::Own(id), Cgroup::Path)
    }

    /// A cgroup by its path, which must exist.
    pub fn cgroup_at(&mut self, path: &Path) -> Result<Cgroup, Refusal> {
        let (id, _) = self
            .resolver(|resolver| resolver.cgroup(path))
            .map_err(Refusal::policy)?;
        let hierarchy = self.mounts.iter().find(|mount| mount.kind == "cgroup2");
        if let Some(root) = hierarchy.map(|mount| mount.point.clone()) {
            self.look_for_cgroups(&root, &BTreeSet::from([id]));
        }
        Ok(self.cgroup(id))
    }

    /// The object of a program, which must exist.
    pub fn program(&self, path: &Path) -> Result<Key, Refusal> {
        self.resolver(|resolver| resolver.existing(path, "it is to try something"))
            .map_err(Refusal::policy)
    }

    /// Who tried, as an event tells; and, where the policy is given under which
    /// it was recorded, as the rule tells that decided.
    pub fn who(&self, event: &Event, recorded: Option<&Policy>) -> Who {
        let object = |path: &AbsolutePath| self.program(path.as_path()).ok();
        let mut who = Who {
            uid: Some(event.uid),
            cgroup: self.cgroup(event.cgroup),
            not: self.own(),
            ..Who::default()
        };
        let Some(policy) = recorded else { return who };
        who.not.extend(policy.never_deny.iter().filter_map(object));
        let Some(rule) = event.rule_of(policy) else {
            return who;
        };
        if let [subject] = &rule.scope[..] {
            who.program = subject.program.as_ref().and_then(object);
            who.mount_namespace = subject.mount_namespace;
        }
        let left_out = rule.except.iter().filter(|subject| {
            let uid = subject
                .uid
                .is_none_or(|(first, last)| (first..=last).contains(&event.uid));
            uid && subject.cgroup.is_none() && subject.mount_namespace.is_none()
        });
        let programs = left_out.filter_map(|subject| subject.program.as_ref());
        who.not.extend(programs.filter_map(object));
        who
    }

    /// The agent and init, as far as they can be seen: no event is about them.
    pub fn own(&self) -> BTreeSet<Key> {
        let own = startup::OWN.iter().map(Path::new);
        own.filter_map(|path| self.program(path).ok()).collect()
    }

    /// The file of an event: where it is, a file of the same inode and name
    /// tells, or the rule that was recorded. The name is that of its path: then
    /// it was there, or is another link of that file. The name is not that of
    /// its folder: then it was beneath.
    pub fn recorded(&self, file: &File, executed: bool, rule: Option<&Rule>) -> What {
        let (object, name) = (file.object(), file.name.as_str());
        let paths = object.and_then(|object| self.found.get(&object));
        let mut paths = paths.into_iter().flatten();
        let same_name = |path: &&PathBuf| path.file_name().is_some_and(|last| last == name);
        match paths.find(same_name) {
            Some(path) => self.at(path, executed),
            None => match rule.and_then(path_of) {
                Some((path, false)) if path.file_name().is_some_and(|last| last == name) => {
                    self.at(path, executed)
                }
                Some((path, true)) if path.file_name().is_some_and(|last| last != name) => {
                    self.somewhere(object, name, Some(path))
                }
                _ => self.somewhere(object, name, None),
            },
        }
    }

    fn somewhere(&self, object: Option<Key>, name: &str, below: Option<&Path>) -> What {
        let above = below.and_then(|path| self.resolver(|resolver| resolver.resolve(path)).ok());
        let above = above.map(|found| found.ancestors.into_iter().chain(found.object).collect());
        What::File {
            object,
            location: Location::Somewhere {
                name: name.to_owned(),
                above: above.unwrap_or_default(),
            },
            content: None,
        }
    }

    /// What is at a path now.
    pub fn at(&self, path: &Path, executed: bool) -> What {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = || real.file_name().unwrap_or_default().to_string_lossy();
        let found = self.resolver(|resolver| resolver.resolve(&real));
        let Ok(Resolved {
            object,
            places,
            ancestors,
            ..
        }) = found
        else {
            return What::SomeFile;
        };
        let content = executed.then(|| fs::read(&real).ok()).flatten();
        What::File {
            object,
            location: match places.first() {
                Some(place) if real.is_absolute() => Location::Known {
                    place: place.key,
                    above: ancestors,
                },
                _ => Location::Somewhere {
                    name: name().into_owned(),
                    above: BTreeSet::new(),
                },
            },
            content: content.map(|content| Sha256::digest(content).into()),
        }
    }
}

/// The path that a rule names, and whether it speaks of everything beneath.
fn path_of(rule: &Rule) -> Option<(&Path, bool)> {
    match &rule.target {
        Target::File {
            object: FileObject::Path(path),
            ..
        }
        | Target::Exec(Programs::Path(path)) => Some((path.as_path(), false)),
        Target::File {
            object: FileObject::Subtree(path),
            ..
        }
        | Target::Exec(Programs::Subtree(path)) => Some((path.as_path(), true)),
        _ => None,
    }
}

/// Everything beneath folders, symbolic links not followed.
fn walk(mut folders: Vec<PathBuf>, visit: &mut impl FnMut(&fs::DirEntry)) {
    while let Some(folder) = folders.pop() {
        // What cannot be listed holds nothing that is found.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            visit(&entry);
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
}
