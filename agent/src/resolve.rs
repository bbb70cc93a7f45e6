//! Paths of rules to objects and places of the file system.
//!
//! A rule about a path holds for the object that is there now, under every
//! other name it has or gets, and for the place, whatever object gets there.
//! The folders on the way to the place are guarded, so that it stays the
//! place.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use aegisbpf_abi::{Key, NAME_LENGTH, NameHash};
use thiserror::Error;

use crate::kernel::identify::{Identify, IdentifyError, Identity};

/// Symbolic links that one path may lead through, as in the kernel.
const MAX_LINKS: usize = 40;

/// A name in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The folder.
    pub folder: Key,
    /// The name in it.
    pub key: Key,
}

/// What a path stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The file or folder, when there is one.
    pub object: Option<Key>,
    /// Its name in its folder; for a symbolic link its own, and that of each
    /// file it leads to.
    pub places: BTreeSet<Place>,
    /// The folders above.
    pub ancestors: BTreeSet<Key>,
    /// Where a folder above is missing: the place of the first that is.
    pub missing: BTreeSet<Place>,
    /// Of a subtree: its root, and the roots of the file systems mounted
    /// beneath it, each with the folders above.
    pub roots: BTreeMap<Key, BTreeSet<Key>>,
}

/// Why a path stands for nothing a rule can hold.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The system refused to look.
    #[error("{}: {source}", path.display())]
    Identify {
        /// The path.
        path: PathBuf,
        /// Why.
        source: IdentifyError,
    },
    /// A symbolic link cannot be followed.
    #[error("cannot follow the link {}: {source}", path.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file where a folder is meant.
    #[error("{} is no folder", path.display())]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// Nothing where there must be something.
    #[error("{} does not exist; {needed}", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
        /// Why it must.
        needed: &'static str,
    },
    /// The cgroup hierarchy is not there.
    #[error("cannot find the cgroup v2 hierarchy: mount it (mount -t cgroup2 none /sys/fs/cgroup)")]
    NoCgroups,
    /// The name is too long for any file system.
    #[error("{} has a name longer than {NAME_LENGTH} bytes", path.display())]
    Name {
        /// The path.
        path: PathBuf,
    },
}

/// Finds objects and places. Remembers what it found: many rules share their
/// folders.
pub struct Resolver<'a> {
    kernel: &'a mut dyn Identify,
    mounts: Vec<Mount>,
    known: BTreeMap<PathBuf, Option<Identity>>,
}

/// A line of the mount table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// `super_block.s_dev`, in the kernel's own encoding.
    pub device: u32,
    /// Type of the file system.
    pub kind: String,
}

impl<'a> Resolver<'a> {
    /// With the mount table of this moment.
    pub fn new(kernel: &'a mut dyn Identify) -> io::Result<Self> {
        let text = fs::read_to_string("/proc/self/mountinfo")?;
        Ok(Self::with_mounts(kernel, mounts(&text)))
    }

    /// With a given mount table.
    pub fn with_mounts(kernel: &'a mut dyn Identify, mounts: Vec<Mount>) -> Self {
        Self {
            kernel,
            mounts,
            known: BTreeMap::new(),
        }
    }

    /// What a path stands for now.
    pub fn resolve(&mut self, path: &Path) -> Result<Resolved, ResolveError> {
        let mut resolved = Resolved::default();
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let place = self.place(&path, &mut resolved)?;
            let Some(real) = place else {
                return Ok(resolved);
            };
            match fs::read_link(&real) {
                Ok(target) => path = real.parent().unwrap_or(Path::new("/")).join(target),
                // It is no link, or it is not there.
                Err(error) if no_link(&error) => {
                    resolved.object = self.identify(&real)?.map(|found| found.key);
                    return Ok(resolved);
                }
                Err(source) => return Err(ResolveError::Link { path: real, source }),
            }
        }
        Err(ResolveError::Link {
            path,
            source: io::Error::from_raw_os_error(40),
        })
    }

    /// The same for a folder and everything beneath it.
    pub fn resolve_subtree(&mut self, path: &Path) -> Result<Resolved, ResolveError> {
        let mut resolved = self.resolve(path)?;
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if no_link(&error) => return Ok(resolved),
            Err(source) => {
                return Err(ResolveError::Link {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let beneath: Vec<PathBuf> = self
            .mounts
            .iter()
            .map(|mount| mount.point.clone())
            .filter(|point| *point != real && point.starts_with(&real))
            .collect();
        for root in std::iter::once(real).chain(beneath) {
            let Some(identity) = self.identify(&root)? else {
                continue;
            };
            if !identity.is_folder {
                return Err(ResolveError::NoFolder { path: root });
            }
            let above = self.above(&root)?;
            resolved.roots.insert(identity.key, above);
        }
        Ok(resolved)
    }

    /// The object of something that must exist.
    pub fn existing(&mut self, path: &Path, needed: &'static str) -> Result<Key, ResolveError> {
        let found = self.identify(path)?.map(|found| found.key);
        found.ok_or_else(|| ResolveError::Missing {
            path: path.to_owned(),
            needed,
        })
    }

    /// Id and depth of a cgroup: a path from the root of the v2 hierarchy.
    pub fn cgroup(&mut self, path: &Path) -> Result<(u64, u32), ResolveError> {
        let hierarchy = self.mounts.iter().find(|mount| mount.kind == "cgroup2");
        let root = hierarchy.ok_or(ResolveError::NoCgroups)?.point.clone();
        let names = path.strip_prefix("/").unwrap_or(path);
        let key = self.existing(&root.join(names), "make the cgroup first")?;
        let depth = u32::try_from(names.components().count()).unwrap_or(u32::MAX);
        Ok((key.a, depth))
    }

    /// Devices of the file systems that are mounted from block devices.
    pub fn devices(&self) -> BTreeSet<u32> {
        let mounts = self.mounts.iter().map(|mount| mount.device);
        // Major number 0 is not a device.
        mounts.filter(|device| device >> 20 != 0).collect()
    }

    /// The place of a path. Gives the path with its folder as it really is,
    /// or `None` when a folder above is missing.
    fn place(
        &mut self,
        path: &Path,
        resolved: &mut Resolved,
    ) -> Result<Option<PathBuf>, ResolveError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let name = path.file_name().unwrap_or_default();
        match fs::canonicalize(folder) {
            Ok(folder) => {
                let found = self.identify(&folder)?;
                let Some(Identity {
                    key,
                    is_folder: true,
                }) = found
                else {
                    return Err(ResolveError::NoFolder { path: folder });
                };
                let real = folder.join(name);
                resolved.places.insert(place(key, &real)?);
                resolved.ancestors.insert(key);
                resolved.ancestors.extend(self.above(&folder)?);
                Ok(Some(real))
            }
            Err(error) if no_link(&error) => {
                // The first that is missing is the one that must not appear.
                let above = folder.parent().unwrap_or(Path::new("/"));
                let mut missing = Resolved::default();
                match self.place(
                    &above.join(folder.file_name().unwrap_or_default()),
                    &mut missing,
                )? {
                    Some(_) => resolved.missing.extend(missing.places),
                    None => resolved.missing.extend(missing.missing),
                }
                resolved.ancestors.extend(missing.ancestors);
                Ok(None)
            }
            Err(source) => Err(ResolveError::Link {
                path: folder.to_owned(),
                source,
            }),
        }
    }

    /// The objects of all folders above a real path.
    fn above(&mut self, path: &Path) -> Result<BTreeSet<Key>, ResolveError> {
        let mut keys = BTreeSet::new();
        for folder in path.ancestors().skip(1) {
            if let Some(found) = self.identify(folder)? {
                keys.insert(found.key);
            }
        }
        Ok(keys)
    }

    fn identify(&mut self, path: &Path) -> Result<Option<Identity>, ResolveError> {
        if let Some(known) = self.known.get(path) {
            return Ok(*known);
        }
        let found = self
            .kernel
            .identify(path)
            .map_err(|source| ResolveError::Identify {
                path: path.to_owned(),
                source,
            })?;
        self.known.insert(path.to_owned(), found);
        Ok(found)
    }
}

fn no_link(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::InvalidInput | io::ErrorKind::NotADirectory
    )
}

fn place(folder: Key, path: &Path) -> Result<Place, ResolveError> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    if name.len() > NAME_LENGTH {
        return Err(ResolveError::Name {
            path: path.to_owned(),
        });
    }
    Ok(Place {
        folder,
        key: folder.place(NameHash::of(name)),
    })
}

/// The mount table: the third column of each line is `major:minor` of the
/// super block, the fifth where it is mounted, and the type follows a dash.
pub fn mounts(mountinfo: &str) -> Vec<Mount> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let mut columns = line.split(' ');
            let (major, minor) = columns.nth(2)?.split_once(':')?;
            let device = device_number(major.parse().ok()?, minor.parse().ok()?);
            let point = PathBuf::from(unescaped(columns.nth(1)?));
            let kind = columns.skip_while(|column| *column != "-").nth(1)?;
            Some(Mount {
                point,
                device,
                kind: kind.to_owned(),
            })
        })
        .collect()
}

/// Space, tab, newline and backslash are written as octal numbers.
fn unescaped(text: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The kernel's own encoding, `MKDEV`; `stat(2)` has another.
pub const fn device_number(major: u32, minor: u32) -> u32 {
    (major << 20) | minor
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    /// The host's own inode numbers.
    struct Host;

    impl Identify for Host {
        fn identify(&mut self, path: &Path) -> Result<Option<Identity>, IdentifyError> {
            match fs::metadata(path) {
                Ok(found) => Ok(Some(Identity {
                    key: Key::object(found.ino(), 0, 7),
                    is_folder: found.is_dir(),
                })),
                Err(error) if no_link(&error) => Ok(None),
                Err(error) => Err(error.into()),
            }
        }
    }

    fn key(path: &Path) -> Key {
        Host.identify(path).unwrap().unwrap().key
    }

    fn resolve(path: &Path) -> Resolved {
        Resolver::with_mounts(&mut Host, Vec::new())
            .resolve(path)
            .unwrap()
    }

    #[test]
    fn the_mount_table_gives_devices_points_and_types() {
        let text = "22 28 0:21 / /sys rw - sysfs sysfs rw\n\
                    29 1 259:3 / /a\\040b rw shared:1 - ext4 /dev/x rw\n";
        let found = mounts(text);
        assert_eq!(found[0].device, 21);
        assert_eq!(found[1].device, (259 << 20) | 3);
        assert_eq!(found[1].point, Path::new("/a b"));
        assert_eq!(found[1].kind, "ext4");
    }

    #[test]
    fn a_path_stands_for_its_object_its_place_and_the_folders_above() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let file = root.join("file");
        fs::write(&file, "x").unwrap();
        let resolved = resolve(&file);
        assert_eq!(resolved.object, Some(key(&file)));
        let wanted = Place {
            folder: key(&root),
            key: key(&root).place(NameHash::of(b"file")),
        };
        assert_eq!(resolved.places, BTreeSet::from([wanted]));
        assert!(resolved.ancestors.contains(&key(&root)));
        assert!(resolved.ancestors.contains(&key(Path::new("/"))));
    }

    #[test]
    fn a_link_stands_for_every_place_on_its_way_even_to_nothing() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        symlink("two", root.join("one")).unwrap();
        symlink(root.join("three"), root.join("two")).unwrap();
        let resolved = resolve(&root.join("one"));
        assert_eq!((resolved.object, resolved.places.len()), (None, 3));
        fs::write(root.join("three"), "x").unwrap();
        assert_eq!(
            resolve(&root.join("one")).object,
            Some(key(&root.join("three")))
        );
    }

    #[test]
    fn a_link_to_itself_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        symlink("loop", root.path().join("loop")).unwrap();
        let mut host = Host;
        let mut resolver = Resolver::with_mounts(&mut host, Vec::new());
        assert!(resolver.resolve(&root.path().join("loop")).is_err());
    }

    #[test]
    fn of_missing_folders_the_first_is_watched() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let resolved = resolve(&root.join("a/b/c/file"));
        let wanted = Place {
            folder: key(&root),
            key: key(&root).place(NameHash::of(b"a")),
        };
        assert_eq!(resolved.missing, BTreeSet::from([wanted]));
        assert!(resolved.places.is_empty());
        assert!(resolved.ancestors.contains(&key(&root)));
    }

    #[test]
    fn a_subtree_holds_the_mounts_beneath_it() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        fs::create_dir_all(root.join("tree/mounted")).unwrap();
        let mount = |point: PathBuf| Mount {
            point,
            device: 1,
            kind: "tmpfs".into(),
        };
        let mounts = vec![
            mount(root.join("tree/mounted")),
            mount(root.join("elsewhere")),
        ];
        let mut host = Host;
        let mut resolver = Resolver::with_mounts(&mut host, mounts);
        let resolved = resolver.resolve_subtree(&root.join("tree")).unwrap();
        let roots: Vec<Key> = resolved.roots.keys().copied().collect();
        let mut wanted = vec![key(&root.join("tree")), key(&root.join("tree/mounted"))];
        wanted.sort();
        assert_eq!(roots, wanted);
        assert!(
            resolved.roots[&key(&root.join("tree/mounted"))].contains(&key(&root.join("tree")))
        );
    }
}
