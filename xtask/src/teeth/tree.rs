//! A copy of the source tree that can be broken without harm.
//!
//! A file is written only when its content differs, so that cargo builds
//! again what has changed and nothing else. It is never given an old time: a
//! file restored with its former time would look to cargo as if it had not
//! been touched since the build of the fault.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use super::{edit, fault::Fault};
use crate::process::Invocation;

/// The copy.
#[derive(Debug)]
pub(super) struct Tree {
    copy: PathBuf,
}

impl Tree {
    /// Make the copy what the sources are now, whatever an interrupted run
    /// left in it.
    pub(super) fn sync(source: &Path, copy: &Path) -> Result<Self> {
        let files = listed(source)?;
        for file in &files {
            let content = read(&source.join(file))?;
            write_if_changed(&copy.join(file), &content)?;
        }
        remove_others(copy, copy, &files)?;
        Ok(Self {
            copy: copy.to_owned(),
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.copy
    }

    /// Do something while a fault is in the copy.
    pub(super) fn with<T>(&self, fault: &Fault, act: impl FnOnce() -> T) -> Result<T> {
        let mut originals = Vec::new();
        let broken = edit::apply(&fault.edits, |file| {
            let text = fs::read_to_string(self.copy.join(file))
                .with_context(|| format!("cannot read {}", self.copy.join(file).display()))?;
            originals.push((file.to_owned(), text.clone()));
            Ok::<_, anyhow::Error>(text)
        })?;
        for (file, text) in &broken {
            write_if_changed(&self.copy.join(file), text.as_bytes())?;
        }
        let done = act();
        for (file, text) in &originals {
            write_if_changed(&self.copy.join(file), text.as_bytes())?;
        }
        Ok(done)
    }
}

/// Every file that git has or would have: not what it ignores.
fn listed(source: &Path) -> Result<BTreeSet<PathBuf>> {
    let names = Invocation::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .dir(source)
        .stdout()
        .context("cannot list the sources; seeded faults need a git work tree")?;
    let files: BTreeSet<PathBuf> = names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        // One that was removed and not committed is still listed.
        .filter(|file| source.join(file).is_file())
        .collect();
    ensure!(
        files.contains(Path::new("Cargo.toml")),
        "{} has no Cargo.toml that git knows",
        source.display()
    );
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write_if_changed(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        harness::atomic::write(path, content)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Remove what the sources no longer have.
fn remove_others(root: &Path, folder: &Path, files: &BTreeSet<PathBuf>) -> Result<()> {
    let list = || format!("cannot list {}", folder.display());
    for entry in fs::read_dir(folder).with_context(list)? {
        let entry = entry.with_context(list)?;
        let path = entry.path();
        if entry.file_type().with_context(list)?.is_dir() {
            remove_others(root, &path, files)?;
        } else if path
            .strip_prefix(root)
            .is_ok_and(|file| !files.contains(file))
        {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Fault, Tree};
    use crate::{process::Invocation, teeth::fault::Edit};
    use std::{fs, time::SystemTime};

    #[test]
    fn a_fault_is_in_the_copy_only_while_it_is_wanted_and_cargo_sees_it_go() {
        let folder = tempfile::tempdir().unwrap();
        let (source, copy) = (folder.path().join("source"), folder.path().join("copy"));
        fs::create_dir_all(source.join("src")).unwrap();
        for (name, text) in [
            ("Cargo.toml", "[package]"),
            (".gitignore", "target"),
            ("target", "built"),
            ("src/a.rs", "let a = 1;"),
            ("src/gone.rs", ""),
        ] {
            fs::write(source.join(name), text).unwrap();
        }
        let git = Invocation::new("git")
            .args(["init", "--quiet"])
            .dir(&source);
        git.run_quietly().unwrap();
        Tree::sync(&source, &copy).unwrap();
        assert!(!copy.join("target").exists());
        fs::remove_file(source.join("src/gone.rs")).unwrap();
        let time = |name: &str| fs::metadata(copy.join(name)).unwrap().modified().unwrap();
        let kept = time("Cargo.toml");
        let tree = Tree::sync(&source, &copy).unwrap();
        assert!(!copy.join("src/gone.rs").exists());
        assert_eq!(time("Cargo.toml"), kept);

        let fault = Fault {
            name: "f".into(),
            breaks: "b".into(),
            edits: vec![Edit {
                file: "src/a.rs".into(),
                find: "1".into(),
                replace: "2".into(),
            }],
            cells: Vec::new(),
        };
        let text = || fs::read_to_string(copy.join("src/a.rs")).unwrap();
        let before = SystemTime::now();
        let broken = tree.with(&fault, || (text(), time("src/a.rs"))).unwrap();
        assert_eq!(broken.0, "let a = 2;");
        assert_eq!(text(), "let a = 1;");
        assert!(
            time("src/a.rs") >= broken.1 && broken.1 >= before - std::time::Duration::from_secs(1)
        );
        assert_eq!(
            fs::read_to_string(source.join("src/a.rs")).unwrap(),
            "let a = 1;"
        );
    }
}
