//! Which build, commit, policy … this is.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::{CollectError, run};
use crate::{
    checklist::{Checklist, Command, SubjectFrom},
    digest::{Digest, Identity},
    moment::Age,
    predicate::command::End,
};

/// A build may be among the commands.
const TIMEOUT: Age = Age(Duration::from_mins(30));
const MOST_BYTES: usize = 16 << 20;

pub(super) fn identify(
    checklist: &Checklist,
    folder: &Path,
) -> Result<BTreeMap<String, Identity>, CollectError> {
    let all = checklist.subjects.iter().map(|(name, subject)| {
        let identity = of(&subject.from, folder).map_err(|why| CollectError::Subject {
            name: name.clone(),
            why,
        })?;
        Ok((name.clone(), identity))
    });
    all.collect()
}

fn of(from: &SubjectFrom, folder: &Path) -> Result<Identity, String> {
    match from {
        SubjectFrom::File(path) => of_file(&folder.join(path)),
        SubjectFrom::CommitOf(path) => commit(&folder.join(path)),
        SubjectFrom::OutputOf(argv) => Ok(Identity::Sha256(Digest::of(&output(argv, folder)?))),
        SubjectFrom::NamedBy { command, name } => {
            let output = output(command, folder)?;
            let text = String::from_utf8_lossy(&output);
            let mut lines = text.lines().map(Path::new);
            let named =
                lines.find(|line| line.file_name().is_some_and(|last| last == name.as_str()));
            let shown = command.join(" ");
            let path = named.ok_or_else(|| format!("`{shown}` names no file `{name}`"))?;
            of_file(&folder.join(path))
        }
    }
}

fn of_file(path: &Path) -> Result<Identity, String> {
    let bytes =
        std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(Identity::Sha256(Digest::of(&bytes)))
}

fn commit(folder: &Path) -> Result<Identity, String> {
    let git = |arguments: &[&str]| {
        let argv = ["git"].iter().chain(arguments).map(ToString::to_string);
        output(&argv.collect::<Vec<_>>(), folder)
    };
    let commit = String::from_utf8_lossy(&git(&["rev-parse", "HEAD"])?)
        .trim()
        .to_owned();
    // As `git describe --dirty` sees it: files that git does not know are not
    // part of what is built.
    let dirty = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Ok(Identity::GitCommit { commit, dirty })
}

fn output(argv: &[String], folder: &Path) -> Result<Vec<u8>, String> {
    let command = Command {
        argv: argv.to_vec(),
        timeout: TIMEOUT,
        most_bytes: MOST_BYTES,
    };
    let ran = run::run(&command, folder);
    match ran.record.end {
        End::Exited(0) if !ran.record.stdout.cut => Ok(ran.stdout),
        _ => Err(format!("`{}`: {}", argv.join(" "), ran.tail())),
    }
}
