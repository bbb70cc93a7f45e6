//! `cargo xtask deny`: licences, sources, banned crates and advisories of the
//! dependencies, by cargo-deny with `deny.toml`.

use anyhow::{Result, anyhow};

use crate::exit_code::{ExitCode, OrExit as _};
use crate::process::Invocation;
use crate::progress::Stages;
use crate::workspace;

/// What `cargo xtask test` says where cargo-deny is missing.
pub(crate) const NOT_INSTALLED: &str = "cargo-deny is not installed; see `cargo xtask deny --help`";

/// What to do where cargo-deny is missing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Install cargo-deny first if it is missing; compiles for some minutes.
    #[arg(long)]
    install: bool,
}

/// The task: everything cargo-deny checks, advisories included, which it
/// downloads.
pub fn run(args: &Args) -> Result<ExitCode> {
    let stages = Stages::new("deny");
    if !is_installed() {
        if !args.install {
            return Err(anyhow!(
                "cargo-deny is not installed; run `cargo xtask deny --install`"
            ))
            .or_exit(ExitCode::Infrastructure);
        }
        let stage = stages.start("cargo-deny");
        stage.announce("compiling it …");
        Invocation::cargo()
            .args(["install", "cargo-deny", "--locked"])
            .run(|line| stage.line(line))
            .or_exit(ExitCode::Infrastructure)?;
        stage.done("installed");
    }
    let stage = stages.start("dependencies");
    cargo_deny()
        .args(["check"])
        .run(|line| stage.line(line))
        .or_exit(ExitCode::Failed)?;
    stage.done("licences, sources, bans and advisories passed");
    Ok(ExitCode::Ok)
}

/// Whether cargo finds it.
pub(crate) fn is_installed() -> bool {
    Invocation::cargo()
        .args(["deny", "--version"])
        .run_quietly()
        .is_ok()
}

/// All but the advisories, whose database is not where the crates are: a
/// machine that reaches only a registry can run this part.
pub(crate) fn without_advisories() -> Invocation {
    cargo_deny().args(["check", "bans", "licenses", "sources"])
}

fn cargo_deny() -> Invocation {
    Invocation::cargo().arg("deny").dir(workspace::root())
}
