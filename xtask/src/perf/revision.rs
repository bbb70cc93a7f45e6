//! The agent of another commit.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    build,
    exit_code::{ExitCode, OrExit as _},
    workspace,
};

/// Digits of a commit's name in reports and folders.
const SHORT: usize = 12;

/// The commit that a revision names, in short.
pub(super) fn resolve(revision: &str) -> Result<String> {
    let commit = format!("{revision}^{{commit}}");
    let output = Command::new("git")
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
        .arg(commit)
        .current_dir(workspace::root())
        .output()
        .context("cannot run git")
        .or_exit(ExitCode::Infrastructure)?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || name.len() < SHORT {
        let problem = anyhow::anyhow!("{revision:?} names no commit of this repository");
        return Err(problem).or_exit(ExitCode::Usage);
    }
    Ok(name[..SHORT].to_owned())
}

/// The agent of a commit, built from a copy of its sources below `folder`; kept
/// there, because a commit never changes.
pub(super) fn agent(commit: &str, folder: &Path, options: &build::Options) -> Result<PathBuf> {
    let own = folder.join(commit);
    let kept = own.join("aegisbpf");
    if kept.is_file() {
        return Ok(kept);
    }
    let sources = own.join("sources");
    export(commit, &sources)
        .with_context(|| format!("cannot copy the sources of {commit}"))
        .or_exit(ExitCode::Infrastructure)?;
    let options = build::Options {
        source_root: sources.clone(),
        // Dependencies are built once for all commits.
        target_dir: folder.join("target"),
        ..options.clone()
    };
    let built = build::build_agent(&options)
        .with_context(|| format!("the agent of {commit} cannot be built"))?;
    let copied = fs::copy(&built, own.join("aegisbpf.new"))
        .and_then(|_| fs::rename(own.join("aegisbpf.new"), &kept));
    copied
        .with_context(|| format!("cannot keep {}", kept.display()))
        .or_exit(ExitCode::Infrastructure)?;
    // Nobody needs them any more.
    let _ = fs::remove_dir_all(&sources);
    Ok(kept)
}

/// The sources of a commit, as it has them.
fn export(commit: &str, to: &Path) -> Result<()> {
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => bail!(error),
        _ => fs::create_dir_all(to)?,
    }
    let mut archive = Command::new("git")
        .args(["archive", "--format=tar", commit])
        .current_dir(workspace::root())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = archive.stdout.take().context("git has no output")?;
    let unpacked = tar::Archive::new(stdout).unpack(to);
    let ended = archive.wait()?;
    unpacked?;
    ensure!(ended.success(), "git archive ended with {ended}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn what_is_no_commit_is_refused_by_name() {
        for revision in ["no-such-branch", "--help", "HEAD:Cargo.toml"] {
            let error = resolve(revision).unwrap_err().to_string();
            assert!(error.contains(revision), "{error}");
        }
    }
}
