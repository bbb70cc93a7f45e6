//! A folder in the cache that is there completely or not at all.
//!
//! It is filled beside its final place, stamped, flushed and then renamed, so
//! an interrupted set-up or a full disk leaves nothing that a later run would
//! trust. A stamp that differs from what is asked for now is as good as none.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// What a folder holds; recorded inside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stamp {
    /// For instance `bpf-linker`.
    pub what: String,
    /// The version of it.
    pub version: String,
    /// The compiler it was made for, see `Rustc::id`.
    pub rustc: String,
}

/// A folder in the cache for one version of one thing.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    dir: PathBuf,
    stamp: Stamp,
}

const STAMP: &str = "stamp.json";

impl Slot {
    /// The place for what `stamp` describes, below `tools`.
    pub(super) fn new(tools: &Path, stamp: Stamp) -> Self {
        Self {
            dir: tools
                .join(&stamp.rustc)
                .join(format!("{}-{}", stamp.what, stamp.version)),
            stamp,
        }
    }

    /// The folder, if it is complete and holds what is asked for.
    pub(super) fn get(&self) -> Option<&Path> {
        let text = fs::read(self.dir.join(STAMP)).ok()?;
        let found: Stamp = serde_json::from_slice(&text).ok()?;
        (found == self.stamp).then_some(&*self.dir)
    }

    /// Where the folder is or will be.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Lets `fill` fill an empty folder and puts it in place.
    pub(super) fn install(&self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let mut partial = self.dir.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        remove(&partial)?;
        fs::create_dir_all(&partial)
            .with_context(|| format!("cannot create {}", partial.display()))?;
        let result = fill(&partial).and_then(|()| self.commit(&partial));
        if result.is_err() {
            // Best effort: what is left is not trusted, only in the way.
            let _ = fs::remove_dir_all(&partial);
        }
        result
    }

    fn commit(&self, partial: &Path) -> Result<()> {
        let path = partial.join(STAMP);
        let write = || {
            let mut file = File::create(&path)?;
            serde_json::to_writer_pretty(&mut file, &self.stamp)?;
            file.write_all(b"\n")?;
            // Everything in the folder, not only this file, has to be on disk
            // before the new name is.
            nix::unistd::syncfs(&file)?;
            remove(&self.dir).map_err(std::io::Error::other)?;
            fs::rename(partial, &self.dir)
        };
        write().with_context(|| {
            format!(
                "cannot put {} in place; is the disk full or read-only?",
                self.dir.display()
            )
        })
    }
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn slot(tools: &Path, version: &str) -> Slot {
        Slot::new(
            tools,
            Stamp {
                what: "tool".into(),
                version: version.into(),
                rustc: "1.0".into(),
            },
        )
    }

    #[test]
    fn a_filled_slot_is_there_and_others_are_not() {
        let tools = tempfile::tempdir().unwrap();
        let slot_1 = slot(tools.path(), "1.2.3");
        assert_eq!(slot_1.get(), None);
        slot_1
            .install(|dir| Ok(fs::write(dir.join("file"), "x")?))
            .unwrap();
        assert!(slot_1.get().unwrap().join("file").is_file());
        assert_eq!(slot(tools.path(), "1.2.4").get(), None);
    }

    #[test]
    fn a_slot_whose_filling_failed_is_not_there_and_leaves_no_trace() {
        let tools = tempfile::tempdir().unwrap();
        let slot = slot(tools.path(), "1");
        let error = slot
            .install(|dir| {
                fs::write(dir.join("half"), "x")?;
                bail!("disk full")
            })
            .unwrap_err();
        assert_eq!(error.to_string(), "disk full");
        assert_eq!(slot.get(), None);
        assert_eq!(fs::read_dir(tools.path().join("1.0")).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_without_its_stamp_is_not_trusted_and_replaced() {
        let tools = tempfile::tempdir().unwrap();
        let slot = slot(tools.path(), "1");
        fs::create_dir_all(slot.dir().join("junk")).unwrap();
        assert_eq!(slot.get(), None);
        slot.install(|_| Ok(())).unwrap();
        assert!(!slot.get().unwrap().join("junk").exists());
    }
}
