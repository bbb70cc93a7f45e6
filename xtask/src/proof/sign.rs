//! What people sign: sign-offs, attestations, waivers.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result};
use evidence::{
    Age, Identity, Moment,
    bundle::{Manifest, folder},
    canonical, collect,
    sign::{Attestation, Claim, Envelope, Resource, SecretKey, Statement, Waiver},
};

use super::keys;
use crate::exit_code::{ExitCode, OrExit as _};

/// Sign the root of a bundle.
#[derive(Debug, clap::Args)]
pub(crate) struct SignOffArgs {
    /// The bundle.
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// Your key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// As what you sign.
    #[arg(long, value_name = "ROLE")]
    role: String,
}

/// Sign a statement.
#[derive(Debug, clap::Args)]
pub(crate) struct AttestArgs {
    /// What it is about, such as `agent=sha256:…`; may be repeated.
    #[arg(long = "subject", value_name = "NAME=IDENTITY", required = true, value_parser = subject)]
    subjects: Vec<(String, Identity)>,
    /// As what you sign.
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// What you state, word for word as the checklist has it.
    #[arg(long, value_name = "TEXT")]
    states: String,
    /// Your key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where it goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Sign a waiver.
#[derive(Debug, clap::Args)]
pub(crate) struct WaiveArgs {
    /// The bundle in which the item fails: the waiver is for the same build.
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// The item.
    #[arg(long, value_name = "ID")]
    item: String,
    /// Who writes it, by the name of their key.
    #[arg(long, value_name = "NAME")]
    author: String,
    /// Who sees to it that the item gets mended.
    #[arg(long, value_name = "NAME")]
    owner: String,
    /// Why it fails.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// What is done meanwhile instead.
    #[arg(long, value_name = "TEXT")]
    compensating_control: String,
    /// For how long, at most 30days.
    #[arg(long = "for", value_name = "SPAN")]
    span: Age,
    /// The author's key and the approver's.
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
    /// Where it goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn subject(text: &str) -> Result<(String, Identity), String> {
    let (name, identity) = text.split_once('=').ok_or("expected NAME=IDENTITY")?;
    let identity: Identity = identity.parse().map_err(|error| format!("{error}"))?;
    Ok((name.to_owned(), identity))
}

fn now() -> Moment {
    Moment::at(SystemTime::now())
}

pub(super) fn sign_off(args: &SignOffArgs) -> Result<ExitCode> {
    let key = keys::read(&args.key)?;
    let mut files = folder::read(&args.bundle).or_exit(ExitCode::Infrastructure)?;
    let name =
        collect::sign_off(&mut files, &args.role, now(), &key).or_exit(ExitCode::Infrastructure)?;
    write(&args.bundle.join(&name), &files[&name])?;
    Ok(ExitCode::Ok)
}

pub(super) fn attest(args: &AttestArgs) -> Result<ExitCode> {
    let subjects = args.subjects.iter();
    let subjects = subjects.map(|(name, identity)| Resource::new(name, identity));
    let claim = Attestation {
        role: args.role.clone(),
        states: args.states.clone(),
        at: now(),
    };
    let statement = Statement::new(subjects.collect(), claim);
    seal(&args.out, &statement, &[keys::read(&args.key)?])
}

pub(super) fn waive(args: &WaiveArgs) -> Result<ExitCode> {
    let path = args.bundle.join("manifest.json");
    let bytes = std::fs::read(&path)
        .with_context(|| format!("cannot read {}", path.display()))
        .or_exit(ExitCode::Usage)?;
    let manifest: Manifest = canonical::read(&bytes).or_exit(ExitCode::Usage)?;
    let subjects = manifest.subjects.iter();
    let subjects = subjects.map(|(name, identity)| Resource::new(name, identity));
    let issued = now();
    let claim = Waiver {
        item: args.item.clone(),
        author: args.author.clone(),
        owner: args.owner.clone(),
        reason: args.reason.clone(),
        compensating_control: args.compensating_control.clone(),
        issued,
        expires: issued.after(args.span.0),
    };
    let statement = Statement::new(subjects.collect(), claim);
    let keys: Result<Vec<SecretKey>> = args.keys.iter().map(|path| keys::read(path)).collect();
    seal(&args.out, &statement, &keys?)
}

fn seal<C: Claim>(out: &Path, statement: &Statement<C>, keys: &[SecretKey]) -> Result<ExitCode> {
    let keys: Vec<&SecretKey> = keys.iter().collect();
    let envelope = Envelope::seal(statement, &keys).or_exit(ExitCode::Infrastructure)?;
    write(out, &envelope.to_bytes()?)?;
    Ok(ExitCode::Ok)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make {}", parent.display()))
            .or_exit(ExitCode::Infrastructure)?;
    }
    harness::atomic::write(path, bytes)
        .with_context(|| format!("cannot write {}", path.display()))
        .or_exit(ExitCode::Infrastructure)
}
