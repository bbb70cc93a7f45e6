//! `cargo xtask evidence collect`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow};
use evidence::{
    Moment,
    bundle::folder,
    collect::{Request, collect, sign_off},
    sign::SecretKey,
};

use super::{
    checklist::{self, Found},
    keys, verify,
};
use crate::{
    exit_code::{ExitCode, OrExit as _},
    progress::Stages,
};

/// Run and read what a checklist asks for, and sign what was found. What could
/// not be had is in the bundle as missing, with the reason.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The checklist: the path of one, or the name of a shipped one.
    #[arg(long, value_name = "FILE|NAME")]
    checklist: String,
    /// Where the bundle goes; must not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    by: By,
}

/// Who collects, and what else goes in.
#[derive(Debug, clap::Args)]
pub(crate) struct By {
    /// The collector's key.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Use keys that this machine makes for itself, and sign off with them; the
    /// reports say so.
    #[arg(long, conflicts_with = "key")]
    pub(crate) dev_keys: bool,
    /// A signed waiver to take along; may be repeated.
    #[arg(long = "waiver", value_name = "FILE")]
    waivers: Vec<PathBuf>,
    /// The bundle before this one, to continue its chain.
    #[arg(long, value_name = "DIR")]
    previous: Option<PathBuf>,
}

/// The task.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let found = checklist::find(&args.checklist)?;
    into(&found, &args.out, &args.by)?;
    eprintln!("{}", args.out.display());
    Ok(ExitCode::Ok)
}

/// Collect into this folder.
pub(crate) fn into(found: &Found, out: &Path, by: &By) -> Result<()> {
    if out.exists() {
        return Err(anyhow!(
            "{} is there already: name another folder, or remove it",
            out.display()
        ))
        .or_exit(ExitCode::Usage);
    }
    let key = by.secret()?;
    let read = |path: &PathBuf| {
        std::fs::read(path)
            .with_context(|| format!("cannot read the waiver {}", path.display()))
            .or_exit(ExitCode::Usage)
    };
    let stages = Stages::new("evidence");
    let request = Request {
        checklist: &found.checklist,
        checklist_text: &found.text,
        folder: &found.folder,
        previous: by.previous.as_deref().map(verify::link).transpose()?,
        waivers: by.waivers.iter().map(read).collect::<Result<_>>()?,
        key: &key,
        progress: &|text| stages.note(text),
    };
    let mut files = collect(&request).or_exit(ExitCode::Infrastructure)?;
    if by.dev_keys {
        let now = Moment::at(SystemTime::now());
        sign_off(&mut files, keys::DEVELOPMENT_ROLE, now, &key)
            .or_exit(ExitCode::Infrastructure)?;
    }
    folder::write(out, &files).or_exit(ExitCode::Infrastructure)
}

impl By {
    fn secret(&self) -> Result<SecretKey> {
        match &self.key {
            Some(path) => keys::read(path),
            None if self.dev_keys => keys::read(&keys::development()?.key),
            None => Err(anyhow!(
                "whose evidence is it? Name the collector's --key, or --dev-keys to try it out"
            ))
            .or_exit(ExitCode::Usage),
        }
    }
}
