//! Paths of rules to objects and places of the file system.
//!
//! A rule about a path holds for the object that is there now, under every
//! other name it has or gets, and for the place, whatever object gets there.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use aegisbpf_abi::{NAME_LENGTH, ObjectKey, PlaceKey};
use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, statx};
use thiserror::Error;

/// What a path stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The file, when there is one.
    pub object: Option<ObjectKey>,
    /// The name in its folder; two when the path is a symbolic link: its own
    /// and that of the file it leads to.
    pub places: Vec<PlaceKey>,
}

/// Why a path stands for nothing a rule can hold.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The folder is missing or cannot be read: there is no place yet.
    #[error("the folder {} cannot be used: {source}; make it first, or take the rule out", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A folder where a file is meant.
    #[error("{} is a folder; a rule names one file", path.display())]
    IsFolder {
        /// The path.
        path: PathBuf,
    },
    /// The mount table is not what it should be.
    #[error("cannot find the device of {} in /proc/self/mountinfo: {problem}", path.display())]
    Device {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Finds objects and places; holds the mount table of one moment.
#[derive(Debug)]
pub struct Resolver {
    /// `super_block.s_dev` by mount id.
    devices: BTreeMap<u64, u32>,
}

impl Resolver {
    /// Read the mount table.
    pub fn new() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/self/mountinfo")?;
        Ok(Self {
            devices: devices_by_mount(&text),
        })
    }

    /// What a path stands for now.
    pub fn resolve(&self, path: &Path) -> Result<Resolved, ResolveError> {
        let mut places = vec![self.place(path)?];
        let file_error = |source| ResolveError::File {
            path: path.to_owned(),
            source,
        };
        let object = match self.identify(path, AtFlags::empty())? {
            None => None,
            Some((_, FileType::Directory)) => {
                return Err(ResolveError::IsFolder {
                    path: path.to_owned(),
                });
            }
            Some((object, _)) => {
                // The kernel names the file by its own place, not by that of
                // a link on the way to it.
                let real = fs::canonicalize(path).map_err(file_error)?;
                let place = self.place(&real)?;
                if !places.contains(&place) {
                    places.push(place);
                }
                Some(object)
            }
        };
        Ok(Resolved { object, places })
    }

    fn place(&self, path: &Path) -> Result<PlaceKey, ResolveError> {
        let folder_error = |folder: &Path, source| ResolveError::Folder {
            folder: folder.to_owned(),
            source,
        };
        let (Some(folder), Some(file_name)) = (path.parent(), path.file_name()) else {
            return Err(ResolveError::IsFolder {
                path: path.to_owned(),
            });
        };
        let folder_key = match self.identify(folder, AtFlags::empty())? {
            Some((key, FileType::Directory)) => key,
            Some(_) => return Err(folder_error(folder, io::ErrorKind::NotADirectory.into())),
            None => return Err(folder_error(folder, io::ErrorKind::NotFound.into())),
        };
        let bytes = file_name.as_bytes();
        let mut name = [0; NAME_LENGTH + 1];
        let Some(start) = name[..NAME_LENGTH].get_mut(..bytes.len()) else {
            return Err(folder_error(folder, io::ErrorKind::InvalidFilename.into()));
        };
        start.copy_from_slice(bytes);
        Ok(PlaceKey {
            folder: folder_key,
            name,
        })
    }

    /// The object at a path, or `None` when there is nothing.
    fn identify(
        &self,
        path: &Path,
        flags: AtFlags,
    ) -> Result<Option<(ObjectKey, FileType)>, ResolveError> {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
        let status = match statx(CWD, path, flags, wanted) {
            Ok(status) => status,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => {
                return Err(ResolveError::File {
                    path: path.to_owned(),
                    source: error.into(),
                });
            }
        };
        let device_error = |problem: String| ResolveError::Device {
            path: path.to_owned(),
            problem,
        };
        if !StatxFlags::from_bits_retain(status.stx_mask).contains(StatxFlags::MNT_ID) {
            return Err(device_error(
                "the kernel gives no mount id; it needs 5.8".into(),
            ));
        }
        // Not `stx_dev`: some file systems show another number there than the
        // one their super block has.
        let device = self
            .devices
            .get(&status.stx_mnt_id)
            .ok_or_else(|| device_error(format!("no mount has the id {}", status.stx_mnt_id)))?;
        let key = ObjectKey {
            inode: status.stx_ino,
            device: *device,
            reserved: 0,
        };
        Ok(Some((
            key,
            FileType::from_raw_mode(u32::from(status.stx_mode)),
        )))
    }
}

/// The third column of each line is `major:minor` of the super block.
fn devices_by_mount(mountinfo: &str) -> BTreeMap<u64, u32> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let mut columns = line.split(' ');
            let id = columns.next()?.parse().ok()?;
            let (major, minor) = columns.nth(1)?.split_once(':')?;
            Some((id, device_number(major.parse().ok()?, minor.parse().ok()?)))
        })
        .collect()
}

/// The kernel's own encoding, `MKDEV`; `stat(2)` has another.
const fn device_number(major: u32, minor: u32) -> u32 {
    (major << 20) | minor
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    #[test]
    fn the_mount_table_gives_the_kernels_device_numbers() {
        let text =
            "22 28 0:21 / /sys rw - sysfs sysfs rw\n29 1 259:3 / / rw shared:1 - ext4 /dev/x rw\n";
        assert_eq!(
            devices_by_mount(text),
            BTreeMap::from([(22, 21), (29, (259 << 20) | 3)])
        );
    }

    #[test]
    fn a_path_stands_for_its_object_and_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let file = root.join("file");
        fs::write(&file, "x").unwrap();
        let resolved = Resolver::new().unwrap().resolve(&file).unwrap();
        assert_eq!(
            resolved.object.unwrap().inode,
            fs::metadata(&file).unwrap().ino()
        );
        assert_eq!(resolved.places.len(), 1);
        assert_eq!(
            resolved.places[0].folder.inode,
            fs::metadata(&root).unwrap().ino()
        );
        assert_eq!(&resolved.places[0].name[..5], b"file\0");
    }

    #[test]
    fn a_link_stands_for_both_places_and_a_missing_file_for_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "x").unwrap();
        symlink(&file, &link).unwrap();
        let resolver = Resolver::new().unwrap();
        let of_link = resolver.resolve(&link).unwrap();
        assert_eq!(of_link.object, resolver.resolve(&file).unwrap().object);
        assert_eq!(of_link.places.len(), 2);
        let of_nothing = resolver.resolve(&folder.path().join("later")).unwrap();
        assert_eq!((of_nothing.object, of_nothing.places.len()), (None, 1));
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_it() {
        let error = Resolver::new()
            .unwrap()
            .resolve(Path::new("/nowhere-at-all/file"))
            .unwrap_err();
        assert!(error.to_string().contains("/nowhere-at-all"), "{error}");
    }
}
