//! `cargo xtask evidence verify`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use evidence::{
    Digest, Trust,
    bundle::{Bundle, Manifest, folder, verify},
    canonical,
    evaluate::sign_offs,
};
use serde::Serialize;

use super::keys;
use crate::{
    exit_code::{ExitCode, OrExit as _},
    output,
};

/// Check a bundle offline. It asks no clock: whether evidence is fresh is for
/// `cargo xtask gate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bundle.
    bundle: PathBuf,
    /// Whose signatures count [default: the development keys of this machine].
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// The bundle that must come right before this one in its chain.
    #[arg(long, value_name = "DIR")]
    previous: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Verified {
    accepted: bool,
    evidence_root: Option<Digest>,
    refused_because: Vec<String>,
}

/// The task.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let trust = trust(args.trust.as_deref())?;
    let verified = match read(&args.bundle, &trust)? {
        Ok(bundle) => {
            let mut problems = missing_sign_offs(&bundle, &trust);
            if let Some(previous) = &args.previous {
                problems.extend(broken_link(&bundle, link(previous)?));
            }
            Verified {
                accepted: problems.is_empty(),
                evidence_root: Some(bundle.root),
                refused_because: problems,
            }
        }
        Err(refusal) => Verified {
            accepted: false,
            evidence_root: None,
            refused_because: vec![refusal],
        },
    };
    if args.json {
        output::print_json(&verified)?;
    } else {
        output::print(&text(&verified))?;
    }
    Ok(if verified.accepted {
        ExitCode::Ok
    } else {
        ExitCode::Failed
    })
}

fn text(verified: &Verified) -> String {
    let verdict = if verified.accepted {
        "accepted"
    } else {
        "REFUSED"
    };
    let root = verified.evidence_root;
    let mut lines = vec![match root {
        Some(root) => format!("{verdict}: evidence root {root}"),
        None => verdict.to_owned(),
    }];
    let why = verified.refused_because.iter();
    lines.extend(why.map(|why| format!("  {why}")));
    lines.join("\n") + "\n"
}

/// The trust file, or the development one.
pub(crate) fn trust(path: Option<&Path>) -> Result<Trust> {
    match path {
        Some(path) => keys::trust(path),
        None => keys::trust(&keys::development()?.trust),
    }
}

/// A bundle that can be believed, or why not. An error when its files cannot
/// even be read.
pub(crate) fn read(path: &Path, trust: &Trust) -> Result<Result<Bundle, String>> {
    let files = match folder::read(path) {
        Ok(files) => files,
        Err(error @ evidence::bundle::FolderError::Odd { .. }) => {
            return Ok(Err(error.to_string()));
        }
        Err(error) => return Err(error).or_exit(ExitCode::Infrastructure),
    };
    Ok(verify(&files, trust).map_err(|refusal| refusal.to_string()))
}

fn missing_sign_offs(bundle: &Bundle, trust: &Trust) -> Vec<String> {
    sign_offs(bundle, trust)
        .into_iter()
        .filter(|role| role.signed.len() < role.at_least)
        .map(|role| {
            let (signed, at_least) = (role.signed.len(), role.at_least);
            format!("signed off by {signed} as `{}`; {at_least} must", role.role)
        })
        .collect()
}

/// The root and the number of the bundle before.
pub(crate) fn link(path: &Path) -> Result<(Digest, u64)> {
    let path = path.join("manifest.json");
    let bytes = std::fs::read(&path)
        .with_context(|| format!("cannot read {}", path.display()))
        .or_exit(ExitCode::Usage)?;
    let manifest: Manifest = canonical::read(&bytes)
        .with_context(|| path.display().to_string())
        .or_exit(ExitCode::Usage)?;
    Ok((Digest::of(&bytes), manifest.sequence))
}

fn broken_link(bundle: &Bundle, (root, number): (Digest, u64)) -> Option<String> {
    let manifest = &bundle.manifest;
    let named = manifest.previous.as_ref().map(|previous| previous.root);
    let follows = named == Some(root) && manifest.sequence == number + 1;
    (!follows).then(|| {
        let named = named.map_or("none".into(), |root| root.to_string());
        format!(
            "it is number {} after {named}, not after number {number}, {root}",
            manifest.sequence
        )
    })
}
