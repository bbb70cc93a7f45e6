//! Faults that are put into a copy of the agent, for tasks of their own kind.

use std::fs;

use anyhow::{Context as _, Result};
use kernel_matrix::UnknownName;
use serde::Deserialize;

use super::{
    fault::{Edit, Fault},
    tree::Tree,
};
use crate::{
    build::{self, Artifacts},
    exit_code::{ExitCode, OrExit as _},
    workspace,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultFile {
    breaks: String,
    #[serde(rename = "edit")]
    edits: Vec<Edit>,
}

/// Build everything from a copy of the sources with this fault.
pub(crate) fn build_with(
    folder: &str,
    name: &str,
    options: &mut build::Options,
) -> Result<Artifacts> {
    let fault = read(folder, name).or_exit(ExitCode::Usage)?;
    let target = workspace::target_dir().join("teeth");
    let tree =
        Tree::sync(&workspace::root(), &target.join("tree")).or_exit(ExitCode::Infrastructure)?;
    tree.path().clone_into(&mut options.source_root);
    options.target_dir = target.join("target");
    eprintln!("{}: {}", fault.name, fault.breaks);
    tree.with(&fault, || build::build(options))
        .or_exit(ExitCode::Infrastructure)?
        .or_exit(ExitCode::Infrastructure)
}

fn read(folder: &str, name: &str) -> Result<Fault> {
    let folder = workspace::root().join(folder);
    let mut known = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if stem != name {
            known.push(stem.into_owned());
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let file: FaultFile = toml::from_str(&text).with_context(|| path.display().to_string())?;
        return Ok(Fault {
            name: name.to_owned(),
            breaks: file.breaks,
            edits: file.edits,
            cells: Vec::new(),
        });
    }
    Err(UnknownName::new("fault", name, &known).into())
}
