//! A disk that forgets what was not synced, and loses its power on request.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::Files;

/// What is left of what was written and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsynced {
    Lost,
    Kept,
    Half,
}

/// What the disk does after so many steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Everything after that many steps fails.
    PowerCut(usize),
    /// That step fails, and has no effect.
    Error(usize),
    /// That step, if it is a sync, says that it worked and does nothing.
    LyingSync(usize),
}

#[derive(Debug, Clone, Default)]
struct File {
    content: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Default)]
struct Platters {
    files: Vec<File>,
    /// A folder has no file.
    names: BTreeMap<PathBuf, Option<usize>>,
    synced_names: BTreeMap<PathBuf, Option<usize>>,
    steps: usize,
    syncs: Vec<usize>,
}

/// The disk; clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct FakeDisk {
    platters: Rc<RefCell<Platters>>,
    pub(crate) fault: Fault,
}

impl FakeDisk {
    /// With `/lib`, which every system has.
    pub(crate) fn new() -> Self {
        let names = BTreeMap::from([(PathBuf::from("/lib"), None)]);
        Self {
            platters: Rc::new(RefCell::new(Platters {
                synced_names: names.clone(),
                names,
                ..Platters::default()
            })),
            fault: Fault::None,
        }
    }

    /// Steps until now.
    pub(crate) fn steps(&self) -> usize {
        self.platters.borrow().steps
    }

    /// Which of them were syncs.
    pub(crate) fn syncs(&self) -> Vec<usize> {
        self.platters.borrow().syncs.clone()
    }

    /// The disk after the power came back.
    pub(crate) fn after_power_loss(&self, names: Unsynced, contents: Unsynced) -> Self {
        let platters = self.platters.borrow();
        let names = match names {
            Unsynced::Lost | Unsynced::Half => platters.synced_names.clone(),
            Unsynced::Kept => platters.names.clone(),
        };
        // A file whose folder's name was lost is lost too.
        let reachable = |path: &Path| {
            path.ancestors()
                .skip(1)
                .all(|folder| folder == Path::new("/") || names.get(folder) == Some(&None))
        };
        let left: BTreeMap<_, _> = names
            .iter()
            .filter(|(path, _)| reachable(path))
            .map(|(path, file)| (path.clone(), *file))
            .collect();
        let files = platters.files.iter().map(|file| {
            let content = match contents {
                Unsynced::Lost => file.synced.clone(),
                Unsynced::Kept => file.content.clone(),
                Unsynced::Half if file.synced == file.content => file.synced.clone(),
                Unsynced::Half => file.content[..file.content.len() / 2].to_vec(),
            };
            File {
                synced: content.clone(),
                content,
            }
        });
        Self {
            platters: Rc::new(RefCell::new(Platters {
                files: files.collect(),
                names: left.clone(),
                synced_names: left,
                steps: 0,
                syncs: Vec::new(),
            })),
            fault: Fault::None,
        }
    }

    /// Change a byte, as something else would.
    pub(crate) fn spoil(&self, path: &Path, position: usize) {
        let mut platters = self.platters.borrow_mut();
        let file = platters.names[path].unwrap();
        platters.files[file].content[position] ^= 1;
    }

    /// Whether the step may have its effect.
    fn step(&self, sync: bool) -> io::Result<bool> {
        let mut platters = self.platters.borrow_mut();
        let number = platters.steps;
        platters.steps += 1;
        if sync {
            platters.syncs.push(number);
        }
        match self.fault {
            Fault::PowerCut(last) if number >= last => Err(io::Error::other("no power")),
            Fault::Error(step) if number == step => Err(io::Error::from_raw_os_error(5)),
            Fault::LyingSync(step) if number == step && sync => Ok(false),
            _ => Ok(true),
        }
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Files for FakeDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let platters = self.platters.borrow();
        let file = platters
            .names
            .get(path)
            .copied()
            .flatten()
            .ok_or_else(missing)?;
        Ok(platters.files[file].content.clone())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let platters = self.platters.borrow();
        let inside = platters
            .names
            .keys()
            .filter(|path| path.parent() == Some(folder));
        Ok(inside
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect())
    }

    fn make_folder(&mut self, path: &Path) -> io::Result<()> {
        self.step(false)?;
        let mut platters = self.platters.borrow_mut();
        for folder in path.ancestors().filter(|folder| *folder != Path::new("/")) {
            platters.names.entry(folder.to_owned()).or_insert(None);
        }
        Ok(())
    }

    fn write(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.step(false)?;
        let mut platters = self.platters.borrow_mut();
        let there = platters.names.get(path).copied().flatten();
        let file = there.unwrap_or(platters.files.len());
        if there.is_none() {
            platters.files.push(File::default());
            platters.names.insert(path.to_owned(), Some(file));
        }
        platters.files[file].content = content.to_owned();
        Ok(())
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        if !self.step(true)? {
            return Ok(());
        }
        let mut platters = self.platters.borrow_mut();
        if let Some(file) = platters.names.get(path).copied().flatten() {
            let content = platters.files[file].content.clone();
            platters.files[file].synced = content;
            return Ok(());
        }
        let inside = |name: &Path| name.parent() == Some(path);
        platters.synced_names.retain(|name, _| !inside(name));
        let now: Vec<_> = platters
            .names
            .iter()
            .filter(|(name, _)| inside(name))
            .map(|(name, file)| (name.clone(), *file))
            .collect();
        platters.synced_names.extend(now);
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(false)?;
        let mut platters = self.platters.borrow_mut();
        let file = platters.names.remove(from).ok_or_else(missing)?;
        platters.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.step(false)?;
        let mut platters = self.platters.borrow_mut();
        platters.names.remove(path).map(drop).ok_or_else(missing)
    }
}
